//! The history of runs, in SQLite with a write-ahead log.
//!
//! A run is one row from its beginning, so that a kill is told of; at its end the row, its metrics and its findings
//! are written in one transaction. The whole outcome is kept as the JSON that `--format json` prints, and beside it in
//! columns what is asked for by task, time or name. Its transactions do not wait for the disk: what a power cut takes is
//! the last moments' runs, each whole.

use std::{path::Path, sync::Arc};

use hostler_capability::{Finding, Metric, Severity};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::{
    RecordError,
    database::{Database, Kind, signed},
    hosts::Hosts,
};

const VERSION_1: &str = "
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
";

const HISTORY: Kind = Kind { schema: &[VERSION_1], waits_for_the_disk: false };

/// The history file, opened when it is first used.
pub struct History {
    pub(crate) database: Database,
    /// For what plugins ask, which may take long: a run's beginning and end do not wait for it.
    pub(crate) reading: Database,
    hosts: Arc<Hosts>,
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
    pub(crate) fn new(path: &Path, hosts: &Arc<Hosts>) -> Self {
        Self { database: Database::new(path, HISTORY), reading: Database::new(path, HISTORY), hosts: hosts.clone() }
    }

    /// Records that a run begins.
    ///
    /// # Errors
    /// Where it cannot be written: then the run does not begin.
    pub fn begin(&self, run: &RunStart<'_>) -> Result<(), RecordError> {
        let sql = "INSERT INTO run (id, task, procedure, plugin, version, digest, mode, host, started_at, course)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'running')";
        let host = self.hosts.own()?;
        self.database
            .with(|connection| {
                connection.prepare_cached(sql)?.execute(params![
                    run.id,
                    run.task,
                    run.procedure,
                    run.plugin,
                    run.version,
                    run.digest,
                    run.mode,
                    host,
                    signed(run.started_at)
                ])
            })
            .map(drop)
    }

    /// Records how a run ended, in one transaction.
    ///
    /// # Errors
    /// Where it cannot be written, or never began.
    pub fn end(&self, run: &RunEnd<'_>) -> Result<(), RecordError> {
        let ended = self.database.change(|change| {
            let sql = "UPDATE run SET course = ?2, verdict = ?3, duration_ms = ?4, summary = ?5, document = ?6,
                       audit_head = ?7, audit_lines = ?8 WHERE id = ?1 RETURNING task, started_at";
            let parameters = params![
                run.id,
                run.course,
                run.verdict.word(),
                signed(run.duration_ms),
                run.summary,
                run.document,
                run.audit.0,
                signed(run.audit.1)
            ];
            let begun =
                change.prepare_cached(sql)?.query_row(parameters, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            let Some((task, at)) = begun else { return Ok(false) };
            keep_metrics(change, run, task, at)?;
            keep_findings(change, run)?;
            Ok(true)
        })?;
        if ended {
            Ok(())
        } else {
            Err(RecordError::NoRun(format!("the run {} never began, so it cannot end", run.id)))
        }
    }

    /// Marks the runs whose host is gone as interrupted, and returns their identifiers and tasks. What else such hosts
    /// have left in the state directory is taken away.
    ///
    /// # Errors
    /// Where the history cannot be read or written.
    pub fn mark_interrupted(&self) -> Result<Vec<(String, String)>, RecordError> {
        let hosts: Vec<String> = self.database.with(|connection| {
            let sql = "SELECT DISTINCT host FROM run WHERE course = 'running'";
            connection.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect()
        })?;
        let mut gone: Vec<(String, String)> = Vec::new();
        for host in hosts.iter().filter(|host| self.hosts.is_gone(host)) {
            let sql = "UPDATE run SET course = 'interrupted', verdict = 'unknown',
                       summary = 'interrupted: its host ended in the middle' WHERE host = ?1 AND course = 'running'
                       RETURNING id, task";
            gone.extend(self.database.change(|change| {
                let mut update = change.prepare_cached(sql)?;
                let runs = update.query_map([host], |row| Ok((row.get(0)?, row.get(1)?)))?;
                runs.collect::<rusqlite::Result<Vec<_>>>()
            })?);
        }
        self.hosts.sweep();
        gone.sort();
        Ok(gone)
    }
}

fn keep_metrics(change: &Transaction<'_>, run: &RunEnd<'_>, task: String, at: i64) -> rusqlite::Result<()> {
    let mut insert = change.prepare_cached("INSERT INTO metric VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
    // SQLite keeps no value that is not a number.
    for metric in run.metrics.iter().filter(|metric| metric.value.is_finite()) {
        // In one order, so that the same labels are the same series.
        let mut labels: Vec<_> = metric.labels.iter().collect();
        labels.sort();
        let labels = serde_json::to_string(&labels).unwrap_or_default();
        insert.execute(params![
            run.id,
            at,
            task,
            metric.name,
            labels,
            metric.unit,
            metric.value,
            metric.warning,
            metric.critical
        ])?;
    }
    Ok(())
}

fn keep_findings(change: &Transaction<'_>, run: &RunEnd<'_>) -> rusqlite::Result<()> {
    let mut insert = change.prepare_cached("INSERT INTO finding VALUES (?1, ?2, ?3, ?4)")?;
    for finding in run.findings.iter().filter(|finding| finding.severity != Severity::Ok) {
        insert.execute(params![run.id, finding.severity.word(), finding.code, finding.subject])?;
    }
    Ok(())
}
