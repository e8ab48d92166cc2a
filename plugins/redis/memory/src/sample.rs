//! Which keys are large, by name and by prefix. Names are shown as far as they help: what looks like a token is cut.

use std::collections::BTreeMap;

use hostler_sdk::prelude::*;

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
        let mut prefix = prefix(key);
        if self.prefixes.len() >= PREFIXES && !self.prefixes.contains_key(&prefix) {
            prefix = "(other)".into();
        }
        let (count, sum) = self.prefixes.entry(prefix).or_default();
        *count += 1;
        *sum += bytes;
        if self.largest.len() < SHOWN || self.largest.last().is_some_and(|(least, _)| bytes > *least) {
            self.largest.push((bytes, shown(key)));
            self.largest.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
            self.largest.truncate(SHOWN);
        }
    }

    pub fn report(&self, settings: &Settings) {
        let how = if self.is_partial {
            format!("{} keys sampled", self.measured)
        } else {
            format!("all {} keys", self.measured)
        };
        let mut table = Table::new(format!("Largest keys ({how})"), &["key", "size"]);
        for (bytes, key) in &self.largest {
            table.row(&[key, &ByteSize(*bytes)]);
            if ByteSize(*bytes) > settings.largest {
                finding!(Severity::Warning, "key-large", key.clone(), "it takes {}", ByteSize(*bytes))
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

/// Up to the first separator.
fn prefix(key: &[u8]) -> String {
    let end = key.iter().position(|byte| b":/|.-_".contains(byte));
    match end {
        Some(end) if end > 0 => shown(&key[..=end]),
        _ => "(none)".into(),
    }
}

/// A key's name, with each part that looks like a token cut to its beginning.
fn shown(key: &[u8]) -> String {
    let text = String::from_utf8_lossy(key);
    let mut name = String::new();
    for part in text.split_inclusive([':', '/', '|', '.']) {
        let digits = part.chars().filter(char::is_ascii_digit).count();
        let letters = part.chars().filter(|letter| letter.is_alphabetic()).count();
        if part.chars().count() > 16 && digits > 3 && letters > 0 {
            name.extend(part.chars().take(4));
            name.push('…');
        } else {
            name.push_str(part);
        }
    }
    let mut short: String = name.chars().take(80).collect();
    if short.len() < name.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_a_name_is_cut() {
        assert_eq!(shown(b"session:8f3a9c1e77aa4b1fb2"), "session:8f3a…");
        assert_eq!(shown(b"cart:12345:items"), "cart:12345:items");
        assert_eq!(
            (prefix(b"cart:1"), prefix(b"popular_products"), prefix(b"plain")),
            ("cart:".into(), "popular_".into(), "(none)".into())
        );
        assert_eq!(shown(&[0xff; 200]).chars().count(), 81);
    }
}
