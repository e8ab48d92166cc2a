//! What is known of the keys: how many there are under each prefix, how many never expire, and which of those are to
//! be given a time to live. Bounded, however many keys there are.
//!
//! What a run changes is entered here as the server confirms it: so the verdict is about the keys that are left, and a
//! key for which the change failed still counts.

use std::collections::BTreeMap;

use hostler_sdk::prelude::*;
use hostler_sdk::{Reply, redis};

use crate::Settings;

/// Prefixes counted apart; the rest goes together.
const PREFIXES: usize = 1000;
const OTHER: &[u8] = b"(other)";

#[derive(Debug, Default)]
struct Count {
    keys: u64,
    /// Those that never expire: found, and not settled since.
    persistent: u64,
    idle: Vec<i64>,
}

/// An allowed prefix, and the keys under it that are to be given a time to live.
pub type Candidates = (String, Vec<Vec<u8>>);

/// The keys that were looked at.
#[derive(Debug)]
pub struct Survey {
    places: BTreeMap<Vec<u8>, usize>,
    counts: Vec<Count>,
    allowed: Vec<Candidates>,
    candidates: usize,
    most: usize,
    left_out: u64,
    sample: Vec<Vec<u8>>,
    sample_size: usize,
    judged: u64,
    judged_persistent: u64,
    keys: u64,
    given: u64,
    failures: u64,
    first_failure: String,
}

impl Survey {
    pub fn new(prefixes: &[String], most: usize, sample_size: usize) -> Self {
        Self {
            places: BTreeMap::new(),
            counts: vec![],
            allowed: prefixes.iter().map(|prefix| (prefix.clone(), vec![])).collect(),
            candidates: 0,
            most,
            left_out: 0,
            sample: vec![],
            sample_size,
            judged: 0,
            judged_persistent: 0,
            keys: 0,
            given: 0,
            failures: 0,
            first_failure: String::new(),
        }
    }

    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// A key, and what TTL answered: -1 without one, -2 where it is gone.
    pub fn add(&mut self, key: Vec<u8>, reply: &Reply) {
        let seconds = match reply {
            Reply::Int64(-2) => return,
            Reply::Int64(seconds) => *seconds,
            other => {
                self.failures += 1;
                if self.first_failure.is_empty() {
                    self.first_failure = other.integer().err().map(|error| error.to_string()).unwrap_or_default();
                }
                return;
            }
        };
        let is_persistent = seconds == -1;
        self.keys += 1;
        let place = self.place(&key);
        self.counts[place].keys += 1;
        let without_prefixes = self.allowed.is_empty();
        let allowed = self.allowed.iter_mut().find(|(prefix, _)| key.starts_with(prefix.as_bytes()));
        if without_prefixes || allowed.is_some() {
            self.judged += 1;
            self.judged_persistent += u64::from(is_persistent);
        }
        if !is_persistent {
            return;
        }
        self.counts[place].persistent += 1;
        if self.sample.len() < self.sample_size {
            self.sample.push(key.clone());
        }
        match allowed {
            Some((_, keys)) if self.candidates < self.most => {
                self.candidates += 1;
                keys.push(key);
            }
            Some(_) => self.left_out += 1,
            None => {}
        }
    }

    /// Where its prefix is counted. A million keys come past here: a prefix is copied only when it is new.
    fn place(&mut self, key: &[u8]) -> usize {
        let prefix = redis::prefix(key);
        let known = self.places.get(prefix).copied();
        let prefix = if known.is_some() || self.counts.len() < PREFIXES { prefix } else { OTHER };
        if let Some(place) = known.or_else(|| self.places.get(prefix).copied()) {
            return place;
        }
        self.counts.push(Count::default());
        self.places.insert(prefix.to_vec(), self.counts.len() - 1);
        self.counts.len() - 1
    }

    pub fn take_idle_sample(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.sample)
    }

    pub fn add_idle(&mut self, key: &[u8], seconds: i64) {
        let place = self.place(key);
        self.counts[place].idle.push(seconds);
    }

    /// The keys to be given a time to live, by allowed prefix.
    pub fn take_candidates(&mut self) -> Vec<Candidates> {
        self.allowed.iter_mut().map(|(prefix, keys)| (prefix.clone(), std::mem::take(keys))).collect()
    }

    /// A key that was found without a time to live and is so no longer: this run gave it one, or it has got one or is
    /// gone in the meantime. One that came twice in the scan is settled twice, as it was counted.
    pub fn settle(&mut self, key: &[u8], given: bool) {
        let place = self.place(key);
        let count = &mut self.counts[place].persistent;
        *count = count.saturating_sub(1);
        self.judged_persistent = self.judged_persistent.saturating_sub(1);
        self.given += u64::from(given);
    }

    pub fn report(&self, settings: &Settings, task: &str) {
        let mut counts: Vec<(&Vec<u8>, &Count)> =
            self.places.iter().map(|(prefix, place)| (prefix, &self.counts[*place])).collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(count.persistent));
        let mut table =
            Table::new("Keys without a time to live", &["prefix", "keys", "without", "share", "unused for (median)"]);
        for (prefix, count) in counts.iter().take(20) {
            let mut idle = count.idle.clone();
            idle.sort_unstable();
            let idle = idle
                .get(idle.len() / 2)
                .map_or("-".into(), |seconds| Duration::from_seconds(*seconds as f64).to_string());
            let share = Percent::of(count.persistent as f64, count.keys as f64).unwrap_or_default();
            table.row(&[&redis::shown(prefix), &count.keys, &count.persistent, &share, &idle]);
        }
        table.report();
        Metric::gauge("redis_keys_scanned", self.keys as f64).report();
        Metric::gauge("redis_keys_without_ttl", self.counts.iter().map(|count| count.persistent).sum::<u64>() as f64)
            .report();
        Metric::gauge("redis_keys_given_ttl", self.given as f64).report();
        if self.failures > 0 {
            let unseen = counted(self.failures, "key");
            finding!(Severity::Unknown, "keys-unseen", "keys", "{unseen} could not be asked: {}", self.first_failure)
                .remedy("let the task's ACL user read every key: %R~*")
                .report();
        }
        self.judge(settings, task);
    }

    fn judge(&self, settings: &Settings, task: &str) {
        let Some(share) = Percent::of(self.judged_persistent as f64, self.judged as f64) else {
            // A mistake in writing a prefix would be healthy for ever.
            if self.keys > 0 {
                let (keys, prefixes) = (counted(self.keys, "key"), settings.prefixes.join(", "));
                finding!(
                    Severity::Unknown,
                    "nothing-judged",
                    "prefixes",
                    "none of the server's {keys} begins with {prefixes}"
                )
                .remedy("correct `prefixes` in the task's settings; the table that --verbose shows says what the keys begin with")
                .report();
            }
            return;
        };
        let remedy = if self.allowed.is_empty() {
            format!(
                "name the cache's prefixes as `prefixes` in the settings of the task {task}, then: hostler plan {task}"
            )
        } else {
            let most = counted(settings.most.min(self.judged_persistent as usize), "key");
            format!("hostler run {task}    # gives {most} a time to live of {}", settings.time_to_live)
        };
        let (judged, verb) = (counted(self.judged, "key"), agreed(self.judged, "expires", "expire"));
        let finding = finding!(Severity::Ok, "keys-never-expire", "cache", "{share} of {judged} never {verb}")
            .detail("In a cache they stay until they are evicted, or until the memory is used up.")
            .remedy(remedy);
        Metric::gauge("redis_keys_without_ttl_percent", share.0).judge(&settings.warning, &settings.critical, finding);
    }

    pub fn summary(&self, is_check: bool) -> String {
        let under = if self.allowed.is_empty() { "" } else { " under the task's prefixes" };
        let (keys, verb) = (counted(self.judged, "key"), agreed(self.judged, "expires", "expire"));
        let mut summary = format!("{} of {keys}{under} never {verb}", self.judged_persistent);
        if self.candidates > 0 {
            summary = if is_check {
                format!("{summary}; {} would be given a time to live", self.candidates)
            } else {
                format!("{summary}; {} {} given a time to live", self.given, agreed(self.given, "was", "were"))
            };
        }
        if self.left_out > 0 {
            let verb = agreed(self.left_out, "is", "are");
            summary = format!("{summary}, {} {verb} left for the next run", self.left_out);
        }
        summary
    }
}

/// The seconds that a key is given. The jitter follows from its name: the same in a plan and in what applies it, and
/// spread over all keys.
pub fn time_to_live(key: &[u8], base: Duration, jitter: Percent) -> u64 {
    let hash = key
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    // Names that differ in their last letter alone differ in the low bits alone: mixed into all.
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = hash ^ (hash >> 33);
    let share = (hash >> 40) as f64 / (1_u64 << 24) as f64;
    (base.as_seconds() * (1.0 + share * jitter.0 / 100.0)).round().max(1.0) as u64
}
