//! How a batch is found, compared and deleted, which partitions are old, and which settings are refused.

use hostler_policy::sql::PostgresGrant;
use hostler_sdk::testing::{record, refuses, rows, rows_of, settings};
use serde_json::json;
use shared_relations::partition::{Bound, microseconds};

use super::*;
use crate::statements::{INDEXED, KEYS, Statements, key};

const MANIFEST: &str = include_str!("../plugin.toml");

fn table(name: &str, columns: &[(&str, &str, bool)]) -> TableLook {
    let mut cells = vec![];
    for (column, kind, generated) in columns {
        let own = !kind.contains("shop");
        cells.push(vec![
            7_i64.into(),
            "r".into(),
            "shop".into(),
            (*column).into(),
            (*kind).into(),
            own.into(),
            true.into(),
            (*generated).into(),
        ]);
    }
    let header = ["oid", "kind", "owner", "name", "type", "of_the_catalogue", "not_null", "generated"];
    TableLook::of(&Name::parse("table", name).unwrap(), &rows_of(&header, &cells)).unwrap().unwrap()
}

const ORDERS: [(&str, &str, bool); 4] = [
    ("id", "bigint", false),
    ("created_at", "timestamp with time zone", false),
    ("name", "text", false),
    ("twice", "bigint", true),
];

fn statements(
    columns: &[(&str, &str, bool)],
    archive: &[(&str, &str, bool)],
    indexed: bool,
) -> Result<Statements, TaskError> {
    let (source, archive) = (table("public.orders", columns), table("archive.orders", archive));
    Statements::of(&source, &archive, "created_at", &["id".into()], indexed)
}

#[test]
fn the_statements_are_covered_by_the_request_and_are_the_same_for_every_batch() {
    let grant = PostgresGrant {
        read: vec!["*.*".into()],
        write: vec!["*.*".into()],
        statements: ["INSERT", "DELETE", "ALTER TABLE DETACH PARTITION", "DROP TABLE"].map(Into::into).into(),
        ..PostgresGrant::default()
    };
    for indexed in [true, false] {
        let statements = statements(&ORDERS, &ORDERS, indexed).unwrap();
        grant.execute(&statements.copy()).map(drop).unwrap();
        grant.execute(&statements.delete()).map(drop).unwrap();
        for sql in [statements.due(), statements.end(1000), statements.rest(), statements.archived()] {
            grant.query(&sql).map(drop).unwrap();
        }
        assert!(grant.execute(&statements.copy()).unwrap().transactional);
    }
    for sql in [KEYS, INDEXED, partitions::OFF, &partitions::hash(&table("public.orders", &ORDERS))] {
        grant.query(sql).map(drop).unwrap();
    }
    let name = Name::parse("p", "public.\"orders 2024\"").unwrap();
    grant.execute(&format!("DROP TABLE {}", name.quoted())).map(drop).unwrap();
}

#[test]
fn a_batch_is_ordered_by_time_where_an_index_is_and_by_the_key_where_none_is() {
    let order = |indexed| {
        let order = statements(&ORDERS, &ORDERS, indexed).unwrap().order;
        order.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(order(true), ["\"created_at\"", "\"id\""]);
    assert_eq!(order(false), ["\"id\""]);
    let sql = statements(&ORDERS, &ORDERS, false).unwrap().delete();
    let range = "\"created_at\" < (SELECT $1::text::timestamptz) AND ($2::text IS NULL OR (\"id\") > ($2::text::bigint)) AND ($3::text IS NULL OR (\"id\") <= ($3::text::bigint))";
    assert!(sql.contains(range), "{sql}");
}

#[test]
fn what_the_archive_works_out_is_compared_and_not_written() {
    let copy = statements(&ORDERS, &ORDERS, true).unwrap().copy();
    assert!(copy.contains("(\"id\", \"created_at\", \"name\") OVERRIDING"), "{copy}");
    let mut plain = ORDERS;
    plain[3].2 = false;
    let statements = statements(&ORDERS, &plain, true).unwrap();
    assert!(statements.copy().contains("\"name\", \"twice\") OVERRIDING"), "a plain column is written");
    assert!(statements.archived().contains("ROW(\"id\", \"created_at\", \"name\", \"twice\")::text"));
}

#[test]
fn tables_that_do_not_fit_are_told_before_anything_is_sent() {
    let error = statements(&ORDERS, &ORDERS[..2], true).unwrap_err().to_string();
    assert!(error.contains("lacks columns of public.orders: \"name\", \"twice\""), "{error}");
    let mut odd = ORDERS;
    odd[0].1 = "shop.number";
    assert!(statements(&odd, &odd, true).unwrap_err().to_string().contains("none of the server's own"));
    odd = ORDERS;
    odd[1].1 = "bigint";
    assert!(statements(&odd, &odd, true).unwrap_err().to_string().contains("has to be a timestamp"));
}

#[test]
fn a_key_is_the_primary_one_or_one_that_is_never_null() {
    let of = |header| key(&header).unwrap();
    assert_eq!(
        of(rows!(["oid", "name"]; [1_i64, None::<&str>], [1, "b"], [2, "c"], [2, "d"], [3, "e"])),
        Some(vec!["c".to_owned(), "d".to_owned()])
    );
    assert_eq!(of(rows!(["oid", "name"]; [1_i64, None::<&str>])), None);
}

#[test]
fn a_partition_is_old_when_all_that_it_can_hold_is() {
    let bound = |from: &str, to: &str| Bound::parse(&format!("FOR VALUES FROM ({from}) TO ({to})"));
    let at = microseconds("2025-02-01").unwrap();
    let january = bound("'2025-01-01'", "'2025-02-01'");
    assert!(partitions::is_old(january, at) && !partitions::is_old(january, at - 1));
    assert!(partitions::is_old(bound("MINVALUE", "'2025-01-01'"), at));
    assert!(!partitions::is_old(bound("'2024-01-01'", "MAXVALUE"), at) && !partitions::is_old(Bound::Default, at));
}

#[test]
fn a_batch_that_differs_is_critical_with_what_to_look_at() {
    let name = Name::parse("archive", "archive.orders").unwrap();
    let told = record(|| rows::differs(&name, "3 rows in the archive for 4 in the source"));
    assert_eq!(told.told(), [("batch-differs", "archive.orders", Severity::Critical)]);
    assert!(told.findings[0].remedy.as_deref().is_some_and(|remedy| remedy.contains("\"archive\".\"orders\"")));
    assert_eq!(record(|| rows::stopped("interrupted", 5)).findings[0].summary, "interrupted: 5 rows moved so far");
}

#[test]
fn the_defaults_and_the_refusals() {
    let given = json!({"source": "public.orders", "time_column": "at", "older_than": "365d"});
    let defaults: Settings = settings(MANIFEST, given.clone());
    assert_eq!((defaults.batch, defaults.method.as_str(), defaults.older_than.as_days()), (50_000, "rows", 365.0));
    for name in ["source", "time_column", "older_than"] {
        let mut lacking = given.clone();
        lacking.as_object_mut().unwrap().remove(name);
        assert!(refuses(MANIFEST, lacking).is_some_and(|refusal| refusal.contains("required")), "{name}");
    }
    for (name, value) in [
        ("source", json!(7)),
        ("archive", json!(["a"])),
        ("time_column", json!(false)),
        ("older_than", json!("59min")),
        ("older_than", json!("a year")),
        ("method", json!("copy")),
        ("batch", json!(0)),
        ("limit", json!(0)),
        ("partitions", json!(0)),
        ("most_lag", json!("much")),
        ("wait", json!("0s")),
        ("timeout", json!(0)),
    ] {
        let mut bad = given.clone();
        bad[name] = value;
        assert!(refuses(MANIFEST, bad.clone()).is_some_and(|refusal| refusal.starts_with(name)), "{bad}");
    }
}
