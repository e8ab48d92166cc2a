//! The plugins that move, keep and drop data, on real PostgreSQL servers.

mod archive;
mod compact;
mod partitions;
mod rollup;

use hostler_tests::Hostler;

/// Runs the task, which has to end with this code, and returns its findings.
fn found(host: &Hostler, code: i32) -> Vec<String> {
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(run.code, code, "{run:?}");
    run.findings("task")
}

/// Plans the task, and returns its summary.
fn planned(host: &Hostler) -> String {
    let plan = host.run(&["plan", "task", "--format", "json"]);
    assert!(plan.code < 4, "{plan:?}");
    plan.task("task")["summary"].as_str().unwrap_or_else(|| panic!("{plan:?}")).to_owned()
}
