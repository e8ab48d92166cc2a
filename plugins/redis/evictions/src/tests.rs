//! What growth says, by the server's role, and against what a cache is held.

use hostler_sdk::testing::{record, refuses_each, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");

fn info(evicted: u64, rejected: u64, refused: u64, policy: &str) -> Info {
    Info::parse(&format!(
        "run_id:a\r\nevicted_keys:{evicted}\r\nrejected_connections:{rejected}\r\ntotal_commands_processed:9\r\nmaxmemory_policy:{policy}\r\nerrorstat_OOM:count={refused}\r\n"
    ))
}

fn told(now: &Info, rates: &[f64], given: serde_json::Value) -> Vec<(String, Severity)> {
    let settings: Settings = settings(MANIFEST, given);
    let mut earlier = counters(&info(0, 0, 0, "noeviction")).unwrap();
    earlier.at = Timestamp(Timestamp::now().0 - 100_000);
    let difference = counters(now).unwrap().since(Some(&earlier));
    let recorded = record(|| assess(now, &difference, rates, &settings).unwrap());
    recorded.findings.into_iter().map(|finding| (finding.code, finding.severity)).collect()
}

fn one(code: &str, severity: Severity) -> Vec<(String, Severity)> {
    vec![(code.to_owned(), severity)]
}

#[test]
fn a_store_may_not_evict_one_key_and_a_cache_may_as_it_always_did() {
    let store = json!({"role": "store"});
    assert_eq!(told(&info(0, 0, 0, "noeviction"), &[], store.clone()), []);
    assert_eq!(told(&info(1, 0, 0, "noeviction"), &[], store.clone()), one("store-evicts", Severity::Critical));
    assert_eq!(told(&info(0, 0, 0, "allkeys-lru"), &[], store), one("store-may-evict", Severity::Warning));

    let cache = |evicted, rates: &[f64]| told(&info(evicted, 0, 0, "allkeys-lru"), rates, json!({"least": 1000}));
    assert_eq!(cache(6000, &[20.0, 20.0, 500.0]), [], "60 a second is three times the median");
    assert_eq!(cache(6200, &[20.0, 20.0, 500.0]), one("evictions-rise", Severity::Warning));
    assert_eq!(cache(1000, &[0.0]), [], "too few to be told");
    assert_eq!(cache(1001, &[0.0]), one("evictions-rise", Severity::Warning));
    assert_eq!(cache(1001, &[]), one("baseline-taken", Severity::Unknown), "there is nothing to hold it against");
}

#[test]
fn what_is_refused_is_critical_in_both() {
    for role in ["store", "cache"] {
        let found = told(&info(0, 2, 3, "noeviction"), &[0.0], json!({"role": role}));
        assert_eq!(
            found,
            [("connections-rejected".into(), Severity::Critical), ("writes-refused".into(), Severity::Critical)]
        );
    }
}

#[test]
fn a_first_run_and_a_reset_take_the_baseline() {
    let settings: Settings = settings(MANIFEST, json!({}));
    let now = info(5, 0, 0, "noeviction");
    let first = record(|| assess(&now, &Difference::Baseline, &[], &settings).unwrap());
    assert_eq!(first.told(), [("baseline-taken", "server", Severity::Unknown)]);
    let before = counters(&info(9, 0, 0, "noeviction")).unwrap();
    assert!(matches!(counters(&now).unwrap().since(Some(&before)), Difference::Restarted(_)));
    assert!(counters(&Info::parse("run_id:a\r\n")).is_err());
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[("role", json!("queue")), ("factor", json!(0.5)), ("factor", json!("x")), ("least", json!(-1))],
    );
}
