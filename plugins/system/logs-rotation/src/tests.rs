//! What logrotate says, what is told of each log, and the rule that is rendered.

use std::collections::BTreeMap;

use hostler_sdk::files::{Entry, Kind, Metadata, Ownership};
use hostler_sdk::shell::Completed;
use hostler_sdk::testing::{Recorded, record, refuses_each, settings};
use serde_json::json;

use super::*;
use logs::Log;
use looked::Covered;

const MANIFEST: &str = include_str!("../plugin.toml");
const NOW: i64 = 1_795_000_000;

/// As logrotate 3.21 prints it.
const SAID: &str = "warning: logrotate in debug mode does nothing except printing debug messages!  Consider using verbose mode (-v) instead if this is not what you want.

reading config file main.conf
error: bad:2 unknown option 'dialy' -- ignoring line
error: found error in /var/log/c.log , skipping
error: found error in file bad, skipping
error: skipping \"/var/log/open/x.log\" because parent directory has insecure permissions
Handling 2 logs

rotating pattern: /var/log/a.log /var/log/b*.log  after 1 days (7 rotations)
empty log files are not rotated, old logs are removed
considering log /var/log/a.log
Creating new state
  Now: 2026-11-27 11:08
  Last rotated at 2026-11-27 11:00
  log does not need rotating (log has already been rotated)
considering log /var/log/b.log
  Now: 2026-11-27 11:08
  Last rotated at 2026-11-20 01:02
  log needs rotating
rotating log /var/log/b.log, log->rotateCount is 7

rotating pattern: /var/log/large.log  10485760 bytes (no old logs will be kept)
considering log /var/log/large.log
  log /var/log/large.log does not exist -- skipping
";

fn given(value: serde_json::Value) -> Settings {
    settings(MANIFEST, value)
}

#[test]
fn what_logrotate_says_is_read() {
    let looked = Looked::parse(SAID).expect("it handles logs");
    let pattern = "/var/log/a.log /var/log/b*.log".to_owned();
    assert_eq!(looked.logs["/var/log/a.log"], Covered { pattern: pattern.clone(), due: false, new: true });
    assert_eq!(looked.logs["/var/log/b.log"], Covered { pattern, due: true, new: false });
    assert_eq!(looked.logs["/var/log/large.log"].pattern, "/var/log/large.log");
    assert!(looked.has_state);
    let told = record(|| looked.report_errors());
    assert_eq!(
        told.told(),
        [("rule-broken", "bad:2", Severity::Warning), ("rule-broken", "/var/log/open/x.log", Severity::Warning)]
    );
    let first = SAID.replace("Handling", "state file /var/lib/logrotate/status does not exist\nHandling");
    assert!(Looked::parse(&first).is_ok_and(|looked| !looked.has_state));
    assert!(Looked::parse("").is_err() && Looked::parse("cannot stat main.conf").is_err());
}

fn log(path: &str, bytes: u64, hours: f64) -> Log {
    Log { path: path.into(), bytes, written: Timestamp::from_seconds(NOW - (hours * 3600.0) as i64), dated: false }
}

fn covering(paths: &[&str], due: bool) -> Looked {
    let covered = |path: &&str| ((*path).to_owned(), Covered { pattern: "p".into(), due, new: false });
    Looked { logs: paths.iter().map(covered).collect(), errors: vec![], has_state: true }
}

fn due(logs: &[Log], looked: &Looked, known: Option<&[(&str, f64)]>) -> (Recorded, BTreeMap<String, Timestamp>) {
    let known = known.map(|known| {
        let since = |hours: f64| Timestamp::from_seconds(NOW - (hours * 3600.0) as i64);
        known.iter().map(|(path, hours)| ((*path).to_owned(), since(*hours))).collect::<BTreeMap<_, _>>()
    });
    let mut kept = BTreeMap::new();
    let now = Timestamp::from_seconds(NOW);
    let told = record(|| kept = logs::report_due(logs, looked, known.as_ref(), &given(json!({})), now));
    (told, kept)
}

#[test]
fn a_rotation_that_is_due_is_judged_by_how_long_it_is() {
    let worst = |hours: f64| {
        due(&[log("/l/a", 1, hours), log("/l/b", 1, 0.0)], &covering(&["/l/a"], true), Some(&[])).0.worst()
    };
    assert_eq!(
        [worst(26.0), worst(26.1), worst(50.0), worst(50.1)],
        [Severity::Ok, Severity::Warning, Severity::Warning, Severity::Critical]
    );
    let looked = covering(&["/l/a"], true);
    let (told, kept) = due(&[log("/l/a", 1, 0.0)], &looked, Some(&[("/l/a", 30.0)]));
    assert_eq!(told.told(), [("rotation-overdue", "/l/a", Severity::Warning)], "as an earlier run has seen");
    assert_eq!(kept["/l/a"], Timestamp::from_seconds(NOW - 30 * 3600), "the first sight is kept");
    assert_eq!(due(&[log("/l/a", 0, 90.0)], &looked, Some(&[])).0.told(), [], "an empty one is not rotated");
    assert_eq!(due(&[log("/l/a", 1, 90.0)], &covering(&["/l/a"], false), Some(&[])).0.told(), [], "it is not due");
}

#[test]
fn a_first_run_does_not_know_since_when() {
    let (told, _) = due(&[log("/l/a", 1, 0.0)], &covering(&["/l/a"], true), None);
    assert_eq!(told.told(), [("baseline-taken", "rotations", Severity::Unknown)]);
    let (told, _) = due(&[log("/l/a", 1, 30.0)], &covering(&["/l/a"], true), None);
    assert_eq!(told.told(), [("rotation-overdue", "/l/a", Severity::Warning)], "its last line is old enough");
}

#[test]
fn where_nothing_was_rotated_it_is_logrotate_that_does_not_run() {
    let paths = ["/l/a", "/l/b", "/l/c"];
    let logs: Vec<Log> = paths.iter().map(|path| log(path, 1, 60.0)).collect();
    let (told, _) = due(&logs, &covering(&paths, true), Some(&[]));
    assert_eq!(told.told(), [("logrotate-not-running", "logrotate", Severity::Critical)], "one cause, told once");
    assert_eq!(due(&logs[..2], &covering(&paths, true), Some(&[])).0.findings.len(), 2);
    let mut other = covering(&paths, true);
    other.logs.insert("/l/d".into(), Covered::default());
    let with_another = [logs, vec![log("/l/d", 1, 0.0)]].concat();
    assert_eq!(due(&with_another, &other, Some(&[])).0.findings.len(), 3, "another was rotated");
    let never = Looked { has_state: false, ..covering(&["/l/a"], false) };
    let (told, _) = due(&[log("/l/a", 1, 0.0)], &never, Some(&[]));
    assert_eq!(told.told(), [("logrotate-not-running", "logrotate", Severity::Warning)]);
}

#[test]
fn large_logs_and_those_without_a_rule_are_told_at_the_edges() {
    let settings = given(json!({}));
    let size = |bytes: u64| record(|| logs::report_sizes(&[log("/l/a", bytes, 0.0)], &settings)).worst();
    let gigabyte = 1_000_000_000;
    assert_eq!(
        [size(gigabyte), size(gigabyte + 1), size(10 * gigabyte), size(10 * gigabyte + 1)],
        [Severity::Ok, Severity::Warning, Severity::Warning, Severity::Critical]
    );
    let uncovered = |bytes: u64, dated: bool| {
        let log = Log { dated, ..log("/l/a", bytes, 0.0) };
        record(|| logs::report_uncovered(&[log], &covering(&["/l/b"], false), &settings)).worst()
    };
    assert_eq!(
        [uncovered(999_999, false), uncovered(1_000_000, false), uncovered(1_000_000, true)],
        [Severity::Ok, Severity::Warning, Severity::Ok]
    );
}

#[test]
fn logs_are_told_from_what_else_lies_there() {
    let settings = given(json!({"places": {"app": "/srv/app/"}}));
    let found = |path: &str| {
        let ownership = Ownership { user_id: 0, group_id: 0, mode: 0o640, user: None, group: None };
        let metadata = Metadata {
            kind: Kind::File,
            device: 1,
            inode: 1,
            links: 1,
            size: 1,
            modified: 0,
            accessed: 0,
            changed: 0,
            ownership,
        };
        let entry = Entry { path: path.into(), metadata };
        logs::log(&entry, "/logs/app", &logs::place("app", &settings), &settings)
    };
    assert_eq!(found("/logs/app/web/error.log").map(|log| log.path).as_deref(), Some("/srv/app/web/error.log"));
    assert!(found("/logs/app/syslog").is_some_and(|log| !log.dated));
    for dated in ["/logs/app/app-20250121.log", "/logs/app/postgresql-2025-01-21_000000.log"] {
        assert!(found(dated).is_some_and(|log| log.dated), "{dated}");
    }
    for other in ["/logs/app/error.log.1", "/logs/app/error.log.2.gz", "/logs/app/wtmp", "/logs/app/journal/x.log"] {
        assert_eq!(found(other), None, "{other}");
    }
    assert_eq!(logs::place("var-log-nginx", &settings), "/var/log/nginx");
}

fn rule(more: serde_json::Value) -> Result<Option<Rule>, TaskError> {
    let mut all = json!({"rule": "app", "paths": ["/var/log/app/*.log"]});
    if let (Some(all), Some(more)) = (all.as_object_mut(), more.as_object()) {
        all.extend(more.clone());
    }
    Rule::of(&given(all))
}

#[test]
fn the_rule_is_rendered_from_the_settings() {
    let text = |more| rule(more).ok().flatten().map(|rule| rule.text).unwrap_or_default();
    let plain = text(json!({}));
    assert_eq!(
        plain,
        format!(
            "{}/var/log/app/*.log {{\n    daily\n    rotate 7\n    missingok\n    notifempty\n    compress\n    delaycompress\n}}\n",
            rule::MARK
        )
    );
    assert_eq!(rule::paths_of(&plain), Some("/var/log/app/*.log"));
    assert_eq!(rule::paths_of("/var/log/app/*.log {\n"), None, "somebody else's");
    let full = text(json!({"owner": "app", "most_bytes": "1MB", "after": "systemctl reload app", "compress": false}));
    for line in [
        "maxsize 1000000",
        "create 0640 app app",
        "su app app",
        "sharedscripts",
        "        systemctl reload app\n",
        "endscript",
    ] {
        assert!(full.contains(line), "{line}: {full}");
    }
    assert!(!full.contains("compress"));
    assert!(!text(json!({"owner": "root", "group": "adm"})).contains("su root"));
    let copied = text(json!({"owner": "app", "copy_truncate": true}));
    assert!(copied.contains("copytruncate") && !copied.contains("create "));
    assert_eq!(Rule::of(&given(json!({}))), Ok(None));
}

#[test]
fn what_would_mean_something_else_to_logrotate_is_refused() {
    for bad in [
        json!({"rule": "app.conf"}),
        json!({"rule": "../cron.d/app"}),
        json!({"rule": ""}),
        json!({"paths": []}),
        json!({"paths": ["app.log"]}),
        json!({"paths": ["/var/log/app/*"]}),
        json!({"paths": ["/var/log/../../etc/a.log"]}),
        json!({"paths": ["/var/log/a b.log"]}),
        json!({"paths": ["/var/log/a.log {\n} /etc/shadow"]}),
        json!({"owner": "app root"}),
        json!({"owner": "app\n}"}),
        json!({"group": ""}),
        json!({"mode": "640"}),
        json!({"mode": "0999"}),
        json!({"after": "a\nendscript\n}"}),
        json!({"after": " endscript "}),
        json!({"after": ""}),
    ] {
        assert!(rule(bad.clone()).is_err(), "{bad}");
    }
}

#[test]
fn a_rule_covers_what_logrotate_would_take_it_for() {
    let rule = rule(json!({})).ok().flatten().expect("a rule");
    for (path, covers) in [
        ("/var/log/app/a.log", true),
        ("/var/log/app/a.log.1", false),
        ("/var/log/app/deep/a.log", false),
        ("/srv/a.log", false),
    ] {
        assert_eq!(rule.covers(path), covers, "{path}");
    }
    let looked = |pattern: &str| Looked {
        logs: BTreeMap::from([(
            "/var/log/app/a.log".to_owned(),
            Covered { pattern: pattern.into(), ..Covered::default() },
        )]),
        ..Looked::default()
    };
    let mut found = false;
    let told = record(|| found = install::overlaps(&rule, None, &looked("/var/log/app/a.log"), &given(json!({}))));
    assert_eq!((found, told.told()), (true, vec![("rule-overlaps", "app", Severity::Warning)]));
    record(|| found = install::overlaps(&rule, Some(&rule.text), &looked("/var/log/app/*.log"), &given(json!({}))));
    assert!(!found, "it is the one that is to be replaced");
}

#[test]
fn a_check_is_good_only_where_a_rule_was_found_and_no_error_was_told() {
    let done = |code, stderr: &str| Completed {
        exit_code: code,
        signal: None,
        stdout: vec![],
        stderr: stderr.into(),
        truncated: false,
        sha256: None,
        duration_ms: 1,
    };
    assert_eq!(install::error_of(&done(Some(0), "Handling 1 logs\n")), None);
    assert_eq!(install::error_of(&done(Some(0), "Handling 0 logs\n")).as_deref(), Some("it found no rule in it"));
    let ignored = "error: Ignoring app because it is writable by group or others.\nHandling 0 logs\n";
    assert!(install::error_of(&done(Some(0), ignored)).is_some_and(|why| why.contains("writable")));
    assert_eq!(install::error_of(&done(Some(3), "")).as_deref(), Some("it ended with 3"));
    assert!(install::error_of(&done(None, "")).is_some());
}

#[test]
fn the_journals_size_is_read() {
    let said = |size: &str| format!("Archived and active journals take up {size} in the file system.\n");
    for (size, bytes) in
        [("24.0M", Some(25_165_824)), ("0B", Some(0)), ("1.5G", Some(1_610_612_736)), ("x", None), ("8Q", None)]
    {
        assert_eq!(journal::usage_of(&said(size)), bytes, "{size}");
    }
    assert_eq!(journal::usage_of("No journal files were found."), None);
}

#[test]
fn each_bad_setting_is_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("configuration", json!(1)),
            ("state_file", json!([])),
            ("places", json!(["/var/log"])),
            ("patterns", json!("*.log")),
            ("exclude", json!(1)),
            ("least", json!("few")),
            ("size_warning", json!(0)),
            ("size_critical", json!("x")),
            ("due_warning", json!("1s")),
            ("due_critical", json!(50)),
            ("rule", json!(1)),
            ("paths", json!("/var/log/a.log")),
            ("every", json!("yearly")),
            ("keep", json!(0)),
            ("most_bytes", json!(0)),
            ("compress", json!("gzip")),
            ("copy_truncate", json!(1)),
            ("owner", json!(0)),
            ("group", json!(0)),
            ("mode", json!(640)),
            ("after", json!(["reload"])),
            ("replace", json!("yes")),
            ("rotate_due", json!("yes")),
            ("journal_quota", json!("1kB")),
            ("journal_warning", json!("x")),
            ("journal_critical", json!("90:80")),
        ],
    );
}
