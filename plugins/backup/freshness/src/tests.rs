//! What lies there, and what it says.

use hostler_sdk::files::{Entry, Kind, Metadata, Ownership};
use hostler_sdk::testing::{Recorded, record, refuses_each, settings};
use serde_json::json;

use super::*;
use set::set_name;

const MANIFEST: &str = include_str!("../plugin.toml");
const NOW: i64 = 1_737_500_000;
const HOUR: f64 = 3600.0;

fn tell(given: serde_json::Value, files: &[(&str, u64, f64)]) -> Recorded {
    let settings: Settings = settings(MANIFEST, given);
    let entries: Vec<Entry> = files
        .iter()
        .map(|(name, size, hours)| {
            let ownership = Ownership { user_id: 0, group_id: 0, mode: 0o600, user: None, group: None };
            let modified = (NOW - (hours * HOUR) as i64) * 1_000_000_000;
            let metadata = Metadata {
                kind: Kind::File,
                device: 1,
                inode: 1,
                links: 1,
                size: *size,
                modified,
                accessed: 0,
                changed: 0,
                ownership,
            };
            Entry { path: format!("/backups/{name}"), metadata }
        })
        .collect();
    let now = Timestamp::from_seconds(NOW);
    record(|| Sets::of("/backups/", &entries, now).report(&settings, now))
}

#[test]
fn the_age_of_the_newest_is_judged_at_its_edges() {
    let worst = |hours: f64| tell(json!({}), &[("shop-1.dump", 9, hours), ("shop-0.dump", 9, 500.0)]).worst();
    assert_eq!(
        [worst(26.0), worst(26.1), worst(50.0), worst(50.1)],
        [Severity::Ok, Severity::Warning, Severity::Warning, Severity::Critical]
    );
}

#[test]
fn a_size_that_is_not_as_usual_is_told() {
    let worst = |bytes: u64| {
        let files = [
            ("shop-3.dump", bytes, 1.0),
            ("shop-2.dump", 100, 25.0),
            ("shop-1.dump", 90, 49.0),
            ("shop-0.dump", 1000, 73.0),
        ];
        tell(json!({}), &files).worst()
    };
    assert_eq!(
        [worst(120), worst(121), worst(49), worst(151)],
        [Severity::Ok, Severity::Warning, Severity::Critical, Severity::Critical]
    );
}

#[test]
fn what_is_empty_or_was_not_finished_is_no_backup() {
    let told = |files: &[(&str, u64, f64)]| -> Vec<String> {
        tell(json!({}), files)
            .findings
            .into_iter()
            .map(|finding| format!("{:?} {}", finding.severity, finding.code))
            .collect()
    };
    assert_eq!(told(&[("shop-1.dump", 0, 1.0)]), ["Critical no-backup"]);
    let whole = [
        ("shop-1.tar.zst", 9, 25.0),
        ("shop-1.tar.zst.sha256", 1, 25.0),
        ("shop-0.tar.zst", 9, 49.0),
        ("shop-0.tar.zst.sha256", 1, 49.0),
    ];
    let with = |name: &'static str, hours: f64| [&whole[..], &[(name, 9, hours)]].concat();
    assert_eq!(told(&with("shop-2.tar.zst", 1.0)), ["Warning backup-incomplete"], "without its checksum");
    assert!(told(&with("shop-2.tar.zst", 0.1)).is_empty(), "it may still be written");
    assert!(told(&with("shop-2.tar.zst.partial", 1.0)).is_empty());
    let directory = [("shop-2/toc.dat", 5, 60.0), ("shop-2/1.dat.gz", 50, 51.0)];
    assert_eq!(told(&directory), ["Critical backup-old"], "a directory is as new as its newest file");
}

#[test]
fn a_set_with_a_manifest_is_whole_by_it_and_no_fresher_by_its_proof() {
    let told = |files: &[(&str, u64, f64)]| -> Vec<String> {
        let told = tell(json!({}), files);
        told.findings.iter().map(|finding| format!("{:?} {}", finding.severity, finding.code)).collect()
    };
    let dump = [
        ("shop-20250121T000000Z/dump/toc.dat", 5, 30.0),
        ("shop-20250121T000000Z/globals.sql", 5, 30.0),
        ("shop-20250121T000000Z/manifest.json", 5, 30.0),
        ("shop-20250121T000000Z/proof.json", 5, 1.0),
    ];
    assert_eq!(told(&dump), ["Warning backup-old"], "the proof is younger, and counts for nothing here");
    assert_eq!(told(&dump[..2]), ["Critical no-backup"], "without its manifest it was not finished");
    for file in ["data/backup_manifest", "backup_manifest"] {
        let path = format!("main-base-20250121T000000Z/{file}");
        let base = [(path.as_str(), 5, 1.0), ("main-base-20250121T000000Z/manifest.json", 5, 1.0)];
        assert_eq!(told(&base), [""; 0]);
        assert_eq!(told(&base[..1]), ["Critical no-backup"]);
    }
    let other = [("shop-1/dump.sql", 5, 1.0)];
    assert_eq!(told(&other), [""; 0], "what other tools write has no manifest");
}

#[test]
fn sets_are_told_apart_and_missed() {
    for (name, set) in [
        ("shop-20250121T203400Z.tar.zst", "shop"),
        ("shop_2025-01-21_2034.sql.gz", "shop"),
        ("pg14-main-20250121", "pg14-main"),
        ("20250121.dump", "(dated alone)"),
    ] {
        assert_eq!(set_name(name), set, "{name}");
    }
    let told = tell(json!({"expected": ["shop", "mail"]}), &[("shop-1.dump", 9, 1.0)]);
    assert_eq!(told.told(), [("set-missing", "mail", Severity::Critical)]);
}

#[test]
fn pgbackrests_own_words_are_read() {
    let settings: Settings = settings(MANIFEST, json!({}));
    let now = Timestamp::from_seconds(NOW);
    let tell = |code: i64, hours: i64| {
        let text = json!([{"name": "main", "status": {"code": code, "message": "no valid backups"}, "backup": [
            {"label": "1F", "timestamp": {"start": 0, "stop": NOW - hours * 3600}, "error": false},
            {"label": "2F", "timestamp": {"start": 0, "stop": NOW}, "error": true}]}]);
        record(|| assert_eq!(pgbackrest::report(&text.to_string(), &settings, now), Ok(1)))
    };
    assert_eq!(tell(0, 1).told(), []);
    assert_eq!(tell(0, 60).told(), [("backup-old", "main", Severity::Critical)]);
    assert_eq!(tell(2, 1).told(), [("pgbackrest-status", "main", Severity::Critical)]);
    assert!(pgbackrest::report("no json", &settings, now).is_err());
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("age_warning", json!("1s")),
            ("age_critical", json!("x")),
            ("size_warning", json!(101)),
            ("expected", json!("a")),
        ],
    );
}
