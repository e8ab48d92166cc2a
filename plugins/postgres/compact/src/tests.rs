//! What a table is rewritten with, when, and which settings are refused.

use hostler_policy::sql::PostgresGrant;
use hostler_sdk::testing::{record, refuses_each, rows, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");

fn heap(has_key: bool, total: f64) -> Heap {
    let header = rows!(["schema", "name", "oid", "toast", "bytes", "toast_bytes", "total", "owner", "permitted", "fill", "has_key"];
        ["public", "orders", 7_i64, 0_i64, 4e9, 0.0, total, "shop", true, 100.0, has_key]);
    Heap::of(&header).unwrap().remove(0)
}

#[test]
fn a_window_has_a_beginning_and_an_end_also_across_midnight() {
    let window = |text| Window::parse(text).unwrap().unwrap();
    let left =
        |text, hour: u32, minute: u32| window(text).left(hour * 60 + minute).map(|left| left.as_seconds() / 60.0);
    assert_eq!((left("01:00-05:00", 0, 59), left("01:00-05:00", 1, 0)), (None, Some(240.0)));
    assert_eq!((left("01:00-05:00", 4, 59), left("01:00-05:00", 5, 0)), (Some(1.0), None));
    assert_eq!((left("22:00-02:00", 23, 30), left("22:00-02:00", 1, 30)), (Some(150.0), Some(30.0)));
    assert_eq!((left("22:00-02:00", 2, 0), left("22:00-02:00", 21, 59)), (None, None));
    assert_eq!(Window::parse("").unwrap(), None);
    for text in ["1-5", "01:00", "01:00-01:00", "24:00-01:00", "01:60-02:00", "a-b", "01:00-05:00-06:00"] {
        assert!(Window::parse(text).is_err(), "{text}");
    }
}

#[test]
fn repack_comes_first_and_vacuum_full_only_in_its_window_and_below_its_size() {
    let with = |window: &str| settings::<Settings>(MANIFEST, json!({"window": window}));
    let all = Means { bound: true, installed: true, leftovers: 0 };
    let hour = Some(Duration::from_seconds(3600.0));
    assert_eq!(all.choose(&heap(true, 5e9), &with(""), None), Ok(How::Repack));
    let none = Means { installed: true, ..Means::default() };
    assert_eq!(
        none.choose(&heap(true, 5e9), &with("01:00-05:00"), hour),
        Ok(How::Full(Duration::from_seconds(3600.0)))
    );
    assert_eq!(
        none.choose(&heap(true, 5e9), &with("01:00-05:00"), Some(Duration::from_seconds(1e6))),
        Ok(How::Full(Duration::from_seconds(14400.0)))
    );
    let refused = |means: Means, heap: Heap, window: &str, open, part: &str| {
        let reason = means.choose(&heap, &with(window), open).unwrap_err();
        assert!(reason.contains(part), "{reason}");
    };
    refused(all, heap(false, 5e9), "", None, "needs a unique key");
    refused(Means { leftovers: 1, ..all }, heap(true, 5e9), "", None, "has leftovers");
    refused(Means::default(), heap(true, 5e9), "", None, "is not in the database, and `window` is not set");
    refused(none, heap(true, 5e9), "01:00-05:00", None, "the window 01:00-05:00 of VACUUM FULL is closed");
    refused(none, heap(true, 3e10), "01:00-05:00", hour, "more than the 20.0 GiB of `full_most`");
}

#[test]
fn a_table_is_due_by_its_share_and_its_bytes() {
    let defaults: Settings = settings(MANIFEST, json!({}));
    let wasteful = |wasted| Wasteful { heap: heap(true, 5e9), wasted };
    assert!(!wasteful(1.2e9).is_due(&defaults) && wasteful(1.21e9).is_due(&defaults), "30 % of 4 GB");
    let small = Settings { wasted_least: ByteSize(2_000_000_000), ..settings(MANIFEST, json!({})) };
    assert!(!wasteful(1.9e9).is_due(&small));
    let told = record(|| wasteful(3e9).report(&defaults));
    assert_eq!(told.told(), [("table-wasted", "public.orders", Severity::Critical)]);
    assert_eq!(told.findings[0].summary, "2.8 GiB of 3.7 GiB are wasted, 75.0 %, critical above 50 %");
}

#[test]
fn the_statements_are_covered_by_the_request() {
    let grant = PostgresGrant {
        write: vec!["*.*".into()],
        statements: vec!["VACUUM".into(), "VACUUM FULL".into()],
        functions: vec!["*.pgstattuple_approx".into()],
        ..PostgresGrant::default()
    };
    let heaps = [150_018, 170_000].map(shared_relations::heap::heaps);
    for sql in [SERVER, how::REPACK, window::NOW, &heaps[0], &heaps[1]] {
        grant.query(sql).map(drop).unwrap();
    }
    assert_eq!(grant.execute("VACUUM (FULL) \"public\".\"a\"").unwrap().words, "VACUUM FULL");
}

#[test]
fn what_is_left_says_why() {
    let told = record(|| {
        how::report_left(&heap(true, 5e9), "it is too large");
        how::report_no_room(&heap(true, 5e9), 1_000_000);
        how::report_not_permitted(&heap(true, 5e9), "hostler");
        how::report_unmeasured(&[heap(true, 5e9)]);
        Means { leftovers: 2, ..Means::default() }.report_leftovers();
        how::report_failure(&heap(true, 5e9), How::Repack, &TaskError::new("pg_repack failed"));
    });
    let codes: Vec<&str> = told.findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(
        codes,
        ["not-compacted", "no-room", "privilege-missing", "extension-missing", "repack-leftover", "compact-failed"]
    );
    assert!(told.findings.iter().all(|finding| finding.remedy.is_some()));
}

#[test]
fn the_defaults_and_the_refusals() {
    let defaults: Settings = settings(MANIFEST, json!({}));
    assert_eq!((defaults.wasted_least.0, defaults.limit, defaults.window.as_str()), (1_000_000_000, 5, ""));
    refuses_each(
        MANIFEST,
        &[
            ("wasted_warning", json!("half")),
            ("wasted_critical", json!("2:1")),
            ("wasted_least", json!("much")),
            ("window", json!(["01:00-05:00"])),
            ("full_most", json!("large")),
            ("data_path", json!(7)),
            ("free_space", json!(-1)),
            ("limit", json!(0)),
            ("exclude", json!("public.orders")),
            ("longest_transaction", json!(0)),
            ("most_lag", json!("much")),
            ("wait", json!("0s")),
            ("timeout", json!("long")),
        ],
    );
}
