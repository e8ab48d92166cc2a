//! What tasks remember, in SQLite: each value durable when `set` returns.
//!
//! A file of its own, because the end of a run need not survive a power cut, and what a task remembers has to: a cursor
//! that falls back repeats work.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use hostler_capability::{StateStore, StoreError};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    RecordError,
    database::{Database, Kind},
};

const VERSION_1: &str = "
    CREATE TABLE IF NOT EXISTS state (
        task TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (task, key)
    ) STRICT, WITHOUT ROWID";

const STATE: Kind = Kind { schema: &[VERSION_1], waits_for_the_disk: true };

/// The file, opened when it is first used.
pub(crate) struct StateFile(Database);

impl StateFile {
    pub(crate) fn new(path: &Path) -> Self {
        Self(Database::new(path, STATE))
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, RecordError> {
        self.0.with(|connection| work(connection))
    }
}

/// One task's values, kept.
pub(crate) struct Durable {
    file: Arc<StateFile>,
    task: String,
}

impl Durable {
    pub(crate) fn new(file: &Arc<StateFile>, task: &str) -> Self {
        Self { file: file.clone(), task: task.into() }
    }

    /// SQLite waits for the disk, so it is called on a thread that may wait.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &str) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (file, task) = (self.file.clone(), self.task.clone());
        let done = tokio::task::spawn_blocking(move || file.with(|connection| work(connection, &task))).await;
        Ok(done.map_err(|error| StoreError(error.to_string()))??)
    }
}

#[async_trait]
impl StateStore for Durable {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let key = key.to_owned();
        self.with(move |connection, task| {
            connection
                .prepare_cached("SELECT value FROM state WHERE task = ?1 AND key = ?2")?
                .query_row(params![task, key], |row| row.get(0))
                .optional()
        })
        .await
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.with(move |connection, task| {
            connection
                .prepare_cached("INSERT OR REPLACE INTO state VALUES (?1, ?2, ?3)")?
                .execute(params![task, key, value])
        })
        .await
        .map(drop)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.with(move |connection, task| {
            connection.prepare_cached("DELETE FROM state WHERE task = ?1 AND key = ?2")?.execute(params![task, key])
        })
        .await
        .map(drop)
    }

    async fn size(&self) -> Result<u64, StoreError> {
        self.with(|connection, task| {
            let sum = "SELECT coalesce(sum(length(CAST(key AS BLOB)) + length(value)), 0) FROM state WHERE task = ?1";
            connection.prepare_cached(sum)?.query_row(params![task], |row| row.get::<_, i64>(0))
        })
        .await
        .map(i64::unsigned_abs)
    }
}
