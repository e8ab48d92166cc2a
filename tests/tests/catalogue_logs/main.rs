//! The catalogue's plugins that read logs: those that a real nginx, PostgreSQL and Redis wrote.

mod access_logs;
mod error_logs;
mod failed_logins;
mod rate_limits;

use std::path::Path;

use hostler_tests::{Hostler, Output};

/// A host whose task runs a plugin on a directory of logs.
fn host(plugin: &str, logs: &Path, more: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[directory.logs]\npath = {:?}\n[tasks.task]\nplugin = {plugin:?}\nbind.logs = [\"directory.logs\"]\n{more}\n",
        logs.display().to_string()
    ));
    host.install(&[plugin]);
    host
}

fn run(host: &Hostler) -> Output {
    host.run(&["run", "task", "--format", "json"])
}

/// Runs the task, which has to end with this code, and returns its findings.
fn found(host: &Hostler, code: i32) -> Vec<String> {
    let run = run(host);
    assert_eq!(run.code, code, "{run:?}");
    run.findings("task")
}

/// What the run says of itself in a line.
fn summary(run: &Output) -> String {
    run.task("task")["summary"].as_str().unwrap_or_default().to_owned()
}
