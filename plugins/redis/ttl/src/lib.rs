//! Keys that never expire: their share by prefix, how long nobody used them, and a time to live for those that belong to
//! a cache. A key outside the prefixes in the settings is never touched: a time to live on it would be the loss of it.
//!
//! The keys are looked at once, changed, and judged last: what a run says is about what it left, and a key that it
//! wanted to change and could not is told and stays among those that never expire.

mod give;
mod survey;

use hostler_sdk::prelude::*;
use hostler_sdk::redis::{Command, Scan, Server};
use hostler_sdk::{Reply, join, progress};

use survey::Survey;

hostler_sdk::plugin!(Settings, run);

/// Keys asked for in one round trip.
const ASKED: usize = 1000;

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
    let task = context.info().task;
    look(&server, &mut survey).await?;
    if let Err(error) = ask_idle(&server, &mut survey).await {
        if error.ends_the_run() {
            survey.report(&settings, &task);
            return Err(error);
        }
        // A server that evicts by frequency keeps no idle time: the rest stands without it.
        hostler_sdk::log::info(&format!("no idle times: {error}"));
    }
    let given = give::give(&context, &server, &mut survey, &settings).await;
    // Also where the run ends here: what was found, and what of it is left, is known.
    survey.report(&settings, &task);
    drop(lock);
    given.map(|()| survey.summary(context.is_check()))
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

#[cfg(test)]
mod tests;
