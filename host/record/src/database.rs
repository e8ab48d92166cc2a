//! One SQLite file: opened when it is first used, quickly, and set up once.
//!
//! A whole command of the host's takes a few milliseconds, so opening is a few system calls: what persists in the file
//! (write-ahead log, schema) is set only where the version says that it is not there yet. The last connection to close
//! leaves the write-ahead log as it is, because writing it back waits for the disk twice; it is written back whenever
//! it has grown to some pages.

use std::{
    fs::OpenOptions,
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, config::DbConfig};
use rustix::fs::{FlockOperation, flock};

use crate::{RecordError, held};

/// How long another process's transaction is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a file is, and how durable its transactions are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// A script for each version of the schema. One that was released is never changed; a new version is another.
    pub schema: &'static [&'static str],
    /// Whether a transaction waits for the disk.
    pub waits_for_the_disk: bool,
}

/// One connection to the file, made when it is first needed.
pub(crate) struct Database {
    path: PathBuf,
    kind: Kind,
    connection: Mutex<Option<Connection>>,
}

impl Database {
    /// A connection that is not made yet.
    pub(crate) fn new(path: &Path, kind: Kind) -> Self {
        Self { path: path.into(), kind, connection: Mutex::default() }
    }

    /// Works on the connection.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, RecordError> {
        let mut connection = held(&self.connection);
        let connection = match &mut *connection {
            Some(connection) => connection,
            empty => empty.insert(self.open()?),
        };
        work(connection).map_err(RecordError::database(&self.path))
    }

    /// Works on the connection in one transaction, which has the write lock from its beginning.
    pub(crate) fn change<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, RecordError> {
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })
    }

    fn open(&self) -> Result<Connection, RecordError> {
        let wrong = RecordError::database(&self.path);
        // Before it is opened: where SQLite finds no file it tries again to read alone, and another host may have made
        // one meanwhile. The connection could never write then.
        if !self.path.exists() {
            self.create()?;
        }
        let mut connection = self.connect().map_err(&wrong)?;
        let found = version(&connection).map_err(&wrong)?;
        let known = self.kind.schema.len();
        if found > known {
            let problem =
                format!("it was written by a newer hostler (version {found}; this one knows {known}); use that one");
            return Err(RecordError::Database { path: self.path.clone(), problem });
        }
        if found < known {
            self.set_up(&mut connection)?;
        }
        Ok(connection)
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
        connection.execute_batch(match self.kind.waits_for_the_disk {
            true => "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 256",
            false => "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 256",
        })?;
        Ok(connection)
    }

    /// An empty file, which is an empty database. SQLite itself would let the group and others read it.
    fn create(&self) -> Result<(), RecordError> {
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(RecordError::file(&self.path)(error)),
            _ => Ok(()),
        }
    }

    /// Brings the schema up to date. Changing the journal's kind does not wait for other processes, so they are kept
    /// out by a lock of our own.
    fn set_up(&self, connection: &mut Connection) -> Result<(), RecordError> {
        let path = self.path.with_extension("setup");
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = opened.map_err(RecordError::file(&path))?;
        flock(&file, FlockOperation::LockExclusive).map_err(|error| RecordError::file(&path)(error.into()))?;
        let mut steps = || -> rusqlite::Result<()> {
            connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0))?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for (step, script) in self.kind.schema.iter().enumerate().skip(version(&transaction)?) {
                transaction.execute_batch(&format!("{script}; PRAGMA user_version = {}", step + 1))?;
            }
            transaction.commit()
        };
        steps().map_err(RecordError::database(&self.path))
    }
}

fn version(connection: &Connection) -> rusqlite::Result<usize> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    // A negative one is nobody's: newer than any that is known.
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

/// SQLite's integers are signed. What does not fit stands for more than anybody has.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Kind = Kind { schema: &["CREATE TABLE a (x)"], waits_for_the_disk: false };
    const TWO: Kind = Kind { schema: &["CREATE TABLE a (x)", "CREATE TABLE b (x)"], waits_for_the_disk: false };

    fn count(database: &Database, table: &str) -> Result<i64, RecordError> {
        let sql = format!("SELECT count(*) FROM {table}");
        database.with(|connection| connection.query_row(&sql, [], |row| row.get(0)))
    }

    #[test]
    fn an_older_schema_is_brought_up_to_date_and_a_newer_one_is_left_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.sqlite");
        let old = Database::new(&path, ONE);
        old.change(|change| change.execute("INSERT INTO a VALUES (1)", [])).expect("it is written");
        drop(old);
        let new = Database::new(&path, TWO);
        assert_eq!((count(&new, "a").expect("kept"), count(&new, "b").expect("made")), (1, 0));
        drop(new);
        let error = count(&Database::new(&path, ONE), "a").expect_err("it is newer");
        assert!(error.to_string().contains("version 2; this one knows 1"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_named_and_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.sqlite");
        let rubbish = b"this was never a database, and it is longer than a header".repeat(20);
        std::fs::write(&path, &rubbish).expect("written");
        let error = count(&Database::new(&path, ONE), "a").expect_err("it is damaged");
        assert!(matches!(&error, RecordError::Damaged { path: named, .. } if *named == path), "{error}");
        assert_eq!(std::fs::read(&path).expect("still there"), rubbish);
    }

    #[test]
    fn only_its_owner_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a directory");
        let database = Database::new(&directory.path().join("a.sqlite"), ONE);
        count(&database, "a").expect("it is made");
        let files: Vec<_> =
            std::fs::read_dir(directory.path()).expect("listed").map(|file| file.expect("an entry")).collect();
        assert!(files.len() >= 2, "the database and its write-ahead log");
        for file in files {
            let mode = file.metadata().expect("its metadata").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{:?}", file.file_name());
        }
    }
}
