//! The sets that lie in a directory, by the names that these plugins give. What is called otherwise is somebody else's,
//! and is neither counted nor removed.

use std::collections::BTreeMap;

use hostler_sdk::files::{Directory, Entry, Kind};
use hostler_sdk::{During, TaskError, Timestamp};

use crate::{Item, MANIFEST, PROOF, Retention};

/// The end of the name of a set that is being written, or was left by a run that was cut off.
pub const PARTIAL: &str = ".partial";

/// A set that has its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set {
    /// `shop-20250121T203400Z`.
    pub name: String,
    /// `shop`.
    pub of: String,
    /// When it was made, by its name.
    pub at: Timestamp,
    /// Whether its manifest is there.
    pub whole: bool,
    /// Whether its proof is there.
    pub proven: bool,
}

/// What lies there.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    /// The newest first.
    pub sets: Vec<Set>,
    /// Names of those that were not finished, `.partial` included.
    pub unfinished: Vec<String>,
}

/// The name of a set.
#[must_use]
pub fn set_name(of: &str, at: Timestamp) -> String {
    format!("{of}-{}", at.compact())
}

impl Shelf {
    /// Looks at a directory.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn read(directory: &Directory) -> Result<Self, TaskError> {
        let tree = directory.list(Some(2)).await.during("looking for backup sets")?;
        if let Some((path, reason)) = tree.unreadable.first() {
            return Err(TaskError::new(format!("{path} cannot be looked at: {reason}"))
                .remedy("let the host's user read the backups"));
        }
        Ok(Self::of(&format!("{}/", directory.root()), &tree.entries))
    }

    /// The sets among what was listed below `root`, which ends in `/`.
    #[must_use]
    pub fn of(root: &str, entries: &[Entry]) -> Self {
        let mut sets: BTreeMap<String, Set> = BTreeMap::new();
        let mut shelf = Self::default();
        for entry in entries {
            let Some(below) = entry.path.strip_prefix(root) else { continue };
            let (name, inside) = below.split_once('/').unwrap_or((below, ""));
            let is = |kind| entry.metadata.kind == kind;
            let Some((of, at)) = dated(name.strip_suffix(PARTIAL).unwrap_or(name)) else { continue };
            if name.ends_with(PARTIAL) {
                if inside.is_empty() && is(Kind::Directory) {
                    shelf.unfinished.push(name.to_owned());
                }
                continue;
            }
            if inside.is_empty() && !is(Kind::Directory) {
                continue;
            }
            let set = sets.entry(name.to_owned()).or_insert_with(|| Set {
                name: name.to_owned(),
                of: of.to_owned(),
                at,
                ..Set::default()
            });
            set.whole |= inside == MANIFEST && is(Kind::File);
            set.proven |= inside == PROOF && is(Kind::File);
        }
        shelf.sets = sets.into_values().collect();
        shelf.sets.sort_by(|one, other| other.at.cmp(&one.at).then_with(|| one.name.cmp(&other.name)));
        shelf.unfinished.sort();
        shelf
    }

    /// The whole sets of one name, the newest first.
    pub fn whole<'a>(&'a self, of: &'a str) -> impl Iterator<Item = &'a Set> {
        self.sets.iter().filter(move |set| set.of == of && set.whole)
    }

    /// The names that there are sets of.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.sets.iter().map(|set| set.of.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Adds the set that a run made, or means to.
    pub fn add(&mut self, of: &str, at: Timestamp) {
        let name = set_name(of, at);
        // The name has whole seconds.
        let at = dated(&name).map_or(at, |(_, at)| at);
        if self.sets.iter().any(|set| set.name == name && set.whole) {
            return;
        }
        self.sets.retain(|set| set.name != name);
        self.sets.push(Set { name, of: of.into(), at, whole: true, proven: false });
        self.sets.sort_by(|one, other| other.at.cmp(&one.at).then_with(|| one.name.cmp(&other.name)));
    }

    /// The sets of one name that may go, the oldest first. The newest whole one stays, the newest proven one, and those
    /// that `needed` says.
    #[must_use]
    pub fn superfluous(
        &self,
        of: &str,
        retention: &Retention,
        now: Timestamp,
        needed: impl Fn(&Set) -> bool,
    ) -> Vec<&Set> {
        let sets: Vec<&Set> = self.sets.iter().filter(|set| set.of == of).collect();
        let newest = sets.iter().position(|set| set.whole);
        let proven = sets.iter().position(|set| set.whole && set.proven);
        let item = |(place, set): (usize, &&Set)| Item {
            at: set.at,
            whole: set.whole,
            kept: Some(place) == newest || Some(place) == proven || needed(set),
        };
        let items: Vec<Item> = sets.iter().enumerate().map(item).collect();
        let goes = retention.superfluous(&items, now);
        sets.into_iter().zip(goes).rev().filter_map(|(set, goes)| goes.then_some(set)).collect()
    }
}

fn dated(name: &str) -> Option<(&str, Timestamp)> {
    let (of, stamp) = name.rsplit_once('-')?;
    Some((of, Timestamp::from_compact(stamp)?)).filter(|(of, _)| !of.is_empty())
}
