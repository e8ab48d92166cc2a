//! One query, read as it comes and written in batches.

use std::thread::sleep;

use hostler_sdk::postgres::Database;
use hostler_sdk::prelude::*;
use hostler_sdk::redis::{Command, Execution, Server};
use hostler_sdk::{Reply, progress};

use crate::{Settings, tally::Tally};

/// Keys asked for and written in one round trip.
const BATCH: usize = 250;

/// A key and its value.
type Pair = (String, String);

pub(crate) async fn load(
    context: &Context,
    database: &Database,
    cache: &Server,
    query: &str,
    settings: &Settings,
    tally: &mut Tally,
) -> Result<(), TaskError> {
    let mut rows = database.query(query, &[]).await?;
    let _step = context.step(&format!("write keys under {}", tally.prefix), settings.most, settings.most)?;
    while let Some(batch) = rows.next().await? {
        let mut pairs: Vec<Pair> = vec![];
        for row in batch.rows() {
            if tally.wanted >= settings.most {
                break;
            }
            tally.wanted += 1;
            let key: String = row.get("key")?;
            if key.starts_with(&tally.prefix) {
                pairs.push((key, row.get("value")?));
            } else {
                tally.strange.get_or_insert(hostler_sdk::redis::shown(key.as_bytes()));
            }
        }
        for pairs in pairs.chunks(BATCH) {
            if tally.stopped.is_none() {
                tally.stopped = context.stop_requested().map(str::to_owned);
            }
            if tally.stopped.is_none() {
                tally.stopped = full(cache, settings).await?;
            }
            if tally.stopped.is_none() {
                write(context, cache, pairs, settings, tally).await?;
            }
        }
        if tally.wanted >= settings.most || tally.stopped.is_some() {
            break;
        }
        progress(tally.wanted, None, &format!("warming {}", tally.prefix));
    }
    Ok(())
}

/// Why no more may be written.
async fn full(cache: &Server, settings: &Settings) -> Result<Option<String>, TaskError> {
    let info = cache.info(&["memory"]).await?;
    let (used, most): (f64, f64) = (info.number("used_memory")?, info.number("maxmemory")?);
    let share = Percent::of(used, most).filter(|share| share.0 >= settings.ceiling.0);
    Ok(share.map(|share| format!("{share} of maxmemory is used, and warming stops at {}", settings.ceiling)))
}

async fn write(
    context: &Context,
    cache: &Server,
    pairs: &[Pair],
    settings: &Settings,
    tally: &mut Tally,
) -> Result<(), TaskError> {
    let asked: Vec<Command> = pairs.iter().map(|(key, _)| hostler_sdk::redis::command(["TTL", key])).collect();
    let ages = cache.query_many(asked).await?;
    let is_fresh = |age: &Reply| age.integer().is_ok_and(|left| left == -1 || left as f64 > fresh(settings));
    let stale: Vec<&Pair> = pairs.iter().zip(&ages).filter(|(_, age)| !is_fresh(age)).map(|(pair, _)| pair).collect();
    tally.fresh += (pairs.len() - stale.len()) as u64;
    if stale.is_empty() {
        return Ok(());
    }
    // In a check one stands for all of a query: the step says how many there may be.
    let first = tally.planned == 0;
    tally.planned += stale.len() as u64;
    if context.is_check() && !first {
        return Ok(());
    }
    let sent = if context.is_check() { &stale[..1] } else { &stale[..] };
    let commands = sent.iter().map(|(key, value)| set(key, value, settings)).collect();
    if let Execution::Applied(replies) = cache.execute_many(commands).await? {
        for reply in &replies {
            match reply {
                Reply::Failure(reason) => tally.refused(reason),
                _ => tally.written += 1,
            }
        }
        sleep(std::time::Duration::from_secs_f64(sent.len() as f64 / settings.rate as f64));
    }
    Ok(())
}

fn fresh(settings: &Settings) -> f64 {
    settings.time_to_live.as_seconds() * settings.fresh.0 / 100.0
}

fn set(key: &str, value: &str, settings: &Settings) -> Command {
    hostler_sdk::redis::command(["SET", key, value, "EX", &time_to_live(key, settings).to_string()])
}

/// The time to live with its jitter, which follows from the key, so that it is the same in every run.
pub(crate) fn time_to_live(key: &str, settings: &Settings) -> u64 {
    let spread = key.bytes().fold(0_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte))) % 1000;
    let longer = settings.jitter.0 / 100.0 * spread as f64 / 1000.0;
    (settings.time_to_live.as_seconds() * (1.0 + longer)).max(1.0) as u64
}
