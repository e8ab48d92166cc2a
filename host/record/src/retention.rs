//! Retention: the history is bounded by number and by age.

use rusqlite::params;

use crate::{History, RecordError, database::signed};

/// How many runs one call takes away, so that other hosts need not wait long for it.
const AT_A_TIME: i64 = 500;

impl History {
    /// Forgets runs beyond a number for each task, and beyond an age; some at a time, the oldest first. Never one under
    /// way, nor the newest that ended, whose end holds the newest head of the audit.
    ///
    /// # Errors
    /// Where the history cannot be written.
    pub fn prune(&self, keep_runs: u64, keep_days: u64, now_ms: u64) -> Result<usize, RecordError> {
        let oldest = now_ms.saturating_sub(keep_days.saturating_mul(86_400_000));
        let sql = "SELECT id FROM run WHERE course <> 'running' AND (started_at < ?1 OR id IN (
                       SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY task ORDER BY started_at DESC, id DESC) AS place
                                       FROM run) WHERE place > ?2))
                   AND id <> (SELECT id FROM run WHERE course <> 'running' ORDER BY started_at DESC, id DESC LIMIT 1)
                   ORDER BY started_at LIMIT ?3";
        // Most calls find nothing, and take no write lock to know it.
        let due: Vec<String> = self.database.with(|connection| {
            let parameters = params![signed(oldest), signed(keep_runs), AT_A_TIME];
            connection.prepare_cached(sql)?.query_map(parameters, |row| row.get(0))?.collect()
        })?;
        if due.is_empty() {
            return Ok(0);
        }
        self.database.change(|change| {
            let mut delete = change.prepare_cached("DELETE FROM run WHERE id = ?1 AND course <> 'running'")?;
            due.iter().map(|id| delete.execute([id])).sum()
        })
    }
}
