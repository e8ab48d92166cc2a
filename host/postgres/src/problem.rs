//! What is wrong with a resource's own configuration: in full for its operator, and without paths for a plugin.

use hostler_configuration::{DsnError, FileError, ServiceError};
use thiserror::Error;

/// What is wrong, and what to do; never with a value of the resource's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// Something in the connection string, in words.
    #[error("{0}")]
    Words(String),
    /// A file that the resource names.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its connection service file.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A connection string that is none.
    #[error(transparent)]
    Dsn(#[from] DsnError),
}

impl Problem {
    /// The same for a plugin, which learns of no path of this machine.
    #[must_use]
    pub fn without_path(&self) -> String {
        match self {
            Self::File(error) => error.without_path(),
            Self::Service(error) => error.without_path(),
            Self::Words(_) | Self::Dsn(_) => self.to_string(),
        }
    }
}

impl From<String> for Problem {
    fn from(words: String) -> Self {
        Self::Words(words)
    }
}

impl From<&str> for Problem {
    fn from(words: &str) -> Self {
        Self::Words(words.into())
    }
}
