//! When a disk will be full, from what earlier runs measured.
//!
//! The slope is the median of the slopes between all pairs of points (Theil and Sen): one cleanup or one large copy
//! does not move it. Two spans are looked at, the last hours for what fills now and the week for what fills slowly, and
//! the sooner counts. On too short a history nothing is said.

use std::collections::BTreeMap;

use hostler_sdk::history::Series;
use hostler_sdk::prelude::*;

/// Points that a span needs.
const LEAST_POINTS: usize = 4;
/// A span has at least this share of its length covered.
const LEAST_COVER: f64 = 0.15;
/// Points of a span that are used at most, evenly taken: pairs grow with their square.
const MOST_POINTS: usize = 120;
/// In hours.
const SPANS: [f64; 2] = [6.0, 168.0];

/// Available bytes over time, by mount.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Forecast(BTreeMap<String, Vec<(u64, f64)>>);

impl FromIterator<(String, Vec<(u64, f64)>)> for Forecast {
    fn from_iter<T: IntoIterator<Item = (String, Vec<(u64, f64)>)>>(series: T) -> Self {
        let mut forecast = Self::default();
        for (mount, points) in series {
            forecast.0.entry(mount).or_default().extend(points);
        }
        for points in forecast.0.values_mut() {
            points.sort_by_key(|(at, _)| *at);
        }
        forecast
    }
}

/// The points of a series, with its mount.
pub fn points(series: &Series) -> Option<(String, Vec<(u64, f64)>)> {
    let mount = series.labels.iter().find(|(name, _)| name == "mount").map(|(_, value)| value.clone())?;
    Some((mount, series.points.iter().map(|point| (point.at, point.value)).collect()))
}

impl Forecast {
    /// Whether the history of a mount is long enough to say anything.
    pub fn reaches(&self, mount: &str, now: Timestamp) -> bool {
        SPANS.iter().any(|hours| self.slope(mount, now, *hours).is_some())
    }

    /// In what time it will be full; nothing where it does not fill, or not enough is known.
    pub fn full_in(&self, mount: &str, available: f64, now: Timestamp) -> Option<Duration> {
        let slopes = SPANS.iter().filter_map(|hours| self.slope(mount, now, *hours));
        let times = slopes.filter(|slope| *slope < 0.0).map(|slope| available / -slope);
        times.min_by(f64::total_cmp).map(Duration::from_seconds)
    }

    /// Bytes a second within the last hours.
    fn slope(&self, mount: &str, now: Timestamp, hours: f64) -> Option<f64> {
        let since = now.0.saturating_sub((hours * 3_600_000.0) as u64);
        let points: Vec<(u64, f64)> = self.0.get(mount)?.iter().copied().filter(|(at, _)| *at >= since).collect();
        let covered = points.last()?.0.saturating_sub(points.first()?.0) as f64;
        if points.len() < LEAST_POINTS || covered < hours * 3_600_000.0 * LEAST_COVER {
            return None;
        }
        let step = points.len().div_ceil(MOST_POINTS);
        let points: Vec<(u64, f64)> = points.into_iter().rev().step_by(step).collect();
        let mut slopes: Vec<f64> = vec![];
        for (place, (at, value)) in points.iter().enumerate() {
            for (earlier, before) in &points[place + 1..] {
                if at > earlier {
                    slopes.push((value - before) / ((at - earlier) as f64 / 1000.0));
                }
            }
        }
        slopes.sort_by(f64::total_cmp);
        slopes.get(slopes.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000_000_000);

    fn history(points: &[(f64, f64)]) -> Forecast {
        let points = points.iter().map(|(hours, value)| (NOW.0 - (hours * 3_600_000.0) as u64, *value)).collect();
        [("/".to_owned(), points)].into_iter().collect()
    }

    #[test]
    fn a_disk_that_loses_a_gigabyte_an_hour_is_full_when_it_has_lost_all() {
        let forecast = history(&[(5.0, 15e9), (4.0, 14e9), (3.0, 13e9), (2.0, 12e9), (1.0, 11e9)]);
        assert_eq!(forecast.full_in("/", 10e9, NOW).map(|time| time.as_seconds().round()), Some(36_000.0));
        assert_eq!(forecast.full_in("/other", 10e9, NOW), None);
    }

    #[test]
    fn one_cleanup_does_not_move_it_and_a_disk_that_empties_never_fills() {
        let forecast =
            history(&[(6.0, 8e9), (5.0, 20e9), (4.0, 19e9), (3.0, 18e9), (2.0, 17e9), (1.0, 16e9), (0.5, 15.5e9)]);
        let hours = forecast.full_in("/", 15e9, NOW).map(|time| time.as_seconds() / 3600.0);
        assert!(hours.is_some_and(|hours| (14.0..16.0).contains(&hours)), "{hours:?}");
        let emptying = history(&[(5.0, 1e9), (4.0, 2e9), (3.0, 3e9), (2.0, 4e9)]);
        assert_eq!(emptying.full_in("/", 5e9, NOW), None);
        assert!(emptying.reaches("/", NOW));
    }

    #[test]
    fn too_short_a_history_says_nothing() {
        assert!(!history(&[(0.3, 9e9), (0.2, 5e9), (0.1, 1e9), (0.05, 1e8)]).reaches("/", NOW));
        assert!(!history(&[(100.0, 9e9), (50.0, 5e9), (1.0, 1e9)]).reaches("/", NOW));
    }

    #[test]
    fn a_slow_fill_is_seen_in_the_week() {
        let days: Vec<(f64, f64)> =
            (0..7).map(|day| (24.0 * f64::from(day) + 1.0, 10e9 + 1e9 * f64::from(day))).collect();
        let full = history(&days).full_in("/", 1e9, NOW).map(|time| time.as_seconds().round());
        assert_eq!(full, Some(86_400.0));
    }
}
