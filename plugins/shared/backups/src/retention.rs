//! Which backups may go. Pure, since this is what must not be wrong: it sees times, and says which are superfluous.
//!
//! A backup that is not whole counts for nothing: it makes no room in the count, and goes when it is older than all that
//! are kept.

use hostler_sdk::{Duration, Timestamp};

/// How many are kept, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// How many whole ones, the newest.
    pub keep: usize,
    /// The age above which one goes though fewer are there.
    pub keep_for: Option<Duration>,
}

/// A backup, as far as its retention is concerned.
#[derive(Debug, Clone, Copy, Default)]
pub struct Item {
    /// When it was made.
    pub at: Timestamp,
    /// Whether all of it is there.
    pub whole: bool,
    /// Never removed, whatever its age: the newest, the best, the newest that was proven.
    pub kept: bool,
}

impl Retention {
    /// Whether each of these, **the newest first**, may go.
    #[must_use]
    pub fn superfluous(&self, items: &[Item], now: Timestamp) -> Vec<bool> {
        let mut whole = 0;
        let goes = |item: &Item| {
            whole += usize::from(item.whole);
            let beyond = whole > self.keep || (!item.whole && whole >= self.keep);
            let too_old = self.keep_for.is_some_and(|limit| item.at.until(now) > limit);
            (beyond || too_old) && !item.kept
        };
        items.iter().map(goes).collect()
    }
}
