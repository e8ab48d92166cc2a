use hostler_sdk::testing::{Recorded, record, refuses, rows, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");
const MIB: f64 = 1_048_576.0;

fn defaults() -> Settings {
    settings(MANIFEST, json!({}))
}

fn standby(replayed: Option<f64>, seconds: Option<f64>, sync: &str) -> Rows {
    rows!(["name", "state", "sync_state", "sent", "flushed", "replayed", "seconds"]; ["a", "streaming", sync, replayed.map(|_| 0.0), replayed.map(|_| 0.0), replayed, seconds])
}

fn told(rows: Rows, synchronous: bool, settings: Settings) -> Recorded {
    record(|| report_standbys(&rows, synchronous, &settings).unwrap())
}

#[test]
fn bytes_and_seconds_are_judged_at_their_edges_and_idle_is_not_zero_lag() {
    let worst = |bytes, seconds| told(standby(Some(bytes), seconds, "async"), false, defaults()).worst();
    assert_eq!(
        [worst(256.0 * MIB, None), worst(257.0 * MIB, None), worst(1025.0 * MIB, None)],
        [Severity::Ok, Severity::Warning, Severity::Critical]
    );
    assert_eq!(
        [worst(0.0, Some(30.0)), worst(0.0, Some(31.0)), worst(0.0, Some(301.0))],
        [Severity::Ok, Severity::Warning, Severity::Critical]
    );
    assert_eq!(told(standby(Some(0.0), None, "async"), false, defaults()).tables[0].rows[0][6], "idle");
}

#[test]
fn positions_that_cannot_be_seen_are_unknown() {
    assert_eq!(told(standby(None, None, "async"), false, defaults()).worst(), Severity::Unknown);
}

#[test]
fn a_standby_that_is_expected_and_missing_is_critical() {
    let settings: Settings = settings(MANIFEST, json!({"expected": ["a", "b"]}));
    assert_eq!(
        told(standby(Some(0.0), None, "async"), false, settings).told(),
        [("standby-missing", "b", Severity::Critical)]
    );
}

#[test]
fn commits_that_wait_for_nobody_are_critical() {
    assert_eq!(told(standby(Some(0.0), None, "sync"), true, defaults()).told(), []);
    assert_eq!(
        told(standby(Some(0.0), None, "async"), true, defaults()).told(),
        [("no-synchronous-standby", "server", Severity::Critical)]
    );
}

fn slot(active: bool, status: &str, kept: f64, inactive: Option<f64>) -> Rows {
    rows!(["name", "kind", "active", "wal_status", "kept", "inactive"]; ["s", "physical", active, status, kept, inactive])
}

#[test]
fn slots_are_judged_by_what_they_keep_and_how_long_nobody_read_them() {
    let now = Timestamp::from_seconds(100_000);
    let tell = |rows: Rows, ago: i64| {
        let seen = BTreeMap::from([("s".to_owned(), Timestamp::from_seconds(100_000 - ago))]);
        record(|| report_slots(&rows, &seen, now, &defaults()).unwrap())
    };
    assert_eq!(tell(slot(true, "reserved", 0.0, None), 9999).told(), []);
    assert_eq!(tell(slot(false, "reserved", 0.0, None), 1800).told(), []);
    assert_eq!(tell(slot(false, "reserved", 0.0, None), 1801).told(), [("slot-inactive", "s", Severity::Warning)]);
    assert_eq!(tell(slot(false, "reserved", 0.0, Some(1801.0)), 0).told(), [("slot-inactive", "s", Severity::Warning)]);
    assert_eq!(
        tell(slot(false, "extended", 2048.0 * MIB, None), 0).told(),
        [("slot-inactive", "s", Severity::Critical)]
    );
    assert_eq!(tell(slot(true, "unreserved", 0.0, None), 0).told(), [("slot-unreserved", "s", Severity::Warning)]);
    assert_eq!(tell(slot(true, "lost", 0.0, None), 0).told(), [("slot-lost", "s", Severity::Critical)]);
}

#[test]
fn a_slot_is_remembered_from_when_it_was_first_seen_inactive() {
    let first = Timestamp::from_seconds(1);
    let seen = report_slots(&slot(false, "reserved", 0.0, None), &BTreeMap::new(), first, &defaults()).unwrap();
    let seen =
        report_slots(&slot(false, "reserved", 0.0, None), &seen, Timestamp::from_seconds(9), &defaults()).unwrap();
    assert_eq!(seen["s"], first);
    assert!(report_slots(&slot(true, "reserved", 0.0, None), &seen, first, &defaults()).unwrap().is_empty());
}

#[test]
fn an_archiver_that_fails_or_failed_is_told() {
    let archiver = |failing, since| rows!(["archived", "failed", "last_failed", "failing", "since"]; [5.0, 3.0, "000000010000000000000007", failing, since]);
    let tell = |failing, since, before| {
        let now = Counters::new("e").with("failed", 3.0);
        let difference = now.since(Some(&Counters::new("e").with("failed", before)));
        record(|| report_archiver(&archiver(failing, since).one().unwrap(), &difference, &defaults())).worst()
    };
    assert_eq!(tell(false, 9e9, 3.0), Severity::Ok, "an idle server archives nothing");
    assert_eq!(tell(false, 1.0, 2.0), Severity::Warning);
    assert_eq!(
        [tell(true, 600.0, 3.0), tell(true, 601.0, 3.0), tell(true, 3601.0, 3.0)],
        [Severity::Ok, Severity::Warning, Severity::Critical]
    );
}

#[test]
fn a_standby_tells_of_itself() {
    let row = |in_recovery, paused, receiving, distance, seconds: Option<f64>| {
        let rows = rows!(["in_recovery", "paused", "receiving", "distance", "seconds"]; [in_recovery, paused, receiving, distance, seconds]);
        record(|| report_replay("a", &rows.one().unwrap(), &defaults()))
    };
    assert_eq!(row(true, false, true, 0.0, None).told(), []);
    assert_eq!(
        row(true, true, true, 0.0, Some(60.0)).told(),
        [("replay-behind", "a", Severity::Warning), ("replay-paused", "a", Severity::Warning)]
    );
    assert_eq!(row(true, false, false, 0.0, None).told(), [("not-receiving", "a", Severity::Critical)]);
    assert_eq!(row(false, false, false, 0.0, None).told(), [("not-a-standby", "a", Severity::Critical)]);
}

#[test]
fn each_bad_setting_is_refused() {
    for (name, value) in [
        ("lag_warning", json!(30)),
        ("lag_critical", json!("soon")),
        ("distance_warning", json!("-1MB")),
        ("distance_critical", json!(true)),
        ("slot_inactive", json!("30 parsecs")),
        ("archive_warning", json!([])),
        ("archive_critical", json!("x")),
        ("expected", json!("a")),
    ] {
        let refusal = refuses(MANIFEST, json!({ name: value })).expect(name);
        assert!(refusal.contains(name), "{refusal}");
    }
}

#[test]
fn the_statements_need_no_grant() {
    let inactive = "extract(epoch FROM clock_timestamp() - inactive_since)::float8";
    for sql in [SERVER, STANDBYS, &SLOTS.replace("{inactive}", inactive), ARCHIVER, REPLAY] {
        hostler_policy::sql::PostgresGrant::default().query(sql).map(drop).unwrap();
    }
}
