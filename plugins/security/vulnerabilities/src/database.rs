//! The copy of the advisories in a directory: one JSON file each, several in one file, or directories by ecosystem as OSV
//! hands them out. Of tens of thousands only those are kept that are about a package that is there.
//!
//! A copy that nobody renews finds less every day and looks healthier for it, so its age is judged twice: by when its
//! files were written here, and by its newest advisory.

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::files::{self, Directory, Entry, Kind};
use hostler_sdk::prelude::*;
use hostler_sdk::{join_all, listed};
use serde::Deserialize;

use crate::Settings;
use crate::ecosystem::Ecosystem;
use crate::osv::Advisory;

const LARGEST: usize = 64 << 20;
/// Files that are read at a time.
const AT_ONCE: usize = 16;

/// Names of packages that are there.
pub(crate) type Wanted = BTreeSet<(Ecosystem, String)>;

/// The advisories that may count, and what is known of the copy.
#[derive(Debug, Default)]
pub(crate) struct Database {
    pub(crate) advisories: Vec<Advisory>,
    copies: BTreeMap<Ecosystem, Copy>,
    damaged: Vec<String>,
}

#[derive(Debug, Default, Clone, PartialEq)]
struct Copy {
    written: Timestamp,
    newest: Timestamp,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<Advisory>),
    One(Box<Advisory>),
}

impl Database {
    pub(crate) async fn read(directory: &Directory, wanted: &Wanted) -> Result<Self, TaskError> {
        let tree = directory.list(Some(4)).await?;
        let root = format!("{}/", directory.root());
        let mut database = Self::default();
        database.damaged.extend(tree.unreadable.into_iter().map(|(path, _)| path));
        let files: Vec<&Entry> = tree
            .entries
            .iter()
            .filter(|entry| entry.metadata.kind == Kind::File && is_json(&entry.path))
            .filter(|entry| entry.path.strip_prefix(&root).is_some_and(|below| is_wanted(below, wanted)))
            .collect();
        for chunk in files.chunks(AT_ONCE) {
            let read = join_all(chunk.iter().map(|entry| files::read(&entry.path, LARGEST))).await;
            for (entry, bytes) in chunk.iter().zip(read) {
                let below = entry.path.strip_prefix(&root).unwrap_or(&entry.path);
                let written = Timestamp::from_nanoseconds(entry.metadata.changed);
                match bytes {
                    Ok(bytes) => database.take(below, &bytes, written, wanted),
                    Err(error) if error.ends_the_run() => return Err(error),
                    Err(_) => database.damaged.push(below.to_owned()),
                }
            }
        }
        Ok(database)
    }

    /// Takes the advisories of one file in.
    pub(crate) fn take(&mut self, name: &str, bytes: &[u8], written: Timestamp, wanted: &Wanted) {
        for parsed in serde_json::Deserializer::from_slice(bytes).into_iter::<OneOrMany>() {
            let advisories = match parsed {
                Ok(OneOrMany::One(advisory)) => vec![*advisory],
                Ok(OneOrMany::Many(advisories)) => advisories,
                Err(_) => {
                    self.damaged.push(name.to_owned());
                    return;
                }
            };
            for advisory in advisories {
                self.add(name, advisory, written, wanted);
            }
        }
    }

    fn add(&mut self, name: &str, advisory: Advisory, written: Timestamp, wanted: &Wanted) {
        let Some(modified) = advisory.modified().filter(|_| !advisory.id.is_empty()) else {
            self.damaged.push(name.to_owned());
            return;
        };
        let mut counts = false;
        for affected in &advisory.affected {
            let Some((ecosystem, _)) = Ecosystem::of(&affected.package.ecosystem) else { continue };
            let copy = self.copies.entry(ecosystem).or_default();
            copy.written = copy.written.max(written);
            copy.newest = copy.newest.max(modified);
            counts |= wanted.contains(&(ecosystem, ecosystem.normalise(&affected.package.name)));
        }
        if counts {
            self.advisories.push(advisory);
        }
    }

    /// Whether an ecosystem's packages can be compared with it; tells why where they cannot.
    pub(crate) fn serves(&self, ecosystem: Ecosystem, settings: &Settings, now: Timestamp) -> bool {
        let name = ecosystem.name();
        let remedy = format!(
            "fetch OSV's export of {name} (all.zip, see osv.dev) and unpack it into the directory bound as `advisories`, \
             below {name}/"
        );
        let Some(copy) = self.copies.get(&ecosystem) else {
            finding!(Severity::Unknown, "database-missing", name, "there are no advisories of {name} to compare with")
                .remedy(remedy)
                .report();
            return false;
        };
        let (written, newest) = (copy.written.until(now), copy.newest.until(now));
        Metric::gauge("advisories_age_seconds", newest.as_seconds()).label("ecosystem", name).report();
        let limit = |age, limit, what| format!("{what} {age} old, unknown above {limit}");
        let old = if written > settings.fetched_within {
            Some(limit(written, settings.fetched_within, "its newest file is"))
        } else if newest > settings.modified_within {
            Some(limit(newest, settings.modified_within, "its newest advisory is"))
        } else {
            None
        };
        if let Some(old) = &old {
            finding!(Severity::Unknown, "database-old", name, "the copy of {name}'s advisories is too old: {old}")
                .remedy(remedy)
                .report();
        }
        old.is_none()
    }

    /// Whether there are advisories of an ecosystem at all.
    pub(crate) fn has(&self, ecosystem: Ecosystem) -> bool {
        self.copies.contains_key(&ecosystem)
    }

    pub(crate) fn report_damaged(&self) {
        if self.damaged.is_empty() {
            return;
        }
        finding!(
            Severity::Unknown,
            "advisory-damaged",
            "advisories",
            "{} could not be read: {}",
            counted(self.damaged.len(), "advisory file"),
            listed(&self.damaged, 5)
        )
        .remedy("fetch them anew; an advisory is JSON with `id` and `modified`")
        .report();
    }
}

fn is_json(path: &str) -> bool {
    path.ends_with(".json") || path.ends_with(".jsonl")
}

/// Directories that carry an ecosystem's name are left out where nothing of it is there.
fn is_wanted(below: &str, wanted: &Wanted) -> bool {
    let Some((directory, _)) = below.split_once('/') else { return true };
    let others = [
        "AlmaLinux",
        "Alpaquita",
        "Alpine",
        "Android",
        "Bitnami",
        "Chainguard",
        "CRAN",
        "GHC",
        "GIT",
        "GSD",
        "Go",
        "Hackage",
        "Hex",
        "Linux",
        "Mageia",
        "Maven",
        "MinimOS",
        "NuGet",
        "OSS-Fuzz",
        "Packagist",
        "Pub",
        "Red Hat",
        "Rocky Linux",
        "RubyGems",
        "SUSE",
        "SwiftURL",
        "UVI",
        "Ubuntu",
        "Wolfi",
        "openEuler",
        "openSUSE",
    ];
    let name = directory.split(':').next().unwrap_or(directory);
    match Ecosystem::of(name) {
        Some((ecosystem, _)) => wanted.iter().any(|(one, _)| *one == ecosystem),
        None => !others.contains(&name),
    }
}
