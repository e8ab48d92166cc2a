//! What is decided before and after a dump.

use hostler_sdk::testing::{record, refuses_each, settings};
use serde_json::json;

use super::*;
use dump::{compress, no_room};
use rows::{Skipped, skipped};

const MANIFEST: &str = include_str!("../plugin.toml");

#[test]
fn a_table_is_counted_unless_rows_are_hidden_or_it_is_too_large() {
    let below = Some(ByteSize(100));
    assert_eq!(skipped(false, 99, below), None);
    assert_eq!(skipped(false, 100, below), Some(Skipped::Large));
    assert_eq!(skipped(false, u64::MAX, None), None);
    assert_eq!(skipped(true, 0, None), Some(Skipped::Hidden));
}

#[test]
fn a_destination_without_room_is_found_before_the_dump() {
    assert!(no_room(100, Some(100), 9).is_none() && no_room(10, None, 109).is_none());
    let full = no_room(99, Some(100), 9).expect("it does not fit").to_string();
    assert!(full.contains("99 B left") && full.contains("lower `keep`"), "{full}");
    assert!(no_room(10, None, 110).expect("it does not fit").message().contains("seldom"));
}

#[test]
fn compression_is_said_in_words_that_every_version_takes() {
    assert_eq!(["none", "gzip", "lz4", "zstd"].map(compress), ["0", "6", "lz4", "zstd"]);
}

#[test]
fn a_database_that_was_not_dumped_is_critical_and_one_not_reached_unknown() {
    let told = record(|| {
        TURNS.failed("main", &TaskError::new("pg_dump ended with 1").remedy("mend it")).report();
        TURNS.not_reached(["other"].into_iter(), "interrupted");
    });
    assert_eq!(
        told.told(),
        [("backup-failed", "main", Severity::Critical), ("not-backed-up", "other", Severity::Unknown)]
    );
    assert_eq!(told.findings[0].remedy.as_deref(), Some("mend it"));
}

#[test]
fn bad_settings_are_refused() {
    let usual: Settings = settings(MANIFEST, json!({}));
    assert_eq!((usual.keep, usual.jobs, usual.compression.as_str()), (7, 2, "gzip"));
    assert!(usual.keep_days.is_none() && usual.count_below.is_none());
    refuses_each(
        MANIFEST,
        &[
            ("keep", json!(0)),
            ("keep_days", json!(0)),
            ("jobs", json!(0)),
            ("jobs", json!(65)),
            ("compression", json!("bzip2")),
            ("lock_wait", json!("0s")),
            ("lock_wait", json!("2d")),
            ("count_below", json!(-1)),
            ("timeout", json!("0s")),
        ],
    );
}
