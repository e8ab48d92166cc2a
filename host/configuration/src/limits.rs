//! `[tasks.NAME.limits]`: what of the host's limits an operator sets for a task.

use serde::Deserialize;

/// The limits of a task, where they are not the host's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfiguration {
    /// All linear memories and tables of the plugin together; a size such as `"256MiB"` will do.
    #[serde(deserialize_with = "crate::amount::bytes")]
    pub memory_bytes: Option<u64>,
    /// Processor time of the plugin's own code; a duration such as `"90s"` will do.
    #[serde(deserialize_with = "crate::amount::seconds")]
    pub cpu_seconds: Option<u64>,
    /// Wall time; a duration will do.
    #[serde(deserialize_with = "crate::amount::seconds")]
    pub wall_seconds: Option<u64>,
    /// Capability calls under way at a time.
    #[serde(deserialize_with = "crate::amount::number")]
    pub calls_under_way: Option<u64>,
    /// Capability calls in all.
    #[serde(deserialize_with = "crate::amount::number")]
    pub calls: Option<u64>,
    /// Rows, keys and entries read in all.
    #[serde(deserialize_with = "crate::amount::number")]
    pub rows: Option<u64>,
    /// Bytes that cross into the plugin in all; a size will do.
    #[serde(deserialize_with = "crate::amount::bytes")]
    pub bytes: Option<u64>,
    /// Findings, metrics, tables and attachments together.
    #[serde(deserialize_with = "crate::amount::number")]
    pub reported: Option<u64>,
    /// Their bytes together; a size will do.
    #[serde(deserialize_with = "crate::amount::bytes")]
    pub reported_bytes: Option<u64>,
    /// Log lines.
    #[serde(deserialize_with = "crate::amount::number")]
    pub log_lines: Option<u64>,
    /// Handles open at a time.
    #[serde(deserialize_with = "crate::amount::number")]
    pub handles: Option<u64>,
    /// Bytes of state that the task may keep; a size will do.
    #[serde(deserialize_with = "crate::amount::bytes")]
    pub state_bytes: Option<u64>,
}
