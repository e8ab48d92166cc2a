//! NODE_OPTIONS: which of them node takes, and whether the heap that they ask for fits. Node ends with 9 at once where
//! one is not allowed there, so that a tuning guide's `--optimize-for-size` stops every start of every service.
//!
//! A value is never shown, only the name of an option and the figure of a heap: what else stands there may be a secret.

use std::collections::BTreeSet;

use hostler_sdk::prelude::*;

use crate::Settings;

const HEAP: &str = "--max-old-space-size";
const MEBIBYTE: f64 = 1_048_576.0;

/// Options that somebody sets for node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Source {
    /// A unit, or a file.
    pub name: String,
    /// Words of NODE_OPTIONS.
    pub options: Vec<String>,
    /// Words of node's own command line, where anything is allowed.
    pub command: Vec<String>,
    /// What the unit may have of the memory; nothing where it has no limit of its own.
    pub limit: Option<u64>,
}

/// What node takes in NODE_OPTIONS.
pub(crate) struct Allowed(BTreeSet<String>);

impl Allowed {
    pub(crate) fn new(flags: Vec<String>) -> Self {
        Self(flags.into_iter().collect())
    }

    fn takes(&self, option: &str) -> bool {
        let name = name(option);
        let positive = name.strip_prefix("--no-").map(|rest| format!("--{rest}"));
        self.0.contains(&name) || positive.is_some_and(|name| self.0.contains(&name))
    }
}

/// An option's name as node compares it: V8's are written with either of the lines.
fn name(option: &str) -> String {
    option.split('=').next().unwrap_or_default().replace('_', "-")
}

/// What the heaps are held against.
pub(crate) struct Room {
    /// Of the machine, or of the control group that the host runs in.
    pub bytes: u64,
}

impl Source {
    pub(crate) fn judge(&self, allowed: &Allowed, room: &Room, version: &str, settings: &Settings) {
        let refused: BTreeSet<String> = self
            .options
            .iter()
            .filter(|word| word.starts_with('-') && !allowed.takes(word))
            .map(|word| name(word).chars().take(60).collect())
            .collect();
        for option in refused {
            finding!(
                Severity::Critical,
                "option-not-allowed",
                self.name.clone(),
                "{option} is not allowed in NODE_OPTIONS: node {version} ends with code 9 at every start"
            )
            .detail("The value of NODE_OPTIONS is not shown.")
            .remedy(format!(
                "take {option} out of NODE_OPTIONS; where it is needed, put it behind `node` on the command line"
            ))
            .report();
        }
        // The last one holds, and what stands on the command line goes before the environment.
        let heap = [&self.command, &self.options].into_iter().find_map(|words| heap(words));
        match heap {
            None => {}
            Some(Some(mebibytes)) => self.judge_heap(mebibytes, room, settings),
            Some(None) => TaskError::new(format!("the value of {HEAP} is no number"))
                .remedy(format!("write {HEAP}=MEBIBYTES, such as {HEAP}=1536"))
                .finding("heap-unread", self.name.clone())
                .report(),
        }
    }

    fn judge_heap(&self, mebibytes: f64, room: &Room, settings: &Settings) {
        let (bytes, whose) = match self.limit {
            Some(limit) => (limit.min(room.bytes), "the unit's memory limit"),
            None => (room.bytes, "the memory of the machine or its control group"),
        };
        let Some(share) = Percent::of(mebibytes * MEBIBYTE, bytes as f64) else { return };
        let finding = finding!(
            Severity::Ok,
            "heap-over-limit",
            self.name.clone(),
            "a heap of up to {} is {share} of {whose}, {}",
            ByteSize::from_f64(mebibytes * MEBIBYTE),
            ByteSize(bytes)
        )
        .remedy(format!(
            "{HEAP}={} leaves room for what lies outside the heap; or raise MemoryMax of the unit",
            (bytes as f64 * 0.75 / MEBIBYTE) as u64
        ));
        Metric::gauge("node_heap_limit_percent", share.0).label("source", self.name.clone()).judge(
            &settings.heap_warning,
            &settings.heap_critical,
            finding,
        );
    }
}

/// The heap limit in mebibytes: the last one; inside, nothing where it is no number.
fn heap(words: &[String]) -> Option<Option<f64>> {
    let place = words.iter().rposition(|word| name(word) == HEAP)?;
    let value = words[place].split_once('=').map(|(_, value)| value.to_owned());
    let value = value.or_else(|| words.get(place + 1).cloned()).unwrap_or_default();
    Some(value.parse::<f64>().ok().filter(|number| *number > 0.0 && number.is_finite()))
}

/// Words as systemd and shells part them, without their quotes.
pub(crate) fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut begun) = (vec![], String::new(), None, false);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', quote) if quote != Some('\'') => word.extend(letters.next()),
            ('"' | '\'', None) => (quote, begun) = (Some(letter), true),
            (letter, Some(open)) if letter == open => quote = None,
            (letter, None) if letter.is_whitespace() => {
                if begun || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (letter, _) => word.push(letter),
        }
    }
    if begun || !word.is_empty() {
        words.push(word);
    }
    words
}

/// The words of NODE_OPTIONS among assignments.
pub(crate) fn options_of(assignments: &[String]) -> Vec<String> {
    let values = assignments.iter().filter_map(|assignment| assignment.strip_prefix("NODE_OPTIONS="));
    values.flat_map(|value| value.split_whitespace().map(str::to_owned)).collect()
}
