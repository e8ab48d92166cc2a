//! How old the package lists are. apt leaves no trace where nothing was new, so the age of what it fetched last counts;
//! where something keeps the stamp of the last update that succeeded, that counts too.
//!
//! Of the lists those of security suites count alone where there are any: another repository that is fresh says nothing
//! about fixes. The archives of Debian and Ubuntu sign theirs anew several times a day, and a file's time is the archive's.

use hostler_sdk::files::{Directory, Entry, Kind, modified};
use hostler_sdk::prelude::*;

use crate::Settings;

/// What an update that succeeded in all its parts touches, where the system is set up so.
const STAMP: &str = "update-success-stamp";

pub(crate) async fn report(lists: &Directory, settings: &Settings, now: Timestamp) -> Result<(), TaskError> {
    let tree = lists.list(Some(2)).await.during("the package lists")?;
    let Some(newest) = newest(&tree.entries) else {
        finding!(Severity::Unknown, "lists-old", "package lists", "there is none: what waits is not known")
            .remedy("apt-get update    # or bind the directory that has them, mostly /var/lib/apt")
            .report();
        return Ok(());
    };
    judge(newest.until(now), settings);
    Ok(())
}

/// When a list was last new.
pub(crate) fn newest(entries: &[Entry]) -> Option<Timestamp> {
    let files = || entries.iter().filter(|entry| entry.metadata.kind == Kind::File);
    let is_list = |entry: &&Entry| entry.path.ends_with("Release");
    let security = |entry: &&Entry| entry.path.rsplit('/').next().is_some_and(|name| name.contains("security"));
    let time = |entry: &Entry| modified(&entry.metadata);
    let of_security = files().filter(is_list).filter(security).map(time).max();
    let fetched = of_security.or_else(|| files().filter(is_list).map(time).max())?;
    let stamped = files().filter(|entry| entry.path.ends_with(STAMP)).map(time).max();
    Some(stamped.map_or(fetched, |stamped| stamped.max(fetched)))
}

pub(crate) fn judge(age: Duration, settings: &Settings) {
    Metric::gauge("system_package_lists_age_seconds", age.as_seconds()).report();
    if age > settings.lists_age {
        finding!(
            Severity::Unknown,
            "lists-old",
            "package lists",
            "the newest list is {age} old, unknown above {}: what came since is not known",
            settings.lists_age
        )
        .remedy("apt-get update    # and look why nothing does it every day: systemctl list-timers apt-daily.timer")
        .report();
    }
}
