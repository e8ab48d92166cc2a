//! Keys that never expire: their share by prefix, how long nobody used them, and a time to live for those that belong to
//! a cache. A key outside the prefixes in the settings is never touched: a time to live on it would be the loss of it.

mod survey;

use std::thread::sleep;

use hostler_sdk::prelude::*;
use hostler_sdk::redis::{Command, Execution, Scan, Server};
use hostler_sdk::{Reply, join, progress};

use survey::Survey;

hostler_sdk::plugin!(Settings, run);

/// Keys asked for in one round trip.
const ASKED: usize = 1000;
/// Keys changed in one round trip; between two of them a run can be stopped.
const CHANGED: usize = 500;

#[derive(Deserialize)]
struct Settings {
    warning: Range,
    critical: Range,
    prefixes: Vec<String>,
    time_to_live: Duration,
    jitter: Percent,
    most: usize,
    rate: u64,
    idle_sample: usize,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    if settings.prefixes.iter().any(String::is_empty) {
        return Err(TaskError::new("an empty prefix is every key's")
            .remedy("name what a cache's keys begin with, such as \"cache:\""));
    }
    let server = context.redis("server").await?;
    let lock = if settings.prefixes.is_empty() { None } else { Some(context.lock("server", "ttl").await?) };
    let mut survey = Survey::new(&settings.prefixes, settings.most, settings.idle_sample);
    look(&server, &mut survey).await?;
    if let Err(error) = ask_idle(&server, &mut survey).await {
        if error.ends_the_run() {
            return Err(error);
        }
        // A server that evicts by frequency keeps no idle time: the rest stands without it.
        hostler_sdk::log::info(&format!("no idle times: {error}"));
    }
    survey.report(&settings);
    let changed = give(&context, &server, &survey, &settings).await?;
    drop(lock);
    Ok(survey.summary(changed))
}

/// Asks every key's time to live. While one batch is asked, the next page is on its way.
async fn look(server: &Server, survey: &mut Survey) -> Result<(), TaskError> {
    let mut scan = server.scan("*", None).await?;
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let mut ended = false;
    while !ended {
        ended = fill(&mut scan, &mut keys, ASKED).await?;
        while keys.len() >= ASKED || ended && !keys.is_empty() {
            let batch: Vec<Vec<u8>> = keys.drain(..keys.len().min(ASKED)).collect();
            let commands: Vec<Command> = batch.iter().map(|key| vec![b"TTL".to_vec(), key.clone()]).collect();
            let (replies, filled) = join!(server.query_many(commands), fill(&mut scan, &mut keys, ASKED));
            ended |= filled?;
            for (key, reply) in batch.into_iter().zip(replies?) {
                survey.add(key, &reply);
            }
        }
        progress(survey.keys(), None, "asking keys for their time to live");
    }
    Ok(())
}

/// Takes pages until there are so many keys; whether the scan is at its end.
async fn fill(scan: &mut Scan, keys: &mut Vec<Vec<u8>>, wanted: usize) -> Result<bool, TaskError> {
    while keys.len() < wanted {
        match scan.next().await? {
            Some(page) => keys.extend(page),
            None => return Ok(true),
        }
    }
    Ok(false)
}

async fn ask_idle(server: &Server, survey: &mut Survey) -> Result<(), TaskError> {
    let keys = survey.take_idle_sample();
    for keys in keys.chunks(ASKED) {
        let commands = keys.iter().map(|key| vec![b"OBJECT".to_vec(), b"IDLETIME".to_vec(), key.clone()]).collect();
        for (key, reply) in keys.iter().zip(server.query_many(commands).await?) {
            if let Reply::Int64(seconds) = reply {
                survey.add_idle(key, seconds);
            }
        }
    }
    Ok(())
}

/// Gives the candidates of each prefix a time to live, and says how many got one.
async fn give(context: &Context, server: &Server, survey: &Survey, settings: &Settings) -> Result<u64, TaskError> {
    let mut changed = 0;
    for (prefix, keys) in survey.candidates() {
        if keys.is_empty() {
            continue;
        }
        let title = format!("give keys under {prefix} a time to live");
        let _step = context.step(&title, keys.len() as u64, keys.len() as u64)?;
        // In a check the first stands for all: the step says how many there may be.
        let keys = if context.is_check() { &keys[..1] } else { keys };
        for (place, batch) in keys.chunks(CHANGED).enumerate() {
            if let Some(reason) = context.stop_requested() {
                finding!(
                    Severity::Warning,
                    "stopped",
                    prefix,
                    "{reason}: {} keys got no time to live",
                    keys.len() - place * CHANGED
                )
                .remedy("run the task again: it goes on with those that still have none")
                .report();
                return Ok(changed);
            }
            let commands: Vec<Command> = batch.iter().map(|key| expire(key, settings)).collect();
            match server.execute_many(commands).await? {
                Execution::Planned => {}
                Execution::Applied(replies) => changed += applied(prefix, &replies),
            }
            progress(changed, Some(survey.candidate_count() as u64), &title);
            if !context.is_check() {
                let pause = batch.len() as f64 / settings.rate as f64;
                sleep(std::time::Duration::from_secs_f64(pause));
            }
        }
    }
    Metric::gauge("redis_keys_given_ttl", changed as f64).report();
    Ok(changed)
}

/// NX: a key that has got a time to live in the meantime keeps it.
fn expire(key: &[u8], settings: &Settings) -> Command {
    let seconds = survey::time_to_live(key, settings.time_to_live, settings.jitter);
    vec![b"EXPIRE".to_vec(), key.to_vec(), seconds.to_string().into_bytes(), b"NX".to_vec()]
}

/// How many keys got a time to live. A failure is told once a batch.
fn applied(prefix: &str, replies: &[Reply]) -> u64 {
    let failures: Vec<&String> = replies
        .iter()
        .filter_map(|reply| match reply {
            Reply::Failure(message) => Some(message),
            _ => None,
        })
        .collect();
    if let Some(first) = failures.first() {
        finding!(Severity::Unknown, "expire-failed", prefix, "{} keys got no time to live: {first}", failures.len())
            .remedy("EXPIRE … NX needs Redis 7 or Valkey, and an ACL user that may write these keys")
            .report();
    }
    replies.iter().filter(|reply| **reply == Reply::Int64(1)).count() as u64
}

#[cfg(test)]
mod tests;
