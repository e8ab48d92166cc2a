//! What one run may use, and what it has used.
//!
//! The defaults are generous for maintenance and small beside a machine: a plugin that runs wild ends within minutes
//! and hundreds of megabytes, and the host goes on.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// The limits of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// All linear memories and tables of the plugin together, in bytes.
    pub memory_bytes: u64,
    /// Processor time of the plugin's own code, in seconds.
    pub cpu_seconds: u64,
    /// Wall time, in seconds.
    pub wall_seconds: u64,
    /// Capability calls under way at a time.
    pub calls_under_way: u64,
    /// Capability calls in all.
    pub calls: u64,
    /// Rows, keys and entries read in all.
    pub rows: u64,
    /// Bytes that crossed into the plugin in all.
    pub bytes: u64,
    /// Findings, metrics, tables and attachments together.
    pub reported: u64,
    /// Their bytes together.
    pub reported_bytes: u64,
    /// Log lines; more are counted and dropped.
    pub log_lines: u64,
    /// Handles (databases, transactions, writers, locks) open at a time.
    pub handles: u64,
    /// Bytes of state that one task may keep.
    pub state_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            cpu_seconds: 60,
            wall_seconds: 3600,
            calls_under_way: 64,
            calls: 1_000_000,
            rows: 100_000_000,
            bytes: 16 << 30,
            reported: 20_000,
            reported_bytes: 32 << 20,
            log_lines: 2_000,
            handles: 256,
            state_bytes: 16 << 20,
        }
    }
}

impl Limits {
    /// The wall time.
    pub fn wall(&self) -> Duration {
        Duration::from_secs(self.wall_seconds)
    }
}

/// What a run has used.
#[derive(Debug, Default)]
pub struct Usage {
    under_way: AtomicU64,
    calls: AtomicU64,
    rows: AtomicU64,
    bytes: AtomicU64,
    streams: AtomicU64,
}

impl Usage {
    /// Enters a call and returns its number, or the name of the limit that is used up.
    pub(crate) fn enter(&self, limits: &Limits) -> Result<u64, &'static str> {
        if self.under_way.fetch_add(1, Ordering::AcqRel) >= limits.calls_under_way {
            self.leave();
            return Err("calls_under_way");
        }
        let number = self.calls.fetch_add(1, Ordering::AcqRel) + 1;
        if number > limits.calls {
            self.leave();
            return Err("calls");
        }
        Ok(number)
    }

    pub(crate) fn leave(&self) {
        self.under_way.fetch_sub(1, Ordering::AcqRel);
    }

    /// Counts what came in, and names the limit that it passes.
    pub(crate) fn take(&self, limits: &Limits, rows: u64, bytes: u64) -> Result<(), &'static str> {
        if self.rows.fetch_add(rows, Ordering::AcqRel).saturating_add(rows) > limits.rows {
            return Err("rows");
        }
        if self.bytes.fetch_add(bytes, Ordering::AcqRel).saturating_add(bytes) > limits.bytes {
            return Err("bytes");
        }
        Ok(())
    }

    /// Counts a stream, where there is room for one more.
    pub(crate) fn open_stream(&self, limits: &Limits) -> bool {
        let room = |open| (open < limits.handles).then_some(open + 1);
        self.streams.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).is_ok()
    }

    pub(crate) fn close_stream(&self) {
        self.streams.fetch_sub(1, Ordering::AcqRel);
    }

    /// Calls made so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Acquire)
    }

    /// Rows and bytes read so far.
    pub fn read(&self) -> (u64, u64) {
        (self.rows.load(Ordering::Acquire), self.bytes.load(Ordering::Acquire))
    }
}
