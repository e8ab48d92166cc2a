//! The catalogue's plugins that read the history: of runs that were made for it, each at its own time, with a clock that
//! is set for the run.

mod capacity;
mod thresholds;
mod trends;

use hostler_tests::{Hostler, Output};

/// A host whose task `measure` reports a metric, and whose task `task` runs a plugin on the history.
fn host(plugin: &str, settings: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[tasks.measure]\nplugin = \"test-puppet\"\nsettings.steps = []\n[tasks.task]\nplugin = {plugin:?}\nbind.history = \"history\"\nsettings = {{ {settings} }}\n"
    ));
    host.install(&["test-puppet", plugin]);
    host
}

/// Runs `measure` so many days ago.
fn measured(host: &Hostler, days_ago: f64, metric: &str, range: &str, value: f64) {
    let step = format!(
        "{{\"call\":\"report\",\"do\":\"metric\",\"name\":{metric:?},\"label\":\"place\",\"text\":{range:?},\"unit\":\"\",\"value\":{value}}}"
    );
    let text = std::fs::read_to_string(host.configuration()).expect("a configuration");
    let line = text.lines().find(|line| line.starts_with("settings.steps")).expect("the steps").to_owned();
    host.configure(&text.replace(&line, &format!("settings.steps = [{step:?}]")));
    let output = ran(host, "measure", days_ago);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

/// Runs a task so many days ago.
fn ran(host: &Hostler, task: &str, days_ago: f64) -> std::process::Output {
    let mut command = host.command(&["run", task, "--format", "json"]);
    command
        .env("LD_PRELOAD", "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
        .env("FAKETIME", format!("-{}s", days_ago * 86_400.0));
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command.output().expect("hostler starts")
}

fn run(host: &Hostler) -> Output {
    host.run(&["run", "task", "--format", "json"])
}
