//! What is new, what rises, and what is critical whatever is usual.

use hostler_sdk::testing::{record, refuses_each, settings};
use serde_json::json;

use super::*;
use entry::Entry;
use group::fingerprint;

const MANIFEST: &str = include_str!("../plugin.toml");

fn groups(entries: &[(&str, usize)]) -> Groups {
    let mut groups = Groups::default();
    for (message, times) in entries {
        for _ in 0..*times {
            groups
                .add("journal", &Entry { who: "shop.service".into(), message: (*message).into(), ..Entry::default() });
        }
    }
    groups
}

#[test]
fn messages_that_say_the_same_have_one_fingerprint() {
    let same = [
        "connection 17 from 10.0.0.1:5432 to \"shop\" lost after 3 s",
        "connection 9 from 10.0.0.7:1 to \"other\" lost after 12 s",
    ];
    assert_eq!(fingerprint(same[0]), fingerprint(same[1]));
    assert_ne!(fingerprint("disk full"), fingerprint("disk slow"));
}

#[test]
fn what_never_came_goes_before_what_rises() {
    let settings: Settings = settings(MANIFEST, json!({}));
    let known = groups(&[("disk 1 slow", 10), ("job failed", 5)]).learnt(Known::default());
    let now = groups(&[("disk 2 slow", 31), ("job failed", 9), ("a new kind", 1)]);
    let recorded =
        record(|| assert_eq!(now.report(Some(&known), &settings), "41 errors of 3 kinds since the last run, 1 new"));
    assert_eq!(
        recorded.told(),
        [("error-new", "shop.service", Severity::Warning), ("error-rises", "shop.service", Severity::Warning)]
    );
    assert_eq!(
        record(|| groups(&[("disk 3 slow", 30)]).report(Some(&known), &settings)).told(),
        [],
        "three times is usual"
    );
}

#[test]
fn a_first_run_tells_what_is_critical_alone() {
    let settings: Settings = settings(MANIFEST, json!({}));
    let mut groups = groups(&[("job failed", 100)]);
    let damaged = Entry {
        who: "postgresql".into(),
        message: "invalid page 'x' in block 7".into(),
        sqlstate: Some("XX001".into()),
        worst: false,
    };
    groups.add("log", &damaged);
    let recorded = record(|| groups.report(None, &settings));
    assert_eq!(recorded.told(), [("error-critical", "postgresql", Severity::Critical)]);
    assert!(recorded.findings[0].summary.contains("'…'"), "{:?}", recorded.findings);
}

#[test]
fn what_is_usual_follows_what_comes_and_fades() {
    let known = groups(&[("a", 10)]).learnt(Known::default());
    let later = groups(&[]).learnt(known);
    assert_eq!(later.values().next().map(|usual| usual.mean), Some(8.0));
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[("files", json!("a")), ("factor", json!(0)), ("least", json!(0)), ("ignore", json!(1)), ("top", json!(0))],
    );
}
