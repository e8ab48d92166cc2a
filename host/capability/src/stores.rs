//! What a run needs of the host's stores. The traits stand here and their implementation in `record`, so that a
//! capability depends on neither.

use async_trait::async_trait;
use thiserror::Error;

use crate::Severity;

/// A store could not do what was asked of it.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// What one task remembers. In check mode an implementation that is thrown away stands here.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// The value of a key.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Sets a key, durably when it returns.
    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError>;
    /// Forgets a key.
    async fn delete(&self, key: &str) -> Result<(), StoreError>;
    /// Bytes kept in all, for the limit.
    async fn size(&self) -> Result<u64, StoreError>;
}

/// Why a lock was not had.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another run has it.
    #[error("held by {0}")]
    Held(String),
    /// The lock file could not be made.
    #[error("{0}")]
    Store(String),
}

/// Locks of this host, held across its processes and let go by the kernel when their holder dies.
pub trait Locks: Send + Sync {
    /// Takes the lock until the guard is dropped.
    fn acquire(&self, name: &str) -> Result<Box<dyn Send + Sync>, LockError>;
    /// Whether another run holds it now.
    fn held(&self, name: &str) -> Result<bool, LockError>;
}

/// One value of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HistoryPoint {
    /// Milliseconds since the Unix epoch.
    pub at: u64,
    /// The value.
    pub value: f64,
}

/// One metric over time.
#[derive(Debug, Clone, PartialEq)]
pub struct HistorySeries {
    /// The task that reported it.
    pub task: String,
    /// The metric.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// Its labels.
    pub labels: Vec<(String, String)>,
    /// As it stood at the last point.
    pub warning: Option<String>,
    /// As it stood at the last point.
    pub critical: Option<String>,
    /// By time.
    pub points: Vec<HistoryPoint>,
}

/// An earlier run.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRun {
    /// The task.
    pub task: String,
    /// Milliseconds since the Unix epoch.
    pub started_at: u64,
    /// How long it took.
    pub duration_ms: u64,
    /// Its verdict.
    pub verdict: Severity,
    /// Code, subject and severity of its findings that were not ok.
    pub findings: Vec<(String, String, Severity)>,
}

/// A run to come.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduledRun {
    /// The task.
    pub task: String,
    /// The procedure that it belongs to.
    pub procedure: String,
    /// Milliseconds since the Unix epoch.
    pub starts_at: u64,
    /// Milliseconds since the Unix epoch.
    pub window_ends_at: Option<u64>,
}

/// What earlier runs left. Names are patterns with `*`.
#[async_trait]
pub trait HistoryReader: Send + Sync {
    /// Series of metrics since a time, averaged over steps where one is given.
    async fn metrics(
        &self,
        task: &str,
        metric: &str,
        since: u64,
        step_ms: Option<u64>,
    ) -> Result<Vec<HistorySeries>, StoreError>;
    /// Runs since a time, the oldest first.
    async fn runs(&self, task: &str, since: u64) -> Result<Vec<HistoryRun>, StoreError>;
    /// Runs to come between two times.
    async fn schedule(&self, since: u64, until: u64) -> Result<Vec<ScheduledRun>, StoreError>;
}
