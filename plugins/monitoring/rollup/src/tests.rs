//! What a month is, what the statements say, and which settings are refused.

use hostler_policy::sql::PostgresGrant;
use hostler_sdk::testing::{record, refuses, rows, settings};
use serde_json::{Value, json};
use shared_relations::table::{Name, TableLook};

use super::*;
use crate::outcome::Outcome;
use crate::shape::{INDEXED, KEYS};
use crate::work::{Compared, title};

const MANIFEST: &str = include_str!("../plugin.toml");

fn with(more: Value) -> Settings {
    let mut given = json!({"source": "public.metrics", "target": "public.\"metrics monthly\""});
    given.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    settings(MANIFEST, given)
}

fn table(name: &str, columns: &[(&str, &str, bool)]) -> TableLook {
    let mut cells = vec![];
    for (column, kind, not_null) in columns {
        cells.push(vec![
            7_i64.into(),
            "r".into(),
            "shop".into(),
            (*column).into(),
            (*kind).into(),
            true.into(),
            (*not_null).into(),
            false.into(),
        ]);
    }
    let header = ["oid", "kind", "owner", "name", "type", "of_the_catalogue", "not_null", "generated"];
    let rows = hostler_sdk::testing::rows_of(&header, &cells);
    TableLook::of(&Name::parse("table", name).unwrap(), &rows).unwrap().unwrap()
}

const SAMPLES: [(&str, &str, bool); 4] = [
    ("timestamp", "timestamp with time zone", true),
    ("name", "text", true),
    ("labels", "jsonb", false),
    ("value", "double precision", false),
];
const MONTHS: [(&str, &str, bool); 7] = [
    ("month", "date", true),
    ("name", "text", true),
    ("labels", "jsonb", true),
    ("count", "bigint", true),
    ("sum", "double precision", true),
    ("min", "double precision", true),
    ("max", "double precision", true),
];

fn shape(samples: &[(&str, &str, bool)], months: &[(&str, &str, bool)], given: Value) -> Result<Shape, TaskError> {
    Shape::of(&table("public.metrics", samples), &table("public.\"metrics monthly\"", months), &with(given))
}

fn month(text: &str) -> Month {
    Month::parse(text).unwrap()
}

#[test]
fn a_month_has_its_ends_in_utc() {
    assert_eq!(month("2024-12").next(), month("2025-01"));
    assert_eq!(month("2024-02").end().to_string(), "2024-03-01T00:00:00Z");
    assert_eq!(Month::of(Timestamp::from_compact("20250131T235959Z").unwrap()), Some(month("2025-01")));
    for text in ["", "2025", "2025-00", "2025-13", "x-1", "0-1", "9999-01"] {
        assert_eq!(Month::parse(text), None, "{text}");
    }
    let at = |text| Timestamp::from_compact(text).unwrap();
    let ninety = Duration::from_days(90.0);
    assert!(month("2025-01").ended(ninety, at("20250502T000000Z")));
    assert!(!month("2025-01").ended(ninety, at("20250501T235959Z")), "a second before");
    assert!(!month("2025-02").ended(Duration::from_seconds(0.0), at("20250228T235959Z")), "it is not over");
}

#[test]
fn the_statements_are_covered_by_the_request_and_group_by_month_name_and_labels() {
    let grant = PostgresGrant {
        read: vec!["*.*".into()],
        write: vec!["*.*".into()],
        statements: ["INSERT", "UPDATE", "DELETE"].map(Into::into).into(),
        ..PostgresGrant::default()
    };
    let shape = shape(&SAMPLES, &MONTHS, json!({})).unwrap();
    let january = month("2025-01");
    let also = [Name::parse("p", "public.metrics_2025_01").unwrap()];
    for also in [&[][..], &also] {
        grant.execute(&shape.roll_up(january, also)).map(drop).unwrap();
        grant.query(&shape.compare(january, also)).map(drop).unwrap();
    }
    grant.execute(&shape.delete(january)).map(drop).unwrap();
    for sql in [KEYS, INDEXED, &shape.months(january), &shape.count(january), &shape.has_rows(january)] {
        grant.query(sql).map(drop).unwrap();
    }
    let sql = shape.roll_up(january, &[]);
    for part in [
        "\"timestamp\" >= '2025-01-01 00:00:00+00'::timestamptz AND \"timestamp\" < '2025-02-01 00:00:00+00'::timestamptz",
        "GROUP BY 1, 2",
        "coalesce(\"labels\", '{}'::jsonb) AS k1",
        "ON CONFLICT (\"month\", \"name\", \"labels\") DO UPDATE",
        "\"public\".\"metrics monthly\"",
    ] {
        assert!(sql.contains(part), "{part}: {sql}");
    }
    assert!(!shape.months(january).contains("RECURSIVE"), "without an index all is read once");
    let mut indexed = shape.clone();
    indexed.indexed = true;
    grant.query(&indexed.months(january)).map(drop).unwrap();
}

#[test]
fn tables_that_do_not_fit_are_told_before_anything_is_sent() {
    let refused = |samples: &[(&str, &str, bool)], months: &[(&str, &str, bool)], given: Value, part: &str| {
        let error = shape(samples, months, given).unwrap_err().to_string();
        assert!(error.contains(part), "{error} lacks {part}");
    };
    let with = |place: usize, column: (&'static str, &'static str, bool)| {
        let mut samples = SAMPLES;
        samples[place] = column;
        samples
    };
    refused(&with(0, ("timestamp", "bigint", true)), &MONTHS, json!({}), "has to be a timestamp");
    refused(&with(3, ("value", "text", true)), &MONTHS, json!({}), "have to be numbers");
    refused(&with(2, ("labels", "json", true)), &MONTHS, json!({}), "they cannot be compared");
    refused(&with(2, ("labels", "text", true)), &MONTHS, json!({}), "they cannot be compared");
    refused(&SAMPLES, &MONTHS, json!({"value_column": "v"}), "it has timestamp, name, labels, value");
    let mut months = MONTHS;
    months[2] = ("labels", "hstore", true);
    refused(&with(2, ("labels", "hstore", false)), &months, json!({}), "may be null");
    months[2] = ("labels", "json", true);
    refused(&with(2, ("labels", "json", true)), &months, json!({}), "no equality");
    months = MONTHS;
    months[4] = ("sum", "real", true);
    refused(&SAMPLES, &months, json!({}), "has to be numeric or double precision");
    assert!(shape(&with(2, ("labels", "jsonb", true)), &MONTHS, json!({"labels_column": ""})).is_ok());
}

#[test]
fn what_differs_is_told_and_what_agrees_is_not() {
    let header = rows!(["groups", "samples", "missing", "ahead", "different"]; [3, 90, 0, 0, 0]);
    let agree = Compared::read(&header.one().unwrap()).unwrap();
    assert!(agree.agree() && !Compared { ahead: 1, ..agree }.agree() && !Compared { missing: 1, ..agree }.agree());
    let told = |outcome| record(|| Done::default().add(month("2025-01"), outcome));
    let done =
        Outcome::Done { compared: agree, rolled_up: true, deleted: 90, overdue: true, dropped: 0, remains: false };
    assert_eq!(told(done).told(), []);
    let ahead = told(Outcome::Ahead(Compared { ahead: 2, ..agree }));
    assert_eq!(ahead.told(), [("rollup-ahead", "2025-01", Severity::Critical)]);
    let differs = told(Outcome::Differs(Compared { different: 2, ..agree }));
    assert_eq!(
        differs.findings[0].summary,
        "of 3 groups 0 missing and 2 wrong after they were written: nothing of it was kept or deleted"
    );
    assert_eq!(title(month("2025-01"), true, true), "roll 2025-01 up, check it, delete its samples");
}

#[test]
fn the_defaults_and_the_refusals() {
    let defaults = with(json!({}));
    assert_eq!((defaults.retention.as_days(), defaults.recheck, defaults.delete), (90.0, 1, true));
    assert!(refuses(MANIFEST, json!({})).is_some_and(|refusal| refusal.contains("required")));
    for (name, value) in [
        ("source", json!(["metrics"])),
        ("retention", json!("for ever")),
        ("retention", json!(90)),
        ("delete", json!("yes")),
        ("grace", json!("a day")),
        ("recheck", json!(-1)),
        ("remove", json!("tables")),
        ("wait", json!("0s")),
        ("timeout", json!(0)),
        ("behind_warning", json!("late")),
        ("behind_critical", json!("2:1")),
    ] {
        let mut given = json!({"source": "public.a", "target": "public.b"});
        given[name] = value;
        assert!(refuses(MANIFEST, given.clone()).is_some_and(|refusal| refusal.starts_with(name)), "{given}");
    }
}
