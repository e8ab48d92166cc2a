//! What does not fit together in the schedule of the next weeks. Each is told once, with the first time at which it comes
//! about, however often it does.

use std::collections::BTreeMap;

use hostler_sdk::history::Scheduled;
use hostler_sdk::prelude::*;
use shared_history::quantile;

use crate::load::Histogram;
use crate::zone::{Zone, seconds};

/// How long nine of ten runs of each task took at most, in seconds.
pub fn durations(runs: impl IntoIterator<Item = (String, u64)>) -> BTreeMap<String, f64> {
    let mut each: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (task, milliseconds) in runs {
        each.entry(task).or_default().push(milliseconds as f64 / 1000.0);
    }
    each.into_iter().filter_map(|(task, durations)| Some((task, quantile(&durations, 0.9)?))).collect()
}

fn shown(zone: &Zone, milliseconds: u64) -> String {
    zone.shown(seconds(Timestamp(milliseconds)))
}

/// Tasks that take longer than their window is open, and procedures that are due outside of theirs.
pub fn windows(scheduled: &[Scheduled], durations: &BTreeMap<String, f64>, zone: &Zone) -> Vec<Finding> {
    let mut findings: BTreeMap<(String, String), (Finding, usize)> = BTreeMap::new();
    let has_window =
        |procedure: &str| scheduled.iter().any(|run| run.procedure == procedure && run.window_ends_at.is_some());
    for run in scheduled {
        let at = shown(zone, run.starts_at);
        let finding = match run.window_ends_at {
            None if has_window(&run.procedure) => finding!(
                Severity::Warning,
                "outside-window",
                &run.procedure,
                "it is due at {at}, when its window is closed: what changes something does not start then"
            )
            .remedy(format!("in [procedures.{}]: let schedule be a time within window", run.procedure)),
            None => continue,
            Some(closes) => {
                let open = Duration::from_milliseconds(closes.saturating_sub(run.starts_at));
                let usual = durations.get(&run.task).copied().unwrap_or_default();
                if usual <= open.as_seconds() {
                    continue;
                }
                finding!(
                    Severity::Warning,
                    "window-too-short",
                    format!("{}/{}", run.procedure, run.task),
                    "nine of ten runs took up to {}, and from {at} on the window is open for {open}",
                    Duration::from_seconds(usual)
                )
                .detail("At its end the task is asked to stop, and the rest is left for the next window.")
                .remedy(format!("in [procedures.{}]: begin earlier, or let window end later", run.procedure))
            }
        };
        findings.entry((finding.code.clone(), finding.subject.clone())).or_insert((finding, 0)).1 += 1;
    }
    findings.into_values().map(|(finding, times)| finding.detail_times(times)).collect()
}

/// Tasks that are due again before they have usually ended.
pub fn overlaps(scheduled: &[Scheduled], durations: &BTreeMap<String, f64>, zone: &Zone) -> Vec<Finding> {
    let mut by_task: BTreeMap<&str, Vec<&Scheduled>> = BTreeMap::new();
    for run in scheduled {
        by_task.entry(&run.task).or_default().push(run);
    }
    let mut findings: BTreeMap<(String, String, String), Finding> = BTreeMap::new();
    for (task, mut runs) in by_task {
        runs.sort_by_key(|run| run.starts_at);
        let usual = durations.get(task).copied().unwrap_or_default();
        for pair in runs.windows(2) {
            let between = (pair[1].starts_at - pair[0].starts_at) as f64 / 1000.0;
            if between > usual && between > 0.0 {
                continue;
            }
            let (one, other) = (pair[0].procedure.clone(), pair[1].procedure.clone());
            let finding = finding!(
                Severity::Warning,
                "runs-overlap",
                task,
                "{other} has it due at {}, {} after {one}, and nine of ten runs took up to {}",
                shown(zone, pair[1].starts_at),
                Duration::from_seconds(between),
                Duration::from_seconds(usual)
            )
            .detail("Two runs of a task do not run at once: the second waits, or is not started.")
            .remedy(format!("in [procedures.{other}]: another schedule, or leave the task out of one of the two"));
            findings.entry((task.to_owned(), one, other)).or_insert(finding);
        }
    }
    findings.into_values().collect()
}

/// Windows that open at a busy hour.
pub fn busy(
    scheduled: &[Scheduled],
    histogram: &Histogram,
    quiet: (usize, f64),
    length: usize,
    limit: f64,
    zone: &Zone,
) -> Vec<Finding> {
    let mut findings: BTreeMap<&str, Finding> = BTreeMap::new();
    for run in scheduled.iter().filter(|run| run.window_ends_at.is_some()) {
        let load = histogram.usual[zone.hour(seconds(Timestamp(run.starts_at)))];
        // Where next to nothing is done in the quietest hours, anything is many times as much.
        if !(load > limit * quiet.1 && load > histogram.day() / 2.0) {
            continue;
        }
        let times = if quiet.1 > 0.0 { format!("{:.1} times", load / quiet.1) } else { "much more than".to_owned() };
        findings.entry(&run.procedure).or_insert_with(|| {
            finding!(
                Severity::Warning,
                "window-busy",
                &run.procedure,
                "at {} there is {times} the load of the quietest hours, {}, warning above {limit} times",
                shown(zone, run.starts_at),
                span(quiet.0, length)
            )
            .remedy(format!(
                "in [procedures.{}]: schedule = \"daily {:02}:00\", window = \"{}\"",
                run.procedure,
                quiet.0,
                span(quiet.0, length)
            ))
        });
    }
    findings.into_values().collect()
}

/// `23:00-01:00`, as hostler.toml takes it.
pub fn span(start: usize, length: usize) -> String {
    format!("{start:02}:00-{:02}:00", (start + length) % 24)
}

trait Times {
    fn detail_times(self, times: usize) -> Self;
}

impl Times for Finding {
    fn detail_times(self, times: usize) -> Self {
        let before = self.detail.clone().unwrap_or_default();
        let so = format!("It is so {} in the time that was looked at.", counted(times, "time"));
        self.detail(if before.is_empty() { so } else { format!("{before} {so}") })
    }
}
