//! One endpoint beside what it told in the last run: whether anything moved, which counters fell, and whether that was a
//! restart.

use std::collections::BTreeMap;

use hostler_sdk::{Timestamp, listed, prelude::*};
use serde::Serialize;

use crate::exposition::Exposition;

/// What is kept of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// When its process began, where it says so.
    start: Option<f64>,
    /// Of all series with their values.
    content: u64,
    /// Since when the content is the same, in milliseconds.
    same_since: u64,
    /// Counters by the hash of their series.
    counters: BTreeMap<u64, f64>,
}

/// What became of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// How long nothing has moved; nothing where something did.
    pub standstill: Option<Duration>,
    /// Counters that fell.
    pub fell: Vec<String>,
    /// Whether the process is another.
    pub restarted: bool,
}

/// FNV-1a: no secret, only a short name for a long one.
pub fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Kept {
    pub fn of(exposition: &Exposition<'_>, now: Timestamp) -> Self {
        let mut kept =
            Self { same_since: now.0, start: exposition.value("process_start_time_seconds"), ..Self::default() };
        for sample in &exposition.samples {
            let series = hash(&sample.series());
            // In whatever order they come.
            kept.content =
                kept.content.wrapping_add(series.rotate_left(17) ^ sample.value.to_bits().wrapping_mul(series | 1));
            if exposition.is_counter(sample) {
                kept.counters.insert(series, sample.value);
            }
        }
        kept
    }

    /// What became of it since `earlier`, whose beginning of a standstill goes on.
    pub fn since(&mut self, earlier: &Self, exposition: &Exposition<'_>, now: Timestamp) -> Change {
        let mut change = Change::default();
        if earlier.content == self.content {
            self.same_since = earlier.same_since;
            change.standstill = Some(Timestamp(self.same_since).until(now));
        }
        for sample in exposition.samples.iter().filter(|sample| exposition.is_counter(sample)) {
            let series = sample.series();
            let before = earlier.counters.get(&hash(&series)).copied().unwrap_or(f64::NEG_INFINITY);
            // JSON brings a fraction back to its last digit but one: that is no fall.
            if sample.value < before - before.abs() * 1e-12 {
                change.fell.push(series);
            }
        }
        // The machine's idea of when a process began moves by up to a second with its clock; what began anew within one
        // is known by its counters.
        let moved = match (earlier.start, self.start) {
            (Some(before), Some(now)) => (now - before).abs(),
            _ => 0.0,
        };
        change.restarted = moved > 1.5 || moved > 0.0 && !change.fell.is_empty();
        change
    }
}

impl Change {
    /// Tells what fell, and why.
    pub fn report(&self, endpoint: &str) {
        Metric::gauge("scrape_counter_resets", self.fell.len() as f64).label("endpoint", endpoint).report();
        let fell = counted(self.fell.len(), "counter");
        if self.restarted {
            finding!(Severity::Warning, "process-restarted", endpoint, "its process was restarted since the last run, and {fell} began anew")
                .detail("A graph of the counter itself falls there; rate() and increase() see the restart, and lose what was counted between the last scrape and it.")
                .remedy("find out why it was restarted: systemctl status of its unit, and its log")
                .report();
        } else if !self.fell.is_empty() {
            finding!(Severity::Warning, "counter-reset", endpoint, "{fell} fell since the last run, and the process is the same: {}", listed(&self.fell, 3))
                .detail("Either somebody resets what is counted (pg_stat_reset, say), or its source was restarted, or it is no counter.")
                .remedy("let queries use rate() or increase(), which bear a reset, and find out who resets it")
                .report();
        }
    }
}
