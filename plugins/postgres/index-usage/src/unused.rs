//! Indexes that nobody used for as long as anybody counts.

use hostler_sdk::prelude::*;

use crate::{Settings, catalogue::Index};

/// Tells them, and returns how many they are.
pub(crate) fn report(
    indexes: &[Index],
    old_enough: bool,
    since: Timestamp,
    now: Timestamp,
    settings: &Settings,
) -> usize {
    let mut unused: Vec<&Index> = indexes.iter().filter(|index| is_unused(index, now, settings)).collect();
    unused
        .sort_by(|one, other| other.bytes.total_cmp(&one.bytes).then_with(|| one.full_name().cmp(&other.full_name())));
    // Where the server says when an index was last used, its own word is enough.
    let known = |index: &Index| index.last_used.is_some();
    let told: Vec<&&Index> = unused.iter().filter(|index| old_enough || known(index)).collect();
    if !old_enough && told.len() < unused.len() {
        let how = if since.0 == u64::MAX {
            "of a standby are not known".to_owned()
        } else {
            format!("go back {}", since.until(now))
        };
        finding!(
            Severity::Unknown,
            "statistics-young",
            "statistics",
            "{} not used, and the statistics {how}: whether they are unused is not known",
            counted(unused.len() - told.len(), "index")
        )
        .remedy(format!("let them be until the statistics go back {}; never reset them for it", settings.unused))
        .report();
    }
    for index in told.iter().take(settings.top) {
        let when = match index.last_used {
            Some(at) => format!("was last used {} ago", Timestamp::from_seconds(at).until(now)),
            None => format!("was not used for {}", since.until(now)),
        };
        finding!(
            Severity::Warning,
            "index-unused",
            index.full_name(),
            "it {when}, on every server that was asked, and takes {}",
            ByteSize::from_f64(index.bytes)
        )
        .detail(format!("On {}. What runs once a year has not run yet: ask before it goes.", index.table))
        .remedy(index.remedy())
        .report();
    }
    told.len()
}

fn is_unused(index: &Index, now: Timestamp, settings: &Settings) -> bool {
    let candidate = !index.needed && index.bytes >= settings.least.as_f64();
    let long_ago = index
        .last_used
        .is_some_and(|at| Timestamp::from_seconds(at).until(now).as_seconds() >= settings.unused.as_seconds());
    candidate && (index.scans == 0.0 || long_ago)
}
