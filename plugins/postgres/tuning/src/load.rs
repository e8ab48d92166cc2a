//! What the server did since the last run. Settings that depend on the load are judged by it alone: the same
//! max_wal_size is too small for one server and ten times too large for another.

use hostler_sdk::{Counters, Growth, prelude::*};

/// 17 moved the checkpoints into a view of their own.
pub fn query(version: u32) -> String {
    let (view, timed, requested) = match version {
        170_000.. => ("pg_stat_checkpointer", "num_timed", "num_requested"),
        _ => ("pg_stat_bgwriter", "checkpoints_timed", "checkpoints_req"),
    };
    format!(
        "SELECT c.{timed}::float8 AS timed, c.{requested}::float8 AS requested, w.wal_buffers_full::float8 AS buffers_full,
            pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 AS wal, d.temporary, d.changed, d.bytes,
            concat(c.stats_reset, ' ', w.stats_reset, ' ', d.reset, ' ', pg_postmaster_start_time()) AS epoch
         FROM {view} c, pg_stat_wal w, (SELECT sum(temp_bytes)::float8 AS temporary,
            sum(tup_updated + tup_deleted)::float8 AS changed, max(stats_reset) AS reset,
            sum(CASE WHEN has_database_privilege(datid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')
                THEN pg_database_size(datid) END)::float8 AS bytes
            FROM pg_stat_database WHERE datid <> 0) d"
    )
}

/// The counters of a row.
pub fn counters(row: &Row) -> Result<Counters, TaskError> {
    let mut counters = Counters::new(row.get::<String>("epoch")?);
    for name in ["timed", "requested", "buffers_full", "wal", "temporary", "changed"] {
        counters = counters.with(name, row.get::<Option<f64>>(name)?.unwrap_or_default());
    }
    Ok(counters)
}

/// Since the last run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    pub elapsed: Duration,
    pub timed: f64,
    pub requested: f64,
    /// How often WAL buffers were full, a second.
    pub buffers_full: f64,
    /// Bytes of WAL, a second.
    pub wal: f64,
    /// Bytes that went to temporary files.
    pub spilled: f64,
    /// Rows updated or deleted, a second.
    pub changed: f64,
}

impl Load {
    pub fn of(growth: &Growth) -> Self {
        Self {
            elapsed: growth.elapsed,
            timed: growth.of("timed"),
            requested: growth.of("requested"),
            buffers_full: growth.per_second("buffers_full"),
            wal: growth.per_second("wal"),
            spilled: growth.of("temporary"),
            changed: growth.per_second("changed"),
        }
    }

    /// The share of the checkpoints that WAL forced; nothing where there were none.
    pub fn requested_share(&self) -> Option<Percent> {
        Percent::of(self.requested, self.timed + self.requested)
    }

    pub fn report(&self) {
        if let Some(share) = self.requested_share() {
            Metric::gauge("postgres_checkpoints_requested_percent", share.0).report();
        }
        let per_second = |name: &str, value: f64| Metric { unit: "B/s".into(), ..Metric::gauge(name, value) }.report();
        per_second("postgres_wal_bytes_per_second", self.wal);
        let seconds = self.elapsed.as_seconds().max(1.0);
        per_second("postgres_temporary_files_bytes_per_second", self.spilled / seconds);
    }
}
