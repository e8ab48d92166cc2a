//! What is told of standbys, slots and the archiver, at the edges of what is allowed.

use hostler_sdk::testing::{Recorded, record, refuses_each, rows, settings};
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
    let recorded = told(standby(None, None, "async"), false, defaults());
    assert_eq!(recorded.told(), [("standby-unseen", "a", Severity::Unknown)]);
    assert_eq!(recorded.tables[0].rows[0][6], "unknown", "not idle");
}

#[test]
fn a_finding_names_the_limit_beside_each_figure() {
    let recorded = told(standby(Some(300.0 * MIB), Some(301.0), "async"), false, defaults());
    assert_eq!(
        recorded.findings[0].summary,
        "it has not replayed 300.0 MiB, warning above 256.0 MiB (lag 5 min 1 s, critical above 5 min; state streaming)"
    );
    let summary = |rows: &Rows| report_standbys(rows, false, &defaults()).unwrap();
    assert_eq!(summary(&standby(Some(0.0), None, "async")), "1 standby, at most 0 B behind");
}

#[test]
fn what_only_receives_is_judged_by_what_it_flushed() {
    let receiver = |flushed: f64| rows!(["name", "state", "sync_state", "sent", "flushed", "replayed", "seconds"]; ["pg_receivewal", "streaming", "async", 0.0, flushed, None::<f64>, None::<f64>]);
    assert_eq!(told(receiver(0.0), false, defaults()).told(), []);
    let late = told(receiver(300.0 * MIB), false, defaults());
    assert_eq!(late.told(), [("standby-behind", "pg_receivewal", Severity::Warning)]);
    assert!(late.findings[0].summary.starts_with("it has not flushed 300.0 MiB, warning above 256.0 MiB"));
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
    given_up(active, status, kept, inactive, None)
}

fn given_up(active: bool, status: &str, kept: f64, inactive: Option<f64>, reason: Option<&str>) -> Rows {
    rows!(["name", "kind", "active", "wal_status", "kept", "inactive", "reason"]; ["s", "physical", active, status, kept, inactive, reason])
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
    assert_eq!(tell(slot(false, "lost", 0.0, None), 9999).told().len(), 1, "one cause, one finding");
    assert_eq!(tell(slot(true, "extended", 256.0 * MIB, None), 0).told(), []);
    let behind = tell(slot(true, "extended", 257.0 * MIB, None), 0);
    assert_eq!(behind.told(), [("slot-behind", "s", Severity::Warning)]);
    let idle = tell(given_up(false, "lost", 0.0, Some(9.0), Some("idle_timeout")), 0);
    assert!(idle.findings[0].summary.contains("longer than idle_replication_slot_timeout"));
    let other = tell(given_up(false, "lost", 0.0, None, Some("a new word")), 0);
    assert_eq!(other.findings[0].summary, "nobody can read it any more: a new word");
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
        record(|| report_archiver(&archiver(failing, since).one().unwrap(), &difference, &defaults()).unwrap()).worst()
    };
    assert_eq!(tell(false, 9e9, 3.0), Severity::Ok, "an idle server archives nothing");
    assert_eq!(tell(false, 1.0, 2.0), Severity::Warning);
    assert_eq!(
        [tell(true, 600.0, 3.0), tell(true, 601.0, 3.0), tell(true, 3601.0, 3.0)],
        [Severity::Ok, Severity::Warning, Severity::Critical]
    );
}

#[test]
fn wal_that_waits_is_told_though_no_attempt_failed() {
    let tell = |files: i64, seconds: Option<f64>| {
        let rows = rows!(["files", "seconds"]; [files, seconds]);
        record(|| report_waiting(&rows.one().unwrap(), &defaults()).unwrap())
    };
    assert_eq!(tell(0, None).told(), []);
    assert_eq!(tell(1, Some(600.0)).told(), [], "the archiver has just begun with it");
    let late = tell(1, Some(601.0));
    assert_eq!(late.told(), [("archive-waiting", "archiver", Severity::Warning)]);
    assert_eq!(
        late.findings[0].summary,
        "1 WAL file waits to be archived, the oldest for 10 min 1 s, warning above 10 min"
    );
    assert_eq!(tell(9, Some(3601.0)).worst(), Severity::Critical);
}

#[test]
fn a_standby_tells_of_itself() {
    let seen = |sees_all, in_recovery, paused, receiving, distance, seconds: Option<f64>| {
        let rows = rows!(["role", "sees_all", "in_recovery", "paused", "receiving", "distance", "seconds"]; ["hostler", sees_all, in_recovery, paused, receiving, distance, seconds]);
        record(|| report_replay("a", &rows.one().unwrap(), &defaults()))
    };
    let row = |in_recovery, paused, receiving, distance, seconds| {
        seen(true, in_recovery, paused, receiving, distance, seconds)
    };
    let blind = seen(false, true, false, false, 0.0, None);
    assert_eq!(
        blind.told(),
        [("privilege-missing", "a", Severity::Unknown)],
        "a role that does not see the walreceiver"
    );
    let far = row(true, false, true, 300.0 * MIB, None);
    assert_eq!(far.findings[0].summary, "300.0 MiB of received WAL not replayed, warning above 256.0 MiB");
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
    refuses_each(
        MANIFEST,
        &[
            ("lag_warning", json!(30)),
            ("lag_critical", json!("soon")),
            ("distance_warning", json!("-1MB")),
            ("distance_critical", json!(true)),
            ("slot_inactive", json!("30 parsecs")),
            ("archive_warning", json!([])),
            ("archive_critical", json!("x")),
            ("expected", json!("a")),
        ],
    );
}

#[test]
fn the_statements_need_no_grant() {
    for sql in [SERVER, STANDBYS, &slots(150_018), &slots(160_014), &slots(170_010), ARCHIVER, WAITING, REPLAY] {
        hostler_policy::sql::PostgresGrant::default().query(sql).map(drop).unwrap();
    }
}
