//! What is told of the limit, of fragmentation and of large keys.

use hostler_sdk::testing::{record, refuses_each, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");

fn defaults() -> Settings {
    settings(MANIFEST, json!({}))
}

fn info(used: u64, limit: u64, rss: u64) -> Info {
    Info::parse(&format!(
        "# Memory\r\nused_memory:{used}\r\nused_memory_rss:{rss}\r\ntotal_system_memory:1000000\r\nmaxmemory:{limit}\r\nmaxmemory_policy:noeviction\r\nmem_not_counted_for_evict:0\r\nmem_allocator:jemalloc-5.3.0\r\n"
    ))
}

#[test]
fn the_limit_is_judged_at_its_edges() {
    let worst = |used| record(|| limit(&info(used, 1000, 10), &defaults()).unwrap()).worst();
    assert_eq!(
        [worst(900), worst(901), worst(970), worst(971)],
        [Severity::Ok, Severity::Warning, Severity::Warning, Severity::Critical]
    );
}

#[test]
fn no_limit_is_a_warning_and_the_machine_is_the_limit() {
    let recorded = record(|| limit(&info(1000, 0, 10_000), &defaults()).unwrap());
    assert_eq!(recorded.told(), [("no-limit", "maxmemory", Severity::Warning)]);
    let recorded = record(|| limit(&info(1000, 0, 980_000), &defaults()).unwrap());
    assert_eq!(recorded.worst(), Severity::Critical);
    assert_eq!(recorded.findings[1].summary, "the server holds 98.0 % of the machine's memory, critical above 97 %");
}

#[test]
fn an_info_without_its_figures_is_an_error_and_not_ok() {
    assert!(limit(&Info::parse("# Memory\r\n"), &defaults()).is_err());
}

fn stats(ratio: f64, bytes: i64) -> Reply {
    let text = |text: &str| Reply::Text(text.into());
    Reply::Pairs(vec![
        (text("allocator-fragmentation.ratio"), Reply::Float64(ratio)),
        (text("allocator-fragmentation.bytes"), Reply::Int64(bytes)),
        (text("fragmentation"), Reply::Float64(7.7)),
    ])
}

#[test]
fn fragmentation_needs_both_the_ratio_and_the_bytes() {
    let worst =
        |ratio, bytes| record(|| fragmentation(&stats(ratio, bytes), &info(1, 1, 1), &defaults()).unwrap()).worst();
    assert_eq!(
        [worst(1.5, 200_000_000), worst(1.6, 1000), worst(1.6, 200_000_000)],
        [Severity::Ok, Severity::Ok, Severity::Warning]
    );
    let recorded = record(|| fragmentation(&Reply::Pairs(vec![]), &info(1, 1, 1), &defaults()).unwrap());
    assert_eq!(recorded.worst(), Severity::Unknown);
}

#[test]
fn the_doctors_findings_are_told_one_by_one() {
    let healthy =
        "Hi Sam, I can't find any memory issue in your instance. I can only account for what occurs on this base.\n";
    assert_eq!(record(|| doctor(healthy)).told(), []);
    let sick = "Sam, I detected a few issues in this Redis instance memory implants:\n\n * Peak memory: In the past this instance used more than 150% the memory that is currently using.\n\n * High total RSS: This instance has a memory fragmentation and RSS overhead greater than 1.4\n\nI'm here to keep you safe, Sam.\n";
    let recorded = record(|| doctor(sick));
    assert_eq!(
        recorded.told(),
        [("memory-doctor", "Peak memory", Severity::Warning), ("memory-doctor", "High total RSS", Severity::Warning)]
    );
}

#[test]
fn large_keys_and_prefixes_are_shown() {
    let recorded = record(|| {
        let mut sample = Sample::default();
        for number in 0..30 {
            sample.add(format!("cart:{number}").as_bytes(), 100 + number);
        }
        sample.add(b"feed:all", 200_000_000);
        sample.report(&defaults());
    });
    assert_eq!(recorded.told(), [("key-large", "feed:all", Severity::Warning)]);
    assert_eq!(recorded.findings[0].summary, "it takes 190.7 MiB, warning above 95.4 MiB");
    assert_eq!((recorded.tables[0].title.as_str(), recorded.tables[0].rows.len()), ("Largest keys (all: 31 keys)", 10));
    assert_eq!(recorded.tables[1].rows[0][0], "feed:");
    assert_eq!(recorded.tables[1].rows[1][1], "30");
}

#[test]
fn each_bad_setting_is_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("warning", json!("x")),
            ("critical", json!("9:1")),
            ("fragmentation", json!([])),
            ("fragmentation_least", json!("much")),
            ("sample", json!(-1)),
            ("largest", json!(true)),
        ],
    );
}
