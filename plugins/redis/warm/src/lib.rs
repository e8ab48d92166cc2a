//! A cache filled from its source before the users come. Each query is read as it comes and written in batches, so that
//! a million rows need no memory; fresh keys are left alone, so that a second run writes nothing; a query that fails
//! keeps no other from its turn, where the guide's loop ends with the first that throws.
//!
//! Two who warm the same keys would only load the source twice: a key of the cache's own is the lock, so that an
//! application that warms itself can honour it. It expires by itself, whatever becomes of the run.

mod load;
mod remember;
mod tally;

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::baseline_taken;
use hostler_sdk::postgres::Database;
use hostler_sdk::prelude::*;
use hostler_sdk::redis::{Execution, Server};

use remember::Remembered;
use tally::Tally;

hostler_sdk::plugin!(Settings, run);

/// The lock's name, behind the first prefix, which the grant covers.
const LOCK: &str = "hostler-warm-lock";
/// What the task remembers of the keys.
const STATE: &str = "remembered";
/// How long the lock outlives a run that was killed.
const LOCK_MILLISECONDS: u64 = 600_000;

#[derive(Deserialize)]
struct Settings {
    queries: BTreeMap<String, String>,
    lookups: BTreeMap<String, String>,
    remember: usize,
    time_to_live: Duration,
    jitter: Percent,
    fresh: Percent,
    rate: u64,
    most: u64,
    ceiling: Percent,
    warning: Range,
    critical: Range,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let prefixes: BTreeSet<&String> = settings.queries.keys().chain(settings.lookups.keys()).collect();
    if prefixes.is_empty() || prefixes.iter().any(|prefix| prefix.is_empty()) {
        return Err(TaskError::new("settings.queries and settings.lookups name no prefix").remedy(
            "write settings.queries = { \"product:\" = \"SELECT …\" }: what the keys begin with, and their query",
        ));
    }
    let (database, cache) = (context.postgres("database").await?, context.redis("cache").await?);
    let _lock = context.lock("cache", "warm").await?;
    let own = lock(&context, &cache, prefixes.first().map_or("", |prefix| prefix)).await?;
    let mut remembered: Remembered = context.state().get(STATE).await?.unwrap_or_default();
    let mut tallies = vec![];
    for prefix in prefixes {
        let mut tally = Tally::new(prefix);
        let result = warm(&context, &database, &cache, &settings, &mut remembered, &mut tally).await;
        let ends = result.as_ref().is_err_and(TaskError::ends_the_run);
        if let Err(error) = result {
            tally.failed = Some(error);
        }
        tally.report(&settings, context.is_check());
        if let (true, Some(error)) = (ends, tally.failed.take()) {
            return Err(error);
        }
        tallies.push(tally);
    }
    context.state().set(STATE, &remembered).await?;
    unlock(&cache, &own).await?;
    Ok(tally::summary(&tallies, context.is_check()))
}

/// One prefix: the keys that the last run remembered first, then its query.
async fn warm(
    context: &Context,
    database: &Database,
    cache: &Server,
    settings: &Settings,
    remembered: &mut Remembered,
    tally: &mut Tally,
) -> Result<(), TaskError> {
    let prefix = tally.prefix.clone();
    let mut failed = None;
    if let Some(query) = settings.lookups.get(&prefix) {
        if !remembered.contains_key(&prefix) {
            baseline_taken(&prefix, "no run has remembered yet which keys are used most").report();
        }
        let known = remembered.entry(prefix.clone()).or_default();
        known.truncate(settings.remember);
        match remember::most_used(cache, &prefix, settings).await {
            Ok(used) => {
                match load::load_remembered(context, database, cache, (query, known), settings, tally).await {
                    Ok(found) => *known = remember::next(used, found, settings),
                    Err(error) if error.ends_the_run() => return Err(error),
                    // Its query has its turn all the same, and what was known is known.
                    Err(error) => failed = Some(error),
                }
            }
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.finding("keys-not-ranked", &prefix).report(),
        }
    }
    if let Some(query) = settings.queries.get(&prefix) {
        load::load(context, database, cache, query, settings, tally).await?;
    }
    failed.map_or(Ok(()), Err)
}

/// Takes the cache's own lock.
async fn lock(context: &Context, cache: &Server, prefix: &str) -> Result<(String, String), TaskError> {
    let (key, value) = (format!("{prefix}{LOCK}"), context.info().run_id);
    let milliseconds = LOCK_MILLISECONDS.to_string();
    let _step = context.step("keep others from warming the same keys", 1, 1)?;
    match cache.execute(["SET", &key, &value, "NX", "PX", &milliseconds]).await? {
        Execution::Applied(hostler_sdk::Reply::Nil) => {
            Err(TaskError::new(format!("{key} is set: somebody else warms this cache"))
                .remedy("let it end, then run the task again; the key expires by itself"))
        }
        _ => Ok((key, value)),
    }
}

/// Lets the lock go, where it is still this run's.
async fn unlock(cache: &Server, (key, value): &(String, String)) -> Result<(), TaskError> {
    if cache.query(["GET", key]).await?.text().is_ok_and(|holder| holder == *value) {
        cache.execute(["DEL", key]).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
