//! Why something could not be kept or read.

use std::{
    io,
    path::{Path, PathBuf},
};

use hostler_capability::StoreError;
use rusqlite::ErrorCode;
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
    /// There is no room.
    #[error("{path}: the file system is full; make room and run again")]
    Full {
        /// What could not be written.
        path: PathBuf,
    },
    /// A database in it is not what was written.
    #[error(
        "{path}: it is damaged ({problem}); move it away, with the files of its name that end in -wal and -shm, to begin a \
         new one; nothing is deleted here"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        problem: String,
    },
    /// A database in it cannot be used, or is of another version.
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
    /// A plugin asks for more than a host keeps in its memory.
    #[error("more than {most} {what} answer the question; ask for a later time or a longer step")]
    TooMany {
        /// Points or runs.
        what: &'static str,
        /// How many there may be.
        most: u64,
    },
}

impl RecordError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::File { path, problem: error.to_string() },
        }
    }

    pub(crate) fn database(path: &Path) -> impl Fn(rusqlite::Error) -> Self {
        let path = path.to_owned();
        move |error| {
            let path = path.clone();
            let problem = error.to_string();
            let advice = match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => return Self::Damaged { path, problem },
                Some(ErrorCode::DiskFull) => return Self::Full { path },
                // The index of the write-ahead log is mapped memory: on a full disk it fails as input and output.
                Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) if no_room(&path) => {
                    return Self::Full { path };
                }
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                    "; it cannot be written: check its owner and permissions"
                }
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                    "; another host has kept it for ten seconds: run again when that one has ended"
                }
                _ => "",
            };
            Self::Database { path, problem: format!("{problem}{advice}") }
        }
    }
}

fn no_room(path: &Path) -> bool {
    let directory = path.parent().unwrap_or(path);
    rustix::fs::statvfs(directory).is_ok_and(|figures| figures.f_bavail == 0)
}

impl From<RecordError> for StoreError {
    fn from(error: RecordError) -> Self {
        Self(error.to_string())
    }
}
