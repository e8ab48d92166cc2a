//! What is told of indexes and sequences; that the statements fit the grant.

use std::collections::BTreeMap;

use hostler_sdk::testing::{record, refuses_each, rows, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");

fn defaults() -> Settings {
    settings(MANIFEST, json!({}))
}

fn index(oid: i64, bytes: f64, ideal: Option<f64>) -> Index {
    Index { oid, schema: "public".into(), name: format!("i{oid}"), bytes, block_size: 8192, ideal }
}

fn invalid(name: &str, building: bool) -> Rows {
    rows!(["schema", "name", "table_name", "partitioned", "is_unique", "building"]; ["public", name, "orders", false, true, building])
}

#[test]
fn an_invalid_index_is_critical_unless_it_is_being_built() {
    let tell = |name, building, sees_all| record(|| catalogue::report_invalid(&invalid(name, building), sees_all));
    assert_eq!(tell("i", true, true).told(), []);
    let found = tell("i", false, true);
    assert_eq!(found.told(), [("index-invalid", "public.i", Severity::Critical)]);
    assert_eq!(found.findings[0].remedy.as_deref(), Some("REINDEX INDEX CONCURRENTLY \"public\".\"i\";"));
    assert_eq!(
        tell("i_ccnew", false, true).findings[0].remedy.as_deref(),
        Some("DROP INDEX CONCURRENTLY \"public\".\"i_ccnew\";")
    );
    assert_eq!(
        found.findings[0].summary,
        "it is invalid, on orders: its build failed: it is written and never read, and holds no unique constraint"
    );
    assert!(found.findings[0].detail.as_deref().is_some_and(|detail| detail.contains("there twice")));
    let blind = tell("i", false, false);
    assert_eq!(blind.worst(), Severity::Unknown);
    assert!(blind.findings[0].summary.ends_with("or it is being built now"));
}

#[test]
fn bloat_needs_both_the_factor_and_the_bytes() {
    let suspect = |bytes: f64, ideal| index(1, bytes, ideal).is_suspect(&defaults().bloat());
    assert!(!suspect(19e6, Some(9.6e6)), "less than twice");
    assert!(!suspect(10e6, Some(1e6)), "9 MB wasted");
    assert!(suspect(20e6, Some(10e6)));
    assert!(suspect(10e6, None) && !suspect(9.9e6, None), "not known: as large as it has to be to waste that");
}

#[test]
fn without_the_extension_an_estimate_is_told_and_the_rest_is_unknown() {
    let recorded =
        record(|| thorough::report_estimates(&[&index(1, 40e6, Some(10e6)), &index(2, 40e6, None)], &defaults()));
    assert_eq!(
        recorded.told(),
        [("index-bloated", "public.i1", Severity::Warning), ("extension-missing", "pgstattuple", Severity::Unknown)]
    );
    assert_eq!(
        recorded.findings[1].summary,
        "the extension is not there, so how much 1 large index wastes is unknown: public.i2"
    );
}

#[test]
fn those_that_waited_longest_are_verified_first() {
    let (one, two, three) = (index(1, 1.0, None), index(2, 1.0, None), index(3, 1.0, None));
    let at = Timestamp::from_seconds;
    let turns = BTreeMap::from([(1, at(500)), (2, at(100)), (3, at(900))]);
    let due = thorough::due(&[&one, &two, &three], &turns, at(1000), Duration::from_seconds(500.0));
    assert_eq!(due.iter().map(|index| index.oid).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(thorough::due(&[&one], &BTreeMap::new(), at(1_000_000_000), Duration::from_days(7.0)).len(), 1);
}

#[test]
fn a_damaged_index_is_critical() {
    let recorded =
        record(|| thorough::report_damage(&index(1, 1.0, None), &TaskError::new("item order invariant violated")));
    assert_eq!(recorded.told(), [("index-damaged", "public.i1", Severity::Critical)]);
}

fn sequence(last: Option<f64>, start: f64, stop: f64, seen: bool, cycles: bool) -> Rows {
    rows!(["schema", "name", "table_name", "column_name", "seen", "last", "stop", "start", "cycles"]; ["public", "s", "orders", "id", seen, last, stop, start, cycles])
}

#[test]
fn a_sequence_is_judged_by_what_it_has_left() {
    let worst = |rows: Rows| record(|| catalogue::report_sequences(&rows, &defaults()).unwrap()).worst();
    let at = |last| sequence(Some(last), 1.0, 1000.0, true, false);
    assert_eq!(
        [worst(at(850.0)), worst(at(851.0)), worst(at(951.0))],
        [Severity::Ok, Severity::Warning, Severity::Critical]
    );
    assert_eq!(worst(sequence(Some(-990.0), -1.0, -1000.0, true, false)), Severity::Critical, "one that falls");
    assert_eq!(worst(sequence(Some(990.0), 1.0, 1000.0, true, true)), Severity::Ok, "one that begins anew");
    assert_eq!(worst(sequence(None, 1.0, 1000.0, true, false)), Severity::Ok, "one that was never used");
    assert_eq!(
        catalogue::report_sequences(&sequence(None, 1.0, 9.0, false, false), &defaults()).unwrap(),
        ["\"public\".\"s\""]
    );
    let recorded = record(|| catalogue::report_unseen(&["\"public\".\"s\"".into()], "hostler"));
    assert_eq!(recorded.worst(), Severity::Unknown);
    assert_eq!(recorded.findings[0].summary, "1 sequence is not the role hostler's to read: \"public\".\"s\"");
    assert_eq!(recorded.findings[0].remedy.as_deref(), Some("GRANT SELECT ON \"public\".\"s\" TO hostler;"));
}

#[test]
fn a_changed_collation_is_told_with_the_way_back() {
    let rows = rows!(["schema", "name", "recorded", "actual", "indexes"]; [None::<&str>, "shop", "2.31", "2.36", 0], [Some("public"), "de", "153.14", "153.120", 3]);
    let recorded = record(|| catalogue::report_collations(&rows));
    assert_eq!(
        recorded.told(),
        [
            ("collation-changed", "database shop", Severity::Warning),
            ("collation-changed", "public.de", Severity::Warning)
        ]
    );
}

#[test]
fn each_bad_setting_is_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("bloat_factor", json!(0.5)),
            ("bloat_least", json!("some")),
            ("sequence_warning", json!("9:1")),
            ("sequence_critical", json!([])),
            ("verify", json!("yes")),
            ("verify_every", json!(7)),
            ("time", json!("0s")),
        ],
    );
}

#[test]
fn the_statements_are_covered_by_the_request() {
    use hostler_policy::sql::PostgresGrant;
    let functions = vec!["*.pgstatindex".into(), "*.bt_index_check".into()];
    let grant = PostgresGrant { functions, ..PostgresGrant::default() };
    for sql in [
        SERVER,
        INVALID,
        COLLATIONS,
        SEQUENCES,
        shared_relations::index::EXTENSIONS,
        shared_relations::index::INDEXES,
        "SELECT 1 AS checked FROM \"public\".bt_index_check(16385::regclass, true)",
        "SELECT leaf_pages::float8 AS leaf_pages FROM \"public\".pgstatindex(16385::regclass)",
    ] {
        grant.query(sql).map(drop).unwrap();
    }
}
