//! The audit of a run: a line for each call before it is made, and one for its end.
//!
//! The line comes first because a call whose line cannot be written is not made.

use serde::Serialize;

/// What the host decided about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It was made.
    Allowed,
    /// It was written into the plan and not made.
    Planned,
    /// It was refused.
    Denied,
    /// It ended well.
    Done,
    /// It ended with an error.
    Failed,
    /// The plugin dropped it, or the run ended, before it was done.
    Cancelled,
}

impl Decision {
    /// Whether it is how a call ended, which nobody waits for.
    pub fn is_an_end(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// One line of the audit, without what the file adds (time, chain of hashes).
#[derive(Debug, Clone, Serialize)]
pub struct AuditEntry<'a> {
    /// The run.
    pub run: &'a str,
    /// The SHA-256 of the plugin's file, in hexadecimal.
    pub plugin: &'a str,
    /// The call's number within its run; the line of its end carries the same.
    pub call: u64,
    /// The request, as the manifest names it, and the target where it has many.
    pub request: &'a str,
    /// What was asked, redacted.
    pub operation: &'a str,
    /// What was decided.
    pub decision: Decision,
    /// The rule that allowed or refused it, as the operator would write it.
    pub rule: &'a str,
    /// How long it took, at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// Rows, keys or entries, at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Bytes, at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// Where audit lines go.
pub trait AuditLog: Send + Sync {
    /// Appends a line. The caller does not go on where this fails. The line of a call's end may wait for the next one.
    ///
    /// # Errors
    /// Where the line could not be written.
    fn append(&self, entry: &AuditEntry<'_>) -> std::io::Result<()>;

    /// Writes what waits.
    ///
    /// # Errors
    /// Where it could not be written.
    fn flush(&self) -> std::io::Result<()> {
        Ok(())
    }
}
