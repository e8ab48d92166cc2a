//! The history of runs, in SQLite with a write-ahead log.
//!
//! A run is one row from its beginning, so that a kill is told of; at its end the row, its metrics and its findings
//! are written in one transaction. The whole outcome is kept as the JSON that `--format json` prints, and beside it in
//! columns what is asked for by task, time or name.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use hostler_capability::{Finding, Metric, Severity};
use rusqlite::{Connection, params};

use crate::{FileLocks, RecordError};

const SCHEMA: &str = "
    CREATE TABLE run (
        id TEXT PRIMARY KEY, task TEXT NOT NULL, procedure TEXT, plugin TEXT NOT NULL, version TEXT NOT NULL,
        digest TEXT NOT NULL, mode TEXT NOT NULL, host TEXT NOT NULL, started_at INTEGER NOT NULL,
        course TEXT NOT NULL, verdict TEXT, duration_ms INTEGER, summary TEXT, document TEXT,
        audit_head TEXT, audit_lines INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX run_by_time ON run (started_at);
    CREATE INDEX run_by_task ON run (task, started_at);
    CREATE INDEX run_under_way ON run (course) WHERE course = 'running';
    CREATE TABLE metric (
        run TEXT NOT NULL REFERENCES run ON DELETE CASCADE, at INTEGER NOT NULL, task TEXT NOT NULL, name TEXT NOT NULL,
        labels TEXT NOT NULL, unit TEXT NOT NULL, value REAL NOT NULL, warning TEXT, critical TEXT
    ) STRICT;
    CREATE INDEX metric_by_run ON metric (run);
    CREATE INDEX metric_by_name ON metric (task, name, at);
    CREATE TABLE finding (
        run TEXT NOT NULL REFERENCES run ON DELETE CASCADE, severity TEXT NOT NULL, code TEXT NOT NULL, subject TEXT NOT NULL
    ) STRICT;
    CREATE INDEX finding_by_run ON finding (run);
    PRAGMA user_version = 1;
";

/// The newest shape that this host knows.
const VERSION: i64 = 1;

/// The history file, opened when it is first used.
pub struct History {
    path: PathBuf,
    locks: Arc<FileLocks>,
    connection: Mutex<Option<Connection>>,
}

/// A run that begins.
#[derive(Debug, Clone)]
pub struct RunStart<'a> {
    /// Its identifier.
    pub id: &'a str,
    /// The task.
    pub task: &'a str,
    /// The procedure that it is part of.
    pub procedure: Option<&'a str>,
    /// The plugin.
    pub plugin: &'a str,
    /// The plugin's version.
    pub version: &'a str,
    /// The SHA-256 of the plugin's file.
    pub digest: &'a str,
    /// `check` or `apply`.
    pub mode: &'a str,
    /// Milliseconds since the Unix epoch.
    pub started_at: u64,
}

/// A run that ends.
#[derive(Debug, Clone)]
pub struct RunEnd<'a> {
    /// Its identifier.
    pub id: &'a str,
    /// `done`, `failed`, `interrupted`.
    pub course: &'a str,
    /// Its verdict.
    pub verdict: Severity,
    /// How long it took.
    pub duration_ms: u64,
    /// In a line.
    pub summary: &'a str,
    /// The whole outcome, as JSON.
    pub document: &'a str,
    /// Its metrics.
    pub metrics: &'a [Metric],
    /// Its findings.
    pub findings: &'a [Finding],
    /// The audit's head and lines at its end.
    pub audit: (String, u64),
}

impl History {
    pub(crate) fn new(path: &Path, locks: &Arc<FileLocks>) -> Self {
        Self { path: path.into(), locks: locks.clone(), connection: Mutex::default() }
    }

    /// Records that a run begins.
    ///
    /// # Errors
    /// Where it cannot be written: then the run does not begin.
    pub fn begin(&self, run: &RunStart<'_>) -> Result<(), RecordError> {
        let sql = "INSERT INTO run (id, task, procedure, plugin, version, digest, mode, host, started_at, course)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'running')";
        self.with(|connection| {
            connection.prepare_cached(sql)?.execute(params![
                run.id, run.task, run.procedure, run.plugin, run.version, run.digest, run.mode,
                self.locks.host(), signed(run.started_at)
            ])
        })
        .map(drop)
    }

    /// Records how a run ended, in one transaction.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn end(&self, run: &RunEnd<'_>) -> Result<(), RecordError> {
        self.with(|connection| {
            let transaction = connection.unchecked_transaction()?;
            let sql = "UPDATE run SET course = ?2, verdict = ?3, duration_ms = ?4, summary = ?5, document = ?6,
                       audit_head = ?7, audit_lines = ?8 WHERE id = ?1 RETURNING task, started_at";
            let (task, at): (String, i64) = transaction.prepare_cached(sql)?.query_row(
                params![
                    run.id, run.course, run.verdict.word(), signed(run.duration_ms), run.summary, run.document,
                    run.audit.0, signed(run.audit.1)
                ],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let mut insert = transaction.prepare_cached("INSERT INTO metric VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
            for metric in run.metrics {
                let labels = serde_json::to_string(&metric.labels).unwrap_or_default();
                insert.execute(params![
                    run.id, at, task, metric.name, labels, metric.unit, metric.value, metric.warning, metric.critical
                ])?;
            }
            drop(insert);
            let mut insert = transaction.prepare_cached("INSERT INTO finding VALUES (?1, ?2, ?3, ?4)")?;
            for finding in run.findings.iter().filter(|finding| finding.severity != Severity::Ok) {
                insert.execute(params![run.id, finding.severity.word(), finding.code, finding.subject])?;
            }
            drop(insert);
            transaction.commit()
        })
    }

    /// Marks the runs whose host is gone as interrupted, and returns their identifiers and tasks.
    ///
    /// # Errors
    /// Where the history cannot be read or written.
    pub fn mark_interrupted(&self) -> Result<Vec<(String, String)>, RecordError> {
        let under_way: Vec<(String, String, String)> = self.with(|connection| {
            connection
                .prepare_cached("SELECT id, task, host FROM run WHERE course = 'running'")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect()
        })?;
        let mut gone = Vec::new();
        for (id, task, host) in under_way {
            if self.locks.lives(&host) {
                continue;
            }
            let sql = "UPDATE run SET course = 'interrupted', verdict = 'unknown',
                       summary = 'interrupted: its host ended in the middle' WHERE id = ?1 AND course = 'running'";
            if self.with(|connection| connection.execute(sql, [&id]))? == 1 {
                gone.push((id, task));
            }
        }
        Ok(gone)
    }

    /// Forgets runs beyond a number for each task, and beyond an age; never one under way.
    ///
    /// # Errors
    /// Where the history cannot be written.
    pub fn prune(&self, keep_runs: u64, keep_days: u64, now_ms: u64) -> Result<usize, RecordError> {
        let oldest = now_ms.saturating_sub(keep_days.saturating_mul(86_400_000));
        let sql = "DELETE FROM run WHERE course <> 'running' AND (started_at < ?1 OR id IN (
                       SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY task ORDER BY started_at DESC, id DESC) AS place
                                       FROM run) WHERE place > ?2))";
        self.with(|connection| connection.execute(sql, params![signed(oldest), signed(keep_runs)]))
    }

    pub(crate) fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, RecordError> {
        let wrong = RecordError::database(&self.path);
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if connection.is_none() {
            *connection = Some(self.open()?);
        }
        let open = connection.as_ref().expect("it was opened above");
        work(open).map_err(wrong)
    }

    fn open(&self) -> Result<Connection, RecordError> {
        let wrong = RecordError::database(&self.path);
        let attempt = || -> rusqlite::Result<(Connection, i64)> {
            let connection = Connection::open(&self.path)?;
            connection.busy_timeout(std::time::Duration::from_secs(10))?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            let mut version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
            if version == 0 {
                // Two hosts may come here at once: the second finds the work done.
                connection.execute_batch("BEGIN IMMEDIATE")?;
                version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
                if version == 0 {
                    connection.execute_batch(SCHEMA)?;
                    version = VERSION;
                }
                connection.execute_batch("COMMIT")?;
            }
            Ok((connection, version))
        };
        let (connection, version) = attempt().map_err(wrong)?;
        if version > VERSION {
            let problem = format!("it was written by a newer hostler (version {version}; this one knows {VERSION})");
            return Err(RecordError::Database { path: self.path.clone(), problem });
        }
        Ok(connection)
    }
}

/// SQLite's integers are signed.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
