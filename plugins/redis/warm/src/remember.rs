//! The most used keys, from run to run: what a restart or a flush empties is filled again with what was used, in the order
//! in which it was. The server itself says what is used: how often, where it evicts by frequency; else how long nobody
//! did.
//!
//! The ranking is taken before anything is written: a key that was written now has just been used, by this task.

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::Reply;
use hostler_sdk::prelude::*;
use hostler_sdk::redis::{Server, command, escape_pattern};

use crate::{LOCK, Settings};

/// Keys asked for in one round trip.
const BATCH: usize = 500;

/// Keys by their prefix, the most used first.
pub(crate) type Remembered = BTreeMap<String, Vec<String>>;

/// The keys under a prefix that are used most now, by the server's own figures.
pub(crate) async fn most_used(cache: &Server, prefix: &str, settings: &Settings) -> Result<Vec<String>, TaskError> {
    let info = cache.info(&["memory"]).await?;
    let by_frequency = info.get("maxmemory_policy").is_some_and(|policy| policy.ends_with("lfu"));
    let asked = if by_frequency { "FREQ" } else { "IDLETIME" };
    let mut ranking = Ranking::new(settings.remember);
    let mut scan = cache.scan(&format!("{}*", escape_pattern(prefix)), None).await?;
    let mut left = settings.most;
    while let Some(page) = scan.next().await? {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(page.len());
        left -= taken as u64;
        for keys in page[..taken].chunks(BATCH) {
            let commands = keys.iter().map(|key| command([&b"OBJECT"[..], asked.as_bytes(), key.as_slice()])).collect();
            for (key, reply) in keys.iter().zip(cache.query_many(commands).await?) {
                // One that expired in the meantime is used by nobody.
                if reply == Reply::Nil || reply == Reply::Failure("ERR no such key".into()) {
                    continue;
                }
                let figure = reply.integer()?;
                ranking.add(key, if by_frequency { figure } else { -figure });
            }
        }
        if left == 0 {
            break;
        }
    }
    Ok(ranking.keys())
}

/// The keys with the largest figures, in bounded memory.
#[derive(Debug)]
pub(crate) struct Ranking {
    kept: usize,
    keys: Vec<(i64, String)>,
}

impl Ranking {
    pub(crate) fn new(kept: usize) -> Self {
        Self { kept, keys: vec![] }
    }

    pub(crate) fn add(&mut self, key: &[u8], figure: i64) {
        // The source knows its keys as text.
        let Ok(key) = std::str::from_utf8(key) else { return };
        if key.ends_with(LOCK) {
            return;
        }
        self.keys.push((figure, key.to_owned()));
        if self.keys.len() > self.kept * 2 + BATCH {
            self.prune();
        }
    }

    fn prune(&mut self) {
        self.keys.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
        // SCAN may give a key twice.
        let mut seen = BTreeSet::new();
        self.keys.retain(|(_, key)| seen.insert(key.clone()));
        self.keys.truncate(self.kept);
    }

    pub(crate) fn keys(mut self) -> Vec<String> {
        self.prune();
        self.keys.into_iter().map(|(_, key)| key).collect()
    }
}

/// What the next run is to know: what is used now, and behind it what this one brought back because the last knew it.
pub(crate) fn next(used: Vec<String>, brought_back: Vec<String>, settings: &Settings) -> Vec<String> {
    let mut next = used;
    for key in brought_back {
        if !next.contains(&key) {
            next.push(key);
        }
    }
    next.truncate(settings.remember);
    next
}
