//! What may go, and what is left alone.

use hostler_sdk::files::{Entry, Kind, Metadata, Ownership};
use hostler_sdk::testing::{record, refuses_each, rows, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");

fn entry(name: &str, kind: Kind, modified: i64, accessed: i64, links: u64) -> Entry {
    let ownership = Ownership { user_id: 0, group_id: 0, mode: 0o600, user: None, group: None };
    let metadata = Metadata { kind, device: 1, inode: 1, links, size: 10, modified, accessed, changed: 0, ownership };
    Entry { path: format!("/directories/tmp/{name}"), metadata }
}

#[test]
fn only_what_nobody_used_may_go_and_the_oldest_first() {
    let settings: Settings = settings(MANIFEST, json!({}));
    let open = BTreeSet::from(["/directories/tmp/open".to_owned()]);
    let rules = Rules { root: "/directories/tmp/".into(), before: 100, exclude: &settings.exclude, open: &open };
    let chosen = rules.choose(&[
        entry("old", Kind::File, 50, 60, 1),
        entry("older", Kind::File, 10, 20, 1),
        entry("changed", Kind::File, 100, 20, 1),
        entry("read", Kind::File, 10, 100, 1),
        entry("open", Kind::File, 10, 20, 1),
        entry("linked", Kind::File, 10, 20, 2),
        entry("link", Kind::Link, 10, 20, 1),
        entry("pipe", Kind::Other, 10, 20, 1),
        entry("directory", Kind::Directory, 10, 20, 2),
        entry("base/pgsql_tmp/pgsql_tmp9.0", Kind::File, 10, 20, 1),
        entry("pgsql_tmp9.1", Kind::File, 10, 20, 1),
        entry(".X0-lock", Kind::File, 10, 20, 1),
        Entry { path: "/elsewhere/old".into(), ..entry("old", Kind::File, 10, 20, 1) },
    ]);
    let paths: Vec<&str> = chosen.old.iter().map(|old| old.path.as_str()).collect();
    assert_eq!(paths, ["/directories/tmp/older", "/directories/tmp/old"]);
    let why: Vec<(&str, usize)> = chosen.left_alone.into_iter().collect();
    assert_eq!(
        why,
        [
            ("PostgreSQL's own", 2),
            ("elsewhere", 1),
            ("excluded", 1),
            ("it has another name elsewhere", 1),
            ("no regular file", 2),
            ("open", 1),
            ("used since", 2)
        ]
    );
}

fn spilled(epoch: &str, bytes: f64) -> spill::Spilled {
    let rows = rows!(["database", "bytes", "files", "epoch"]; ["shop", bytes, 3.0, epoch]);
    spill::read(&rows).expect("they are whole")
}

#[test]
fn what_queries_spill_is_judged_since_the_last_run() {
    let settings: Settings = settings(MANIFEST, json!({"spilled": "~:1000"}));
    let told =
        |earlier: Option<&spill::Spilled>, now: &spill::Spilled| record(|| spill::report(now, earlier, &settings));
    let before = spilled("0", 5e9);
    assert_eq!(told(Some(&before), &spilled("0", 5e9 + 1000.0)).told(), []);
    let sick = told(Some(&before), &spilled("0", 5e9 + 2048.0));
    assert_eq!(sick.told(), [("queries-spill", "shop", Severity::Warning)]);
    assert!(sick.findings[0].summary.contains("wrote 2.0 KiB into 0 temporary files"), "{sick:?}");
    assert!(sick.findings[0].summary.ends_with(", warning above 1000 B"), "{sick:?}");
    assert_eq!(sick.metric("postgres_temporary_bytes_total"), Some(5e9 + 2048.0));
    for (earlier, now) in [(None, &before), (Some(&before), &spilled("7", 9e9)), (Some(&before), &spilled("0", 1.0))] {
        assert_eq!(told(earlier, now).told(), [("baseline-taken", "PostgreSQL", Severity::Unknown)]);
    }
}

#[test]
fn only_old_files_of_sessions_that_are_gone_were_left_by_a_crash() {
    let settings: Settings = settings(MANIFEST, json!({}));
    let told = |name: &str, age: f64| {
        let rows = rows!(["name", "bytes", "age"]; [name, 4096.0, age]);
        record(|| spill::report_left(&rows, &BTreeSet::from([7]), &settings).expect("they are whole"))
    };
    let week = 7.0 * 86_400.0;
    let left = told("pgsql_tmp8.0", week);
    assert_eq!(left.told(), [("temporary-files-left", "pgsql_tmp", Severity::Warning)]);
    assert_eq!(left.metric("postgres_temporary_files_bytes"), Some(4096.0));
    for (name, age) in [("pgsql_tmp7.0", week), ("pgsql_tmp8.0", week - 1.0), ("something", week)] {
        assert_eq!(told(name, age).told(), [], "{name} {age}");
    }
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("age", json!("1s")),
            ("exclude", json!("a")),
            ("limit", json!(0)),
            ("warning", json!("x")),
            ("spilled", json!("much")),
        ],
    );
}
