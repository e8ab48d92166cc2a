//! What is unused, what is covered, and what only seems so.

use hostler_sdk::testing::{record, refuses_each, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");
const NOW: Timestamp = Timestamp(1_737_500_000_000);

fn index(oid: i64, name: &str, columns: &str, scans: f64) -> Index {
    Index {
        oid,
        schema: "public".into(),
        name: name.into(),
        table_oid: 1,
        table: "orders".into(),
        method: "btree".into(),
        definition: format!("CREATE INDEX {name} ON public.orders USING btree (…)"),
        bytes: 2e6,
        scans,
        columns: columns.split(' ').map(str::to_owned).collect(),
        keys: columns.split(' ').count(),
        kinds: "1 1 1/0 0 0/0 0 0".into(),
        ..Index::default()
    }
}

fn unused(index: Index, days: f64) -> Vec<String> {
    let settings: Settings = settings(MANIFEST, json!({}));
    let since = Timestamp(NOW.0 - (days * 86_400_000.0) as u64);
    let recorded = record(|| unused::report(&[index], days >= 30.0, since, NOW, &settings));
    recorded.findings.into_iter().map(|finding| finding.code).collect()
}

#[test]
fn an_index_is_unused_only_as_far_as_the_statistics_go_back() {
    assert_eq!(unused(index(1, "a", "1", 0.0), 31.0), ["index-unused"]);
    assert_eq!(unused(index(1, "a", "1", 0.0), 29.0), ["statistics-young"]);
    assert!(unused(index(1, "a", "1", 1.0), 31.0).is_empty());
    assert!(unused(Index { needed: true, ..index(1, "a", "1", 0.0) }, 31.0).is_empty(), "a constraint's");
    assert!(unused(Index { bytes: 100.0, ..index(1, "a", "1", 0.0) }, 31.0).is_empty(), "a small one");
    let at = |days: i64| Some(NOW.0 as i64 / 1000 - days * 86_400);
    assert_eq!(
        unused(Index { last_used: at(40), ..index(1, "a", "1", 9.0) }, 5.0),
        ["index-unused"],
        "the server says so itself"
    );
    assert!(unused(Index { last_used: at(20), ..index(1, "a", "1", 9.0) }, 99.0).is_empty());
}

#[test]
fn what_another_index_covers_is_told_and_only_that() {
    let settings: Settings = settings(MANIFEST, json!({}));
    let told = |indexes: &[Index]| -> Vec<String> {
        record(|| overlap::report(indexes, &settings)).findings.into_iter().map(|finding| finding.subject).collect()
    };
    let wide = index(9, "wide", "1 2", 5.0);
    assert_eq!(told(&[index(1, "narrow", "1", 5.0), wide.clone()]), ["public.narrow"]);
    assert_eq!(
        told(&[index(1, "first", "1", 5.0), index(2, "second", "1", 5.0)]),
        ["public.second"],
        "the first one stays"
    );
    assert!(told(&[index(1, "other", "2", 5.0), wide.clone()]).is_empty());
    assert!(told(&[Index { condition: "/(a > 1)".into(), ..index(1, "part", "1", 5.0) }, wide.clone()]).is_empty());
    assert!(
        told(&[Index { kinds: "2 1 1/0 0 0/0 0 0".into(), ..index(1, "class", "1", 5.0) }, wide.clone()]).is_empty()
    );
    assert!(told(&[Index { method: "hash".into(), ..index(1, "hash", "1", 5.0) }, wide.clone()]).is_empty());
    assert!(told(&[Index { needed: true, unique: true, ..index(1, "key", "1", 5.0) }, wide]).is_empty());
}

#[test]
fn the_remedy_has_its_undoing() {
    let remedy = index(1, "a", "1", 0.0).remedy();
    assert_eq!(
        remedy,
        "DROP INDEX CONCURRENTLY \"public\".\"a\";\n-- to undo: CREATE INDEX CONCURRENTLY a ON public.orders USING btree (…);"
    );
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[("unused", json!("1s")), ("least", json!(-1)), ("least_rows", json!(-1)), ("top", json!(0))],
    );
}
