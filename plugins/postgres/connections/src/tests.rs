//! What is told of connections, and of the sessions that hold others up.

use hostler_sdk::testing::{record, refuses_each, rows, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");

fn server(used: i64, sees_all: bool) -> Rows {
    rows!(["role", "sees_all", "usable", "used"]; ["hostler", sees_all, 100_i64, used])
}

fn sessions(state: &str, in_state: f64, waiting: Option<f64>) -> Rows {
    rows!(
        ["pid", "database", "user_name", "application", "state", "in_state", "xmin_age", "waiting", "blockers"];
        [7, "shop", "alice", "web", state, in_state, 12, waiting, waiting.map(|_| "8")],
        [8, "shop", "alice", "web", "active", 1.0, None::<i64>, None::<f64>, None::<&str>]
    )
}

fn prepared(seconds: f64) -> Rows {
    rows!(["gid", "database", "owner", "seconds", "xmin_age"]; ["it's", "shop", "alice", seconds, 500])
}

fn none() -> Rows {
    rows!(["gid", "database", "owner", "seconds", "xmin_age"];)
}

#[test]
fn thresholds_hold_at_their_edges() {
    let settings: Settings = settings(MANIFEST, json!({}));
    let worst =
        |used| record(|| count(&server(used, true).one().unwrap(), &sessions("active", 0.0, None), &settings)).worst();
    assert_eq!(
        [worst(80), worst(81), worst(90), worst(91)],
        [Severity::Ok, Severity::Warning, Severity::Warning, Severity::Critical]
    );
}

#[test]
fn a_healthy_server_has_no_findings_and_counts_by_state() {
    let settings: Settings = settings(MANIFEST, json!({}));
    let recorded = record(|| {
        let sessions = sessions("idle in transaction", 299.0, None);
        assert_eq!(held_up(&sessions, &none(), &settings), Ok(()));
        let summary = count(&server(3, true).one().unwrap(), &sessions, &settings).unwrap();
        assert_eq!(summary, "3 of 100 usable connections in use (3.0 %)");
    });
    assert_eq!(recorded.told(), []);
    assert_eq!(recorded.metric("postgres_connections_used_percent"), Some(3.0));
    assert_eq!(recorded.tables[0].rows.len(), 2);
}

#[test]
fn transactions_left_open_and_waits_are_found_with_a_remedy() {
    let settings: Settings = settings(MANIFEST, json!({}));
    let recorded =
        record(|| held_up(&sessions("idle in transaction", 1801.0, Some(31.0)), &prepared(400.0), &settings));
    assert_eq!(
        recorded.told(),
        [
            ("lock-wait", "shop/alice/web", Severity::Warning),
            ("idle-in-transaction", "shop/alice/web", Severity::Critical),
            ("prepared-transaction", "shop", Severity::Warning),
        ]
    );
    assert_eq!(recorded.findings[2].remedy.as_deref(), Some("ROLLBACK PREPARED 'it''s';"));
    let said: Vec<&str> = recorded.findings.iter().map(|finding| finding.summary.as_str()).collect();
    assert_eq!(
        said,
        [
            "pid 7 has waited 31 s for a lock held by pid 8, warning above 30 s",
            "1 session idle in a transaction, the longest for 30 min 1 s, critical above 30 min: pid 7",
            "alice prepared \"it's\" 6 min 40 s ago, and nobody ended it, warning above 5 min",
        ]
    );
}

#[test]
fn whoever_holds_a_lock_is_named() {
    let settings: Settings = settings(MANIFEST, json!({}));
    let recorded = record(|| held_up(&sessions("active", 1.0, Some(31.0)), &none(), &settings));
    assert_eq!(recorded.findings[0].detail.as_deref(), Some("pid 8 is shop/alice/web, active for 1 s"));
}

#[test]
fn the_oldest_snapshots_are_told_with_their_holders() {
    let rows = rows!(["kind", "holder", "user_name", "application", "xmin_age", "seconds"];
        ["replication slot", "one", "", "", 900_i64, None::<f64>],
        ["client backend", "pid 7", "alice", "web", 12_i64, Some(61.0)]);
    let recorded = record(|| oldest(&rows).unwrap());
    assert_eq!(recorded.metric("postgres_oldest_xmin_age_transactions"), Some(900.0));
    assert_eq!(recorded.tables[0].rows[1], ["client backend", "pid 7", "alice", "web", "12", "1 min 1 s"]);
}

#[test]
fn a_lock_without_a_holder_still_has_a_statement_that_can_be_sent() {
    let remedy =
        |blockers| wait(7, "shop".into(), 99.0, blockers, &BTreeMap::new(), (Severity::Warning, String::new())).remedy;
    for (blockers, part) in [("", "pg_blocking_pids(pid)"), ("8, 9", "IN (8, 9)"), ("8, 0", "pg_prepared_xacts")] {
        assert!(
            remedy(blockers).is_some_and(|remedy| remedy.contains(part) && !remedy.contains("IN ()")),
            "{blockers}"
        );
    }
}

#[test]
fn a_role_that_sees_too_little_is_unknown_and_not_ok() {
    let settings: Settings = settings(MANIFEST, json!({}));
    let recorded = record(|| count(&server(3, false).one().unwrap(), &sessions("active", 0.0, None), &settings));
    assert_eq!(recorded.worst(), Severity::Unknown);
    assert_eq!(recorded.findings[0].remedy.as_deref(), Some("GRANT pg_monitor TO hostler;"));
}

#[test]
fn each_bad_setting_is_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("warning", json!("x")),
            ("critical", json!("20:10")),
            ("idle_warning", json!("5 parsecs")),
            ("idle_critical", json!(5)),
            ("wait_warning", json!("0s")),
            ("wait_critical", json!(true)),
        ],
    );
}

#[test]
fn the_statements_need_no_grant() {
    for sql in [SERVER, SESSIONS, PREPARED, OLDEST] {
        hostler_policy::sql::PostgresGrant::default().query(sql).map(drop).unwrap();
    }
}
