//! What is known of the keys: how many there are under each prefix, how many never expire, and which of those are to
//! be given a time to live. Bounded, however many keys there are.

use std::collections::BTreeMap;

use hostler_sdk::Reply;
use hostler_sdk::prelude::*;

use crate::Settings;

/// Prefixes counted apart; the rest goes together.
const PREFIXES: usize = 1000;
const OTHER: &[u8] = b"(other)";

#[derive(Debug, Default)]
struct Count {
    keys: u64,
    persistent: u64,
    idle: Vec<i64>,
}

/// The keys that were looked at.
#[derive(Debug)]
pub struct Survey {
    places: BTreeMap<Vec<u8>, usize>,
    counts: Vec<Count>,
    allowed: Vec<(String, Vec<Vec<u8>>)>,
    most: usize,
    left_out: u64,
    sample: Vec<Vec<u8>>,
    sample_size: usize,
    judged: u64,
    judged_persistent: u64,
    keys: u64,
    failures: u64,
    first_failure: String,
}

impl Survey {
    pub fn new(prefixes: &[String], most: usize, sample_size: usize) -> Self {
        Self {
            places: BTreeMap::new(),
            counts: vec![],
            allowed: prefixes.iter().map(|prefix| (prefix.clone(), vec![])).collect(),
            most,
            left_out: 0,
            sample: vec![],
            sample_size,
            judged: 0,
            judged_persistent: 0,
            keys: 0,
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
        let candidates: usize = self.allowed.iter().map(|(_, keys)| keys.len()).sum();
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
            Some((_, keys)) if candidates < self.most => keys.push(key.clone()),
            Some(_) => self.left_out += 1,
            None => {}
        }
    }

    /// Where its prefix is counted. A million keys come past here: a prefix is copied only when it is new.
    fn place(&mut self, key: &[u8]) -> usize {
        let prefix = prefix(key);
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
    pub fn candidates(&self) -> impl Iterator<Item = (&str, &[Vec<u8>])> {
        self.allowed.iter().map(|(prefix, keys)| (prefix.as_str(), keys.as_slice()))
    }

    pub fn candidate_count(&self) -> usize {
        self.allowed.iter().map(|(_, keys)| keys.len()).sum()
    }

    pub fn report(&self, settings: &Settings) {
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
            table.row(&[&String::from_utf8_lossy(prefix), &count.keys, &count.persistent, &share, &idle]);
        }
        table.report();
        Metric::gauge("redis_keys_scanned", self.keys as f64).report();
        Metric::gauge("redis_keys_without_ttl", self.counts.iter().map(|count| count.persistent).sum::<u64>() as f64)
            .report();
        if self.failures > 0 {
            finding!(
                Severity::Unknown,
                "keys-unseen",
                "keys",
                "{} keys could not be asked: {}",
                self.failures,
                self.first_failure
            )
            .remedy("let the task's ACL user read every key: %R~*")
            .report();
        }
        let Some(share) = Percent::of(self.judged_persistent as f64, self.judged as f64) else { return };
        Metric::gauge("redis_keys_without_ttl_percent", share.0).ranges(&settings.warning, &settings.critical).report();
        let remedy = if self.allowed.is_empty() {
            "name the prefixes of the cache in the task's `prefixes`, then: hostler run TASK".into()
        } else {
            format!("hostler run TASK -- gives up to {} of them a time to live", settings.most)
        };
        finding!(
            judge(share.0, &settings.warning, &settings.critical),
            "keys-never-expire",
            "cache",
            "{share} of {} keys never expire",
            self.judged
        )
        .detail("In a cache they stay until they are evicted, or until the memory is used up.")
        .remedy(remedy)
        .report_unless_ok();
    }

    pub fn summary(&self, changed: u64) -> String {
        let mut summary = format!("{} of {} keys never expire", self.judged_persistent, self.judged);
        if self.candidate_count() > 0 {
            summary = format!("{summary}; {changed} of {} were given a time to live", self.candidate_count());
        }
        if self.left_out > 0 {
            summary = format!("{summary}, {} are left for the next run", self.left_out);
        }
        summary
    }
}

/// Up to and with the first separator, or nothing.
fn prefix(key: &[u8]) -> &[u8] {
    match key.iter().position(|byte| b":/|.".contains(byte)) {
        Some(end) => &key[..=end],
        None => b"(none)",
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
