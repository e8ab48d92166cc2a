//! Messages that say the same, how often they came, and how often they usually come.

use std::collections::BTreeMap;

use hostler_sdk::prelude::*;
use serde::Serialize;

use crate::{Settings, entry::Entry};

/// Letters of a message that are shown.
const SHOWN: usize = 200;
/// Groups of a run, and fingerprints that are remembered.
const KEPT: usize = 5000;
/// How much of what is usual one run changes.
const WEIGHT: f64 = 0.2;

/// How often each fingerprint usually comes in a run.
pub(crate) type Known = BTreeMap<String, Usual>;

/// What is usual of a fingerprint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Usual {
    pub mean: f64,
    pub last: Timestamp,
}

#[derive(Debug, Default)]
struct Group {
    who: String,
    example: String,
    sqlstate: Option<String>,
    count: u64,
    critical: bool,
}

/// What came in this run.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: BTreeMap<String, Group>,
    entries: u64,
    /// Entries of groups beyond those that are kept.
    beyond: u64,
}

impl Groups {
    pub(crate) fn add(&mut self, source: &str, entry: &Entry) {
        self.entries += 1;
        let key = format!("{source}/{}/{}", entry.who, fingerprint(&entry.message));
        if self.groups.len() >= KEPT && !self.groups.contains_key(&key) {
            self.beyond += 1;
            return;
        }
        let group = self.groups.entry(key).or_insert_with(|| Group {
            who: entry.who.clone(),
            example: shown(&entry.message),
            sqlstate: entry.sqlstate.clone(),
            ..Group::default()
        });
        group.count += 1;
        group.critical |= entry.is_critical();
    }

    /// Tells what is critical, what is new, and what comes more often than usual, and returns the run's sentence.
    pub(crate) fn report(&self, known: Option<&Known>, settings: &Settings) -> String {
        let usual = |key: &str| known.and_then(|known| known.get(key)).map(|usual| usual.mean);
        let mut told: Vec<(&Group, Severity, &str, String)> = vec![];
        for (key, group) in &self.groups {
            let times = counted(group.count, "time");
            if group.critical {
                told.push((group, Severity::Critical, "error-critical", format!("{times}: {}", group.example)));
            } else if known.is_some() {
                match usual(key) {
                    None => told.push((
                        group,
                        Severity::Warning,
                        "error-new",
                        format!("it never came before, and came {times}: {}", group.example),
                    )),
                    Some(mean) if group.count >= settings.least && group.count as f64 > mean * settings.factor => {
                        told.push((
                            group,
                            Severity::Warning,
                            "error-rises",
                            format!(
                                "it came {times}, more than {} × the usual {mean:.1}: {}",
                                settings.factor, group.example
                            ),
                        ));
                    }
                    Some(_) => {}
                }
            }
        }
        told.sort_by_key(|(group, severity, code, _)| {
            (std::cmp::Reverse(*severity), *code != "error-new", std::cmp::Reverse(group.count))
        });
        let left = told.len().saturating_sub(settings.top);
        for (group, severity, code, summary) in told.iter().take(settings.top) {
            let state = group.sqlstate.as_ref().map(|state| format!("SQLSTATE {state}. ")).unwrap_or_default();
            Finding::new(*severity, *code, group.who.clone(), summary.clone())
                .detail(state + "Numbers and names are left out where messages are held together.")
                .remedy(remedy(group))
                .report();
        }
        if left > 0 {
            finding!(
                Severity::Warning,
                "errors-more",
                "errors",
                "{} more of them are told in the table alone",
                counted(left, "message")
            )
            .remedy("hostler history RUN    # its table has each with its number")
            .report();
        }
        self.table(settings.top);
        Metric::gauge("log_errors", self.entries as f64).report();
        Metric::gauge("log_error_kinds", self.groups.len() as f64).report();
        let new = told.iter().filter(|(_, _, code, _)| *code == "error-new").count();
        format!(
            "{} of {} since the last run, {new} new",
            counted(self.entries, "error"),
            counted(self.groups.len(), "kind")
        )
    }

    fn table(&self, top: usize) {
        let mut groups: Vec<&Group> = self.groups.values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        let mut table = Table::new("errors by their number", &["times", "who", "message"]);
        for group in groups.into_iter().take(top * 5) {
            table.row(&[&group.count, &group.who, &group.example]);
        }
        table.report();
    }

    /// What is usual by now; those that did not come for longest are forgotten where there are too many.
    pub(crate) fn learnt(&self, mut known: Known) -> Known {
        let now = Timestamp::now();
        for (key, usual) in &mut known {
            let count = self.groups.get(key).map_or(0, |group| group.count);
            usual.mean += (count as f64 - usual.mean) * WEIGHT;
        }
        for (key, group) in &self.groups {
            let usual = known.entry(key.clone()).or_insert(Usual { mean: group.count as f64, last: now });
            usual.last = now;
        }
        if known.len() > KEPT {
            let mut times: Vec<Timestamp> = known.values().map(|usual| usual.last).collect();
            times.sort();
            let oldest = times[known.len() - KEPT];
            known.retain(|_, usual| usual.last >= oldest);
        }
        known
    }
}

fn remedy(group: &Group) -> String {
    match (group.who.as_str(), group.sqlstate.as_deref().map(|state| state.get(..2).unwrap_or_default())) {
        (_, Some("53")) => {
            "the server lacks disk, memory or connections: system-resources and postgres-connections say which".into()
        }
        (_, Some("58" | "XX")) => {
            "look at the disk and the file that it names before anything else; take a backup of what can still be read"
                .into()
        }
        ("postgresql", _) => "the server's log of the same minute has the statement and its context".into(),
        ("log", _) => "the log file of the same minutes has the lines around it".into(),
        (unit, _) => format!("journalctl -u {unit} -p err --since -1d"),
    }
}

/// The message without numbers, what stands in quotation marks, and whatever looks like a path or an address.
pub(crate) fn fingerprint(message: &str) -> String {
    let mut print = String::new();
    let mut quoted = None;
    for letter in message.chars().take(400) {
        match (quoted, letter) {
            (Some(mark), letter) if letter == mark => quoted = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => {
                quoted = Some(letter);
                print.push('“');
            }
            (None, letter) => print.push(letter),
        }
    }
    let word = |word: &str| {
        let varies = word.chars().any(|letter| letter.is_ascii_digit()) || word.contains('/');
        if varies { "…".to_owned() } else { word.to_lowercase() }
    };
    print.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// One line of a message, without what may be a value: texts in quotation marks may be anybody's.
fn shown(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let mut cut = String::new();
    let mut quoted = false;
    for letter in line.chars().take(SHOWN) {
        if letter == '\'' {
            quoted = !quoted;
            if quoted {
                cut.push_str("'…'");
            }
        } else if !quoted {
            cut.push(letter);
        }
    }
    cut
}
