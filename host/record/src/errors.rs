//! Why something could not be kept or read.

use std::path::{Path, PathBuf};

use hostler_capability::StoreError;
use thiserror::Error;

/// What went wrong, where, and what to do.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The state directory cannot be used.
    #[error("the state directory {path}: {problem}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A file in it cannot be read or written.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        problem: String,
    },
    /// A database in it is damaged, full, or of another version.
    #[error("{path}: {problem}")]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite says, and what to do.
        problem: String,
    },
    /// No run has that identifier, or several begin with it.
    #[error("{0}")]
    NoRun(String),
}

impl RecordError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::File { path, problem: error.to_string() }
    }

    pub(crate) fn database(path: &Path) -> impl Fn(rusqlite::Error) -> Self {
        let path = path.to_owned();
        move |error| {
            let advice = match error.sqlite_error_code() {
                Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                    "; it is damaged: move it away to begin a new one, nothing is deleted here"
                }
                Some(rusqlite::ErrorCode::DiskFull) => "; the file system is full: make room and run again",
                Some(rusqlite::ErrorCode::ReadOnly | rusqlite::ErrorCode::CannotOpen) => {
                    "; it cannot be written: check its owner and permissions"
                }
                _ => "",
            };
            Self::Database { path: path.clone(), problem: format!("{error}{advice}") }
        }
    }
}

impl From<RecordError> for StoreError {
    fn from(error: RecordError) -> Self {
        Self(error.to_string())
    }
}
