//! Room for what a run reports: findings that matter are kept where everything else is cut.

use std::sync::Arc;

use hostler_capability::{RunContext, Severity};

/// What one run has reported so far.
#[derive(Debug, Default)]
pub(crate) struct Room {
    count: u64,
    bytes: u64,
}

/// A tenth of the room is kept for findings that are not ok.
const RESERVED: u64 = 10;

impl Room {
    /// Whether there is room for one more of so many bytes; where there is not, the run's verdict is at least unknown.
    pub(crate) fn take(&mut self, context: &Arc<RunContext>, bytes: usize, severity: Severity) -> bool {
        let most = |limit: u64| if severity == Severity::Ok { limit - limit / RESERVED } else { limit };
        let bytes = self.bytes.saturating_add(bytes as u64);
        if self.count >= most(context.limits.reported) || bytes > most(context.limits.reported_bytes) {
            context.over("reported");
            return false;
        }
        self.count += 1;
        self.bytes = bytes;
        true
    }
}
