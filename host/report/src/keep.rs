//! Room for what a run reports: findings that matter are kept where everything else is cut.

use std::sync::Arc;

use hostler_capability::{RunContext, Severity};

/// What one run has reported so far.
pub(crate) struct Room {
    context: Arc<RunContext>,
    count: u64,
    bytes: u64,
    dropped: u64,
}

/// A tenth of the room is kept for findings that are not ok.
const RESERVED: u64 = 10;

/// What a piece takes beside its text.
pub(crate) const EACH: usize = 32;

impl Room {
    /// All of it.
    pub(crate) fn new(context: &Arc<RunContext>) -> Self {
        Self { context: context.clone(), count: 0, bytes: 0, dropped: 0 }
    }

    /// Whether there is room for one more of so many bytes; where there is not, the run's verdict is at least unknown.
    pub(crate) fn take(&mut self, bytes: usize, severity: Severity) -> bool {
        let most = |limit: u64| if severity == Severity::Ok { limit - limit / RESERVED } else { limit };
        let limits = &self.context.limits;
        let bytes = self.bytes.saturating_add(bytes as u64);
        let over = if self.count >= most(limits.reported) {
            "reported"
        } else if bytes > most(limits.reported_bytes) {
            "reported_bytes"
        } else {
            self.count += 1;
            self.bytes = bytes;
            return true;
        };
        self.context.over(over);
        self.dropped += 1;
        false
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.dropped > 0 {
            self.context.trouble(format!("{} of what the plugin reported had no room and was dropped", self.dropped));
        }
    }
}
