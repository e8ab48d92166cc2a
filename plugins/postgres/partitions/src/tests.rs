//! When a table runs out of partitions, what the next is, and which settings are refused.

use hostler_policy::sql::PostgresGrant;
use hostler_sdk::testing::{record, refuses_each, rows, settings};
use serde_json::json;
use shared_relations::partition::microseconds;

use super::*;
use crate::table::{LEFTOVERS, TABLES, gaps};

const MANIFEST: &str = include_str!("../plugin.toml");

fn partitioned(bounds: &[(&str, &str)]) -> Partitioned {
    let key = rows!(["strategy", "columns", "name", "type"]; ["r", 1_i64, "at", "timestamp with time zone"]);
    let header = ["schema", "name", "oid", "bound", "pending", "kind"];
    let cells: Vec<Vec<_>> = bounds
        .iter()
        .map(|(name, bound)| {
            vec!["public".into(), (*name).into(), 1_i64.into(), (*bound).into(), false.into(), "r".into()]
        })
        .collect();
    Partitioned::of(&key.one().unwrap(), &hostler_sdk::testing::rows_of(&header, &cells)).unwrap()
}

const MONTHS: [(&str, &str); 3] = [
    ("orders_2025_03", "FOR VALUES FROM ('2025-03-01 00:00:00+00') TO ('2025-04-01 00:00:00+00')"),
    ("orders_2025_01", "FOR VALUES FROM ('2025-01-01 00:00:00+00') TO ('2025-02-01 00:00:00+00')"),
    ("orders_2025_02", "FOR VALUES FROM ('2025-02-01 00:00:00+00') TO ('2025-03-01 00:00:00+00')"),
];

fn at(text: &str) -> i64 {
    microseconds(text).unwrap()
}

fn table(permitted: bool, relations: i64, indexes: i64) -> Table {
    let header = rows!(["schema", "name", "oid", "owner", "role", "permitted", "relations", "indexes", "locks"];
        ["public", "orders", 7_i64, "shop", "hostler", permitted, relations, indexes, 6400]);
    Table::of(&header).unwrap().remove(0)
}

#[test]
fn partitions_ahead_begin_after_the_one_that_takes_now() {
    let months = partitioned(&MONTHS);
    let ahead = |text| ahead(&months.partitions, at(text));
    assert_eq!(ahead("2025-01-31 23:59:59.999999"), Some(2));
    assert_eq!(ahead("2025-02-01"), Some(1), "a bound belongs to the next");
    assert_eq!(ahead("2025-03-31"), Some(0));
    assert_eq!((ahead("2025-04-01"), ahead("2024-12-31")), (Some(0), Some(0)), "none takes now");
    let endless = partitioned(&[MONTHS[0], ("rest", "FOR VALUES FROM ('2025-04-01 00:00:00+00') TO (MAXVALUE)")]);
    assert_eq!(super::ahead(&endless.partitions, at("2025-03-01")), None, "one takes all that comes");
    let gap = partitioned(&MONTHS[..2]);
    assert_eq!(super::ahead(&gap.partitions, at("2025-01-01")), Some(0), "what is behind a gap does not count");
    assert_eq!(super::ahead(&partitioned(&[("d", "DEFAULT")]).partitions, 0), None);
}

#[test]
fn a_gap_has_its_ends() {
    assert_eq!(gaps(&partitioned(&MONTHS).partitions), []);
    assert_eq!(gaps(&partitioned(&MONTHS[..2]).partitions), [(at("2025-02-01"), at("2025-03-01"))]);
}

#[test]
fn the_next_is_as_wide_as_the_last_and_its_statement_is_granted() {
    let parent = Name::parse("t", "public.orders").unwrap();
    let mut months = partitioned(&MONTHS);
    let first = next(&parent, &months).unwrap();
    let sql = first.statement(&parent);
    assert_eq!(
        sql,
        "CREATE TABLE \"public\".\"orders_2025_04\" PARTITION OF \"public\".\"orders\" FOR VALUES FROM ('2025-04-01 00:00:00+00') TO ('2025-05-01 00:00:00+00')"
    );
    months.partitions.push(first.made());
    assert_eq!(next(&parent, &months).unwrap().name.to_string(), "public.orders_2025_05");
    assert_eq!(next(&parent, &partitioned(&[("d", "DEFAULT")])), None);
    assert_eq!(next(&parent, &partitioned(&[("m", "FOR VALUES FROM (MINVALUE) TO (MAXVALUE)")])), None);
    let grant = PostgresGrant {
        read: vec!["*.*".into()],
        write: vec!["*.*".into()],
        statements: vec!["CREATE TABLE PARTITION OF".into()],
        call: vec!["*.run_maintenance_proc".into()],
        ..PostgresGrant::default()
    };
    assert_eq!(grant.execute(&sql).unwrap().words, "CREATE TABLE PARTITION OF");
    assert!(!grant.execute("CALL \"partman\".run_maintenance_proc()").unwrap().transactional);
    for sql in [TABLES, LEFTOVERS, COUNT, shared_relations::partition::KEY, shared_relations::partition::PARTITIONS] {
        grant.query(sql).map(drop).unwrap();
    }
}

#[test]
fn few_ahead_is_a_warning_none_critical_and_the_remedy_makes_one() {
    let defaults: Settings = settings(MANIFEST, json!({}));
    let told = |present: &str| record(|| table(true, 4, 4).report_ahead(&partitioned(&MONTHS), at(present), &defaults));
    assert_eq!(told("2025-01-15").told(), []);
    assert_eq!(told("2025-02-15").worst(), Severity::Warning);
    let none = told("2025-03-15");
    assert_eq!(none.told(), [("few-ahead", "public.orders", Severity::Critical)]);
    assert!(none.findings[0].remedy.as_deref().is_some_and(|remedy| remedy.contains("orders_2025_04")));
    assert_eq!(none.findings[0].summary, "0 partitions lie ahead (the last is orders_2025_03), critical below 1");
}

#[test]
fn locks_are_counted_against_what_the_server_has() {
    let defaults: Settings = settings(MANIFEST, json!({}));
    let worst = |relations, indexes| record(|| table(true, relations, indexes).report_locks(&defaults)).worst();
    assert_eq!(
        (worst(640, 640), worst(641, 640), worst(1601, 1600)),
        (Severity::Ok, Severity::Warning, Severity::Critical)
    );
    let missing = record(|| table(false, 1, 1).report_not_permitted()).findings.remove(0);
    assert_eq!((missing.severity, missing.remedy.as_deref()), (Severity::Unknown, Some("GRANT shop TO hostler;")));
}

#[test]
fn a_failure_says_why() {
    let parent = Name::parse("t", "public.orders").unwrap();
    let next = next(&parent, &partitioned(&MONTHS)).unwrap();
    let told = record(|| failed(&table(true, 1, 1), &next, &TaskError::new("the disk is full")));
    assert_eq!(told.told(), [("partition-failed", "public.orders_2025_04", Severity::Critical)]);
    assert_eq!(record(|| stopped("interrupted", 2)).told(), [("stopped", "run", Severity::Warning)]);
}

#[test]
fn the_defaults_and_the_refusals() {
    let defaults: Settings = settings(MANIFEST, json!({}));
    assert_eq!((defaults.create, defaults.ahead, defaults.method.as_str()), (false, 4, "declarative"));
    let chosen = |given| settings::<Settings>(MANIFEST, given).chosen(vec![table(true, 1, 1)]);
    assert_eq!(chosen(json!({"exclude": ["public.orders"]})).unwrap().len(), 0);
    assert!(chosen(json!({"tables": ["public.users"]})).is_err() && chosen(json!({"tables": ["orders"]})).is_err());
    refuses_each(
        MANIFEST,
        &[
            ("tables", json!("public.orders")),
            ("exclude", json!(7)),
            ("ahead_warning", json!("some")),
            ("ahead_critical", json!("2:1")),
            ("create", json!("yes")),
            ("ahead", json!(0)),
            ("method", json!("by hand")),
            ("partman_schema", json!(false)),
            ("limit", json!(0)),
            ("lock_warning", json!("x")),
            ("lock_critical", json!("")),
            ("wait", json!("0s")),
            ("timeout", json!(0)),
        ],
    );
}
