//! monitoring-dashboards: rendered from runs that really were, written once, and never over what somebody else drew.

use std::{fs, path::PathBuf};

use hostler_tests::{Hostler, Output};
use serde_json::Value;

/// A host whose task `measure` reports a metric, and whose task `task` draws.
fn host(settings: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[directory.grafana]\npath = \"{{directory}}/grafana\"\n\
         [tasks.measure]\nplugin = \"test-puppet\"\nsettings.steps = []\n\
         [tasks.task]\nplugin = \"monitoring-dashboards\"\n\
         bind = {{ history = \"history\", dashboards = \"directory.grafana\" }}\nsettings = {{ {settings} }}\n"
    ));
    host.install(&["test-puppet", "monitoring-dashboards"]);
    fs::create_dir(host.path().join("grafana")).expect("a directory");
    host
}

/// Lets `measure` report a metric so many days ago; what it prints for Prometheus.
fn measured(host: &Hostler, days_ago: f64, metric: &str, range: &str) -> String {
    let step = format!(
        "{{\"call\":\"report\",\"do\":\"metric\",\"name\":{metric:?},\"label\":\"place\",\"text\":{range:?},\"unit\":\"B\",\"value\":5}}"
    );
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    let line = text.lines().find(|line| line.starts_with("settings.steps")).expect("the steps").to_owned();
    host.configure(&text.replace(&line, &format!("settings.steps = [{step:?}]")));
    let mut command = host.command(&["run", "measure", "--format", "prometheus"]);
    command
        .env("LD_PRELOAD", "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
        .env("FAKETIME", format!("-{}s", days_ago * 86_400.0))
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let output = command.output().expect("hostler starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn run(host: &Hostler, command: &str) -> Output {
    host.run(&[command, "task", "--format", "json"])
}

fn file(host: &Hostler) -> PathBuf {
    host.path().join("grafana/hostler.json")
}

fn panels(host: &Hostler) -> Vec<Value> {
    let text = fs::read_to_string(file(host)).expect("a dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    dashboard["panels"].as_array().expect("panels").clone()
}

#[test]
fn a_dashboard_is_planned_written_once_and_the_same_to_the_byte_afterwards() {
    let host = host("");
    let exported = measured(&host, 0.1, "queue_bytes", "~:80");
    let plan = run(&host, "plan");
    assert_eq!((plan.code, plan.findings("task")), (1, vec!["warning dashboard-outdated hostler.json".to_owned()]));
    assert!(!file(&host).exists(), "a plan writes nothing");
    let first = run(&host, "run");
    assert_eq!((first.code, first.findings("task")), (0, vec![]), "{first:?}");
    let written = fs::read(file(&host)).expect("a dashboard");
    let panels = panels(&host);
    let queue = panels.iter().find(|panel| panel["title"] == "queue_bytes").expect("a panel");
    assert_eq!(queue["targets"][0]["expr"], "hostler_queue_bytes{task=\"measure\"}");
    assert!(
        exported.contains("hostler_queue_bytes{task=\"measure\""),
        "the query asks for what is exported: {exported}"
    );
    assert_eq!(queue["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"], 80.0);
    let before = fs::metadata(file(&host)).expect("a file").modified().expect("a time");
    measured(&host, 0.0, "queue_bytes", "~:80");
    let second = run(&host, "run");
    assert_eq!((second.code, second.findings("task")), (0, vec![]), "{second:?}");
    assert_eq!(fs::read(file(&host)).expect("a dashboard"), written);
    assert_eq!(fs::metadata(file(&host)).expect("a file").modified().expect("a time"), before, "it was not written");
    assert_eq!(second.task("task")["summary"], "2 panels: the dashboard is as it should be, 0 stale");
    let plan = run(&host, "plan");
    assert_eq!((plan.code, plan.findings("task")), (0, vec![]), "{plan:?}");
}

#[test]
fn a_panel_whose_metric_is_gone_is_named_and_goes_and_new_ones_come() {
    let host = host("days = 60");
    measured(&host, 50.0, "old_bytes", "~:80");
    measured(&host, 0.1, "queue_bytes", "~:80");
    run(&host, "run");
    assert!(panels(&host).iter().any(|panel| panel["title"] == "old_bytes"));
    let id = |title: &str| panels(&host).iter().find(|panel| panel["title"] == title).map(|panel| panel["id"].clone());
    let before = id("queue_bytes");
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    host.configure(&text.replace("days = 60", "days = 40"));
    measured(&host, 0.0, "more_bytes", "~:80");
    let run = run(&host, "run");
    assert_eq!(
        (run.code, run.findings("task")),
        (1, vec!["warning panel-stale hostler.json: old_bytes".to_owned()]),
        "{run:?}"
    );
    assert!(panels(&host).iter().all(|panel| panel["title"] != "old_bytes"));
    assert!(panels(&host).iter().any(|panel| panel["title"] == "more_bytes"));
    assert_eq!(id("queue_bytes"), before, "the others keep their identity");
    let again = self::run(&host, "run");
    assert_eq!((again.code, again.findings("task")), (0, vec![]), "{again:?}");
}

#[test]
fn what_somebody_drew_or_edited_is_looked_at_and_left_alone() {
    let host = host("");
    measured(&host, 0.1, "queue_bytes", "~:80");
    run(&host, "run");
    fs::write(
        host.path().join("grafana/shop.json"),
        r#"{"uid": "shop", "panels": [{"title": "Old", "targets": [{"expr": "hostler_gone_bytes"}]}]}"#,
    )
    .expect("a dashboard");
    fs::write(host.path().join("grafana/bad.json"), "{").expect("a file");
    let edited = fs::read_to_string(file(&host)).expect("a dashboard").replace("Maintenance tasks", "My tasks");
    fs::write(file(&host), &edited).expect("a dashboard");
    let sick = run(&host, "run");
    assert_eq!(sick.code, 3, "{sick:?}");
    assert_eq!(
        sick.findings("task"),
        [
            "unknown dashboard-unreadable bad.json",
            "warning panel-stale shop.json: Old",
            "warning dashboard-edited hostler.json"
        ]
    );
    assert_eq!(fs::read_to_string(file(&host)).expect("a dashboard"), edited);
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    host.configure(&text.replace("settings = {  }", "settings = { overwrite = true }"));
    fs::remove_file(host.path().join("grafana/bad.json")).expect("it is there");
    let over = run(&host, "run");
    assert_eq!(over.findings("task"), ["warning panel-stale shop.json: Old"], "{over:?}");
    assert!(fs::read_to_string(file(&host)).expect("a dashboard").contains("Maintenance tasks"));
}

#[test]
fn without_a_history_nothing_is_drawn_and_a_path_for_a_name_is_refused() {
    let host = host("");
    let empty = run(&host, "run");
    assert_eq!(
        (empty.code, empty.findings("task")),
        (3, vec!["unknown history-short history".to_owned()]),
        "{empty:?}"
    );
    assert!(!file(&host).exists());
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    host.configure(&text.replace("settings = {  }", "settings = { file = \"../hostler.json\" }"));
    let refused = run(&host, "run");
    assert!(refused.code == 3 && refused.stdout.contains("no name of a dashboard"), "{refused:?}");
}
