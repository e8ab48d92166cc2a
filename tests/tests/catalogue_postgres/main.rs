//! The catalogue's plugins on real PostgreSQL servers.

mod extensions;
mod index_usage;
mod reindex;
mod slow_queries;
mod statistics;

use hostler_tests::{Hostler, Postgres};

/// A host whose task runs a plugin as a role that the test made.
fn host(server: &Postgres, plugin: &str, role: &str, settings: &str) -> Hostler {
    let machine = if plugin == "postgres-reindex" { "bind.machine = \"machine\"\n" } else { "" };
    Hostler::of_task(server, plugin, role, machine, settings)
}

/// Runs the task, which has to end with this code, and returns its findings.
fn found(host: &Hostler, code: i32) -> Vec<String> {
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(run.code, code, "{run:?}");
    run.findings("task")
}
