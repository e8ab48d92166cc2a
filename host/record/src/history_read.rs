//! Reading the history: lists for an operator, series for plugins.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use hostler_capability::{HistoryPoint, HistoryReader, HistoryRun, HistorySeries, ScheduledRun, Severity, StoreError};
use rusqlite::{OptionalExtension, Row, params};

use crate::{History, RecordError, history::signed};

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
    /// The whole outcome, as JSON, once it has one.
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

const COLUMNS: &str = "id, task, procedure, plugin || ' ' || version, mode, started_at, course, verdict, duration_ms, summary, document";

impl History {
    /// Runs, the newest first.
    ///
    /// # Errors
    /// Where the history cannot be read.
    pub fn runs(&self, filter: &RunFilter) -> Result<Vec<KeptRun>, RecordError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM run WHERE ?1 IS NULL OR task = ?1 OR procedure = ?1 ORDER BY started_at DESC, id DESC LIMIT ?2"
        );
        self.with(|connection| connection.prepare_cached(&sql)?.query_map(params![filter.name, filter.limit], kept)?.collect())
    }

    /// The run whose identifier is this, or alone begins with it.
    ///
    /// # Errors
    /// Where there is none, or there are several.
    pub fn run(&self, id: &str) -> Result<KeptRun, RecordError> {
        let sql = format!("SELECT {COLUMNS} FROM run WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id LIMIT 2");
        let mut found: Vec<KeptRun> = self.with(|connection| connection.prepare_cached(&sql)?.query_map([id], kept)?.collect())?;
        match (found.len(), found.pop()) {
            (1, Some(run)) => Ok(run),
            (0, _) => Err(RecordError::NoRun(format!("there is no run {id}; `hostler history` lists them"))),
            _ => Err(RecordError::NoRun(format!("several runs begin with {id}; give more of it"))),
        }
    }

    /// The audit's head at the end of each run: run, hash, lines.
    ///
    /// # Errors
    /// Where the history cannot be read.
    pub fn audit_heads(&self) -> Result<Vec<(String, String, u64)>, RecordError> {
        let sql = "SELECT id, audit_head, audit_lines FROM run WHERE audit_lines > 0 ORDER BY audit_lines";
        self.with(|connection| {
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
        let sql = format!("SELECT {COLUMNS} FROM run WHERE task = ?1 AND verdict IS NOT NULL ORDER BY started_at DESC LIMIT 1");
        self.with(|connection| connection.prepare_cached(&sql)?.query_row([task], kept).optional())
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
fn severity(word: &str) -> Severity {
    match word {
        "ok" => Severity::Ok,
        "warning" => Severity::Warning,
        "critical" => Severity::Critical,
        _ => Severity::Unknown,
    }
}

/// Says which runs are to come between two times.
pub type Scheduler = Box<dyn Fn(u64, u64) -> Vec<ScheduledRun> + Send + Sync>;

/// The history as plugins read it.
pub(crate) struct Reader {
    history: Arc<History>,
    scheduler: Scheduler,
}

impl History {
    /// The history as plugins read it. Each call waits for SQLite on a thread that may wait.
    pub fn reader(self: &Arc<Self>, scheduler: Scheduler) -> Arc<dyn HistoryReader> {
        Arc::new(Reader { history: self.clone(), scheduler })
    }

    fn series(&self, task: &str, metric: &str, since: u64, step_ms: Option<u64>) -> Result<Vec<HistorySeries>, RecordError> {
        let step = step_ms.map_or(1, |step| signed(step).max(1));
        let sql = "SELECT task, name, labels, unit, at / ?4 * ?4, avg(value), max(warning), max(critical) FROM metric
                   WHERE task GLOB ?1 AND name GLOB ?2 AND at >= ?3 GROUP BY task, name, labels, unit, at / ?4 ORDER BY 1, 2, 3, 5";
        let mut series: BTreeMap<(String, String, String), HistorySeries> = BTreeMap::new();
        self.with(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![glob(task), glob(metric), signed(since), step])?;
            while let Some(row) = rows.next()? {
                let (task, metric, labels): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let unit: String = row.get(3)?;
                let entry = series.entry((task.clone(), metric.clone(), labels.clone())).or_insert_with(|| HistorySeries {
                    task,
                    metric,
                    unit,
                    labels: serde_json::from_str(&labels).unwrap_or_default(),
                    warning: None,
                    critical: None,
                    points: vec![],
                });
                entry.points.push(HistoryPoint { at: row.get::<_, i64>(4)?.unsigned_abs(), value: row.get(5)? });
                (entry.warning, entry.critical) = (row.get(6)?, row.get(7)?);
            }
            Ok(())
        })?;
        Ok(series.into_values().collect())
    }

    fn past(&self, task: &str, since: u64) -> Result<Vec<HistoryRun>, RecordError> {
        let sql = "SELECT run.task, started_at, coalesce(duration_ms, 0), verdict, code, subject, severity, id
                   FROM run LEFT JOIN finding ON finding.run = run.id
                   WHERE run.task GLOB ?1 AND started_at >= ?2 AND verdict IS NOT NULL ORDER BY started_at, id";
        let mut runs: Vec<(String, HistoryRun)> = vec![];
        self.with(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![glob(task), signed(since)])?;
            while let Some(row) = rows.next()? {
                let id: String = row.get(7)?;
                if runs.last().is_none_or(|(last, _)| *last != id) {
                    let run = HistoryRun {
                        task: row.get(0)?,
                        started_at: row.get::<_, i64>(1)?.unsigned_abs(),
                        duration_ms: row.get::<_, i64>(2)?.unsigned_abs(),
                        verdict: severity(&row.get::<_, String>(3)?),
                        findings: vec![],
                    };
                    runs.push((id, run));
                }
                if let (Some((_, run)), Some(code)) = (runs.last_mut(), row.get::<_, Option<String>>(4)?) {
                    run.findings.push((code, row.get(5)?, severity(&row.get::<_, String>(6)?)));
                }
            }
            Ok(())
        })?;
        Ok(runs.into_iter().map(|(_, run)| run).collect())
    }
}

/// `*` alone is a wildcard; what GLOB takes as one otherwise is literal.
fn glob(pattern: &str) -> String {
    pattern.replace('[', "[[]").replace('?', "[?]")
}

#[async_trait]
impl HistoryReader for Reader {
    async fn metrics(&self, task: &str, metric: &str, since: u64, step_ms: Option<u64>) -> Result<Vec<HistorySeries>, StoreError> {
        let (history, task, metric) = (self.history.clone(), task.to_owned(), metric.to_owned());
        waiting(move || history.series(&task, &metric, since, step_ms)).await
    }

    async fn runs(&self, task: &str, since: u64) -> Result<Vec<HistoryRun>, StoreError> {
        let (history, task) = (self.history.clone(), task.to_owned());
        waiting(move || history.past(&task, since)).await
    }

    async fn schedule(&self, since: u64, until: u64) -> Result<Vec<ScheduledRun>, StoreError> {
        Ok((self.scheduler)(since, until))
    }
}

async fn waiting<T: Send + 'static>(work: impl FnOnce() -> Result<T, RecordError> + Send + 'static) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| StoreError(error.to_string()))?;
    Ok(done?)
}
