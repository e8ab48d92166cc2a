//! Full or incremental, what speaks against it, and which incremental ones go.

use hostler_sdk::testing::{record, refuses_each, settings};
use serde_json::json;

use super::*;
use kind::{Facts, Kind, kind, preconditions};

const MANIFEST: &str = include_str!("../plugin.toml");
const NOW: i64 = 1_737_500_000;

fn at(days: f64) -> Timestamp {
    Timestamp::from_seconds(NOW - (days * 86_400.0) as i64)
}

#[test]
fn a_backup_is_incremental_where_server_and_sets_allow_it() {
    let usual: Settings = settings(MANIFEST, json!({}));
    let facts = |version: u32, summarizes: bool| Facts { version, summarizes, ..Facts::default() };
    let of = |version, summarizes, days: Option<f64>, spoiled| {
        kind(&usual, &facts(version, summarizes), days.map(at), spoiled, at(0.0))
    };
    assert_eq!(of(150_018, false, Some(1.0), false), Kind::Full, "not missed on 15");
    assert_eq!(of(170_004, false, Some(1.0), false), Kind::FullForWant);
    assert_eq!(of(170_004, true, None, false), Kind::Full);
    assert_eq!(of(170_004, true, Some(6.9), false), Kind::Incremental);
    assert_eq!(of(170_004, true, Some(7.0), false), Kind::Full);
    assert_eq!(of(180_001, true, Some(1.0), true), Kind::Full, "the last one failed");
    let never: Settings = settings(MANIFEST, json!({"incremental": false}));
    assert_eq!(kind(&never, &facts(180_000, true), Some(at(1.0)), false, at(0.0)), Kind::Full);
}

#[test]
fn tablespaces_and_a_lack_of_room_are_found_before() {
    let facts = |tablespaces| Facts { tablespaces, bytes: 1000, ..Facts::default() };
    let spaces = preconditions(&facts(1), Kind::Full, true, 0, u64::MAX).expect_err("it has one").to_string();
    assert!(spaces.contains("1 tablespace beside"), "{spaces}");
    let fits = |kind, compress, full, available| preconditions(&facts(0), kind, compress, full, available).is_ok();
    assert!(fits(Kind::Full, false, 0, 1000) && !fits(Kind::Full, false, 0, 999));
    assert!(fits(Kind::FullForWant, true, 0, 1250) && !fits(Kind::Full, true, 0, 1249));
    assert!(fits(Kind::Incremental, false, 9, 1100) && !fits(Kind::Incremental, false, 9, 1099));
    assert!(fits(Kind::Incremental, true, 9, 2100) && !fits(Kind::Incremental, true, 9, 2099));
}

#[test]
fn an_incremental_set_goes_with_its_full_one() {
    let set = |name: &str| Set { name: name.into(), whole: true, ..Set::default() };
    let shelf = Shelf { sets: vec![set("new"), set("old")], unfinished: vec![] };
    let going = [&shelf.sets[1]];
    assert!(!is_orphan(Some("new"), &shelf, &going));
    assert!(is_orphan(Some("old"), &shelf, &going) && is_orphan(Some("gone"), &shelf, &[]));
    assert!(!is_orphan(None, &shelf, &going), "nobody knows what it is of");
}

#[test]
fn a_server_that_was_not_backed_up_is_critical_and_one_not_reached_unknown() {
    let told = record(|| {
        TURNS.failed("main", &TaskError::new("pg_basebackup ended with 1")).report();
        TURNS.not_reached(["other"].into_iter(), "interrupted");
    });
    assert_eq!(
        told.told(),
        [("backup-failed", "main", Severity::Critical), ("not-backed-up", "other", Severity::Unknown)]
    );
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("keep", json!(0)),
            ("keep_days", json!(0)),
            ("incremental", json!("yes")),
            ("full_every", json!("-1d")),
            ("compress", json!("zstd")),
            ("checkpoint", json!("slow")),
            ("max_rate", json!("1kB")),
            ("max_rate", json!("2GiB")),
            ("timeout", json!("0s")),
        ],
    );
}
