//! A cache filled from its source before the users come. Each query is read as it comes and written in batches, so that
//! a million rows need no memory; fresh keys are left alone, so that a second run writes nothing; a query that fails
//! keeps no other from its turn, where the guide's loop ends with the first that throws.
//!
//! Two who warm the same keys would only load the source twice: a key of the cache's own is the lock, so that an
//! application that warms itself can honour it. It expires by itself, whatever becomes of the run.

mod load;
mod tally;

use std::collections::BTreeMap;

use hostler_sdk::prelude::*;
use hostler_sdk::redis::{Execution, Server};

use tally::Tally;

hostler_sdk::plugin!(Settings, run);

/// The lock's name, behind the first prefix, which the grant covers.
const LOCK: &str = "hostler-warm-lock";
/// How long the lock outlives a run that was killed.
const LOCK_MILLISECONDS: u64 = 600_000;

#[derive(Deserialize)]
struct Settings {
    queries: BTreeMap<String, String>,
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
    if settings.queries.is_empty() || settings.queries.keys().any(String::is_empty) {
        return Err(TaskError::new("settings.queries names no prefix").remedy(
            "write settings.queries = { \"product:\" = \"SELECT …\" }: what the keys begin with, and their query",
        ));
    }
    let (database, cache) = (context.postgres("database").await?, context.redis("cache").await?);
    let _lock = context.lock("cache", "warm").await?;
    let own = lock(&context, &cache, &settings).await?;
    let mut tallies = vec![];
    for (prefix, query) in &settings.queries {
        let mut tally = Tally::new(prefix);
        match load::load(&context, &database, &cache, query, &settings, &mut tally).await {
            Err(error) if error.ends_the_run() => {
                tally.report(&settings, context.is_check());
                return Err(error);
            }
            Err(error) => tally.failed = Some(error),
            Ok(()) => {}
        }
        tally.report(&settings, context.is_check());
        tallies.push(tally);
    }
    unlock(&cache, &own).await?;
    Ok(tally::summary(&tallies, context.is_check()))
}

/// Takes the cache's own lock.
async fn lock(context: &Context, cache: &Server, settings: &Settings) -> Result<(String, String), TaskError> {
    let prefix = settings.queries.keys().next().cloned().unwrap_or_default();
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
