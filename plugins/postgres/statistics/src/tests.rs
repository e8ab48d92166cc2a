//! Which tables are due, in which order, and what is said of those that are left.

use hostler_sdk::testing::{Cell, record, refuses_each, rows_of, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");
const DAY: f64 = 86_400.0;

fn tables(rows: &[(&str, bool, f64, f64, Option<f64>)]) -> Tables {
    let columns = ["schema", "name", "partitioned", "tuples", "pages", "modified", "age", "base", "scale", "permitted"];
    let cells: Vec<Vec<Cell>> = rows
        .iter()
        .map(|(name, partitioned, tuples, modified, age)| {
            vec![
                "public".into(),
                (*name).into(),
                (*partitioned).into(),
                (*tuples).into(),
                1.0.into(),
                (*modified).into(),
                (*age).into(),
                50.0.into(),
                0.1.into(),
                true.into(),
            ]
        })
        .collect();
    let all = rows_of(&columns, &cells);
    Tables::read(&all, Rows::default(), "hostler".into()).unwrap()
}

fn due(rows: &[(&str, bool, f64, f64, Option<f64>)]) -> Vec<String> {
    let settings: Settings = settings(MANIFEST, json!({"exclude": ["public.left"]}));
    tables(rows).due(&settings).into_iter().map(|table| table.name).collect()
}

#[test]
fn what_is_missing_goes_before_what_changed_most() {
    let found = due(&[
        ("fresh", false, 1000.0, 150.0, Some(60.0)),
        ("changed", false, 1000.0, 151.0, Some(60.0)),
        ("changed-more", false, 1000.0, 900.0, Some(60.0)),
        ("never", false, 1000.0, 0.0, None),
        ("restored", false, -1.0, 0.0, None),
        ("empty", false, 0.0, 0.0, None),
        ("still", false, 1000.0, 0.0, Some(90.0 * DAY)),
        ("slow", false, 1000.0, 1.0, Some(8.0 * DAY)),
        ("parent", true, 1000.0, 0.0, Some(8.0 * DAY)),
        ("left", false, 1000.0, 900.0, None),
    ]);
    assert_eq!(found, ["never", "restored", "changed-more", "changed", "slow", "parent"]);
}

#[test]
fn what_is_left_is_told_by_how_bad_it_is() {
    let settings: Settings = settings(MANIFEST, json!({}));
    let tables = tables(&[
        ("never", false, 10.0, 0.0, None),
        ("slow", false, 10.0, 1.0, Some(8.0 * DAY)),
        ("busy", false, 10.0, 900.0, Some(60.0)),
    ]);
    let recorded = record(|| tables.report(&settings));
    assert_eq!(
        recorded.told(),
        [
            ("statistics-stale", "public.never", Severity::Critical),
            ("statistics-stale", "public.slow", Severity::Warning)
        ]
    );
    assert_eq!(recorded.metric("postgres_tables_due_for_analyze"), Some(3.0));
}

#[test]
fn a_missing_right_has_the_remedy_of_its_version() {
    let tables = tables(&[("orders", false, 10.0, 0.0, None)]);
    let due = tables.due(&settings(MANIFEST, json!({})));
    let remedy = |version| {
        record(|| need::report_not_permitted(&[&due[0]], "hostler", version)).findings[0].remedy.clone().unwrap()
    };
    assert_eq!(remedy(170_000), "GRANT MAINTAIN ON \"public\".\"orders\" TO hostler;");
    assert!(remedy(150_000).contains("OWNER TO hostler"));
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[("stale", json!("1s")), ("limit", json!(0)), ("exclude", json!("a")), ("timeout", json!("0s"))],
    );
}
