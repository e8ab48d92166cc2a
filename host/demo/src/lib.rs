//! The demonstration: a small shop with real faults, on servers that are thrown away.
//!
//! It stands in a crate of its own because of what it brings: an embedded PostgreSQL, with a WebAssembly engine beside
//! the host's. Nothing of the host depends on it. It makes servers, data and a configuration; running the procedures
//! is the command line's own work, as it would be for any operator.

mod configuration;
mod errors;
mod files;
mod port;
mod postgres;
mod redis_server;
mod shop;

use std::path::{Path, PathBuf};

pub use errors::DemoError;
pub use postgres::Database;
pub use redis_server::Cache;

/// A shop, its servers, and the configuration that binds the tasks to them. The servers end when it is dropped.
pub struct Shop {
    /// Where everything is.
    pub directory: PathBuf,
    /// The configuration file.
    pub configuration: PathBuf,
    /// The database.
    pub database: Database,
    /// The cache, or why there is none.
    pub cache: Result<Cache, String>,
}

impl Shop {
    /// Opens the shop in a directory: on the PostgreSQL that `dsn` names, or on one of its own.
    ///
    /// # Errors
    /// Where a server does not start or the data cannot be made; it says what to do.
    pub async fn open(directory: &Path, dsn: Option<&str>) -> Result<Self, DemoError> {
        let database = Database::open(directory, dsn).await?;
        shop::fill_database(&database).await?;
        let cache = Cache::start(directory);
        if let Ok(cache) = &cache {
            shop::fill_cache(cache).await?;
        }
        files::write(directory)?;
        let configuration = configuration::write(directory, &database, cache.as_ref().ok())?;
        Ok(Self { directory: directory.into(), configuration, database, cache })
    }
}
