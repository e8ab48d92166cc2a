//! What comes next of a change of the rules, decided by what was kept and what is seen alone: no run before this one is
//! needed to be told how it ended.

use hostler_sdk::prelude::*;
use serde::Serialize;

/// The last change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// SHA-256 of the file that was loaded.
    pub(crate) digest: String,
    /// When the rollback fires.
    pub(crate) until: Timestamp,
    /// The rules afterwards; nothing where the run did not come to that.
    pub(crate) after: Option<u64>,
    pub(crate) outcome: Outcomes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcomes {
    Awaited,
    Confirmed,
    RolledBack,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Load the file.
    Load,
    /// Disarm the rollback: it was confirmed.
    Confirm,
    /// Somebody disarmed it by hand before its time, which is a confirmation too.
    ByHand,
    /// Wait for a confirmation.
    Await,
    /// The rollback is gone, and the rules are there.
    Unclear,
    /// It was taken back, and stays so.
    TakenBack,
    /// It holds.
    Holds,
}

/// What the machine says of the last change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) wanted: &'a str,
    pub(crate) confirmed: bool,
    pub(crate) armed: bool,
    pub(crate) rules: u64,
    pub(crate) now: Timestamp,
}

/// Decides by the last change and what is seen of it.
pub(crate) fn next(change: Option<&Change>, seen: Seen<'_>) -> Next {
    let Some(change) = change else { return if seen.armed { Next::Await } else { Next::Load } };
    let same = change.digest == seen.wanted;
    match change.outcome {
        // As long as a rollback is under way, nothing else is loaded: it would take that back too.
        Outcomes::Awaited if seen.armed => {
            if same && seen.confirmed {
                Next::Confirm
            } else {
                Next::Await
            }
        }
        Outcomes::Awaited => match change.after {
            // It was interrupted before or while it loaded, and taken back by now.
            None => Next::Load,
            Some(after) if after != seen.rules && same => Next::TakenBack,
            Some(after) if after != seen.rules => Next::Load,
            Some(_) if same && (seen.confirmed || seen.now < change.until) => Next::ByHand,
            Some(_) if same => Next::Unclear,
            Some(_) => Next::Load,
        },
        _ if seen.armed => Next::Await,
        Outcomes::Confirmed if same => Next::Holds,
        Outcomes::RolledBack if same => Next::TakenBack,
        Outcomes::Confirmed | Outcomes::RolledBack => Next::Load,
    }
}

/// Whether a file says anew what there is, rather than add to it: its first word is one that clears.
pub(crate) fn is_repeatable(text: &str) -> bool {
    let words = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    words.flat_map(|line| line.split(';')).any(|statement| {
        let mut words = statement.split_whitespace();
        matches!(
            (words.next(), words.next()),
            (Some("flush" | "delete" | "destroy"), Some("ruleset" | "table" | "chain"))
        )
    })
}

/// The rules as they are, so that loading them brings them back whatever came between.
pub(crate) fn rollback(listed: &str) -> String {
    format!("flush ruleset\n{listed}")
}

#[cfg(test)]
pub(crate) fn change(digest: &str, until: u64, after: Option<u64>, outcome: Outcomes) -> Change {
    Change { digest: digest.into(), until: Timestamp(until), after, outcome }
}
