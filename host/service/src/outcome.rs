//! What became of a task and of a procedure, as every output format, the history and the exit code read it.

use hostler_capability::{Plan, Reported, Severity};
use serde::{Deserialize, Serialize};

use crate::Basis;

/// How far a task came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Course {
    /// It did its work; what it found is its findings.
    Done,
    /// It could not do its work, or not to its end.
    Failed,
    /// It was not started, with the reason.
    NotStarted,
    /// It was interrupted.
    Interrupted,
}

impl Course {
    /// The word, as the history keeps it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::NotStarted => "not-started",
            Self::Interrupted => "interrupted",
        }
    }
}

/// One task's run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskOutcome {
    /// The task.
    pub task: String,
    /// The plugin, and its version.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// The run.
    pub run_id: String,
    /// `check` or `apply`.
    pub mode: String,
    /// Milliseconds since the Unix epoch.
    pub started_at: u64,
    /// How long it took.
    pub duration_ms: u64,
    /// How far it came.
    pub course: Course,
    /// The worst finding; at least unknown where the work was not done.
    pub verdict: Severity,
    /// The plugin's own sentence, or why there is none.
    pub summary: String,
    /// What makes the verdict at least unknown, beside findings.
    pub troubles: Vec<String>,
    /// What the operator is told each time.
    pub notes: Vec<String>,
    /// Findings, metrics, tables, attachments, log.
    pub reported: Reported,
    /// Effects, planned or applied.
    pub plan: Plan,
    /// The command that it belongs to: what the runs of one `hostler plan` have in common. Empty in older histories.
    #[serde(default)]
    pub invocation: String,
    /// What its plan was made from, where it is one that may be approved.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub basis: Option<Basis>,
}

impl TaskOutcome {
    /// Effects by what became of them: planned, applied, failed or unknown.
    pub fn effects(&self) -> EffectCount {
        let mut count = EffectCount::default();
        for effect in self.plan.effects() {
            match effect.outcome.as_str() {
                "planned" => count.planned += 1,
                "applied" => count.applied += 1,
                _ => count.failed += 1,
            }
        }
        count
    }

    /// The verdict of a run, from its findings and from how it went.
    pub fn judge(reported: &Reported, troubles: &[String], course: Course) -> Severity {
        let floor = if course == Course::Done && troubles.is_empty() { Severity::Ok } else { Severity::Unknown };
        reported.worst().max(floor)
    }
}

/// How many effects a run had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EffectCount {
    /// Planned.
    pub planned: usize,
    /// Applied.
    pub applied: usize,
    /// Failed, or unknown because the run ended in the middle.
    pub failed: usize,
}

/// What became of all tasks of one command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The task or procedure that was asked for.
    pub name: String,
    /// The tasks, in the order given.
    pub tasks: Vec<TaskOutcome>,
    /// How long all took.
    pub duration_ms: u64,
}

impl Outcome {
    /// The worst verdict.
    pub fn verdict(&self) -> Severity {
        self.tasks.iter().map(|task| task.verdict).max().unwrap_or(Severity::Unknown)
    }

    /// Whether every task could do its work, whatever it found.
    pub fn worked(&self) -> bool {
        self.tasks.iter().all(|task| task.course == Course::Done && task.troubles.is_empty())
    }

    /// Whether a task was interrupted.
    pub fn interrupted(&self) -> bool {
        self.tasks.iter().any(|task| task.course == Course::Interrupted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_capability::Finding;

    #[test]
    fn work_that_was_not_done_is_never_ok() {
        let reported = Reported::default();
        assert_eq!(TaskOutcome::judge(&reported, &[], Course::Done), Severity::Ok);
        assert_eq!(TaskOutcome::judge(&reported, &["cut".into()], Course::Done), Severity::Unknown);
        for course in [Course::Failed, Course::NotStarted, Course::Interrupted] {
            assert_eq!(TaskOutcome::judge(&reported, &[], course), Severity::Unknown);
        }
    }

    #[test]
    fn a_critical_finding_outranks_a_failure() {
        let finding = Finding { severity: Severity::Critical, ..Finding::default() };
        let reported = Reported { findings: vec![finding], ..Reported::default() };
        assert_eq!(TaskOutcome::judge(&reported, &[], Course::Failed), Severity::Critical);
    }
}
