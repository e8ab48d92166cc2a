use hostler_capability::{Effect, PlanStep, PlannedEffect, ReportTable};

use super::*;
use crate::format::samples::{outcome, task};

fn finding(severity: Severity, subject: &str, summary: &str) -> Finding {
    Finding { severity, code: "c".into(), subject: subject.into(), summary: summary.into(), ..Finding::default() }
}

#[test]
fn what_needs_action_comes_first_and_the_worst_of_all_tasks_before_the_rest() {
    let mut indexes = task("indexes");
    indexes.verdict = Severity::Critical;
    indexes.summary = "3 indexes".into();
    indexes.reported.findings = vec![
        finding(Severity::Warning, "shop.a", "it is bloated"),
        finding(Severity::Ok, "shop.b", "it is well"),
        Finding {
            detail: Some("its build failed\nin the night".into()),
            remedy: Some("REINDEX INDEX CONCURRENTLY \"shop\".\"c\";\nANALYZE;".into()),
            ..finding(Severity::Critical, "shop.c", "it is invalid")
        },
    ];
    let mut vacuum = task("vacuum");
    (vacuum.course, vacuum.verdict, vacuum.duration_ms) = (Course::NotStarted, Severity::Unknown, 0);
    vacuum.summary =
        "not started: hostler.toml:8: `bind.database` is missing\nhostler.toml:9: `keep` is not known\n".into();
    let mut files = task("files");
    files.verdict = Severity::Critical;
    files.reported.findings = vec![finding(Severity::Critical, "/var/x", "/var/x is full")];
    files.troubles = vec!["the limit rows is used up".into()];
    files.notes = vec!["runs without confinement".into()];
    let mut more = task("more");
    more.notes = files.notes.clone();
    let text = print(&outcome(vec![indexes, vacuum, files, more]), Style::default());
    assert_eq!(
        text,
        "CRITICAL indexes: shop.c: it is invalid\n         its build failed\n         in the night\n         \
         → REINDEX INDEX CONCURRENTLY \"shop\".\"c\";\n           ANALYZE;\n\
         CRITICAL files: /var/x is full\n\
         UNKNOWN  vacuum: not started\n         hostler.toml:8: `bind.database` is missing\n         \
         hostler.toml:9: `keep` is not known\n\
         UNKNOWN  files: the limit rows is used up\n\
         WARNING  indexes: shop.a: it is bloated\n\
         note     files, more: runs without confinement\n\n\
         CRITICAL indexes  12 ms  3 indexes\n\
         UNKNOWN  vacuum    0 ms  not started, see above\n\
         CRITICAL files    12 ms  all is well\n\
         OK       more     12 ms  all is well\n\n\
         CRITICAL daily: 4 tasks in 40 ms, nothing changed\n"
    );
}

#[test]
fn a_reason_of_one_line_stays_on_its_line() {
    let mut vacuum = task("vacuum");
    (vacuum.course, vacuum.verdict) = (Course::NotStarted, Severity::Unknown);
    vacuum.summary = "not started: its window is closed".into();
    let text = print(&outcome(vec![vacuum]), Style::default());
    assert!(text.starts_with("UNKNOWN  vacuum: not started: its window is closed\n\n"), "{text}");
    assert!(text.contains("1 task in"), "{text}");
}

#[test]
fn a_real_terminals_width_is_kept() {
    let mut wide = task("wide");
    wide.summary = "many words ".repeat(20);
    wide.reported.findings = vec![Finding {
        detail: Some("and more of it ".repeat(12)),
        ..finding(Severity::Warning, "subject", &"a long story ".repeat(12))
    }];
    let style = Style { width: Some(80), ..Style::default() };
    let text = print(&outcome(vec![wide]), style);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.lines().filter(|line| line.starts_with("         ")).count() > 4, "set in: {text}");
    assert!(text.lines().any(|line| line.starts_with(&" ".repeat(INDENT + 4 + 2 + 5 + 2))), "the summary, too: {text}");
}

#[test]
fn no_text_of_a_plugin_reaches_the_terminal_as_a_command_to_it() {
    let evil = "x\x1b[2J\u{9b}1A\u{202e}\rOK\x07\x7f";
    let mut task = task(evil);
    task.summary = evil.into();
    task.troubles = vec![evil.into()];
    task.notes = vec![evil.into()];
    task.reported.findings = vec![Finding {
        detail: Some(evil.into()),
        remedy: Some(evil.into()),
        ..finding(Severity::Critical, evil, evil)
    }];
    task.reported.tables =
        vec![ReportTable { title: evil.into(), columns: vec![evil.into()], rows: vec![vec![evil.into()]] }];
    let effect = Effect { request: evil.into(), operation: evil.into(), object: "o\x1b".into() };
    let planned = PlannedEffect { effect, outcome: evil.into(), rows: None };
    task.plan.steps = vec![PlanStep { title: evil.into(), effects_bound: 1, rows_bound: 1, effects: vec![planned] }];
    let mut failed = task.clone();
    failed.course = Course::Failed;
    let whole = outcome(vec![task, failed]);
    let plain = print(&whole, Style { verbose: true, ..Style::default() });
    let bad: Vec<char> = plain.chars().filter(|letter| letter.is_control() && *letter != '\n').collect();
    assert!(bad.is_empty() && !plain.contains('\u{202e}'), "{bad:?} in {plain:?}");
    let coloured = print(&whole, Style { colour: true, verbose: true, width: Some(60) });
    assert!(coloured.contains("\x1b[1;31m") && !coloured.contains("\x1b[2J"), "only the host's own: {coloured:?}");
    for piece in coloured.split('\x1b').skip(1) {
        let code = piece.split_once('m').map(|(code, _)| code).unwrap_or_default();
        assert!(["[0", "[1", "[2", "[32", "[33", "[35", "[36", "[1;31"].contains(&code), "{piece:?}");
    }
}

#[test]
fn changes_that_failed_are_counted_as_such() {
    let mut ran = task("vacuum");
    ran.mode = "apply".into();
    let planned = |outcome: &str| PlannedEffect {
        effect: Effect { request: "d".into(), operation: outcome.into(), object: String::new() },
        outcome: outcome.into(),
        rows: None,
    };
    let effects = vec![planned("applied"), planned("failed: denied"), planned("unknown")];
    ran.plan.steps = vec![PlanStep { effects, effects_bound: 3, ..PlanStep::default() }];
    let text = print(&outcome(vec![ran]), Style::default());
    assert!(text.ends_with("1 change applied, 2 changes failed\n"), "{text}");
}
