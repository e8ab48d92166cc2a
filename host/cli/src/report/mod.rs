//! A procedure's report, from the newest run of each of its tasks: what needs action, in order of urgency; what was
//! looked at and is well; what could not be looked at, and why.
//!
//! It is made from the history, so that it can be asked for in the morning after, again, and in another format. A task
//! that has not run, or not when it was due, is among what could not be looked at: a report is never silent on it.

mod chart;
mod gather;
mod html;
mod text;

use hostler_capability::{HistorySeries, Severity};
use hostler_service::TaskOutcome;
use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;
use serde_json::json;

pub(crate) use gather::gather;
pub(crate) use html::html;
pub(crate) use text::text;

use crate::format::harmless;

/// The version of the JSON's shape.
const SCHEMA_VERSION: u32 = 1;

/// A procedure's report.
#[derive(Debug)]
pub(crate) struct Report {
    /// The procedure, or the task where one was asked for.
    pub name: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// The zone of its times.
    pub zone: TimeZone,
    /// The worst of it.
    pub verdict: Severity,
    /// What needs action, the most urgent first.
    pub action: Vec<Action>,
    /// What was looked at and is well.
    pub well: Vec<Well>,
    /// What could not be looked at.
    pub not_looked_at: Vec<Missed>,
    /// The newest run of each task that has one.
    pub runs: Vec<TaskOutcome>,
    /// What the tasks measured over the last days.
    pub series: Vec<HistorySeries>,
    /// How many of those days.
    pub days: u32,
}

/// Something that needs action.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Action {
    /// Critical or warning.
    pub severity: Severity,
    /// The task that found it.
    pub task: String,
    /// The run.
    pub run_id: String,
    /// The kind of finding.
    pub code: String,
    /// What it is about.
    pub subject: String,
    /// What was seen.
    pub evidence: String,
    /// More of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What can be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Since which run it has been there without a break, in milliseconds since the Unix epoch.
    pub since: u64,
    /// Whether the run before did not have it.
    pub new: bool,
}

/// What a task looked at, and found well.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Well {
    /// The task.
    pub task: String,
    /// In its own words.
    pub summary: String,
    /// When, in milliseconds since the Unix epoch.
    pub looked_at: u64,
}

/// What could not be looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Missed {
    /// The task.
    pub task: String,
    /// What was to be looked at; empty where it is the whole task.
    pub subject: String,
    /// Why it could not be.
    pub reason: String,
    /// What can be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Report {
    /// For programs.
    pub(crate) fn json(&self) -> String {
        let changed: Vec<_> = self
            .runs
            .iter()
            .flat_map(|run| {
                run.plan.effects().map(move |effect| json!({ "task": run.task, "mode": run.mode, "effect": effect }))
            })
            .collect();
        let document = json!({
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "made_at": self.made_at.as_millisecond(),
            "verdict": self.verdict,
            "needs_action": self.action,
            "well": self.well,
            "not_looked_at": self.not_looked_at,
            "changes": changed,
        });
        harmless(&format!("{document:#}\n"))
    }

    /// A time for people.
    fn time(&self, milliseconds: u64) -> String {
        let at = Timestamp::from_millisecond(i64::try_from(milliseconds).unwrap_or(0)).unwrap_or_default();
        at.to_zoned(self.zone.clone()).strftime("%F %H:%M %Z").to_string()
    }

    /// How long something has been there.
    fn age(&self, action: &Action) -> String {
        if action.new { "new".into() } else { format!("since {}", self.time(action.since)) }
    }
}
