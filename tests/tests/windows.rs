//! Maintenance windows: outside its own a changing task does not start, and at its end it is asked to stop.

use std::{fs, time::Duration};

use hostler_tests::{Hostler, Signal, eventually};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

const ZONE: &str = "Pacific/Auckland";

/// A changing task and one that only looks, in a procedure with this window.
fn configuration(behaviour: &str, task: &str, procedure: &str) -> String {
    format!(
        "[directory.output]\npath = \"{{directory}}/output\"\n\
         [tasks.changes]\nplugin = \"test-misbehaving\"\nbind.output = \"directory.output\"\n\
         settings = {{ behaviour = {behaviour:?}, count = 100000 }}\n{task}\n\
         [tasks.looks]\nplugin = \"example-empty\"\n{task}\n\
         [procedures.weekly]\n{procedure}\ntasks = [\"changes\", \"looks\"]\n"
    )
}

fn host(configuration: &str) -> Hostler {
    let host = Hostler::new(configuration);
    fs::create_dir_all(host.path().join("output")).expect("a directory");
    host.install(&["test-misbehaving", "example-empty"]);
    host
}

fn files(host: &Hostler) -> usize {
    fs::read_dir(host.path().join("output")).expect("the directory").count()
}

/// A window in the zone, from and to so many hours from now.
fn window(from: i64, to: i64) -> String {
    let zone = TimeZone::get(ZONE).expect("a zone");
    let at = |hours| (Timestamp::now() + SignedDuration::from_hours(hours)).to_zoned(zone.clone()).strftime("%H:%M");
    format!("{}-{}", at(from), at(to))
}

#[test]
fn outside_its_window_a_changing_task_does_not_start_and_a_looking_one_does() {
    let closed = window(2, 3);
    let procedure = format!("time_zone = {ZONE:?}\nwindow = {closed:?}");
    let host = host(&configuration("changes", "", &procedure));
    let run = host.run(&["run", "weekly", "--format", "json"]);
    assert_eq!(run.code, 3, "what was not done is never ok: {run:?}");
    let changes = run.task("changes");
    assert_eq!((&changes["course"], &changes["verdict"]), (&"not-started".into(), &"unknown".into()), "{changes:#}");
    let opens = Timestamp::now().to_zoned(TimeZone::get(ZONE).expect("a zone")) + SignedDuration::from_hours(2);
    let said = format!("its window {closed} is closed; it opens {}", opens.strftime("%F"));
    assert!(changes["summary"].as_str().is_some_and(|summary| summary.contains(&said)), "{said}: {changes:#}");
    assert_eq!(run.task("looks")["verdict"], "ok");
    assert_eq!(files(&host), 0);
    let history = host.run(&["history", "changes"]).stdout;
    assert!(history.contains("UNKNOWN") && history.contains("not started: it changes something"), "{history}");
    let kept = host.run(&["history", changes["run_id"].as_str().expect("its run"), "--format", "json"]);
    assert_eq!(kept.task("changes"), changes, "it is kept as it was told");
    assert_eq!(host.run(&["run", "weekly", "--exit", "work"]).code, 3, "a timer hears of it too");
    assert!(host.run(&["run", "weekly", "--format", "nagios"]).stdout.starts_with("UNKNOWN: "));
}

#[test]
fn a_plan_is_made_at_any_hour_and_inside_the_window_it_is_carried_out() {
    let few = |window: &str| {
        configuration("changes", "", &format!("time_zone = {ZONE:?}\nwindow = {window:?}")).replace("100000", "2")
    };
    let host = host(&few(&window(2, 3)));
    let plan = host.run(&["plan", "weekly", "--format", "json"]);
    assert_eq!((plan.code, &plan.task("changes")["summary"], files(&host)), (0, &"2 files".into(), 0), "{plan:?}");
    host.configure(&few(&window(-1, 1)));
    let run = host.run(&["run", "weekly"]);
    assert_eq!((run.code, files(&host)), (0, 2), "{run:?}");
}

#[test]
fn a_task_has_a_window_of_its_own_and_both_hold() {
    let (closed, open) = (window(2, 3), window(-1, 1));
    for (task, procedure) in [(&closed, &open), (&open, &closed)] {
        let zone = format!("time_zone = {ZONE:?}\nwindow = {procedure:?}");
        let host = host(&configuration("changes", &format!("window = {task:?}"), &zone));
        let mut command = host.command(&["run", "weekly"]);
        let run = command.env("TZ", ZONE).output().expect("hostler starts");
        assert_eq!((run.status.code(), files(&host)), (Some(3), 0), "{task} and {procedure}: {run:?}");
    }
}

/// A zone in which a minute begins five seconds from now, and a window that ends with it: windows are written in minutes,
/// and no test waits for one.
fn closing_soon() -> (String, String) {
    let now = Timestamp::now();
    let second = now.as_second().rem_euclid(60);
    let shift = 55 - second;
    let local = (now + SignedDuration::from_secs(shift)).to_zoned(TimeZone::UTC);
    let sign = if shift < 0 { '+' } else { '-' };
    let end = local.clone() + SignedDuration::from_mins(1);
    let window = format!("{}-{}", local.strftime("%H:%M"), end.strftime("%H:%M"));
    (format!("<soon>{sign}0:00:{:02}", shift.abs()), window)
}

#[test]
fn at_the_end_of_its_window_a_task_is_asked_to_stop_and_says_how_far_it_came() {
    let host = host("");
    let (zone, window) = closing_soon();
    host.configure(&configuration("changes", &format!("window = {window:?}"), ""));
    let running = host.start_with(&["run", "changes", "--format", "json"], &[("TZ", &zone)]);
    let run = running.end_within(Duration::from_secs(30));
    let outcome = run.task("changes");
    assert_eq!(run.code, 1, "{outcome:#}");
    let summary = outcome["summary"].as_str().expect("a summary");
    assert!(summary.ends_with("then the maintenance window closed"), "{outcome:#}");
    assert!(files(&host) > 0, "it had begun: {outcome:#}");
    assert_eq!(host.history(&[])[0]["verdict"], "warning");
}

#[test]
fn after_the_end_of_its_window_nothing_is_changed_and_an_interruption_still_ends_the_run() {
    let host = host("");
    let (zone, window) = closing_soon();
    host.configure(&configuration("changes-deaf", &format!("window = {window:?}"), ""));
    let running = host.start_with(&["run", "changes", "--format", "json"], &[("TZ", &zone)]);
    eventually("it changes something", || files(&host) > 0);
    let mut before = 0;
    eventually("its window closes, and nothing more is changed", || {
        std::thread::sleep(Duration::from_millis(500));
        std::mem::replace(&mut before, files(&host)) == files(&host)
    });
    running.signal(Signal::INT);
    let ended = running.end_within(Duration::from_secs(15));
    assert_eq!((ended.code, files(&host)), (130, before), "{ended:?}");
    assert_eq!(ended.task("changes")["course"], "interrupted");
}
