//! system-maintenance-window: the hours of a real server, run after run with a clock that is set for each, across the
//! night in which clocks go forward.

use std::fs;

use hostler_tests::{Hostler, Output, Postgres, cache};

/// A host in a time zone, whose task `task` advises; `more` are further tables.
fn host(zone: &str, bind: &str, settings: &str, more: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[host]\nstate = \"{{directory}}/state\"\ncache = \"{}\"\ntime_zone = {zone:?}\n\
         [tasks.measure]\nplugin = \"test-puppet\"\nsettings.steps = []\n\
         [tasks.task]\nplugin = \"system-maintenance-window\"\nbind = {{ history = \"history\"{bind} }}\n\
         settings = {{ {settings} }}\n{more}",
        cache().display()
    ));
    host.install(&["test-puppet", "system-maintenance-window"]);
    host
}

/// Runs a task at a time of UTC.
fn run_at(host: &Hostler, time: &str, task: &str) -> Output {
    let mut command = host.command(&["run", task, "--format", "json"]);
    command
        .env("LD_PRELOAD", "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
        .env("FAKETIME", format!("@{time}"))
        .env("TZ", "UTC")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let output = command.output().expect("hostler starts");
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn table(output: &Output, title: &str) -> Vec<Vec<String>> {
    let tables = output.task("task")["reported"]["tables"].as_array().cloned().unwrap_or_default();
    let found = tables.into_iter().find(|table| table["title"].as_str().is_some_and(|text| text.starts_with(title)));
    let rows = found.unwrap_or_else(|| panic!("no table {title}: {output:?}"))["rows"].clone();
    serde_json::from_value(rows).expect("rows of texts")
}

fn summary(output: &Output) -> String {
    output.task("task")["summary"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn the_quiet_hours_of_a_real_server_are_found_in_local_time_and_kept_across_the_change_of_the_clocks() {
    let server = Postgres::start();
    server.execute("CREATE TABLE filler AS SELECT repeat('x', 1000) AS text FROM generate_series(1, 14000)");
    let host = host(
        "Europe/Berlin",
        ", database = \"postgres.main\"",
        "least_days = 2",
        &format!(
            "[postgres.main]\ndsn = {:?}\n[procedures.nightly]\nschedule = \"daily 12:00\"\nwindow = \"12:00-14:00\"\n\
             tasks = [\"measure\"]\n",
            server.superuser()
        ),
    );
    let first = run_at(&host, "2026-03-26 00:00:00", "task");
    assert_eq!(
        (first.code, first.findings("task")),
        (3, vec!["unknown baseline-taken load".to_owned(), "unknown history-short load".to_owned()]),
        "{first:?}"
    );
    for hour in 1..=48 {
        // What was done in the hour that ends now; from 03:00 to 05:00 in Berlin it is nothing.
        if !(3..=4).contains(&(hour % 24)) {
            let scan = "SELECT count(*) FROM filler;".repeat(5);
            server.execute(&format!("{scan} SELECT pg_stat_force_next_flush()"));
        }
        let run = run_at(&host, &format!("2026-03-{:02} {:02}:00:00", 26 + hour / 24, hour % 24), "task");
        assert!(!run.findings("task").iter().any(|finding| finding.contains("baseline")), "{run:?}");
    }
    let known = run_at(&host, "2026-03-28 00:10:00", "task");
    assert_eq!((known.code, known.findings("task")), (1, vec!["warning window-busy nightly".to_owned()]), "{known:?}");
    assert!(summary(&known).starts_with("the quietest hours are 03:00-05:00 (Europe/Berlin); 30 windows"), "{known:?}");
    let next = table(&known, "Next windows");
    let opens: Vec<&str> = next.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(
        opens,
        [
            "2026-03-28 03:00 +01:00",
            "2026-03-29 03:00 +02:00",
            "2026-03-30 03:00 +02:00",
            "2026-03-31 03:00 +02:00",
            "2026-04-01 03:00 +02:00"
        ]
    );
    assert_eq!(next[1][2], "2026-03-29T01:00:00Z");
}

#[test]
fn without_a_window_the_lines_are_proposed_and_hold_when_an_operator_takes_them() {
    let host = host("UTC", "", "least_days = 1, metric = \"load_per_core\"", "");
    let measure = |load: &str, time: &str| {
        let step = format!(
            "{{\"call\":\"report\",\"do\":\"metric\",\"name\":\"load_per_core\",\"label\":\"a\",\"text\":\"~:9\",\"unit\":\"\",\"value\":{load}}}"
        );
        let text = fs::read_to_string(host.configuration()).expect("a configuration");
        let line = text.lines().find(|line| line.starts_with("settings.steps")).expect("the steps").to_owned();
        host.configure(&text.replace(&line, &format!("settings.steps = [{step:?}]")));
        assert_eq!(run_at(&host, time, "measure").code, 0);
    };
    for hour in 0..24 {
        measure(if (22..24).contains(&hour) { "0.1" } else { "2.5" }, &format!("2026-03-26 {hour:02}:05:00"));
    }
    let before = fs::read_to_string(host.configuration()).expect("a configuration");
    let none = run_at(&host, "2026-03-27 00:30:00", "task");
    assert_eq!((none.code, none.findings("task")), (1, vec!["warning no-window schedule".to_owned()]), "{none:?}");
    assert_eq!(fs::read_to_string(host.configuration()).expect("a configuration"), before, "nothing is edited");
    let reported = none.task("task")["reported"].clone();
    assert_eq!(reported["attachments"][0]["name"], "window.toml");
    let lines = reported["findings"][0]["remedy"].as_str().expect("lines").to_owned();
    assert!(lines.contains("window = \"22:00-00:00\""), "{lines}");
    host.configure(&format!("{before}\n{lines}tasks = [\"measure\"]\n"));
    let taken = run_at(&host, "2026-03-27 00:40:00", "task");
    assert_eq!((taken.code, taken.findings("task")), (0, vec![]), "{taken:?}");
    assert!(summary(&taken).contains("30 windows scheduled in 30 days, 0 conflicts"), "{taken:?}");
}

#[test]
fn a_task_that_is_due_twice_at_once_and_a_procedure_outside_of_its_window_are_told() {
    let host = host(
        "UTC",
        "",
        "",
        "[procedures.daily]\nschedule = \"daily 03:00\"\nwindow = \"02:00-04:00\"\ntasks = [\"measure\"]\n\
         [procedures.weekly]\nschedule = \"Sun 03:00\"\nwindow = \"02:00-04:00\"\ntasks = [\"measure\"]\n\
         [procedures.often]\nschedule = \"hourly\"\nwindow = \"01:00-05:00\"\ntasks = [\"task\"]\n",
    );
    let run = run_at(&host, "2026-03-26 00:30:00", "task");
    let findings = run.findings("task");
    assert!(findings.contains(&"warning runs-overlap measure".to_owned()), "{findings:?}");
    assert!(findings.contains(&"warning outside-window often".to_owned()), "{findings:?}");
}

#[test]
fn a_zone_that_nobody_knows_here_is_unknown_and_its_hours_are_those_of_utc() {
    let host = host("Europe/Berlin", "", "", "");
    let run = run_at(&host, "2026-03-26 00:30:00", "task");
    let findings = run.findings("task");
    assert_eq!(run.code, 3, "{run:?}");
    assert!(findings.contains(&"unknown time-zone-unknown Europe/Berlin".to_owned()), "{findings:?}");
}
