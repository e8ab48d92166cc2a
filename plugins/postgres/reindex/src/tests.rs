//! Which indexes are due, and what is told of those that are not done.

use hostler_sdk::testing::{record, refuses_each, rows, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");

fn looked(name: &str, valid: bool, excludes: bool, building: bool, owned: bool) -> Looked {
    maintained(name, valid, excludes, building, owned, None)
}

fn maintained(
    name: &str,
    valid: bool,
    excludes: bool,
    building: bool,
    owned: bool,
    maintained: Option<bool>,
) -> Looked {
    Looked::of(&rows!(["oid", "schema", "name", "table_name", "valid", "is_unique", "excludes", "partitioned", "toast", "building", "bytes", "owner", "owned", "maintained"]; [7_i64, "public", name, "orders", valid, true, excludes, false, false, building, 8e7, "shop", owned, maintained])).unwrap()
}

#[test]
fn the_defaults_and_the_refusals() {
    let defaults: Settings = settings(MANIFEST, json!({}));
    assert_eq!((defaults.bloat_factor, defaults.limit), (2.0, 20));
    assert_eq!(defaults.bloat_least.as_f64(), 1e7);
    refuses_each(
        MANIFEST,
        &[
            ("bloat_factor", json!(0.5)),
            ("bloat_least", json!("ten")),
            ("limit", json!(0)),
            ("longest_transaction", json!(0)),
            ("wait", json!("soon")),
            ("timeout", json!(0)),
            ("exclude", json!("orders")),
            ("free_space", json!(-1)),
        ],
    );
}

#[test]
fn leftovers_are_told_by_their_names() {
    for name in ["i_ccnew", "i_ccold", "i_ccnew12"] {
        assert!(work::is_leftover(name), "{name}");
    }
    for name in ["ccnew_i", "i_ccnew_x", "i1"] {
        assert!(!work::is_leftover(name), "{name}");
    }
}

#[test]
fn a_leftover_is_dropped_and_a_failed_build_is_rebuilt_unless_somebody_is_at_it() {
    let statement = |name: &str| work::invalid(&looked(name, false, false, false, true))[0].statement();
    assert_eq!(statement("i_ccnew"), "DROP INDEX CONCURRENTLY \"public\".\"i_ccnew\"");
    assert_eq!(statement("i"), "REINDEX INDEX CONCURRENTLY \"public\".\"i\"");
    assert!(work::invalid(&looked("i", false, false, true, true)).is_empty());
    assert!(work::invalid(&looked("i_ccnew", true, false, false, true)).is_empty(), "a valid one only has that name");
}

#[test]
fn what_cannot_be_done_says_why() {
    let told = |excludes, permitted| {
        let work = work::invalid(&looked("i", false, excludes, false, permitted)).remove(0);
        assert!(!work.can_be_done());
        record(|| work.report_left_out("hostler")).findings.remove(0)
    };
    assert_eq!(told(true, true).code, "exclusion-constraint");
    let missing = told(false, false);
    assert_eq!((missing.severity, missing.remedy.as_deref()), (Severity::Unknown, Some("GRANT shop TO hostler;")));
    assert!(work::invalid(&looked("i_ccold", false, true, false, true))[0].can_be_done(), "it is only dropped");
}

#[test]
fn from_17_on_whoever_may_maintain_the_table_rebuilds_and_the_owner_alone_drops() {
    let work = |name: &str, may| work::invalid(&maintained(name, false, false, false, false, Some(may))).remove(0);
    assert!(work("i", true).can_be_done() && !work("i", false).can_be_done());
    let remedy = |work: Work| record(|| work.report_left_out("hostler")).findings.remove(0).remedy.unwrap();
    assert_eq!(remedy(work("i", false)), "GRANT MAINTAIN ON \"public\".\"orders\" TO hostler;");
    assert!(!work("i_ccnew", true).can_be_done(), "DROP INDEX is its owner's");
    assert_eq!(remedy(work("i_ccnew", true)), "GRANT shop TO hostler;");
}

#[test]
fn the_statements_need_no_grant() {
    for version in [150_018, 180_000] {
        hostler_policy::sql::PostgresGrant::default().query(&work::look(version)).map(drop).unwrap();
    }
}

#[test]
fn a_rebuild_needs_room_for_the_new_beside_the_old() {
    let work = looked("i", true, false, false, true).work(7, Kind::Bloated { ideal: 2e7 }).unwrap();
    assert_eq!((work.needs(), work.expected()), (160_000_000, 2e7));
    assert_eq!(work.title(), "rebuild public.i, 76.3 MiB: 57.2 MiB wasted");
    assert!(looked("i", true, false, false, true).still(&work) && !looked("i", true, false, true, true).still(&work));
}
