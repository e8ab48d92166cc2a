//! A report's parts, gathered from the configuration and the history.

use std::sync::Arc;

use hostler_capability::{HistoryRun, Severity};
use hostler_configuration::{Configuration, ProcedureConfiguration};
use hostler_record::{History, RecordError};
use hostler_service::{Course, TaskOutcome};
use jiff::Timestamp;

use super::{Action, Missed, Report, Well};

/// How far back a finding is followed.
const FOLLOWED_DAYS: u64 = 90;
/// How many points a chart has at most.
const POINTS: u64 = 200;
/// How late a run may be before it counts as missed: a timer's random delay, and the run before it.
const LATE_SECONDS: i64 = 3600;

const DAY_MS: u64 = 24 * 3600 * 1000;

/// The report of these tasks.
pub(crate) async fn gather(
    configuration: &Configuration,
    history: &Arc<History>,
    (name, tasks, procedure): (&str, &[String], Option<&ProcedureConfiguration>),
    days: u32,
) -> anyhow::Result<Report> {
    let made_at = Timestamp::now();
    let now = u64::try_from(made_at.as_millisecond()).unwrap_or_default();
    let zone = procedure.map_or_else(|| configuration.host.time_zone.clone(), |one| one.time_zone.clone());
    let mut report = Report {
        name: name.to_owned(),
        made_at,
        zone,
        verdict: Severity::Ok,
        action: vec![],
        well: vec![],
        not_looked_at: vec![],
        runs: vec![],
        series: vec![],
        days,
    };
    let reader = history.reader(Box::new(|_, _| vec![]));
    let since = now.saturating_sub(u64::from(days) * DAY_MS);
    let step = (u64::from(days) * DAY_MS / POINTS).max(1);
    // Every run has its point where there are few; where there are many, each point is the mean of a while.
    let step_of = |runs: &[HistoryRun]| {
        (runs.iter().filter(|run| run.started_at >= since).count() as u64 > POINTS).then_some(step)
    };
    for task in tasks {
        if configuration.tasks.get(task).is_some_and(|task| !task.enabled) {
            report.miss(task, "it is switched off: enabled = false in the configuration", None);
            continue;
        }
        let Some(run) = newest(history, task)? else {
            report.miss(task, "it has never run", Some(format!("hostler run {task}")));
            continue;
        };
        if let Some(procedure) = procedure {
            report.overdue(procedure, &run, made_at);
        }
        let earlier = reader.runs(task, now.saturating_sub(FOLLOWED_DAYS * DAY_MS)).await?;
        report.series.extend(reader.metrics(task, "*", since, step_of(&earlier)).await?);
        report.add(run, &earlier);
    }
    report.put_in_order();
    Ok(report)
}

/// The newest run that ended; one that was cut off in the middle has left nothing but that.
fn newest(history: &History, task: &str) -> Result<Option<TaskOutcome>, RecordError> {
    let Some(kept) = history.last_of(task)? else { return Ok(None) };
    let read = kept.document.as_deref().and_then(|document| serde_json::from_str(document).ok());
    Ok(Some(read.unwrap_or_else(|| {
        let course = if kept.course == "interrupted" { Course::Interrupted } else { Course::Failed };
        TaskOutcome {
            task: kept.task,
            plugin: kept.plugin,
            version: String::new(),
            run_id: kept.id,
            mode: kept.mode,
            started_at: kept.started_at,
            duration_ms: kept.duration_ms.unwrap_or_default(),
            course,
            verdict: Severity::Unknown,
            summary: kept.summary,
            troubles: vec![],
            notes: vec![],
            reported: Default::default(),
            plan: Default::default(),
            invocation: String::new(),
            basis: None,
        }
    })))
}

impl Report {
    fn miss(&mut self, task: &str, reason: &str, remedy: Option<String>) {
        self.not_looked_at.push(Missed {
            task: task.to_owned(),
            subject: String::new(),
            reason: reason.to_owned(),
            remedy,
        });
    }

    /// A run that should have been since the newest one.
    fn overdue(&mut self, procedure: &ProcedureConfiguration, run: &TaskOutcome, now: Timestamp) {
        let Some(schedule) = &procedure.schedule else { return };
        let began = i64::try_from(run.started_at).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
        let Some(due) = began.map(|began| schedule.next(began, &procedure.time_zone)) else { return };
        if now.duration_since(due).as_secs() > LATE_SECONDS {
            let due = due.to_zoned(self.zone.clone()).strftime("%F %H:%M %Z");
            let last = self.time(run.started_at);
            let remedy = format!("systemctl status hostler-{}.timer", procedure.name);
            self.miss(&run.task, &format!("it was due at {due}, and last ran at {last}"), Some(remedy));
        }
    }

    fn add(&mut self, run: TaskOutcome, earlier: &[HistoryRun]) {
        for finding in &run.reported.findings {
            match finding.severity {
                Severity::Ok => {}
                Severity::Unknown => self.not_looked_at.push(Missed {
                    task: run.task.clone(),
                    subject: finding.subject.clone(),
                    reason: finding.summary.clone(),
                    remedy: finding.remedy.clone(),
                }),
                severity => {
                    let (since, new) = since(&run, &finding.code, &finding.subject, earlier);
                    self.action.push(Action {
                        severity,
                        task: run.task.clone(),
                        run_id: run.run_id.clone(),
                        code: finding.code.clone(),
                        subject: finding.subject.clone(),
                        evidence: finding.summary.clone(),
                        detail: finding.detail.clone(),
                        remedy: finding.remedy.clone(),
                        since,
                        new,
                    });
                }
            }
        }
        if run.course != Course::Done {
            self.miss(&run.task, &run.summary, Some(format!("hostler history {}", run.run_id)));
        }
        for trouble in run.troubles.iter().filter(|trouble| run.course == Course::Done || **trouble != run.summary) {
            self.miss(&run.task, trouble, None);
        }
        if run.verdict == Severity::Ok {
            self.well.push(Well { task: run.task.clone(), summary: run.summary.clone(), looked_at: run.started_at });
        }
        self.runs.push(run);
    }

    /// The worst first, and among equals what is new: it is what the night is about. Otherwise the tasks' own order.
    fn put_in_order(&mut self) {
        self.action.sort_by_key(|action| (std::cmp::Reverse(action.severity), !action.new));
        let worst = self.action.first().map_or(Severity::Ok, |action| action.severity);
        self.verdict = if self.not_looked_at.is_empty() { worst } else { worst.max(Severity::Unknown) };
        let urgency = |task: &str| self.action.iter().position(|action| action.task == task).unwrap_or(usize::MAX);
        let limited = |one: &hostler_capability::HistorySeries| one.warning.is_none() && one.critical.is_none();
        self.series.retain(|one| one.points.len() > 1);
        self.series.sort_by_key(|one| (urgency(&one.task), limited(one)));
    }
}

/// Since which run a finding has been there without a break, and whether the run before this one did not have it.
fn since(run: &TaskOutcome, code: &str, subject: &str, earlier: &[HistoryRun]) -> (u64, bool) {
    let before = earlier.iter().rev().filter(|one| one.started_at < run.started_at);
    let unbroken = before.take_while(|one| one.findings.iter().any(|(its, about, _)| its == code && about == subject));
    unbroken.last().map_or((run.started_at, true), |first| (first.started_at, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::samples::task;

    #[test]
    fn a_finding_is_followed_back_to_where_it_was_not() {
        let mut run = task("vacuum");
        run.started_at = 100;
        let one = |at: u64, subjects: &[&str]| HistoryRun {
            task: "vacuum".into(),
            started_at: at,
            duration_ms: 1,
            verdict: Severity::Warning,
            findings: subjects.iter().map(|subject| ("bloat".into(), (*subject).into(), Severity::Warning)).collect(),
        };
        let earlier =
            [one(10, &["a"]), one(20, &[]), one(30, &["a", "b"]), one(40, &["a"]), one(100, &["a", "b", "c"])];
        assert_eq!(since(&run, "bloat", "a", &earlier), (30, false));
        assert_eq!(since(&run, "bloat", "b", &earlier), (100, true), "it was gone in between");
        assert_eq!(since(&run, "bloat", "c", &earlier), (100, true));
        assert_eq!(since(&run, "other", "a", &earlier), (100, true));
    }
}
