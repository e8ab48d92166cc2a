//! One query, read as it comes and written in batches, or asked for the keys that the last run remembered.

use std::thread::sleep;

use hostler_sdk::postgres::{Database, Parameter};
use hostler_sdk::prelude::*;
use hostler_sdk::redis::{Command, Execution, Server};
use hostler_sdk::{Reply, join, progress};

use crate::{Settings, tally::Tally};

/// Keys asked for and written in one round trip.
const BATCH: usize = 250;

/// A key and its value.
type Pair = (String, String);

/// The rows of a query, the next of them read while these are written.
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
    (tally.asked, tally.left) = (false, settings.most);
    let mut next = rows.next().await?;
    while let Some(batch) = next {
        let pairs = pairs(batch.rows(), tally)?;
        let (written, read) = join!(write_all(context, cache, &pairs, settings, tally), rows.next());
        written?;
        if tally.left == 0 || tally.stopped.is_some() {
            break;
        }
        progress(tally.wanted, None, &format!("warming {}", tally.prefix));
        next = read?;
    }
    Ok(())
}

/// The rows of the keys that the last run remembered; returns those keys that the source still has.
pub(crate) async fn load_remembered(
    context: &Context,
    database: &Database,
    cache: &Server,
    (query, keys): (&str, &[String]),
    settings: &Settings,
    tally: &mut Tally,
) -> Result<Vec<String>, TaskError> {
    let most = keys.len() as u64;
    let _step = context.step(&format!("write the most used keys under {}", tally.prefix), most, most)?;
    (tally.asked, tally.left) = (false, most);
    let mut found = vec![];
    for asked in keys.chunks(BATCH) {
        let rows = database.query(query, &[Parameter::from(asked)]).await?.rows().await?;
        let mut pairs = pairs(rows.iter(), tally)?;
        // In their order, and no other than was asked for.
        pairs.retain(|(key, _)| asked.contains(key));
        pairs.sort_by_key(|(key, _)| asked.iter().position(|one| one == key));
        write_all(context, cache, &pairs, settings, tally).await?;
        found.extend(pairs.into_iter().map(|(key, _)| key));
    }
    Ok(found)
}

/// The keys and values of rows, as many as are left to be wanted.
fn pairs(rows: impl Iterator<Item = Row>, tally: &mut Tally) -> Result<Vec<Pair>, TaskError> {
    let mut pairs = vec![];
    for row in rows {
        if tally.left == 0 {
            break;
        }
        tally.left -= 1;
        tally.wanted += 1;
        let key: String = row.get("key")?;
        if key.starts_with(&tally.prefix) {
            pairs.push((key, row.get("value")?));
        } else {
            tally.strange.get_or_insert(hostler_sdk::redis::shown(key.as_bytes()));
        }
    }
    Ok(pairs)
}

async fn write_all(
    context: &Context,
    cache: &Server,
    pairs: &[Pair],
    settings: &Settings,
    tally: &mut Tally,
) -> Result<(), TaskError> {
    for pairs in pairs.chunks(BATCH) {
        if tally.stopped.is_none() {
            tally.stopped = context.stop_requested().map(str::to_owned);
        }
        if tally.stopped.is_none() {
            tally.stopped = full(cache, settings).await?;
        }
        if tally.stopped.is_some() {
            break;
        }
        write(context, cache, pairs, settings, tally).await?;
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
    // In a check one stands for all of a step, which says how many there may be.
    let first = !std::mem::replace(&mut tally.asked, true);
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
