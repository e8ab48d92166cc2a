//! Which files belong together, and what they say.

use std::collections::BTreeMap;

use hostler_sdk::files::{Entry, Kind, modified};
use hostler_sdk::prelude::*;
use hostler_sdk::{judged_above, listed};
use shared_backups::{MANIFEST, PROOF};

use crate::Settings;

/// As many backups before the newest make up what is usual.
const USUAL: usize = 7;
/// What was changed within this time may still be written.
const SETTLED: f64 = 600.0;

/// One backup: a file, or a directory of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Backup {
    pub name: String,
    pub bytes: u64,
    pub at: Timestamp,
    /// Whether a checksum lies beside it, or a manifest in it, whichever is written last.
    pub checksum: bool,
    /// Whether it is of a kind that has a manifest when it is whole.
    pub has_manifest: bool,
    pub settled: bool,
}

/// The backups of all sets, each by its name without dates.
#[derive(Debug, Default)]
pub(crate) struct Sets(BTreeMap<String, Vec<Backup>>);

const CHECKSUMS: [&str; 4] = [".sha256", ".sha512", ".md5", ".sum"];
/// Names that a backup has while it is written.
const UNFINISHED: [&str; 5] = [".tmp", ".partial", ".part", ".incomplete", ".writing"];

/// What the sets of backup-postgres-dump and backup-postgres-base have beside their manifest.
const OF_A_SET: [&str; 4] = ["globals.sql", "dump/toc.dat", "data/backup_manifest", "backup_manifest"];

impl Sets {
    pub(crate) fn of(root: &str, entries: &[Entry], now: Timestamp) -> Self {
        let mut backups: BTreeMap<String, Backup> = BTreeMap::new();
        let mut checksums = vec![];
        for entry in entries {
            let Some(below) = entry.path.strip_prefix(root) else { continue };
            let (name, inside) = below.split_once('/').unwrap_or((below, ""));
            let unfinished = UNFINISHED.iter().any(|end| name.ends_with(end)) || name.starts_with('.');
            if unfinished || name.is_empty() {
                continue;
            }
            if let Some(of) = CHECKSUMS.iter().find_map(|end| below.strip_suffix(end)) {
                checksums.push(of.to_owned());
                continue;
            }
            // A proof is written long after the backup, and makes it no fresher.
            if entry.metadata.kind != Kind::File || inside == PROOF {
                continue;
            }
            if inside == MANIFEST {
                checksums.push(name.to_owned());
            }
            let at = modified(&entry.metadata);
            let backup = backups.entry(name.to_owned()).or_insert(Backup {
                name: name.to_owned(),
                bytes: 0,
                at,
                checksum: false,
                has_manifest: false,
                settled: true,
            });
            backup.has_manifest |= OF_A_SET.contains(&inside);
            backup.bytes += entry.metadata.size;
            backup.at = backup.at.max(at);
            backup.settled &= at.until(now).as_seconds() >= SETTLED;
        }
        let mut sets = Self::default();
        for (name, mut backup) in backups {
            backup.checksum = checksums.contains(&name);
            sets.0.entry(set_name(&name)).or_default().push(backup);
        }
        for backups in sets.0.values_mut() {
            backups.sort_by_key(|backup| std::cmp::Reverse(backup.at));
        }
        sets
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.values().flatten().all(|backup| backup.bytes == 0)
    }

    pub(crate) fn extend(&mut self, other: Self) {
        for (name, backups) in other.0 {
            let set = self.0.entry(name).or_default();
            set.extend(backups);
            set.sort_by_key(|backup| std::cmp::Reverse(backup.at));
        }
    }

    pub(crate) fn report(&self, settings: &Settings, now: Timestamp) {
        for (name, backups) in &self.0 {
            report(name, backups, settings, now);
        }
        let missing: Vec<&String> = settings.expected.iter().filter(|name| !self.0.contains_key(*name)).collect();
        for name in missing {
            let known: Vec<&String> = self.0.keys().collect();
            finding!(
                Severity::Critical,
                "set-missing",
                name,
                "there is no backup of this set; there are {}",
                listed(&known, 5)
            )
            .remedy("look when its backup job last ran, and where it writes to; then run it")
            .report();
        }
    }

    pub(crate) fn summary(&self, stanzas: usize) -> String {
        let backups: usize = self.0.values().map(Vec::len).sum();
        let of_pgbackrest =
            if stanzas > 0 { format!(", {} of pgBackRest's", counted(stanzas, "stanza")) } else { String::new() };
        format!("{} in {}{of_pgbackrest}", counted(backups, "backup"), counted(self.0.len(), "set"))
    }
}

/// Whether a backup is whole, as far as that can be told from outside.
fn is_complete(backup: &Backup, backups: &[Backup]) -> bool {
    // Where half of them have a checksum, it is written last: one without it was not finished.
    let with = backups.iter().filter(|one| one.checksum).count();
    let usual = backup.has_manifest || with > 0 && with * 2 >= backups.len();
    backup.bytes > 0 && (backup.checksum || !usual)
}

fn report(name: &str, backups: &[Backup], settings: &Settings, now: Timestamp) {
    let complete: Vec<&Backup> = backups.iter().filter(|backup| is_complete(backup, backups)).collect();
    let Some(newest) = complete.first() else {
        finding!(
            Severity::Critical,
            "no-backup",
            name,
            "{} of this set, and none is complete",
            counted(backups.len(), "file")
        )
        .remedy(
            "look what the backup job says, and run it again; an empty file or one without its checksum is no backup",
        )
        .report();
        return;
    };
    let age = newest.at.until(now).as_seconds();
    let (warning, critical) = (settings.age_warning.as_seconds(), settings.age_critical.as_seconds());
    let (severity, limit) = judged_above(age, warning, critical, Measure::Seconds);
    Metric::gauge("backup_age_seconds", age).label("set", name).report();
    Metric::gauge("backup_size_bytes", newest.bytes as f64).label("set", name).report();
    finding!(
        severity,
        "backup-old",
        name,
        "the newest complete backup is {} old{limit}: {}",
        Duration::from_seconds(age),
        newest.name
    )
    .remedy("look why the job that makes it did not run or did not finish, and run it now")
    .report_unless_ok();
    let left: Vec<&str> = backups
        .iter()
        .filter(|backup| backup.at > newest.at && backup.settled && !is_complete(backup, backups))
        .map(|backup| backup.name.as_str())
        .collect();
    if !left.is_empty() {
        finding!(
            Severity::Warning,
            "backup-incomplete",
            name,
            "newer than the newest complete one, and not complete: {}",
            listed(&left, 3)
        )
        .remedy("the job was cut off: look at the disk and at its log, then run it again")
        .report();
    }
    report_size(name, newest, &complete[1..], settings);
}

fn report_size(name: &str, newest: &Backup, before: &[&Backup], settings: &Settings) {
    let mut sizes: Vec<u64> = before.iter().take(USUAL).map(|backup| backup.bytes).collect();
    sizes.sort_unstable();
    let Some(usual) = sizes.get(sizes.len() / 2).copied().filter(|usual| *usual > 0) else { return };
    let change = (newest.bytes as f64 - usual as f64) / usual as f64 * 100.0;
    let (severity, limit) =
        judged_above(change.abs(), settings.size_warning.0, settings.size_critical.0, Measure::Percent);
    let way = if change < 0.0 { "smaller" } else { "larger" };
    finding!(
        severity,
        "backup-size",
        name,
        "{} is {} {way} than usual{limit}: {} instead of {}",
        newest.name,
        Percent(change.abs()),
        ByteSize(newest.bytes),
        ByteSize(usual)
    )
    .detail("A dump that shrinks lost tables, or was cut off; one that grows may hold what was to be cleaned up.")
    .remedy("look at what it contains (pg_restore -l, tar -t), and let backup-restore-test prove it")
    .report_unless_ok();
}

/// A name without its dates, times, numbers and endings: `shop-20250121T203400Z.tar.zst` is of `shop`.
pub(crate) fn set_name(name: &str) -> String {
    let stem = name.split('.').next().unwrap_or(name);
    let part = |part: &str| {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        let letters = part.bytes().filter(u8::is_ascii_alphabetic).count();
        // `20250121T203400Z`, `21`, `2034`: digits, and at most the two letters of a time.
        part.starts_with(|first: char| first.is_ascii_digit()) && letters <= 2 && digits + letters == part.len()
    };
    let kept: Vec<&str> = stem.split(['-', '_']).filter(|one| !one.is_empty() && !part(one)).collect();
    if kept.is_empty() { "(dated alone)".to_owned() } else { kept.join("-") }
}
