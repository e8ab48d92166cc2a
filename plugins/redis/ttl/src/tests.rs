//! What is found among the keys, and how it is judged. What a change leaves is tried beside it, in `give`.

use hostler_sdk::testing::{record, refuses_each, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");

fn survey(prefixes: &[&str], most: usize, keys: &[(&str, i64)]) -> Survey {
    let prefixes: Vec<String> = prefixes.iter().map(|&prefix| prefix.to_owned()).collect();
    let mut survey = Survey::new(&prefixes, most, 10);
    for (key, seconds) in keys {
        survey.add(key.as_bytes().to_vec(), &Reply::Int64(*seconds));
    }
    survey
}

fn share(persistent: usize) -> Severity {
    let keys: Vec<(String, i64)> =
        (0..100).map(|number| (format!("cache:{number}"), if number < persistent { -1 } else { 60 })).collect();
    let keys: Vec<(&str, i64)> = keys.iter().map(|(key, seconds)| (key.as_str(), *seconds)).collect();
    record(|| survey(&[], 10, &keys).report(&settings(MANIFEST, json!({})), "cache-ttl")).worst()
}

#[test]
fn the_share_is_judged_at_its_edges() {
    assert_eq!(
        [share(10), share(11), share(25), share(26)],
        [Severity::Ok, Severity::Warning, Severity::Warning, Severity::Critical]
    );
}

#[test]
fn only_keys_under_allowed_prefixes_are_candidates_up_to_the_cap() {
    let keys = [
        ("cache:a", -1),
        ("cache:b", -1),
        ("cache:c", 60),
        ("session:1", -1),
        ("cachet", -1),
        ("cache:d", -1),
        ("gone", -2),
    ];
    assert!(survey(&[], 9, &keys).take_candidates().is_empty(), "without prefixes nothing is changed");
    let mut survey = survey(&["cache:"], 2, &keys);
    assert_eq!(survey.take_candidates(), [("cache:".to_owned(), vec![b"cache:a".to_vec(), b"cache:b".to_vec()])]);
    assert_eq!(survey.keys(), 6);
    assert_eq!(
        survey.summary(true),
        "3 of 4 keys under the task's prefixes never expire; 2 would be given a time to live, 1 is left for the next run"
    );
}

#[test]
fn a_plan_judges_the_keys_as_they_are_and_names_the_next_step() {
    let settings: Settings = settings(MANIFEST, json!({"prefixes": ["cache:"]}));
    let recorded =
        record(|| survey(&["cache:"], 9, &[("cache:a", -1), ("cache:b", 60)]).report(&settings, "cache-ttl"));
    assert_eq!(recorded.told(), [("keys-never-expire", "cache", Severity::Critical)]);
    assert_eq!(recorded.findings[0].summary, "50.0 % of 2 keys never expire, critical above 25 %");
    let remedy = recorded.findings[0].remedy.as_deref();
    assert_eq!(remedy, Some("hostler run cache-ttl    # gives 1 key a time to live of 1 d"));
    assert_eq!(survey(&[], 9, &[("cache:a", -1)]).summary(true), "1 of 1 key never expires");
}

#[test]
fn prefixes_that_no_key_has_are_unknown_and_an_empty_server_is_healthy() {
    let settings: Settings = settings(MANIFEST, json!({"prefixes": ["cahce:"]}));
    let told = |keys: &[(&str, i64)]| record(|| survey(&["cahce:"], 9, keys).report(&settings, "cache-ttl"));
    let recorded = told(&[("cache:a", -1)]);
    assert_eq!(recorded.told(), [("nothing-judged", "prefixes", Severity::Unknown)]);
    assert_eq!(recorded.findings[0].summary, "none of the server's 1 key begins with cahce:");
    assert_eq!(told(&[]).told(), []);
}

#[test]
fn keys_that_could_not_be_asked_are_unknown() {
    let mut survey = Survey::new(&[], 10, 10);
    survey.add(b"a".to_vec(), &Reply::Failure("NOPERM no permissions".into()));
    let recorded = record(|| survey.report(&settings(MANIFEST, json!({})), "cache-ttl"));
    assert_eq!(recorded.worst(), Severity::Unknown);
    assert!(recorded.findings[0].summary.contains("NOPERM"));
}

#[test]
fn prefixes_are_counted_with_their_idle_time() {
    let mut survey = survey(&[], 10, &[("cart:1", -1), ("cart:2", 60), ("plain", -1)]);
    for key in survey.take_idle_sample() {
        survey.add_idle(&key, 7200);
    }
    let recorded = record(|| survey.report(&settings(MANIFEST, json!({})), "cache-ttl"));
    assert_eq!(recorded.tables[0].rows[1], ["cart:", "2", "1", "50.0 %", "2 h"]);
    assert_eq!(recorded.tables[0].rows[0][0], "(none)");
}

#[test]
fn the_number_of_prefixes_is_bounded() {
    let mut survey = Survey::new(&[], 10, 10);
    for number in 0..5000 {
        survey.add(format!("{number}:x").into_bytes(), &Reply::Int64(-1));
    }
    let recorded = record(|| survey.report(&settings(MANIFEST, json!({})), "cache-ttl"));
    assert_eq!(recorded.tables[0].rows[0][..2], ["(other)", "4000"]);
}

#[test]
fn a_time_to_live_is_spread_and_stays_the_same() {
    let day = Duration::from_seconds(86_400.0);
    let times: Vec<u64> = (0..1000)
        .map(|number| survey::time_to_live(format!("cache:{number}").as_bytes(), day, Percent(10.0)))
        .collect();
    assert!(times.iter().all(|seconds| (86_400..=95_040).contains(seconds)));
    assert!(times.iter().max().unwrap() - times.iter().min().unwrap() > 8000, "they are spread");
    assert_eq!(survey::time_to_live(b"cache:7", day, Percent(10.0)), times[7]);
}

#[test]
fn each_bad_setting_is_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("warning", json!("x")),
            ("critical", json!("9:1")),
            ("prefixes", json!("cache:")),
            ("time_to_live", json!("0s")),
            ("jitter", json!(101)),
            ("most", json!(0)),
            ("rate", json!(0)),
            ("idle_sample", json!(-1)),
        ],
    );
}
