//! The copies that are there already, by the names that this task gives.

use hostler_sdk::files::Directory;
use hostler_sdk::prelude::*;

use crate::Settings;

const BEFORE: &str = "redis-";
const AFTER: &str = ".rdb";

/// A copy that was found good.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Copy {
    pub name: String,
    pub at: Timestamp,
}

/// The good copies, the newest last.
#[derive(Debug, Default)]
pub(crate) struct Shelf(pub Vec<Copy>);

pub(crate) fn copy_name(at: Timestamp) -> String {
    format!("{BEFORE}{}{AFTER}", at.compact())
}

pub(crate) fn sidecar(name: &str) -> String {
    format!("{name}.sha256")
}

impl Shelf {
    pub(crate) async fn read(destination: &Directory) -> Result<Self, TaskError> {
        let tree = destination.list(Some(1)).await.during("looking for earlier copies")?;
        let names = tree.entries.iter().filter_map(|entry| entry.path.rsplit('/').next());
        Ok(Self::of(&names.collect::<Vec<_>>()))
    }

    pub(crate) fn of(names: &[&str]) -> Self {
        let good = |name: &&&str| names.contains(&sidecar(name).as_str());
        let copy = |name: &&str| {
            let at = Timestamp::from_compact(name.strip_prefix(BEFORE)?.strip_suffix(AFTER)?)?;
            Some(Copy { name: (*name).to_owned(), at })
        };
        let mut copies: Vec<Copy> = names.iter().filter(good).filter_map(copy).collect();
        copies.sort_by_key(|copy| copy.at.0);
        Self(copies)
    }

    /// The newest, where it is young enough to do.
    pub(crate) fn young(&self, now: Timestamp, interval: Duration) -> Option<&Copy> {
        self.0.last().filter(|copy| copy.at.until(now).as_seconds() < interval.as_seconds())
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Copy> {
        self.0.iter().find(|copy| copy.name == name)
    }

    pub(crate) fn judge(&self, now: Timestamp, settings: &Settings) {
        let remedy = "run the task; where it fails, its findings say why";
        let Some(newest) = self.0.last() else {
            finding!(Severity::Unknown, "no-snapshot", "destination", "there is no copy yet that was found good")
                .remedy(remedy)
                .report();
            return;
        };
        let age = newest.at.until(now);
        let finding = finding!(Severity::Ok, "snapshot-old", newest.name.as_str(), "the newest good copy is {age} old")
            .remedy(remedy);
        let metric = Metric::gauge("redis_snapshot_age_seconds", age.as_seconds());
        metric.judge(&settings.age_warning, &settings.age_critical, finding);
    }
}
