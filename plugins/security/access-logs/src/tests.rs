//! What requests add up to.

use hostler_sdk::testing::{Recorded, record, refuses_each, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");

fn tell(lines: &[(&str, &str, u16, usize)]) -> Recorded {
    let settings: Settings = settings(MANIFEST, json!({}));
    let mut counted = Counted::default();
    for (client, target, status, times) in lines {
        let line =
            format!("{client} - - [21/Jan/2025:20:34:00 +0000] \"GET {target} HTTP/1.1\" {status} 10 \"-\" \"-\" 0.5");
        for _ in 0..*times {
            match parse(line.as_bytes()) {
                Some(request) => counted.add(&request),
                None => counted.strange += 1,
            }
        }
    }
    record(|| counted.report(&settings))
}

#[test]
fn the_share_of_failures_is_judged_at_its_edges() {
    let worst =
        |failed: usize| tell(&[("10.0.0.1", "/a", 200, 1000 - failed), ("10.0.0.1", "/b", 503, failed)]).worst();
    assert_eq!(
        [worst(10), worst(11), worst(50), worst(51)],
        [Severity::Ok, Severity::Warning, Severity::Warning, Severity::Critical]
    );
    assert_eq!(tell(&[("10.0.0.1", "/b", 503, 99)]).worst(), Severity::Ok, "too few to judge");
}

#[test]
fn scanners_and_those_who_climb_out_are_told() {
    let recorded = tell(&[
        ("10.0.0.9", "/.env", 404, 20),
        ("10.0.0.8", "/wp-login.php", 404, 19),
        ("10.0.0.7", "/../../etc/passwd", 400, 3),
    ]);
    assert_eq!(recorded.told(), [("scanner", "10.0.0.9", Severity::Warning)]);
    assert_eq!(recorded.metric("http_traversal_tries"), Some(3.0));
    let left = tell(&[("2001:db8::1", "/..%2f..%2fetc/passwd?x", 200, 1)]);
    assert_eq!(left.told(), [("left-the-tree", "/..%2f..%2fetc/passwd", Severity::Critical)]);
}

#[test]
fn lines_of_no_known_format_are_unknown() {
    let recorded = tell(&[("10.0.0.1", "/a", 200, 90), ("10.0.0.1", "/a", 9, 10)]);
    assert_eq!(recorded.told(), [("not-understood", "access log", Severity::Unknown)]);
}

#[test]
fn paths_are_ranked_by_bytes_and_by_time() {
    let recorded = tell(&[("10.0.0.1", "/a?x=1", 200, 5), ("10.0.0.1", "/b", 200, 9)]);
    assert_eq!(recorded.tables.len(), 3);
    assert_eq!(recorded.tables[1].rows[0], ["/b", "9", "0", "90 B"]);
    assert_eq!(recorded.tables[2].rows[1], ["/a", "5", "2.5 s", "500 ms", "500 ms"]);
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("files", json!("a")),
            ("warning", json!("x")),
            ("least", json!(0)),
            ("suspicious", json!(0)),
            ("not_understood", json!(101)),
            ("top", json!(0)),
        ],
    );
}
