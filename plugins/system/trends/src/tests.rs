//! What is large and unusual, and what is one of them alone.

use hostler_sdk::history::Point;
use hostler_sdk::testing::{Recorded, record, refuses_each, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");
const NOW: Timestamp = Timestamp(1_737_500_000_000);

/// A value for each of the last days, today's last.
fn series(metric: &str, values: &[f64]) -> Series {
    let at = |place: usize| NOW.0 - (values.len() - 1 - place) as u64 * 86_400_000;
    let points = values.iter().enumerate().map(|(place, value)| Point { at: at(place), value: *value }).collect();
    Series {
        task: "machine".into(),
        metric: metric.into(),
        unit: String::new(),
        labels: vec![],
        warning: None,
        critical: None,
        points,
    }
}

fn tell(series: &[Series]) -> Recorded {
    let settings: Settings = settings(MANIFEST, json!({"ignore": ["noise*"]}));
    record(|| report(series, NOW, &settings))
}

fn weeks(before: &[f64], week: f64) -> Vec<f64> {
    before.iter().cycle().take(28).copied().chain([week; 7]).collect()
}

#[test]
fn a_change_has_to_be_large_and_unusual() {
    let told = |values: &[f64]| tell(&[series("used", values)]).told().len();
    assert_eq!(told(&weeks(&[100.0, 101.0, 99.0], 119.0)), 0, "not large");
    assert_eq!(told(&weeks(&[100.0, 101.0, 99.0], 121.0)), 1);
    assert_eq!(told(&weeks(&[100.0, 101.0, 99.0], 79.0)), 1, "a fall is a change");
    assert_eq!(told(&weeks(&[50.0, 150.0, 100.0, 200.0, 20.0], 130.0)), 0, "not unusual");
    assert_eq!(told(&weeks(&[0.0], 0.0)), 0);
    assert_eq!(told(&weeks(&[0.0], 5.0)), 1, "from nothing");
    assert_eq!(
        tell(&[series("noise_level", &weeks(&[1.0], 9.0))]).told(),
        [("history-short", "history", Severity::Unknown)]
    );
}

#[test]
fn a_counter_is_compared_by_its_growth() {
    let steady: Vec<f64> = (0..35).map(|day| f64::from(day) * 10.0).collect();
    assert_eq!(tell(&[series("errors_total", &steady)]).told(), []);
    let rising: Vec<f64> =
        (0..35).map(|day| if day < 28 { f64::from(day) * 10.0 } else { f64::from(day - 27) * 100.0 + 270.0 }).collect();
    assert_eq!(tell(&[series("errors_total", &rising)]).told().len(), 1);
}

#[test]
fn a_short_history_is_unknown() {
    assert_eq!(tell(&[series("used", &[1.0; 9])]).told(), [("history-short", "history", Severity::Unknown)]);
    assert_eq!(tell(&[]).worst(), Severity::Unknown);
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("ignore", json!("a")),
            ("change", json!(-1)),
            ("deviations", json!("x")),
            ("weeks", json!(0)),
            ("top", json!(0)),
        ],
    );
}
