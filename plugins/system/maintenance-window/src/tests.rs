//! Hours, windows and conflicts, with the change of the clocks of Central Europe and others.

use std::collections::BTreeMap;

use hostler_sdk::history::{Point, Series};
use hostler_sdk::testing::{Recorded, record, refuses_each, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");
const HOUR: i64 = 3600;
/// 2026-03-29 01:00 UTC, when clocks in Berlin go from 02:00 to 03:00.
const FORWARD: i64 = 1_774_746_000;
/// 2026-10-25 01:00 UTC, when they go from 03:00 to 02:00.
const BACK: i64 = 1_792_890_000;

/// Half hours for four days before and ten days after a change.
fn zone(change: i64, before: i64, after: i64) -> Zone {
    let start = change - 4 * 24 * HOUR;
    let offsets = (0..14 * 48).map(|step| if start + step * 1800 < change { before } else { after }).collect();
    Zone::of(start, offsets)
}

fn opened(zone: &Zone, hour: usize, length: usize, after: i64) -> Vec<(String, String)> {
    zone.windows(hour, length, after, NEXT)
        .iter()
        .map(|window| (zone.shown(window.opens), zone.shown(window.closes)))
        .collect()
}

#[test]
fn windows_go_across_the_change_of_the_clocks_as_the_host_opens_them() {
    let spring = zone(FORWARD, HOUR, 2 * HOUR);
    let windows = opened(&spring, 3, 2, FORWARD - 30 * HOUR);
    assert_eq!(windows[0], ("2026-03-28 03:00 +01:00".into(), "2026-03-28 05:00 +01:00".into()));
    assert_eq!(windows[1], ("2026-03-29 03:00 +02:00".into(), "2026-03-29 05:00 +02:00".into()));
    assert_eq!(windows.len(), 5);
    // 02:00 to 03:00 is not there on that day: it is as long as ever, from the jump on.
    let gone = spring.windows(2, 1, FORWARD - 3 * HOUR, 1)[0];
    assert_eq!((gone.opens, gone.closes), (FORWARD, FORWARD + HOUR));
    let shorter = spring.windows(1, 2, FORWARD - 3 * HOUR, 1)[0];
    assert_eq!((shorter.opens, shorter.closes), (FORWARD - HOUR, FORWARD));
    let autumn = zone(BACK, 2 * HOUR, HOUR);
    let longer = autumn.windows(1, 3, BACK - 5 * HOUR, 1)[0];
    assert_eq!(longer.closes - longer.opens, 4 * HOUR, "from 01:00 to 04:00 an hour comes twice");
    let across = opened(&zone(FORWARD, -5 * HOUR, -4 * HOUR), 23, 2, FORWARD);
    assert_eq!(across[0], ("2026-03-28 23:00 -04:00".into(), "2026-03-29 01:00 -04:00".into()));
}

#[test]
fn a_load_goes_to_the_hours_that_it_lies_in_and_a_long_gap_to_none() {
    let at = |minutes: u64| Timestamp(minutes * 60_000);
    let mut hours = Hours::new();
    load::add(&mut hours, at(30), at(90), 2.0);
    assert_eq!(hours, Hours::from([(0, (3600.0, 1800.0)), (1, (3600.0, 1800.0))]));
    load::add(&mut hours, at(0), at(151), 9.0);
    load::add(&mut hours, at(0), at(60), f64::NAN);
    assert_eq!(hours.len(), 2);
    load::forget(&mut hours, at(60));
    assert_eq!(hours.len(), 1);
}

/// So many days of a load that is low from 02:00 to 05:00 UTC.
fn hours(days: u64) -> Hours {
    (0..days * 24).map(|hour| (hour, if (2..5).contains(&(hour % 24)) { (10.0, 1.0) } else { (100.0, 1.0) })).collect()
}

#[test]
fn the_quietest_hours_are_known_after_enough_days_and_in_the_operators_clock() {
    let histogram = |days: u64, zone: &Zone| Histogram::of(&hours(days), zone);
    assert_eq!(histogram(6, &Zone::default()).quietest(2, 7), None);
    assert_eq!(histogram(7, &Zone::default()).quietest(2, 7), Some((2, 10.0)));
    assert_eq!(histogram(7, &Zone::of(0, vec![2 * HOUR])).quietest(3, 7), Some((4, 10.0)));
    assert_eq!(histogram(7, &Zone::of(0, vec![-4 * HOUR])).quietest(3, 6), Some((22, 10.0)), "across midnight");
    let series = Series {
        task: "machine".into(),
        metric: "load_per_core".into(),
        unit: String::new(),
        labels: vec![],
        warning: None,
        critical: None,
        points: vec![Point { at: 10, value: 1.0 }, Point { at: 20, value: 3.0 }],
    };
    assert_eq!(load::of_history(&[series]), Hours::from([(0, (4.0, 2.0))]));
}

fn due(procedure: &str, task: &str, starts: i64, closes: Option<i64>) -> Scheduled {
    let milliseconds = |seconds: i64| u64::try_from(seconds).expect("a time") * 1000;
    Scheduled {
        task: task.into(),
        procedure: procedure.into(),
        starts_at: milliseconds(starts),
        window_ends_at: closes.map(milliseconds),
    }
}

fn tell(scheduled: Vec<Scheduled>, durations: &[(&str, f64)], days: u64) -> Recorded {
    let settings: Settings = settings(MANIFEST, json!({}));
    let durations = durations.iter().map(|(task, seconds)| ((*task).to_owned(), *seconds)).collect();
    let now = Timestamp(days * 86_400_000);
    let looked = Looked { hours: hours(days), zone: Zone::default(), zone_name: "UTC", scheduled, durations, now };
    record(|| drop(report(&looked, &settings)))
}

#[test]
fn without_a_window_the_lines_are_proposed() {
    let told = tell(vec![due("daily", "vacuum", 0, None)], &[], 7);
    assert_eq!(told.told(), [("no-window", "schedule", Severity::Warning)]);
    let lines = told.findings[0].remedy.as_deref().unwrap_or_default();
    assert!(lines.ends_with("schedule = \"daily 02:00\"\nwindow = \"02:00-04:00\"\ntime_zone = \"UTC\"\n"), "{lines}");
    assert_eq!(told.attachments[0].content, lines.as_bytes());
    let next = told.tables.iter().find(|table| table.title.starts_with("Next windows")).expect("a table");
    assert_eq!(next.rows.len(), 5);
    assert_eq!(next.rows[0][0], "1970-01-08 02:00 +00:00");
    let short = tell(vec![], &[], 6);
    assert_eq!(
        short.told(),
        [("history-short", "load", Severity::Unknown), ("no-window", "schedule", Severity::Warning)]
    );
}

#[test]
fn what_does_not_fit_is_told_once_at_its_edges() {
    let days = |task: &str, hour: i64, length: i64| -> Vec<Scheduled> {
        (10..20)
            .map(|day| (day * 24 + hour) * HOUR)
            .map(|at| due("nightly", task, at, Some(at + length * HOUR)))
            .collect()
    };
    assert_eq!(tell(days("vacuum", 3, 1), &[("vacuum", 3600.0)], 7).told(), []);
    let long = tell(days("vacuum", 3, 1), &[("vacuum", 3601.0)], 7);
    assert_eq!(long.told(), [("window-too-short", "nightly/vacuum", Severity::Warning)]);
    assert!(
        long.findings[0]
            .detail
            .as_deref()
            .is_some_and(|detail| detail.ends_with("It is so 10 times in the time that was looked at."))
    );
    let busy = tell(days("vacuum", 12, 1), &[], 7);
    assert_eq!(busy.told(), [("window-busy", "nightly", Severity::Warning)]);
    assert!(busy.findings[0].remedy.as_deref().is_some_and(|line| line.ends_with("window = \"02:00-04:00\"")));
    let mut outside = days("vacuum", 3, 1);
    outside[4].window_ends_at = None;
    assert_eq!(tell(outside, &[], 7).told(), [("outside-window", "nightly", Severity::Warning)]);
    let mut twice = days("vacuum", 3, 1);
    twice.push(due("weekly", "vacuum", (10 * 24 + 3) * HOUR + 1800, None));
    assert_eq!(tell(twice.clone(), &[("vacuum", 1799.0)], 7).told(), []);
    assert_eq!(tell(twice, &[("vacuum", 1800.0)], 7).told(), [("runs-overlap", "vacuum", Severity::Warning)]);
}

#[test]
fn a_duration_is_what_nine_of_ten_runs_took_at_most() {
    let runs = (0..=10).map(|second| ("t".to_owned(), second * 1000));
    assert_eq!(conflicts::durations(runs), BTreeMap::from([("t".to_owned(), 9.0)]));
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("metric", json!(1)),
            ("length", json!(0)),
            ("days", json!(36)),
            ("least_days", json!(0)),
            ("busy", json!(1)),
            ("ahead", json!(0)),
        ],
    );
}
