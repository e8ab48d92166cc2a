//! Where the three parts differ, what npm says, and what a patch is.

use hostler_sdk::shell::Completed;
use hostler_sdk::testing::{Recorded, record, refuses_each, settings};
use serde_json::{Value, json};

use super::*;
use copy::{Answer, Done, failed, patch, report_audit, report_failure};
use lock::{Lock, asked, changes, differ, drift};
use outdated::parse;
use project::has_tests;

const MANIFEST: &str = include_str!("../plugin.toml");

fn lock(packages: Value) -> Lock {
    Lock::parse(&json!({"lockfileVersion": 3, "packages": packages}).to_string()).expect("a lock file")
}

#[test]
fn a_lock_file_is_held_against_what_package_json_asks_for() {
    let made = lock(json!({"": {"dependencies": {"a": "^1.0.0"}, "devDependencies": {"t": "1"}}}));
    let names = |manifest: Value| differ(&asked(&manifest), &made.made_for);
    assert!(names(json!({"dependencies": {"a": "^1.0.0"}, "devDependencies": {"t": "1"}})).is_empty());
    assert_eq!(names(json!({"dependencies": {"a": "^2.0.0", "b": "1"}, "devDependencies": {"t": "1"}})), ["a", "b"]);
    assert_eq!(names(json!({"dependencies": {"a": "^1.0.0", "t": "1"}})), ["t"], "of another kind");
}

#[test]
fn only_what_may_be_missing_may_be_missing() {
    let locked = lock(json!({
        "node_modules/a": {"version": "1.0.0"},
        "node_modules/a/node_modules/b": {"version": "2.0.0"},
        "node_modules/dev": {"version": "1.0.0", "dev": true},
        "node_modules/dev2": {"version": "1.0.0", "dev": true},
        "node_modules/mac": {"version": "1.0.0", "optional": true},
        "node_modules/own": {"resolved": "packages/own", "link": true},
    }));
    let places = |installed: Value| {
        let found = drift(&locked, &lock(installed).packages);
        found.into_iter().map(|one| format!("{} {} {}", one.place, one.locked, one.installed)).collect::<Vec<_>>()
    };
    let whole = json!({
        "node_modules/a": {"version": "1.0.0"}, "node_modules/a/node_modules/b": {"version": "2.0.0"},
        "node_modules/own": {"link": true},
    });
    assert!(places(whole.clone()).is_empty(), "a server without what is for development");
    let mut other = whole;
    other["node_modules/a"]["version"] = json!("1.0.1");
    other["node_modules/dev"] = json!({"version": "1.0.0"});
    other["node_modules/stray"] = json!({"version": "9.0.0"});
    assert_eq!(places(other), ["node_modules/a 1.0.0 1.0.1", "node_modules/dev2 1.0.0 ", "node_modules/stray  9.0.0"]);
}

#[test]
fn an_old_lock_file_is_not_taken_for_one_without_drift() {
    let error = Lock::parse(r#"{"lockfileVersion": 1, "dependencies": {"a": {"version": "1.0.0"}}}"#).expect_err("old");
    assert!(error.message().contains("npm 6"), "{error}");
    assert!(Lock::parse("{").is_err());
}

fn said(code: i32, stdout: &str) -> Completed {
    let stderr = b"npm error code ECONNREFUSED\nnpm error request to http://registry/ failed\n".to_vec();
    Completed {
        exit_code: Some(code),
        signal: None,
        stdout: stdout.into(),
        stderr,
        truncated: false,
        sha256: None,
        duration_ms: 1,
    }
}

fn outdated(given: Value) -> Recorded {
    let settings: Settings = settings(MANIFEST, given);
    let answer = json!({
        "a": {"current": "1.0.0", "wanted": "1.2.0", "latest": "1.2.0"},
        "b": {"current": "1.2.0", "wanted": "1.2.0", "latest": "3.0.0"},
        "c": {"wanted": "1.0.0", "latest": "2.0.0"},
        "shared": [{"current": "1.0.0", "wanted": "1.0.1", "latest": "1.0.1"}, {"current": "1.0.1", "wanted": "1.0.1", "latest": "1.0.1"}],
    });
    let found = parse(&said(1, &answer.to_string())).expect("1 is no failure");
    record(|| assert_eq!(outdated::report(&found, &settings), 2))
}

#[test]
fn newer_versions_are_told_by_how_far_they_are() {
    let recorded = outdated(json!({}));
    assert_eq!(recorded.told(), [("major-behind", "b", Severity::Warning), ("major-behind", "c", Severity::Warning)]);
    assert_eq!(recorded.findings[0].summary, "1.2.0 is 2 major versions behind 3.0.0, warning from 1 on");
    assert_eq!(
        (recorded.metric("node_packages_outdated"), recorded.metric("node_packages_major_behind")),
        (Some(2.0), Some(2.0))
    );
    assert_eq!(outdated(json!({"majors": 2})).told().len(), 1);
    assert_eq!(outdated(json!({"ignore": ["b", "c*"]})).told().len(), 0);
}

#[test]
fn an_answer_that_is_none_is_an_error() {
    assert_eq!(parse(&said(0, "{}\n")).map(|found| found.len()), Ok(0));
    for (code, stdout) in [(1, ""), (1, r#"{"error": {"code": "ECONNREFUSED"}}"#), (2, "{}"), (0, "x")] {
        let error = parse(&said(code, stdout)).expect_err("no answer");
        assert!(error.message().contains("request to http://registry/ failed"), "{error}");
    }
}

fn step(step: &str, code: i64) -> Done {
    Done { step: step.into(), code, said: "line\n1 failing".into(), ..Done::default() }
}

#[test]
fn what_the_updates_break_is_told_from_what_was_broken() {
    let done = [step("update", 0), step("fix", 1), step("audit", 1), step("install", 0), step("test", 1)];
    let failing = failed(&done).expect("the tests");
    let told = |before: Vec<Done>| {
        let before = Answer { done: before, manifest: String::new() };
        record(|| drop(report_failure(failing, Some(&before))))
    };
    let new = told(vec![step("install", 0), step("test", 0)]);
    assert_eq!(new.told(), [("update-failed", "test", Severity::Warning)]);
    assert!(new.findings[0].detail.as_deref().is_some_and(|detail| detail.ends_with("1 failing")));
    assert_eq!(told(vec![step("install", 0), step("test", 1)]).told(), [("broken-before", "test", Severity::Critical)]);
    assert_eq!(told(vec![step("install", 1)]).told(), [("update-failed", "test", Severity::Warning)]);
    assert!(failed(&done[..4]).is_none(), "an audit only says that something is left");
}

#[test]
fn what_an_audit_leaves_is_a_warning_and_none_is_unknown() {
    let told = |audit: Value| record(|| report_audit(&[Done { audit: audit.to_string(), ..step("audit", 1) }]));
    let left =
        json!({"vulnerabilities": {"a": {}}, "metadata": {"vulnerabilities": {"high": 1, "low": 1, "total": 2}}});
    let left = told(left);
    assert_eq!(left.told(), [("vulnerable", "npm audit", Severity::Warning)]);
    assert!(left.findings[0].summary.starts_with("2 known vulnerabilities left"), "{}", left.findings[0].summary);
    assert_eq!(told(json!({"metadata": {"vulnerabilities": {"total": 0}}})).worst(), Severity::Ok);
    assert_eq!(told(json!({"error": "none"})).told(), [("audit-unseen", "npm audit", Severity::Unknown)]);
}

#[test]
fn a_patch_is_a_unified_diff_of_what_changed() {
    assert_eq!(patch("package-lock.json", "a\n", "a\n"), "");
    let diff = patch("apps/shop/package-lock.json", "1\n2\n3\n4\n5\n", "1\n2\n3\n4\nV\n");
    assert_eq!(
        diff,
        "--- a/apps/shop/package-lock.json\n+++ b/apps/shop/package-lock.json\n@@ -2,4 +2,4 @@\n 2\n 3\n 4\n-5\n+V\n"
    );
    let before = lock(json!({"node_modules/@s/a": {"version": "1.0.0"}, "node_modules/b": {"version": "1.0.0"}}));
    let after = lock(
        json!({"node_modules/@s/a": {"version": "1.1.0"}, "node_modules/b": {"version": "1.0.0"}, "node_modules/b/node_modules/c": {"version": "2.0.0"}}),
    );
    let found: Vec<String> =
        changes(&before, &after).into_iter().map(|one| format!("{} {} {}", one.name, one.before, one.after)).collect();
    assert_eq!(found, ["@s/a 1.0.0 1.1.0", "c  2.0.0"]);
}

#[test]
fn what_npm_init_writes_is_no_test() {
    for (script, is) in [("node --test", true), ("echo \"Error: no test specified\" && exit 1", false), (" ", false)] {
        assert_eq!(has_tests(&json!({"scripts": {"test": script}})), is, "{script}");
    }
    assert!(!has_tests(&json!({})));
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("path", json!(1)),
            ("majors", json!(0)),
            ("ignore", json!("a")),
            ("audit_fix", json!("yes")),
            ("test", json!(1)),
            ("build", json!(1)),
            ("timeout", json!("1s")),
        ],
    );
    for path in ["", "/etc", "../other", "a/../../b", "-x"] {
        assert!(check_path(path).is_err(), "{path}");
    }
    assert!(check_path(".").is_ok() && check_path("apps/shop").is_ok());
}
