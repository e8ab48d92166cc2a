//! What is limited, what could be, and what cannot be because nothing is configured.

use hostler_sdk::testing::{Recorded, record, refuses_each, settings};
use serde_json::json;

use super::*;
use crate::limits::Limits;

const MANIFEST: &str = include_str!("../plugin.toml");

fn tell(configuration: Option<&str>, requests: &[(&str, u16, usize)], errors: &[&str]) -> Recorded {
    let settings: Settings = settings(MANIFEST, json!({}));
    let mut limits = Limits { known: configuration.is_some(), ..Limits::default() };
    limits.add(configuration.unwrap_or_default());
    let mut tally = Tally::default();
    for (client, status, times) in requests {
        for _ in 0..*times {
            let line = format!("{client} - - [21/Jan/2025:20:34:00 +0000] \"GET / HTTP/1.1\" {status} 10 \"-\" \"-\"");
            tally.access(parse(line.as_bytes()).as_ref(), line.as_bytes());
        }
    }
    errors.iter().for_each(|line| tally.error(line.as_bytes()));
    record(|| tally.report(&limits, &settings))
}

const LIMITED: &str = "http { limit_req_zone $binary_remote_addr zone=site:10m rate=10r/s; # limit_req zone=no;\n server { location / { limit_req zone=site burst=5; } } }";

#[test]
fn the_share_of_limited_requests_is_judged_at_its_edges() {
    let worst = |limited: usize| tell(None, &[("a", 200, 1000 - limited), ("b", 429, limited)], &[]).worst();
    assert_eq!(
        [worst(10), worst(11), worst(50), worst(51)],
        [Severity::Ok, Severity::Warning, Severity::Warning, Severity::Critical]
    );
    assert_eq!(tell(None, &[("a", 503, 99)], &[]).worst(), Severity::Ok, "too few to judge");
}

#[test]
fn a_server_without_a_limiter_is_not_healthy_and_an_unread_one_is_not_judged() {
    assert_eq!(
        tell(Some("server { listen 80; }"), &[("a", 200, 5)], &[]).told(),
        [("no-limiter", "nginx", Severity::Warning)]
    );
    let defined_and_not_used = "limit_req_zone $binary_remote_addr zone=site:10m rate=10r/s;";
    assert_eq!(tell(Some(defined_and_not_used), &[], &[]).told(), [("no-limiter", "nginx", Severity::Warning)]);
    assert_eq!(tell(Some("limit_conn addr 10;"), &[], &[]).told(), []);
    assert_eq!(tell(None, &[("a", 200, 5)], &[]).told(), []);
}

#[test]
fn a_client_near_the_limit_is_told_before_it_meets_it() {
    assert_eq!(tell(Some(LIMITED), &[("a", 200, 7)], &[]).told(), []);
    assert_eq!(tell(Some(LIMITED), &[("a", 200, 8)], &[]).told(), [("little-headroom", "nginx", Severity::Warning)]);
    assert_eq!(tell(Some(LIMITED), &[("a", 200, 4), ("b", 200, 4)], &[]).told(), [], "each client has its own");
}

#[test]
fn zones_are_told_by_what_they_refused_and_delayed() {
    let recorded = tell(
        None,
        &[],
        &[
            "2025/01/21 20:34:00 [error] 1#1: *9 limiting requests, excess: 5.2 by zone \"site\", client: 10.0.0.1",
            "2025/01/21 20:34:00 [warn] 1#1: *9 delaying request, excess: 0.9, by zone \"site\", client: 10.0.0.1",
            "2025/01/21 20:34:00 [error] 1#1: open() failed",
        ],
    );
    assert_eq!(recorded.tables[0].rows, [["site", "1", "1"]]);
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("access_logs", json!("a")),
            ("error_logs", json!(1)),
            ("warning", json!("x")),
            ("least", json!(0)),
            ("headroom", json!(0)),
        ],
    );
}
