//! Outcomes for the tests of the formats.

use hostler_capability::{Plan, Reported, Severity};
use hostler_service::{Course, Outcome, TaskOutcome};

/// A task that did its work and found nothing.
pub(crate) fn task(name: &str) -> TaskOutcome {
    TaskOutcome {
        task: name.into(),
        plugin: "example".into(),
        version: "0.1.0".into(),
        run_id: "20261123T224856-597bd715".into(),
        mode: "check".into(),
        started_at: 1_800_000_000_000,
        duration_ms: 12,
        course: Course::Done,
        verdict: Severity::Ok,
        summary: "all is well".into(),
        troubles: vec![],
        notes: vec![],
        reported: Reported::default(),
        plan: Plan::default(),
        invocation: String::new(),
        basis: None,
    }
}

/// The outcome of a procedure.
pub(crate) fn outcome(tasks: Vec<TaskOutcome>) -> Outcome {
    Outcome { name: "daily".into(), tasks, duration_ms: 40 }
}
