//! The change: a time to live for keys under the allowed prefixes.
//!
//! The server's own answer says what became of each key, so that nothing has to be looked at again: 1 where the key got
//! its time to live; 0 where it had got one from somebody else, or was gone. Either way it no longer never expires.

use std::thread::sleep;

use hostler_sdk::prelude::*;
use hostler_sdk::redis::{Command, Execution, Server};
use hostler_sdk::{Reply, progress};

use crate::Settings;
use crate::survey::{Survey, time_to_live};

/// Keys changed in one round trip; between two of them a run can be stopped.
const CHANGED: usize = 500;

/// Keys under one prefix that got no time to live, and why the first of them did not.
#[derive(Debug, Default)]
struct Refused {
    keys: usize,
    reason: Option<TaskError>,
}

impl Refused {
    fn add(&mut self, keys: usize, reason: impl FnOnce() -> TaskError) {
        self.keys += keys;
        self.reason.get_or_insert_with(reason);
    }

    fn report(&self, prefix: &str) {
        let Some(reason) = &self.reason else { return };
        let told = counted(self.keys, "key");
        finding!(Severity::Unknown, "expire-failed", prefix, "{told} got no time to live: {}", reason.message())
            .remedy(
                reason
                    .advice()
                    .unwrap_or("EXPIRE … NX needs Redis 7 or Valkey, and an ACL user that may write these keys"),
            )
            .report();
    }
}

/// Gives the candidates of each prefix a time to live. What the server refuses is told, and the next prefix has its turn.
pub async fn give(
    context: &Context,
    server: &Server,
    survey: &mut Survey,
    settings: &Settings,
) -> Result<(), TaskError> {
    let candidates = survey.take_candidates();
    let total: usize = candidates.iter().map(|(_, keys)| keys.len()).sum();
    let mut left = total;
    for (prefix, keys) in candidates.iter().filter(|(_, keys)| !keys.is_empty()) {
        let title = format!("give keys under {prefix} a time to live");
        let _step = context.step(&title, keys.len() as u64, keys.len() as u64)?;
        // In a check the first stands for all: the step says how many there may be.
        let asked = if context.is_check() { &keys[..1] } else { keys };
        let mut refused = Refused::default();
        for batch in asked.chunks(CHANGED) {
            if let Some(reason) = context.stop_requested() {
                refused.report(prefix);
                stopped(reason, left);
                return Ok(());
            }
            let commands: Vec<Command> = batch.iter().map(|key| expire(key, settings)).collect();
            match server.execute_many(commands).await {
                Ok(Execution::Planned) => {}
                Ok(Execution::Applied(replies)) => settle(survey, batch, &replies, &mut refused),
                Err(error) => {
                    let is_end = error.ends_the_run();
                    let count = if context.is_check() { keys.len() } else { batch.len() };
                    refused.add(count, || error.clone());
                    if is_end {
                        refused.report(prefix);
                        return Err(error);
                    }
                }
            }
            left -= batch.len();
            progress((total - left) as u64, Some(total as u64), &title);
            if !context.is_check() {
                let pause = batch.len() as f64 / settings.rate as f64;
                sleep(std::time::Duration::from_secs_f64(pause));
            }
        }
        refused.report(prefix);
    }
    Ok(())
}

fn stopped(reason: &str, left: usize) {
    finding!(Severity::Warning, "stopped", "run", "{reason}: {} got no time to live", counted(left, "key"))
        .remedy("run the task again: it goes on with those that still have none")
        .report();
}

/// NX: a key that has got a time to live in the meantime keeps it.
fn expire(key: &[u8], settings: &Settings) -> Command {
    let seconds = time_to_live(key, settings.time_to_live, settings.jitter);
    vec![b"EXPIRE".to_vec(), key.to_vec(), seconds.to_string().into_bytes(), b"NX".to_vec()]
}

/// Takes what the server answered for each key.
fn settle(survey: &mut Survey, keys: &[Vec<u8>], replies: &[Reply], refused: &mut Refused) {
    for (key, reply) in keys.iter().zip(replies) {
        match reply {
            Reply::Int64(given) => survey.settle(key, *given == 1),
            other => refused.add(1, || other.integer().err().unwrap_or_else(|| "the server answered nothing".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_sdk::testing::{record, settings};
    use serde_json::json;

    const MANIFEST: &str = include_str!("../plugin.toml");

    /// Four keys under one prefix that never expire, of five, and one under another prefix.
    fn found() -> Survey {
        let mut survey = Survey::new(&["cache:".into()], 10, 0);
        for (key, seconds) in
            [("cache:a", -1), ("cache:b", -1), ("cache:c", -1), ("cache:d", -1), ("cache:e", 9), ("session:1", -1)]
        {
            survey.add(key.as_bytes().to_vec(), &Reply::Int64(seconds));
        }
        survey
    }

    #[test]
    fn what_is_judged_is_what_is_left() {
        let settings: Settings = settings(MANIFEST, json!({"prefixes": ["cache:"]}));
        let told = |replies: &[Reply]| {
            let mut survey = found();
            let candidates = survey.take_candidates();
            let recorded = record(|| {
                let mut refused = Refused::default();
                settle(&mut survey, &candidates[0].1, replies, &mut refused);
                refused.report("cache:");
                survey.report(&settings, "cache-ttl");
            });
            (survey.summary(false), recorded)
        };
        let (summary, recorded) = told(&[Reply::Int64(1), Reply::Int64(1), Reply::Int64(1), Reply::Int64(1)]);
        assert_eq!(recorded.told(), [], "every key was put right");
        assert_eq!(summary, "0 of 5 keys under the task's prefixes never expire; 4 were given a time to live");
        assert_eq!(recorded.metric("redis_keys_without_ttl"), Some(1.0), "session:1 is still there");
        assert_eq!(recorded.metric("redis_keys_without_ttl_percent"), Some(0.0));
        assert_eq!(recorded.metric("redis_keys_given_ttl"), Some(4.0));
        let row = recorded.tables[0].rows.iter().find(|row| row[0] == "cache:").expect("the prefix");
        assert_eq!(row[1..4], ["5", "0", "0.0 %"]);

        // Two were somebody else's to change, or are gone: they do not count as this run's, and they are not left.
        let (summary, recorded) = told(&[Reply::Int64(1), Reply::Int64(0), Reply::Int64(0), Reply::Int64(1)]);
        assert_eq!(recorded.told(), []);
        assert_eq!(summary, "0 of 5 keys under the task's prefixes never expire; 2 were given a time to live");

        let failure = || Reply::Failure("NOPERM no permissions to run expire".into());
        let (summary, recorded) = told(&[failure(), Reply::Int64(1), Reply::Int64(1), failure()]);
        assert_eq!(
            recorded.told(),
            [("expire-failed", "cache:", Severity::Unknown), ("keys-never-expire", "cache", Severity::Critical)]
        );
        assert!(recorded.findings[0].summary.starts_with("2 keys got no time to live: NOPERM"));
        assert!(recorded.findings[1].summary.starts_with("40.0 % of 5 keys"), "{:?}", recorded.findings[1]);
        assert_eq!(summary, "2 of 5 keys under the task's prefixes never expire; 2 were given a time to live");
    }

    #[test]
    fn a_time_to_live_is_sent_so_that_a_key_that_has_one_keeps_it() {
        let settings: Settings = settings(MANIFEST, json!({"jitter": 0, "time_to_live": "60s"}));
        assert_eq!(expire(b"k", &settings), [b"EXPIRE".to_vec(), b"k".to_vec(), b"60".to_vec(), b"NX".to_vec()]);
    }
}
