//! Which files are old. Pure: it sees what a walk found, and says what may go.

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::files::{Entry, Identity, Kind, identity};
use hostler_sdk::matches_pattern;

/// How the names of PostgreSQL's temporary files and of their directories begin.
const POSTGRESQL: &str = "pgsql_tmp";

/// A file that may go.
#[derive(Debug, Clone)]
pub(crate) struct Old {
    pub path: String,
    pub bytes: u64,
    /// When it was last used, in nanoseconds since the Unix epoch.
    used: i64,
    pub identity: Identity,
}

/// What a walk comes to.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    /// Those that were not used for longest first.
    pub old: Vec<Old>,
    /// How many were left alone, by reason.
    pub left_alone: BTreeMap<&'static str, usize>,
    pub unreadable: Vec<(String, String)>,
}

/// What holds for a directory.
pub(crate) struct Rules<'r> {
    /// The directory's path, with a slash behind it.
    pub root: String,
    /// Older than this, in nanoseconds since the Unix epoch.
    pub before: i64,
    pub exclude: &'r [String],
    pub open: &'r BTreeSet<String>,
}

impl Rules<'_> {
    pub(crate) fn choose(&self, entries: &[Entry]) -> Chosen {
        let mut chosen = Chosen::default();
        for entry in entries.iter().filter(|entry| entry.metadata.kind != Kind::Directory) {
            match self.why_not(entry) {
                Some(reason) => *chosen.left_alone.entry(reason).or_default() += 1,
                None => chosen.old.push(Old {
                    path: entry.path.clone(),
                    bytes: entry.metadata.size,
                    used: entry.metadata.modified.max(entry.metadata.accessed),
                    identity: identity(&entry.metadata),
                }),
            }
        }
        chosen.old.sort_by(|one, other| one.used.cmp(&other.used).then_with(|| one.path.cmp(&other.path)));
        chosen
    }

    fn why_not(&self, entry: &Entry) -> Option<&'static str> {
        let metadata = &entry.metadata;
        let Some(below) = entry.path.strip_prefix(&self.root) else { return Some("elsewhere") };
        if metadata.kind != Kind::File {
            return Some("no regular file");
        }
        if metadata.modified >= self.before || metadata.accessed >= self.before {
            return Some("used since");
        }
        if below.split('/').any(|part| self.exclude.iter().any(|pattern| matches_pattern(pattern, part))) {
            return Some("excluded");
        }
        if below.split('/').any(|part| part.starts_with(POSTGRESQL)) {
            return Some("PostgreSQL's own");
        }
        if metadata.links > 1 {
            return Some("it has another name elsewhere");
        }
        self.open.contains(&entry.path).then_some("open")
    }
}
