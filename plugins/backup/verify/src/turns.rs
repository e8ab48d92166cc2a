//! Whose turn it is: what the task remembers of each backup between its runs.

use std::collections::BTreeMap;

use hostler_sdk::listed;
use hostler_sdk::prelude::*;
use serde::Serialize;

use crate::item::Item;

/// When a backup was last read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Turn {
    pub at: Timestamp,
    pub damaged: bool,
}

/// By name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Turns(BTreeMap<String, Turn>);

impl Turns {
    /// Forgets what is no longer there.
    pub(crate) fn keep(&mut self, items: &[Item]) {
        self.0.retain(|name, _| items.iter().any(|item| item.name == *name));
    }

    pub(crate) fn took(&mut self, item: &Item, turn: Turn) {
        self.0.insert(item.name.clone(), turn);
    }

    /// What was never read, the newest first, as that is the one that will be needed; then what waited longest. What was
    /// found damaged is always due, so that it is told until it is gone.
    pub(crate) fn due<'a>(&self, items: &'a [Item], now: Timestamp, every: Duration) -> Vec<&'a Item> {
        let is_due = |item: &&Item| match self.0.get(&item.name) {
            None => true,
            Some(turn) => turn.damaged || turn.at.until(now) >= every,
        };
        let mut due: Vec<&Item> = items.iter().filter(is_due).collect();
        due.sort_by_key(|item| match self.0.get(&item.name) {
            None => (0, u64::MAX - item.at.0),
            Some(turn) => (1, turn.at.0),
        });
        due
    }

    /// Whether the cycle is kept.
    pub(crate) fn judge(&self, directory: &str, items: &[Item], now: Timestamp, every: Duration) {
        let since = |item: &Item| self.0.get(&item.name).map_or(item.at, |turn| turn.at).until(now);
        let oldest = items.iter().map(|item| since(item).as_seconds()).fold(0.0, f64::max);
        if !items.is_empty() {
            Metric::gauge("backup_verification_age_seconds", oldest).label("directory", directory).report();
        }
        let limit = Duration::from_seconds(every.as_seconds() * 2.0);
        let behind: Vec<&str> =
            items.iter().filter(|item| since(item) > limit).map(|item| item.name.as_str()).collect();
        if every.as_seconds() > 0.0 && !behind.is_empty() {
            finding!(
                Severity::Warning,
                "cycle-behind",
                directory,
                "{} not read for {}, warning above {limit}: {}",
                counted(behind.len(), "backup"),
                Duration::from_seconds(oldest),
                listed(&behind, 3)
            )
            .remedy("give the task more `time`, or run it more often")
            .report();
        }
    }
}
