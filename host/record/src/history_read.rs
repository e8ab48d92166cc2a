//! Reading the history as an operator asks for it: a list, and one run whole.

use hostler_capability::Severity;
use rusqlite::{OptionalExtension, Row, params};

use crate::{History, RecordError};

/// A run, as a list shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptRun {
    /// Its identifier.
    pub id: String,
    /// The task.
    pub task: String,
    /// The procedure that it was part of.
    pub procedure: Option<String>,
    /// The plugin and its version.
    pub plugin: String,
    /// `check` or `apply`.
    pub mode: String,
    /// Milliseconds since the Unix epoch.
    pub started_at: u64,
    /// How far it came: `running`, `done`, `failed`, `interrupted`.
    pub course: String,
    /// Its verdict, once it has one.
    pub verdict: Option<Severity>,
    /// How long it took.
    pub duration_ms: Option<u64>,
    /// In a line.
    pub summary: String,
    /// The whole outcome, as JSON, once it has one; a list leaves it out, since it may be large.
    pub document: Option<String>,
}

/// Which runs are listed.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Of this task, or of this procedure.
    pub name: Option<String>,
    /// At most so many, the newest.
    pub limit: u32,
}

const COLUMNS: &str =
    "id, task, procedure, plugin || ' ' || version, mode, started_at, course, verdict, duration_ms, summary";

impl History {
    /// Runs, the newest first.
    ///
    /// # Errors
    /// Where the history cannot be read.
    pub fn runs(&self, filter: &RunFilter) -> Result<Vec<KeptRun>, RecordError> {
        let sql = format!(
            "SELECT {COLUMNS}, NULL FROM run WHERE ?1 IS NULL OR task = ?1 OR procedure = ?1 ORDER BY started_at DESC, id DESC LIMIT ?2"
        );
        self.database.with(|connection| {
            connection.prepare_cached(&sql)?.query_map(params![filter.name, filter.limit], kept)?.collect()
        })
    }

    /// The run whose identifier is this, or alone begins with it.
    ///
    /// # Errors
    /// Where there is none, or there are several.
    pub fn run(&self, id: &str) -> Result<KeptRun, RecordError> {
        let sql = "SELECT id FROM run WHERE id >= ?1 AND substr(id, 1, length(?1)) = ?1 ORDER BY id LIMIT 2";
        let found: Vec<String> = self
            .database
            .with(|connection| connection.prepare_cached(sql)?.query_map([id], |row| row.get(0))?.collect())?;
        match found.as_slice() {
            [] => Err(RecordError::NoRun(format!("there is no run {id:?}; `hostler history` lists them"))),
            // A whole identifier sorts before those that begin with it.
            [only] => self.whole(only),
            [whole, ..] if whole == id => self.whole(whole),
            [one, other, ..] => Err(RecordError::NoRun(format!(
                "several runs begin with {id:?}, such as {one} and {other}; give more of it"
            ))),
        }
    }

    fn whole(&self, id: &str) -> Result<KeptRun, RecordError> {
        let sql = format!("SELECT {COLUMNS}, document FROM run WHERE id = ?1");
        self.database.with(|connection| connection.prepare_cached(&sql)?.query_row([id], kept))
    }

    /// The audit's head at the end of each run: run, hash, lines.
    ///
    /// # Errors
    /// Where the history cannot be read.
    pub fn audit_heads(&self) -> Result<Vec<(String, String, u64)>, RecordError> {
        let sql = "SELECT id, audit_head, audit_lines FROM run WHERE audit_lines > 0 ORDER BY audit_lines";
        self.database.with(|connection| {
            connection
                .prepare_cached(sql)?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?.unsigned_abs())))?
                .collect()
        })
    }

    /// The newest run of a task that ended.
    ///
    /// # Errors
    /// Where the history cannot be read.
    pub fn last_of(&self, task: &str) -> Result<Option<KeptRun>, RecordError> {
        let sql = format!(
            "SELECT {COLUMNS}, document FROM run WHERE task = ?1 AND verdict IS NOT NULL ORDER BY started_at DESC LIMIT 1"
        );
        self.database.with(|connection| connection.prepare_cached(&sql)?.query_row([task], kept).optional())
    }
}

fn kept(row: &Row<'_>) -> rusqlite::Result<KeptRun> {
    Ok(KeptRun {
        id: row.get(0)?,
        task: row.get(1)?,
        procedure: row.get(2)?,
        plugin: row.get(3)?,
        mode: row.get(4)?,
        started_at: row.get::<_, i64>(5)?.unsigned_abs(),
        course: row.get(6)?,
        verdict: row.get::<_, Option<String>>(7)?.map(|word| severity(&word)),
        duration_ms: row.get::<_, Option<i64>>(8)?.map(i64::unsigned_abs),
        summary: row.get::<_, Option<String>>(9)?.unwrap_or_default(),
        document: row.get(10)?,
    })
}

/// A word that is none of the four is unknown: never ok.
pub(crate) fn severity(word: &str) -> Severity {
    match word {
        "ok" => Severity::Ok,
        "warning" => Severity::Warning,
        "critical" => Severity::Critical,
        _ => Severity::Unknown,
    }
}
