//! What is said of hits and misses between two runs, and when nothing is.

use hostler_sdk::testing::{Recorded, record, refuses_each, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");

fn info(run: &str, hits: u64, misses: u64, commands: u64) -> Info {
    Info::parse(&format!(
        "run_id:{run}\r\nkeyspace_hits:{hits}\r\nkeyspace_misses:{misses}\r\ntotal_connections_received:5\r\ntotal_commands_processed:{commands}\r\ndb0:keys=7,expires=3,avg_ttl=1\r\n"
    ))
}

fn tell(earlier: Option<&Info>, now: &Info) -> Recorded {
    let settings: Settings = settings(MANIFEST, json!({}));
    let earlier_keys = earlier.map(keys).unwrap_or_default();
    let earlier = earlier.map(|info| counters(info).unwrap());
    let difference = counters(now).unwrap().since(earlier.as_ref());
    record(|| assess(now, &difference, &earlier_keys, &settings).unwrap())
}

#[test]
fn only_what_happened_since_the_last_run_counts() {
    let before = info("a", 1_000_000, 0, 10);
    let worst = |hits: u64, misses| tell(Some(&before), &info("a", 1_000_000 + hits, misses, 20)).worst();
    assert_eq!(
        [worst(900, 100), worst(899, 101), worst(800, 200), worst(799, 201)],
        [Severity::Ok, Severity::Warning, Severity::Warning, Severity::Critical]
    );
}

#[test]
fn little_traffic_says_nothing() {
    let recorded = tell(Some(&info("a", 0, 0, 1)), &info("a", 0, 999, 2));
    assert_eq!((recorded.told(), recorded.metric("redis_hit_rate_percent")), (vec![], None));
    let settings: Settings = settings(MANIFEST, json!({}));
    let growth = |lookups: u64| {
        counters(&info("a", 0, lookups, 2)).unwrap().since(Some(&counters(&info("a", 0, 0, 1)).unwrap()))
    };
    assert!(is_too_little(&growth(999), &settings), "it stays the baseline's, for the next run");
    assert!(!is_too_little(&growth(1000), &settings) && !is_too_little(&Difference::Baseline, &settings));
    let said = assess(&info("a", 0, 1, 2), &growth(1), &Keys::new(), &settings).unwrap();
    assert!(said.starts_with("1 lookup in ") && said.ends_with("too few to judge: it takes 1000"), "{said}");
}

#[test]
fn a_first_run_a_restart_and_a_reset_take_the_baseline_and_are_not_ok() {
    let before = info("a", 500, 500, 100);
    for recorded in [
        tell(None, &before),
        tell(Some(&before), &info("b", 5000, 5000, 1000)),
        tell(Some(&before), &info("a", 3, 5, 200)),
        tell(Some(&before), &info("a", 5000, 5000, 50)),
    ] {
        assert_eq!(recorded.told(), [("baseline-taken", "server", Severity::Unknown)]);
    }
    assert_eq!(tell(None, &before).metric("redis_keys"), Some(7.0));
}

#[test]
fn a_database_that_lost_its_keys_is_named_beside_the_share() {
    let shop = |keys: &str| {
        Info::parse(&format!("run_id:a\r\nkeyspace_hits:0\r\nkeyspace_misses:{}\r\n{keys}", keys.len() * 1000))
    };
    let (before, after) = (
        shop("db0:keys=100,expires=0\r\ndb3:keys=50,expires=0"),
        shop("db0:keys=90,expires=9\r\ndb7:keys=1,expires=0,avg_ttl=12345"),
    );
    let recorded = tell(Some(&before), &after);
    assert_eq!(recorded.told(), [("hit-rate", "server", Severity::Critical)]);
    let detail = recorded.findings[0].detail.clone().unwrap_or_default();
    assert!(detail.starts_with("Database 3 has 0 of the 50 keys that it had. Keys expire"), "{detail}");
    assert_eq!(recorded.tables[0].rows, [["0", "90", "100", "9"], ["7", "1", "-", "0"]]);
}

#[test]
fn an_info_without_its_counters_is_an_error() {
    assert!(counters(&Info::parse("run_id:a\r\n")).is_err());
}

#[test]
fn each_bad_setting_is_refused() {
    refuses_each(MANIFEST, &[("warning", json!("x")), ("critical", json!("9:1")), ("least_lookups", json!(0))]);
}
