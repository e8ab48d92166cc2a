//! Indexes that cost and do not serve. An index that no query used is written by every change, kept in memory and
//! replicated; but "not used" holds only as far as the statistics go back, and only where every standby says the same. So
//! nothing is dropped here: the statement that would, and the one that undoes it, are the remedy.

mod catalogue;
mod overlap;
mod unused;

use std::collections::BTreeMap;

use hostler_sdk::postgres::{self, Database};
use hostler_sdk::prelude::*;

use catalogue::Index;

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    unused: Duration,
    least: ByteSize,
    least_rows: f64,
    top: usize,
}

/// When each server's statistics began, as far as this task knows: a server that never reset them does not say.
const STATE: &str = "first-seen";

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let database = context.postgres("database").await?;
    let mut seen: BTreeMap<String, Timestamp> = context.state().get(STATE).await?.unwrap_or_default();
    let mut indexes = catalogue::read(&database).await?;
    let mut since = catalogue::since(&database, "database", &mut seen).await?;
    for target in postgres::targets("standbys") {
        match standby(&target, &mut indexes, &mut seen).await {
            Ok(began) => since = since.max(began),
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => {
                error.during("looking at a standby's use of indexes").finding("standby-unknown", &target).report();
                // Whether an index is unused everywhere is not known then.
                since = Timestamp(u64::MAX);
            }
        }
    }
    context.state().set(STATE, &seen).await?;
    let now = context.planned_at();
    let old_enough = since.0 != u64::MAX && since.until(now).as_seconds() >= settings.unused.as_seconds();
    let unused = unused::report(&indexes, old_enough, since, now, &settings);
    let covered = overlap::report(&indexes, &settings);
    let missing = catalogue::report_foreign_keys(&database, &settings).await?;
    Metric::gauge("postgres_indexes_unused", unused as f64).report();
    Metric::gauge("postgres_indexes_covered", covered as f64).report();
    Metric::gauge("postgres_foreign_keys_without_index", missing as f64).report();
    let keys = counted(missing, "foreign key");
    Ok(format!("{}: {unused} unused, {covered} covered by others, {keys} without one", counted(indexes.len(), "index")))
}

/// Adds what a standby used, and says since when it counts.
async fn standby(
    target: &str,
    indexes: &mut [Index],
    seen: &mut BTreeMap<String, Timestamp>,
) -> Result<Timestamp, TaskError> {
    let database = Database::open("standbys", Some(target), None).await?;
    let used: BTreeMap<i64, Index> =
        catalogue::read(&database).await?.into_iter().map(|index| (index.oid, index)).collect();
    for index in indexes {
        if let Some(there) = used.get(&index.oid) {
            index.scans += there.scans;
            index.last_used = index.last_used.max(there.last_used);
        }
    }
    catalogue::since(&database, target, seen).await
}

#[cfg(test)]
mod tests;
