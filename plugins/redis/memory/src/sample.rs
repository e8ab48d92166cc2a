//! Which keys are large, by name and by prefix. Names are shown as far as they help: what looks like a token is cut.

use std::collections::BTreeMap;

use hostler_sdk::prelude::*;
use hostler_sdk::redis;

use crate::Settings;

/// Largest keys shown.
const SHOWN: usize = 10;
/// Prefixes counted apart; the rest goes together.
const PREFIXES: usize = 1000;

/// Keys that were measured.
#[derive(Debug, Default)]
pub struct Sample {
    pub measured: usize,
    pub is_partial: bool,
    bytes: u64,
    largest: Vec<(u64, String)>,
    prefixes: BTreeMap<String, (u64, u64)>,
}

impl Sample {
    pub fn add(&mut self, key: &[u8], bytes: u64) {
        self.measured += 1;
        self.bytes += bytes;
        let mut prefix = redis::shown(redis::prefix(key));
        if self.prefixes.len() >= PREFIXES && !self.prefixes.contains_key(&prefix) {
            prefix = "(other)".into();
        }
        let (count, sum) = self.prefixes.entry(prefix).or_default();
        *count += 1;
        *sum += bytes;
        if self.largest.len() < SHOWN || self.largest.last().is_some_and(|(least, _)| bytes > *least) {
            self.largest.push((bytes, redis::shown(key)));
            self.largest.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
            self.largest.truncate(SHOWN);
        }
    }

    pub fn report(&self, settings: &Settings) {
        let keys = counted(self.measured, "key");
        let how = if self.is_partial { format!("{keys} sampled") } else { format!("all: {keys}") };
        let mut table = Table::new(format!("Largest keys ({how})"), &["key", "size"]);
        for (bytes, key) in &self.largest {
            table.row(&[key, &ByteSize(*bytes)]);
            if ByteSize(*bytes) > settings.largest {
                let (size, limit) = (ByteSize(*bytes), settings.largest);
                finding!(Severity::Warning, "key-large", key.clone(), "it takes {size}, warning above {limit}")
                    .detail("A large key holds up every client while it is deleted, copied or moved.")
                    .remedy("split it; remove it by UNLINK, which frees its memory in the background")
                    .report();
            }
        }
        table.report();
        let mut prefixes: Vec<(&String, &(u64, u64))> = self.prefixes.iter().collect();
        prefixes.sort_by_key(|(_, (_, bytes))| std::cmp::Reverse(*bytes));
        let mut table = Table::new(format!("Memory by prefix ({how})"), &["prefix", "keys", "size", "share", "each"]);
        for (prefix, (count, bytes)) in prefixes.into_iter().take(20) {
            let share = Percent::of(*bytes as f64, self.bytes as f64).unwrap_or_default();
            table.row(&[prefix, count, &ByteSize(*bytes), &share, &ByteSize(bytes / count)]);
        }
        table.report();
    }
}
