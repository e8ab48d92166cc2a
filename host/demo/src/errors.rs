//! Why the demonstration could not be set up.

use thiserror::Error;

/// What went wrong, and what to do.
#[derive(Debug, Error)]
pub enum DemoError {
    /// There is no PostgreSQL to be had.
    #[error(
        "there is no PostgreSQL on this machine, and this hostler was built without the embedded one; install the \
         package postgresql, give --postgres DSN, or build with --features embedded-postgres (`make demo` does)"
    )]
    NoPostgres,
    /// A server did not start.
    #[error("{what} did not start: {problem}")]
    Start {
        /// The server.
        what: &'static str,
        /// Why.
        problem: String,
    },
    /// The database refused something.
    #[error("the shop's database could not be made: {0}")]
    Database(String),
    /// Redis refused something.
    #[error("the shop's cache could not be filled: {0}")]
    Cache(#[from] redis::RedisError),
    /// A file could not be written.
    #[error("the shop's files could not be written: {0}")]
    Files(#[from] std::io::Error),
    /// A certificate could not be made.
    #[error("the shop's certificate could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
}

impl From<tokio_postgres::Error> for DemoError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned()))
    }
}
