//! Which archives are there, and which of them may go.
//!
//! Pure, since this is what must not be wrong: it sees names and times, and says which files are superfluous.

use std::collections::BTreeMap;

use hostler_sdk::files::{Entry, Kind};
use hostler_sdk::{Severity, Timestamp, finding};
use shared_backups::{Item, Retention};

/// What becomes of the temporary name that a file is given is the host's; these are the names that last.
const ARCHIVE: &str = ".tar.zst";
const SIDECAR: &str = ".sha256";

pub(crate) fn archive_name(source: &str, at: Timestamp) -> String {
    format!("{source}-{}{ARCHIVE}", at.compact())
}

pub(crate) fn sidecar_name(archive: &str) -> String {
    format!("{archive}{SIDECAR}")
}

/// When an archive of this source was made; nothing where the name is not one that this task gives.
fn dated(source: &str, file: &str) -> Option<Timestamp> {
    let stamp = file.strip_prefix(source)?.strip_prefix('-')?.strip_suffix(ARCHIVE)?;
    Timestamp::from_compact(stamp)
}

/// The archives of one source, by name, and so by age.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    sets: BTreeMap<String, Set>,
}

/// An archive and its checksum, as far as they are there.
#[derive(Debug, Default)]
struct Set {
    at: Timestamp,
    archive: Option<Entry>,
    sidecar: Option<Entry>,
    /// Made by this run.
    new: bool,
}

impl Set {
    fn is_whole(&self) -> bool {
        self.new || self.archive.is_some() && self.sidecar.is_some()
    }
}

/// What is never removed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept<'a> {
    pub(crate) newest: &'a str,
    pub(crate) best: Option<&'a str>,
}

impl Shelf {
    /// Files by the names that this task gives. Directories and links of such a name are somebody else's.
    pub(crate) fn read<'a>(source: &str, entries: impl Iterator<Item = (&'a str, &'a Entry)>) -> Self {
        let mut shelf = Self::default();
        for (name, entry) in entries.filter(|(_, entry)| entry.metadata.kind == Kind::File) {
            let archive = name.strip_suffix(SIDECAR).unwrap_or(name);
            let Some(at) = dated(source, archive) else { continue };
            let set = shelf.sets.entry(archive.into()).or_default();
            set.at = at;
            let place = if archive == name { &mut set.archive } else { &mut set.sidecar };
            *place = Some(entry.clone());
        }
        shelf
    }

    /// Whether an archive and its checksum are there: the same plan was applied before.
    pub(crate) fn has(&self, archive: &str) -> bool {
        self.sets.get(archive).is_some_and(Set::is_whole)
    }

    pub(crate) fn newest_size(&self) -> Option<u64> {
        self.sets.values().rev().find_map(|set| Some(set.archive.as_ref()?.metadata.size))
    }

    /// Adds the archive that this run made, or means to.
    pub(crate) fn add(&mut self, archive: &str) {
        self.sets.entry(archive.into()).or_default().new = true;
    }

    /// Archives without a checksum: nobody can tell whether they are still what was written. Those that this run
    /// `removed` are nobody's worry any more.
    pub(crate) fn report(&self, source: &str, newest: &str, removed: &[String]) {
        let is_there = |entry: &Entry| !removed.contains(&entry.path);
        let alone = self.sets.iter().filter(|(name, set)| {
            *name != newest && set.archive.as_ref().is_some_and(is_there) && set.sidecar.is_none()
        });
        for (name, _) in alone {
            finding!(
                Severity::Warning,
                "checksum-missing",
                source,
                "{name} has no checksum, so it is not counted among the archives that are kept"
            )
            .remedy(format!("zstd --test {name} && sha256sum {name} > {name}{SIDECAR}"))
            .report();
        }
    }
}

/// The files that may go, the oldest first, each archive before its checksum.
///
/// An archive without its checksum goes when it is older than all that are kept; a checksum without its archive is what
/// a removal left that was cut short.
pub(crate) fn superfluous<'a>(
    retention: &Retention,
    shelf: &'a Shelf,
    kept: &Kept<'_>,
    now: Timestamp,
) -> Vec<&'a Entry> {
    let is_kept = |name: &str| name == kept.newest || kept.best == Some(name);
    let sets: Vec<(&String, &Set)> = shelf.sets.iter().rev().collect();
    let item = |(name, set): &(&String, &Set)| Item { at: set.at, whole: set.is_whole(), kept: is_kept(name) };
    let goes = retention.superfluous(&sets.iter().map(item).collect::<Vec<_>>(), now);
    let alone = |name: &str, set: &Set| set.archive.is_none() && !set.new && !is_kept(name);
    let gone = sets.iter().zip(goes).filter(|((name, set), goes)| *goes || alone(name, set));
    let gone: Vec<&Set> = gone.map(|((_, set), _)| *set).collect();
    gone.iter().rev().flat_map(|set| set.archive.iter().chain(&set.sidecar)).collect()
}
