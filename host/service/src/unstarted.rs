//! A task that was not started: its window is closed, its lock is held, its plugin is not what was consented to.
//!
//! Nobody looked, so its verdict is unknown and never ok. It stands in the history like a run, because "why did the
//! vacuum not run on Sunday?" is asked on Monday.

use hostler_capability::{Plan, Reported, Severity};
use hostler_configuration::TaskConfiguration;
use hostler_record::{RecordError, RunStart};
use jiff::Timestamp;

use crate::{Course, Host, Job, RunOptions, TaskOutcome, clock, run::word};

/// What is known of a task that is not started.
pub struct Unstarted<'a> {
    task: &'a str,
    plugin: &'a str,
    version: String,
    digest: &'a str,
}

impl<'a> From<&'a Job> for Unstarted<'a> {
    fn from(job: &'a Job) -> Self {
        let plugin = &job.manifest.plugin;
        Self { task: &job.task, plugin: &plugin.name, version: plugin.version.to_string(), digest: &job.digest }
    }
}

/// A task that could not even be made ready: nothing is known of its plugin but the name.
impl<'a> From<&'a TaskConfiguration> for Unstarted<'a> {
    fn from(task: &'a TaskConfiguration) -> Self {
        Self { task: &task.name, plugin: &task.plugin, version: String::new(), digest: "" }
    }
}

impl Unstarted<'_> {
    /// Its outcome, which is in no history.
    pub(crate) fn outcome(&self, options: &RunOptions, reason: &str) -> TaskOutcome {
        let now = Timestamp::now();
        TaskOutcome {
            task: self.task.into(),
            plugin: self.plugin.into(),
            version: self.version.clone(),
            run_id: clock::run_id(now),
            mode: word(options.mode).into(),
            started_at: clock::milliseconds(now),
            duration_ms: 0,
            course: Course::NotStarted,
            verdict: Severity::Unknown,
            summary: format!("not started: {reason}"),
            troubles: vec![],
            notes: vec![],
            reported: Reported::default(),
            plan: Plan::default(),
            invocation: options.invocation.clone(),
            basis: None,
        }
    }
}

impl Host {
    /// Records that a task is not started, with the reason.
    pub fn not_started(&self, task: &Unstarted<'_>, options: &RunOptions, reason: &str) -> TaskOutcome {
        let mut outcome = task.outcome(options, reason);
        if let Err(error) = self.keep(task, options, &outcome) {
            outcome.troubles.push(format!("that it was not started could not be recorded: {error}"));
        }
        outcome
    }

    fn keep(&self, task: &Unstarted<'_>, options: &RunOptions, outcome: &TaskOutcome) -> Result<(), RecordError> {
        self.record.history().begin(&RunStart {
            id: &outcome.run_id,
            task: task.task,
            procedure: options.procedure.as_deref(),
            plugin: task.plugin,
            version: &task.version,
            digest: task.digest,
            mode: &outcome.mode,
            started_at: outcome.started_at,
        })?;
        self.end(outcome)
    }
}
