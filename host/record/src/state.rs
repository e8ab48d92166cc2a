//! What tasks remember, in SQLite: each value durable when `set` returns, and an overlay that is thrown away.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use hostler_capability::{StateStore, StoreError};
use rusqlite::{Connection, OptionalExtension, params};

use crate::RecordError;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS state (
        task TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (task, key)
    ) STRICT, WITHOUT ROWID";

/// The file, opened when it is first used.
pub(crate) struct StateFile {
    path: PathBuf,
    connection: Mutex<Option<Connection>>,
}

impl StateFile {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.into(), connection: Mutex::default() }
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, RecordError> {
        let wrong = RecordError::database(&self.path);
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if connection.is_none() {
            *connection = Some(self.open().map_err(&wrong)?);
        }
        let open = connection.as_ref().expect("it was opened above");
        work(open).map_err(wrong)
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open(&self.path)?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(SCHEMA)?;
        Ok(connection)
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
            connection.prepare_cached("INSERT OR REPLACE INTO state VALUES (?1, ?2, ?3)")?.execute(params![task, key, value])
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

/// A copy of a task's values that is thrown away: what was not changed is read from below.
pub(crate) struct Discarded {
    below: Durable,
    changed: Mutex<BTreeMap<String, Option<Vec<u8>>>>,
}

impl Discarded {
    pub(crate) fn over(below: Durable) -> Self {
        Self { below, changed: Mutex::default() }
    }

    fn changed(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Option<Vec<u8>>>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl StateStore for Discarded {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let changed = self.changed().get(key).cloned();
        match changed {
            Some(value) => Ok(value),
            None => self.below.get(key).await,
        }
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.changed().insert(key.to_owned(), Some(value.to_owned()));
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.changed().insert(key.to_owned(), None);
        Ok(())
    }

    async fn size(&self) -> Result<u64, StoreError> {
        let changed: usize = self.changed().iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum();
        Ok(self.below.size().await?.saturating_add(changed as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_copy_changes_nothing_and_tasks_do_not_see_each_other() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = Arc::new(StateFile::new(&directory.path().join("state.sqlite")));
        let one = Durable::new(&file, "one");
        one.set("cursor", b"7").await.expect("it is written");
        let copy = Discarded::over(Durable::new(&file, "one"));
        assert_eq!(copy.get("cursor").await.expect("it is read"), Some(b"7".to_vec()));
        copy.set("cursor", b"8").await.expect("in memory");
        copy.delete("other").await.expect("in memory");
        assert_eq!(copy.get("cursor").await.expect("it is read"), Some(b"8".to_vec()));
        assert_eq!(one.get("cursor").await.expect("it is read"), Some(b"7".to_vec()));
        assert_eq!(Durable::new(&file, "two").get("cursor").await.expect("it is read"), None);
        assert_eq!(one.size().await.expect("a sum"), 7);
    }
}
