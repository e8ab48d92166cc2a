//! Plugins that do what no plugin should. Each ends with what it had found and a verdict that is at least unknown, the
//! task beside it does its work, and the history keeps why.

use hostler_tests::{Hostler, Output};
use serde_json::Value;

const LIMITS: &str = "memory_bytes = \"32MiB\", cpu_seconds = 1, wall_seconds = 3, reported = 100, log_lines = 50";

/// Tasks named as their behaviours, and one that is in order, side by side in the procedure `all`.
fn host(behaviours: &[&str]) -> Hostler {
    let mut text = String::from("[tasks.good]\nplugin = \"example-empty\"\n");
    for behaviour in behaviours {
        text.push_str(&format!(
            "[tasks.{behaviour}]\nplugin = \"test-misbehaving\"\nsettings = {{ behaviour = {behaviour:?} }}\n\
             limits = {{ {LIMITS} }}\n"
        ));
    }
    text.push_str(&format!("[procedures.all]\nparallel = 8\ntasks = {:?}\n", [behaviours, &["good"]].concat()));
    let host = Hostler::new(&text);
    host.install(&["example-empty", "test-misbehaving"]);
    host
}

/// Runs the behaviours side by side; each has to be `verdict`, for a reason that holds its words.
fn run(cases: &[(&str, &str)], verdict: &str) -> (Hostler, Output) {
    let behaviours: Vec<&str> = cases.iter().map(|(behaviour, _)| *behaviour).collect();
    let host = host(&behaviours);
    let run = host.run(&["run", "all", "--format", "json"]);
    let code = if verdict == "critical" { 2 } else { 3 };
    assert_eq!(run.code, code, "{run:?}");
    assert_eq!((&run.task("good")["verdict"], &run.task("good")["course"]), (&"ok".into(), &"done".into()), "{run:?}");
    for (behaviour, words) in cases {
        let outcome = run.task(behaviour);
        assert_eq!(outcome["verdict"], verdict, "{behaviour}: {outcome:#}");
        let why = why(&outcome);
        assert!(why.contains(words), "{behaviour}: {why}");
        assert!(!why.contains(|letter: char| letter.is_control()), "{behaviour}: {why:?}");
        let kept = host.kept(outcome["run_id"].as_str().expect("a run"));
        assert_eq!(kept, outcome, "the history keeps it whole");
        let listed = host.history(&[behaviour]);
        assert_eq!((&listed[0]["verdict"], &listed[0]["course"]), (&outcome["verdict"], &outcome["course"]));
    }
    assert_eq!(host.run(&["audit", "verify"]).code, 0);
    (host, run)
}

fn why(outcome: &Value) -> String {
    let troubles: Vec<&str> = outcome["troubles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    format!("{} / {}", outcome["summary"].as_str().expect("a summary"), troubles.join(" / "))
}

fn log(outcome: &Value) -> Vec<&str> {
    let lines = outcome["reported"]["log"].as_array().expect("a log");
    lines.iter().filter_map(|line| line["message"].as_str()).collect()
}

#[test]
fn a_trap_ends_its_own_run_alone() {
    let (_host, run) = run(
        &[
            ("unreachable", "the plugin trapped: wasm trap: wasm `unreachable` instruction executed"),
            ("out-of-bounds", "the plugin trapped: wasm trap: out of bounds memory access"),
            ("panic", "the plugin trapped"),
            ("recurse", "the plugin trapped: wasm trap: "),
        ],
        "unknown",
    );
    let panic = run.task("panic");
    assert!(log(&panic).iter().any(|line| line.contains("on purpose")), "what it said last is kept: {panic:#}");
    assert!(log(&panic).iter().all(|line| !line.contains('\x1b')), "{panic:#}");
}

#[test]
fn a_task_that_fails_after_it_said_ok_is_unknown_and_what_it_found_before_a_trap_stays() {
    let (_host, run_) = run(&[("fail-after-ok", "after all it is not")], "unknown");
    assert_eq!(run_.findings("fail-after-ok"), ["ok healthy everything"]);
    let (_host, run_) = run(&[("critical-then-trap", "the plugin trapped")], "critical");
    assert_eq!(run_.findings("critical-then-trap"), ["critical disk-full /"]);
    assert_eq!(run_.task("critical-then-trap")["course"], "failed");
}

#[test]
fn what_has_no_end_is_ended() {
    let (_host, run) = run(
        &[
            ("loop", "the plugin used up its 1 s of processor time (limits.cpu_seconds)"),
            ("loop-calling", "the plugin used up its 1 s of processor time (limits.cpu_seconds)"),
            ("sleep", "the run took longer than its 3 s (limits.wall_seconds)"),
        ],
        "unknown",
    );
    let took = run.json()["duration_ms"].as_u64().expect("a duration");
    assert!(took < 20_000, "it was ended in time, and not by chance: {took} ms");
    // By which of the two depends on how long the machine takes to keep a value.
    let (_host, waited) = self::run(&[("loop-awaiting", "(limits.")], "unknown");
    assert_eq!(waited.task("loop-awaiting")["course"], "failed");
}

#[test]
fn memory_that_is_refused_is_never_passed_over() {
    let (_host, run) = run(
        &[
            ("allocate", "the plugin used up its 33554432 bytes of memory (limits.memory_bytes)"),
            ("allocate-in-secret", "the limit memory_bytes is used up"),
        ],
        "unknown",
    );
    assert_eq!(run.task("allocate")["course"], "failed");
    assert_eq!(run.task("allocate-in-secret")["course"], "done", "it went on, and is not believed");
}

#[test]
fn a_flood_is_cut_at_its_limit_and_counted() {
    let (_host, run) = run(
        &[
            ("flood-log", "the plugin used up its 1 s of processor time (limits.cpu_seconds)"),
            ("flood-findings", "the limit reported is used up"),
        ],
        "unknown",
    );
    let flooded = run.task("flood-log");
    assert_eq!(log(&flooded).len(), 50);
    assert!(flooded["reported"]["log_dropped"].as_u64() > Some(1000), "{flooded:#}");
    let found = run.task("flood-findings");
    let kept = |kind: &str| found["reported"][kind].as_array().map_or(0, Vec::len);
    assert!((1..=100).contains(&(kept("findings") + kept("metrics"))), "{found:#}");
    assert!(why(&found).contains("had no room and was dropped"), "{}", why(&found));
}

#[test]
fn a_log_that_was_cut_takes_nothing_from_work_that_was_done() {
    let host = host(&["flood-log-and-end"]);
    let run = host.run(&["run", "flood-log-and-end", "--format", "json"]);
    assert_eq!(run.code, 0, "the log is for whoever looks for a mistake, and decides nothing: {run:?}");
    let outcome = run.task("flood-log-and-end");
    assert_eq!((log(&outcome).len(), &outcome["reported"]["log_dropped"]), (50, &2950.into()), "{outcome:#}");
}

#[test]
fn nonsense_is_not_taken_for_a_result() {
    let (host, run) = run(
        &[
            ("summary-empty", "without the line that sums its work up"),
            ("summary-control", "no line of text, or too long for one"),
            ("summary-huge", "no line of text, or too long for one"),
            ("metrics", "not_a_number is not a number, and was dropped"),
            ("texts", "has an alert range that is none"),
        ],
        "unknown",
    );
    let metrics = run.task("metrics");
    let kept = metrics["reported"]["metrics"].as_array().expect("metrics");
    assert_eq!(kept.len(), 1, "what is no figure is no metric: {metrics:#}");
    assert_eq!(kept[0]["value"], 7.0);
    assert!(run.task("summary-huge")["summary"].as_str().is_some_and(|summary| summary.len() <= 2000));
    // Nothing of it steers the terminal on which it is read.
    let text = host.run(&["run", "all", "--all"]);
    let steers = |letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}';
    assert!(!text.stdout.contains(steers) && !text.stderr.contains(steers), "{text:?}");
    let texts = run.task("texts")["run_id"].as_str().expect("a run").to_owned();
    let shown = host.run(&["history", &texts]);
    assert!(!shown.stdout.contains(steers) && shown.stdout.contains("quoted"), "{shown:?}");
}
