//! The logs that there are, beside what logrotate says of them.
//!
//! A log that is due is rotated when logrotate's timer runs next, within a day. One that is seldom written may become due
//! at any time, so that the age of its last rotation says nothing: how long it has been due does, as far as its last line
//! or the task's earlier runs tell.

use std::collections::BTreeMap;

use hostler_sdk::files::{Directory, Entry, Kind, modified};
use hostler_sdk::prelude::*;
use hostler_sdk::{baseline_taken, judged_above, listed, matches_pattern};

use crate::Settings;
use crate::looked::Looked;

/// What the state is kept under: since when each log is due.
const KEPT: &str = "due-since";
/// From so many on, none of which was rotated in time, it is logrotate that does not run.
const ALL: usize = 3;
/// So many logs are listed.
const ROWS: usize = 50;

/// A log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    /// Where it really lies.
    pub path: String,
    pub bytes: u64,
    pub written: Timestamp,
    /// Whether its name has a date: whoever writes it begins a new one by itself.
    pub dated: bool,
}

pub(crate) async fn report(
    context: &Context,
    settings: &Settings,
    looked: Option<&Looked>,
) -> Result<String, TaskError> {
    let mut logs = vec![];
    for directory in context.directories("logs") {
        match look(&directory, settings).await {
            Ok(found) => logs.extend(found),
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.finding("logs-not-read", directory.name()).report(),
        }
    }
    let now = Timestamp::now();
    report_sizes(&logs, settings);
    let known: Option<BTreeMap<String, Timestamp>> = context.state().get(KEPT).await?;
    if let Some(looked) = looked {
        report_uncovered(&logs, looked, settings);
        let kept = report_due(&logs, looked, known.as_ref(), settings, now);
        context.state().set(KEPT, &kept).await?;
    }
    let bytes: u64 = logs.iter().map(|log| log.bytes).sum();
    Ok(format!("{} of {}", counted(logs.len(), "log"), ByteSize(bytes)))
}

async fn look(directory: &Directory, settings: &Settings) -> Result<Vec<Log>, TaskError> {
    let tree = directory.list(None).await?;
    if let Some((path, why)) = tree.unreadable.first() {
        finding!(
            Severity::Unknown,
            "logs-not-read",
            directory.name(),
            "{} could not be looked into: {path}: {why}",
            counted(tree.unreadable.len(), "directory")
        )
        .remedy("let the host's user read them, or name them in settings.exclude")
        .report();
    }
    let place = place(directory.name(), settings);
    let logs: Vec<Log> =
        tree.entries.iter().filter_map(|entry| log(entry, &directory.root(), &place, settings)).collect();
    let bytes: u64 = logs.iter().map(|log| log.bytes).sum();
    Metric::gauge("logs_bytes", bytes as f64).label("directory", directory.name()).report();
    Ok(logs)
}

/// Where a directory lies: as the settings say, or as its name does.
pub(crate) fn place(name: &str, settings: &Settings) -> String {
    match settings.places.get(name) {
        Some(place) => place.trim_end_matches('/').to_owned(),
        None => format!("/{}", name.replace('-', "/")),
    }
}

pub(crate) fn log(entry: &Entry, root: &str, place: &str, settings: &Settings) -> Option<Log> {
    let below = entry.path.strip_prefix(root)?.trim_start_matches('/');
    let name = below.rsplit('/').next()?;
    let left = below.split('/').any(|part| settings.exclude.iter().any(|pattern| matches_pattern(pattern, part)));
    let is_log = settings.patterns.iter().any(|pattern| matches_pattern(pattern, name));
    if entry.metadata.kind != Kind::File || left || !is_log {
        return None;
    }
    let path = format!("{place}/{below}");
    Some(Log { path, bytes: entry.metadata.size, written: modified(&entry.metadata), dated: is_dated(name) })
}

/// `app-20250121.log`, `postgresql-2025-01-21_000000.log`: eight digits, with or without hyphens between them.
fn is_dated(name: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let plain = name.char_indices().any(|(at, _)| digits(&name[at..]) >= 8);
    let parts: Vec<&str> = name.split(['-', '_', '.']).collect();
    let is = |part: &str, length: usize| part.len() == length && digits(part) == length;
    plain || parts.windows(3).any(|window| is(window[0], 4) && is(window[1], 2) && is(window[2], 2))
}

pub(crate) fn report_sizes(logs: &[Log], settings: &Settings) {
    let mut largest: Vec<&Log> = logs.iter().collect();
    largest.sort_by_key(|log| std::cmp::Reverse(log.bytes));
    let mut table = Table::new("Largest logs", &["log", "size"]);
    for log in largest.iter().take(10) {
        table.row(&[&log.path, &ByteSize(log.bytes)]);
    }
    table.report();
    let (warning, critical) = (settings.size_warning.as_f64(), settings.size_critical.as_f64());
    for log in largest.iter().take(ROWS) {
        let (severity, limit) = judged_above(log.bytes as f64, warning, critical, Measure::Bytes);
        finding!(severity, "log-too-large", &log.path, "it has {}{limit}", ByteSize(log.bytes))
            .remedy(format!("tail {0}    # who writes so much; then a rule with maxsize, or logrotate -f of its rule; to empty it at once: truncate -s 0 {0}", log.path))
            .report_unless_ok();
    }
}

pub(crate) fn report_uncovered(logs: &[Log], looked: &Looked, settings: &Settings) {
    let uncovered: Vec<&Log> = logs
        .iter()
        .filter(|log| !log.dated && log.bytes >= settings.least.0.max(1) && !looked.logs.contains_key(&log.path))
        .collect();
    Metric::gauge("logs_without_rule", uncovered.len() as f64).report();
    for log in uncovered.iter().take(ROWS) {
        finding!(Severity::Warning, "log-without-rule", &log.path, "it has {}, and no rule of logrotate covers it", ByteSize(log.bytes))
            .remedy("have this task install one (settings.rule, settings.paths); if it lies elsewhere, say where in settings.places")
            .report();
    }
    if uncovered.len() > ROWS {
        let names: Vec<&str> = uncovered.iter().skip(ROWS).map(|log| log.path.as_str()).collect();
        finding!(Severity::Warning, "log-without-rule", "others", "no rule covers {}", listed(&names, 5))
            .remedy("name their directories in settings.exclude, or install rules for them")
            .report();
    }
}

/// Tells what is due for too long, and returns since when each is, to be kept.
pub(crate) fn report_due(
    logs: &[Log],
    looked: &Looked,
    known: Option<&BTreeMap<String, Timestamp>>,
    settings: &Settings,
    now: Timestamp,
) -> BTreeMap<String, Timestamp> {
    let covered = || logs.iter().filter_map(|log| Some((log, looked.logs.get(&log.path)?)));
    let due: Vec<&Log> = covered().filter(|(log, covered)| covered.due && log.bytes > 0).map(|(log, _)| log).collect();
    Metric::gauge("logs_due", due.len() as f64).report();
    let mut kept = BTreeMap::new();
    let (mut overdue, mut unknown) = (vec![], vec![]);
    let (warning, critical) = (settings.due_warning.as_seconds(), settings.due_critical.as_seconds());
    for log in &due {
        let before = known.and_then(|known| known.get(&log.path)).copied();
        // A log that has been written to last at a time has been there to be rotated since.
        let since = before.unwrap_or(now).min(log.written);
        kept.insert(log.path.clone(), before.unwrap_or(now));
        let (severity, limit) = judged_above(since.until(now).as_seconds(), warning, critical, Measure::Seconds);
        match severity {
            Severity::Ok if known.is_none() => unknown.push(log.path.as_str()),
            Severity::Ok => {}
            _ => overdue.push((log, severity, format!("{} at least{limit}", since.until(now)))),
        }
    }
    let none_was_rotated = overdue.len() == due.len() && covered().count() == due.len();
    let not_running = (overdue.len() >= ALL && none_was_rotated) || (!looked.has_state && !looked.logs.is_empty());
    if not_running {
        let worst = overdue.iter().map(|(_, severity, _)| *severity).max().unwrap_or(Severity::Warning);
        let why = match (looked.has_state, overdue.first()) {
            (true, Some((_, _, longest))) => {
                format!("none of {} that are due was rotated, for {longest}", counted(overdue.len(), "log"))
            }
            _ => {
                format!("it has no record of any rotation ({} is missing): it has never run here", settings.state_file)
            }
        };
        finding!(worst, "logrotate-not-running", "logrotate", "{why}")
            .remedy("systemctl list-timers logrotate.timer; systemctl status logrotate.service; without systemd: ls /etc/cron.daily/logrotate")
            .report();
        return kept;
    }
    for (log, severity, longest) in overdue.iter().take(ROWS) {
        finding!(*severity, "rotation-overdue", &log.path, "its rotation is due for {longest}")
            .remedy(format!("logrotate -v {}    # says why it is left", settings.configuration))
            .report();
    }
    if !unknown.is_empty() {
        let why = format!(
            "{} {} due for rotation, and since when is not known: {}",
            counted(unknown.len(), "log"),
            agreed(unknown.len(), "is", "are"),
            listed(&unknown, 3)
        );
        baseline_taken("rotations", &why).report();
    }
    kept
}
