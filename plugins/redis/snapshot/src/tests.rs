//! When a snapshot is whole, when there is room for one, and how old the last may be.

use hostler_sdk::Info;
use hostler_sdk::testing::{record, refuses_each, settings};
use serde_json::json;

use super::*;
use save::{Stage, Took, room_for_the_fork, room_on_disk, stage};

const MANIFEST: &str = include_str!("../plugin.toml");
const HOUR: i64 = 3600;

fn persistence(under: u8, rewrite: u8, status: &str) -> Info {
    Info::parse(&format!(
        "rdb_bgsave_in_progress:{under}\r\naof_rewrite_in_progress:{rewrite}\r\nrdb_last_bgsave_status:{status}\r\n"
    ))
}

#[test]
fn a_snapshot_is_done_when_lastsave_moved_and_failed_only_when_it_was_tried() {
    assert_eq!(stage(&persistence(0, 0, "ok"), 5, 6, false, false), Stage::Done);
    assert_eq!(stage(&persistence(0, 0, "ok"), 5, 5, true, true), Stage::Under);
    assert_eq!(stage(&persistence(1, 0, "ok"), 5, 6, true, true), Stage::Under);
    // Behind a rewrite, with the failure of an earlier one still shown.
    assert_eq!(stage(&persistence(0, 1, "err"), 5, 5, false, true), Stage::Under);
    assert_eq!(stage(&persistence(0, 0, "err"), 5, 5, false, false), Stage::Under);
    assert_eq!(stage(&persistence(0, 0, "err"), 5, 5, true, false), Stage::Failed);
    assert_eq!(stage(&persistence(0, 0, "err"), 5, 5, false, true), Stage::Failed);
}

#[test]
fn room_is_asked_for_at_its_edge() {
    assert!(room_for_the_fork(100, 50, 0.5).is_ok() && room_for_the_fork(100, 49, 0.5).is_err());
    assert!(room_on_disk(100, 101, "it").is_ok() && room_on_disk(100, 100, "it").is_err());
}

#[test]
fn only_a_copy_with_its_checksum_counts() {
    let (old, new) = (Timestamp::from_seconds(0), Timestamp::from_seconds(20 * HOUR));
    let (first, second) = (shelf::copy_name(old), shelf::copy_name(new));
    let (one, two) = (shelf::sidecar(&first), shelf::sidecar(&second));
    let names = |names: &[&str]| Shelf::of(names).0.into_iter().map(|copy| copy.name).collect::<Vec<_>>();
    assert_eq!(names(&[&second, &first, &one, "other.rdb", "other.rdb.sha256"]), [first.as_str()]);
    let both = Shelf::of(&[&second, &two, &first, &one]);
    let at = |hours: i64| Timestamp::from_seconds(hours * HOUR);
    assert_eq!(both.young(at(31), Duration::from_seconds(12.0 * 3600.0)).map(|copy| &copy.name), Some(&second));
    assert_eq!(both.young(at(32), Duration::from_seconds(12.0 * 3600.0)), None);
}

#[test]
fn age_and_duration_are_judged_at_their_edges() {
    let settings: Settings = settings(MANIFEST, json!({}));
    let name = shelf::copy_name(Timestamp::from_seconds(0));
    let shelf = Shelf::of(&[&name, &shelf::sidecar(&name)]);
    let age = |seconds: i64| record(|| shelf.judge(Timestamp::from_seconds(seconds), &settings)).worst();
    assert_eq!(
        [age(24 * HOUR), age(24 * HOUR + 1), age(48 * HOUR), age(48 * HOUR + 1)],
        [Severity::Ok, Severity::Warning, Severity::Warning, Severity::Critical]
    );
    let took = |seconds: f64| record(|| Took(seconds).report(&settings)).worst();
    assert_eq!([took(600.0), took(601.0), took(1201.0)], [Severity::Ok, Severity::Warning, Severity::Critical]);
    let none = record(|| Shelf::default().judge(Timestamp::from_seconds(0), &settings));
    assert_eq!(none.told(), [("no-snapshot", "destination", Severity::Unknown)]);
}

#[test]
fn a_program_that_ends_well_without_calling_it_good_is_not_believed() {
    assert!(judged_good(Some(0), "[offset 0] Checking\n[offset 9] \\o/ RDB looks OK! \\o/\n").is_ok());
    assert!(judged_good(Some(0), "").is_err());
    let error = judged_good(Some(1), "--- RDB ERROR DETECTED ---\n[info] 0 keys read\n").expect_err("it is bad");
    assert!(error.message().contains("RDB ERROR"), "{error}");
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("interval", json!(-1)),
            ("fork_share", json!(-0.1)),
            ("wait", json!("0s")),
            ("age_warning", json!("x")),
            ("age_critical", json!("2:1")),
            ("duration_warning", json!("x")),
            ("duration_critical", json!("x")),
        ],
    );
}
