//! Reading the history as plugins ask for it: series of metrics, runs that ended, runs to come.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use hostler_capability::{HistoryPoint, HistoryReader, HistoryRun, HistorySeries, ScheduledRun, StoreError};
use rusqlite::params;

use crate::{History, RecordError, database::signed, history_read::severity};

/// The most rows of one answer: more would only fill the host's memory.
const MOST: u64 = 1_000_000;

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

    fn series(
        &self,
        task: &str,
        metric: &str,
        since: u64,
        step_ms: Option<u64>,
    ) -> Result<Vec<HistorySeries>, RecordError> {
        let step = step_ms.map_or(1, |step| signed(step).max(1));
        let sql = "SELECT task, name, labels, unit, at / ?4 * ?4, avg(value), warning, critical, max(at) FROM metric
                   WHERE task GLOB ?1 AND name GLOB ?2 AND at >= ?3 GROUP BY task, name, labels, at / ?4 ORDER BY 1, 2, 3, 5 LIMIT ?5";
        // Unit and ranges stand as they did at the last point: beside max(at), SQLite takes them from its row.
        let mut series: BTreeMap<(String, String, String), HistorySeries> = BTreeMap::new();
        let mut points = 0;
        self.reading.with(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![glob(task), glob(metric), signed(since), step, signed(MOST + 1)])?;
            while let Some(row) = rows.next()? {
                let (task, metric, labels): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let unit: String = row.get(3)?;
                let entry =
                    series.entry((task.clone(), metric.clone(), labels.clone())).or_insert_with(|| HistorySeries {
                        task,
                        metric,
                        unit: String::new(),
                        labels: serde_json::from_str(&labels).unwrap_or_default(),
                        warning: None,
                        critical: None,
                        points: vec![],
                    });
                entry.points.push(HistoryPoint { at: row.get::<_, i64>(4)?.unsigned_abs(), value: row.get(5)? });
                (entry.unit, entry.warning, entry.critical) = (unit, row.get(6)?, row.get(7)?);
                points += 1;
            }
            Ok(())
        })?;
        if points > MOST {
            Err(RecordError::TooMany { what: "points", most: MOST })
        } else {
            Ok(series.into_values().collect())
        }
    }

    fn past(&self, task: &str, since: u64) -> Result<Vec<HistoryRun>, RecordError> {
        let sql = "SELECT run.task, started_at, coalesce(duration_ms, 0), verdict, code, subject, severity, id
                   FROM run LEFT JOIN finding ON finding.run = run.id
                   WHERE run.task GLOB ?1 AND started_at >= ?2 AND verdict IS NOT NULL ORDER BY started_at, id LIMIT ?3";
        let mut runs: Vec<(String, HistoryRun)> = vec![];
        let mut count = 0;
        self.reading.with(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![glob(task), signed(since), signed(MOST + 1)])?;
            while let Some(row) = rows.next()? {
                let id: String = row.get(7)?;
                count += 1;
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
        if count > MOST {
            Err(RecordError::TooMany { what: "runs and findings", most: MOST })
        } else {
            Ok(runs.into_iter().map(|(_, run)| run).collect())
        }
    }
}

/// `*` alone is a wildcard; what GLOB takes as one otherwise is literal.
fn glob(pattern: &str) -> String {
    pattern.replace('[', "[[]").replace('?', "[?]")
}

#[async_trait]
impl HistoryReader for Reader {
    async fn metrics(
        &self,
        task: &str,
        metric: &str,
        since: u64,
        step_ms: Option<u64>,
    ) -> Result<Vec<HistorySeries>, StoreError> {
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

async fn waiting<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RecordError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| StoreError(error.to_string()))?;
    Ok(done?)
}
