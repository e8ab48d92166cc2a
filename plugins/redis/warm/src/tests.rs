//! What is told of keys that are in the cache, and of those that are not.

use hostler_sdk::testing::{record, refuses, refuses_each, settings};
use serde_json::json;

use super::*;
use load::time_to_live;
use remember::Ranking;

const MANIFEST: &str = include_str!("../plugin.toml");

fn settings_with(more: serde_json::Value) -> Settings {
    let mut given = json!({"queries": {"product:": "SELECT 1"}});
    for (name, value) in more.as_object().expect("an object") {
        given[name] = value.clone();
    }
    settings(MANIFEST, given)
}

fn tally(wanted: u64, fresh: u64, written: u64) -> Tally {
    Tally { wanted, fresh, written, ..Tally::new("product:") }
}

#[test]
fn the_share_that_is_loaded_is_judged_at_its_edges() {
    let settings = settings_with(json!({}));
    let worst = |loaded: u64| record(|| tally(100, 10, loaded - 10).report(&settings, false)).worst();
    assert_eq!(
        [worst(95), worst(94), worst(80), worst(79)],
        [Severity::Ok, Severity::Warning, Severity::Warning, Severity::Critical]
    );
    assert_eq!(record(|| tally(100, 0, 0).report(&settings, true)).told(), [], "a plan has written nothing yet");
    assert_eq!(record(|| tally(0, 0, 0).report(&settings, false)).told(), [], "a query without rows wants nothing");
}

#[test]
fn what_kept_keys_out_is_told() {
    let settings = settings_with(json!({}));
    let mut one = tally(10, 10, 0);
    one.refused("OOM command not allowed");
    one.refused("OOM command not allowed");
    one.strange = Some("order:1".into());
    one.stopped = Some("80.0 % of maxmemory is used".into());
    one.failed = Some(TaskError::new("no such table"));
    let recorded = record(|| one.report(&settings, false));
    let codes: Vec<&str> = recorded.told().into_iter().map(|(code, ..)| code).collect();
    assert_eq!(codes, ["query-failed", "strange-key", "write-refused", "stopped"]);
    assert!(recorded.findings[2].summary.starts_with("2 keys not written: OOM"));
    assert_eq!(tally::summary(&[tally(5, 1, 4), tally(5, 5, 0)], false), "10 wanted keys: 6 fresh, 4 written");
}

#[test]
fn the_jitter_spreads_what_would_expire_at_once() {
    let settings = settings_with(json!({"time_to_live": "1000s", "jitter": 10}));
    let times: Vec<u64> = (0..100).map(|number| time_to_live(&format!("product:{number}"), &settings)).collect();
    assert!(times.iter().all(|seconds| (1000..=1100).contains(seconds)), "{times:?}");
    assert!(times.iter().max() > times.iter().min());
}

#[test]
fn the_most_used_keys_are_kept_in_bounded_memory_and_the_lock_is_none_of_them() {
    let mut ranking = Ranking::new(3);
    for number in 0..5000_i64 {
        ranking.add(format!("product:{number}").as_bytes(), number % 4000);
    }
    ranking.add(b"product:3999", 3999);
    ranking.add(b"product:\xff", 9999);
    ranking.add(format!("product:{LOCK}").as_bytes(), 9999);
    assert_eq!(ranking.keys(), ["product:3999", "product:3998", "product:3997"]);
    assert_eq!(Ranking::new(0).keys(), Vec::<String>::new());
}

#[test]
fn what_is_used_now_goes_before_what_was_brought_back() {
    let settings = settings_with(json!({"remember": 3}));
    let keys = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<String>>();
    assert_eq!(remember::next(keys(&["b", "a"]), keys(&["a", "c", "d"]), &settings), ["b", "a", "c"]);
    assert_eq!(remember::next(vec![], keys(&["a", "c"]), &settings), ["a", "c"], "after a flush");
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(MANIFEST, &[("queries", json!("SELECT 1")), ("queries", json!({"a:": 1}))]);
    for (name, value) in [
        ("lookups", json!(["SELECT 1"])),
        ("remember", json!(-1)),
        ("rate", json!(0)),
        ("most", json!(0)),
        ("ceiling", json!(0)),
        ("ceiling", json!(101)),
        ("time_to_live", json!("0s")),
        ("warning", json!("x")),
    ] {
        let mut given = json!({"queries": {"product:": "SELECT 1"}});
        given[name] = value;
        assert!(refuses(MANIFEST, given.clone()).is_some_and(|why| why.starts_with(name)), "{given}");
    }
}
