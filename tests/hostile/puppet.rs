//! The plugin that makes a test's calls, under a grant that the test writes.

use hostler_tests::{Hostler, Output};
use serde_json::{Value, json};

/// Runs calls in one run of the task `puppet`, and returns what became of each.
pub(crate) fn run(host: &Hostler, steps: &[Value]) -> Vec<Value> {
    let (_, outcomes) = run_in(host, "run", steps);
    outcomes
}

/// As [`run`], by `run` or `plan`, with what the command printed.
pub(crate) fn run_in(host: &Hostler, command: &str, steps: &[Value]) -> (Output, Vec<Value>) {
    run_with(host, command, steps, &[])
}

/// As [`run_in`], with variables of the host's.
pub(crate) fn run_with(
    host: &Hostler,
    command: &str,
    steps: &[Value],
    variables: &[(&str, &str)],
) -> (Output, Vec<Value>) {
    write(host, steps);
    let running = host.start_with(&[command, "puppet", "--format", "json"], variables);
    let output = running.end_within(std::time::Duration::from_secs(300));
    let outcomes = attached(&output.task("puppet"));
    assert_eq!(outcomes.len(), steps.len(), "{output:?}");
    (output, outcomes)
}

/// Writes calls into the configuration of the task `puppet`, which stands on a line of its own.
pub(crate) fn write(host: &Hostler, steps: &[Value]) {
    let steps: Vec<String> = steps.iter().map(Value::to_string).collect();
    let text = std::fs::read_to_string(host.configuration()).expect("a configuration");
    let task = "[tasks.puppet]\n";
    let (before, rest) = text.split_once(task).expect("the task puppet is configured");
    let rest: String =
        rest.lines().filter(|line| !line.starts_with("settings.steps")).map(|line| format!("{line}\n")).collect();
    // TOML wants DEL escaped, which JSON leaves as it is.
    let settings = format!("settings.steps = {}\n", json!(steps)).replace('\u{7f}', "\\u007f");
    std::fs::write(host.configuration(), format!("{before}{task}{settings}{rest}")).expect("it is written");
}

/// Each attempt is refused before it reaches anything, and no attempt changed what the honest neighbours do.
pub(crate) fn refused_and_allowed(host: &Hostler, attempts: &[Value], honest: &[Value]) {
    held(host, attempts, honest, |outcome| {
        ["denied", "invalid", "unbound"].iter().any(|kind| outcome.get(kind).is_some())
    });
}

/// Each attempt ends in an error of whatever kind, where what is attempted is for the system to refuse.
pub(crate) fn stopped_and_allowed(host: &Hostler, attempts: &[Value], honest: &[Value]) {
    held(host, attempts, honest, |outcome| outcome.get("allowed").is_none());
}

fn held(host: &Hostler, attempts: &[Value], honest: &[Value], stopped: impl Fn(&Value) -> bool) {
    let steps: Vec<Value> = honest.iter().chain(attempts).chain(honest).cloned().collect();
    let outcomes = run(host, &steps);
    for (step, outcome) in steps.iter().zip(&outcomes).take(honest.len()) {
        assert!(outcome.get("allowed").is_some(), "the honest {step} before: {outcome}");
    }
    for (step, outcome) in steps.iter().zip(&outcomes).skip(honest.len()).take(attempts.len()) {
        assert!(stopped(outcome), "the attempt {step}: {outcome}");
    }
    for (step, outcome) in steps.iter().zip(&outcomes).skip(honest.len() + attempts.len()) {
        assert!(outcome.get("allowed").is_some(), "the honest {step} after: {outcome}");
    }
}

/// What a run of the puppet attached.
pub(crate) fn attached(task: &Value) -> Vec<Value> {
    let attachments = task["reported"]["attachments"].as_array().unwrap_or_else(|| panic!("attachments: {task:#}"));
    let outcomes = attachments.iter().find(|attachment| attachment["name"] == "outcomes.json");
    let outcomes = outcomes.unwrap_or_else(|| panic!("it did not come to its end: {task:#}"));
    // Attachments are bytes, which JSON has as hexadecimal digits.
    let digits = outcomes["content"].as_str().expect("digits");
    let byte = |place| u8::from_str_radix(&digits[place..place + 2], 16).expect("two digits");
    let content: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
    serde_json::from_slice(&content).expect("a list")
}
