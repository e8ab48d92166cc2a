//! What can go wrong when the machine is asked.

use std::io;

use hostler_capability::{Error, failed};
use thiserror::Error as ThisError;

/// Why a figure could not be told.
#[derive(Debug, ThisError)]
pub enum Problem {
    /// A file of the kernel's cannot be read.
    #[error("{file} cannot be read: {source}; the host needs /proc and /sys as the kernel shows them")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the kernel's does not say what it should.
    #[error("{file} does not tell {what}")]
    Untold {
        /// The file.
        file: &'static str,
        /// What was looked for.
        what: &'static str,
    },
    /// A bound directory cannot be opened.
    #[error("directory.{resource} cannot be opened: {source}; see its path in the configuration")]
    Directory {
        /// The resource's name.
        resource: String,
        /// What the system said.
        source: io::Error,
    },
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        let message = problem.to_string();
        match problem {
            Problem::Unreadable { .. } | Problem::Directory { .. } => Self::Unavailable(message),
            Problem::Untold { .. } => failed("untold", message),
        }
    }
}

/// Reads a file of the kernel's as text; what is not UTF-8 in it (names of processes and mounts) is replaced.
pub(crate) fn read(file: &str) -> Result<String, Problem> {
    let bytes = std::fs::read(file).map_err(|source| Problem::Unreadable { file: file.into(), source })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
