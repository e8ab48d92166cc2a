//! When what grows reaches its end: a line through the history of each metric that has a limit, drawn so that one clean-up
//! or one large import does not turn it, with the range in which the day lies. On a short history nothing is said: a line
//! through a week says what a week says. What no other task measures, a PostgreSQL server is asked for here.

mod limit;
mod server;

use std::collections::BTreeMap;

use hostler_sdk::history::{self, Series};
use hostler_sdk::postgres;
use hostler_sdk::prelude::*;
use shared_history::{days_before, median, name, points, slope};

hostler_sdk::plugin!(Settings, run);

/// What is measured here, and has no limit unless the operator gives one.
const WITHOUT: [&str; 3] = ["postgres_database_bytes", "postgres_wal_bytes_total", "postgres_transactions_total"];
/// Beyond, a line says nothing.
const FAR: f64 = 3650.0;

#[derive(Deserialize)]
struct Settings {
    limits: BTreeMap<String, String>,
    tasks: String,
    days: u32,
    least_days: u32,
    warning: Duration,
    critical: Duration,
}

/// In how many days a limit is reached.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Reached {
    days: f64,
    /// At the earliest and, where it is known, at the latest.
    soonest: f64,
    latest: Option<f64>,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let limits = limit::read(&settings.limits)?;
    for target in postgres::targets("databases") {
        match server::measure(&target).await {
            Ok(()) => {}
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.finding("server-not-looked-at", &target).report(),
        }
    }
    let now = context.planned_at();
    let mut series = vec![];
    let without = WITHOUT.iter().copied().filter(|metric| !limits.contains_key(*metric));
    for metric in limits.keys().map(String::as_str).chain(without) {
        series
            .extend(history::metrics(&settings.tasks, metric, days_before(now, f64::from(settings.days)), None).await?);
    }
    report_growth(&series, &limits, now, &settings);
    Ok(report(&series, &limits, now, &settings))
}

/// What grows and has its end only where the operator knows one. A counter's figure is its rate a second.
fn report_growth(series: &[Series], limits: &BTreeMap<String, f64>, now: Timestamp, settings: &Settings) {
    let mut table = Table::new("what grows, without a limit of its own", &["metric", "usual", "a day"]);
    for one in series.iter().filter(|one| !limits.contains_key(&one.metric)) {
        let points = points(one);
        let known = points.first().is_some_and(|(first, _)| is_known(*first, now, settings));
        let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
        if let (true, Some(usual), Some(slope)) = (known, median(&values), slope(&points)) {
            let is_bytes = one.metric.contains("_bytes");
            let show = |value: f64| {
                if is_bytes { ByteSize::from_f64(value).to_string() } else { format!("{value:.1}") }
            };
            let rate = if one.metric.ends_with("_total") { " a second" } else { "" };
            let sign = if slope.median < 0.0 { "-" } else { "+" };
            let change = show(slope.median.abs());
            table.row(&[&name(one), &format!("{}{rate}", show(usual)), &format!("{sign}{change}{rate}")]);
        }
    }
    table.report();
}

fn is_known(first: u64, now: Timestamp, settings: &Settings) -> bool {
    Timestamp(first).until(now).as_days() >= f64::from(settings.least_days)
}

fn report(series: &[Series], limits: &BTreeMap<String, f64>, now: Timestamp, settings: &Settings) -> String {
    let (mut looked_at, mut short, mut near) = (0, 0, 0);
    let mut table = Table::new(
        "when limits are reached, if it goes on so",
        &["metric", "now", "a day", "limit", "reached", "between"],
    );
    for one in series {
        let Some(limit) = limits.get(&one.metric) else { continue };
        let points = points(one);
        let (Some((first, _)), Some((_, last))) = (points.first(), points.last()) else { continue };
        if !is_known(*first, now, settings) {
            short += 1;
            continue;
        }
        let Some(slope) = slope(&points) else { continue };
        looked_at += 1;
        let reached = reached(*last, *limit, slope.median, slope.low, slope.high);
        let day = |days: f64| day_of(now, days);
        let (when, range) = match reached {
            Some(reached) => (
                day(reached.days),
                format!("{} and {}", day(reached.soonest), reached.latest.map_or("never".into(), day)),
            ),
            None => ("not in sight".into(), String::new()),
        };
        table.row(&[&name(one), &format!("{last:.1}"), &format!("{:+.3}", slope.median), limit, &when, &range]);
        let Some(reached) = reached else { continue };
        Metric::gauge("capacity_reached_in_days", reached.days).label("metric", name(one)).report();
        let severity = if reached.days <= settings.critical.as_days() {
            Severity::Critical
        } else if reached.days <= settings.warning.as_days() {
            Severity::Warning
        } else {
            continue;
        };
        near += 1;
        finding!(
            severity,
            "limit-near",
            name(one),
            "it reaches {limit} on {when}, in {:.0} days: it is {last:.1} and changes by {:+.2} a day",
            reached.days,
            slope.median
        )
        .detail(format!("Between {range}, by nine of ten of the slopes of its history."))
        .remedy(
            "make room or raise the limit before that day; hostler report with --format html shows since when it grows",
        )
        .report();
    }
    table.report();
    if looked_at == 0 {
        finding!(Severity::Unknown, "history-short", "history", "no metric that has a limit is known for {} days{}", settings.least_days, if short > 0 { format!("; {short} are known for less") } else { String::new() })
            .remedy("let the tasks that measure run every day (`hostler timers`): system-resources, postgres-connections, redis-memory")
            .report();
        return "baseline taken: the history is too short".into();
    }
    format!("{} with a limit, {near} near it, {short} known for too short a time", counted(looked_at, "metric"))
}

/// In how many days a value that changes so is at its limit; nothing where it moves away, or takes years.
fn reached(value: f64, limit: f64, slope: f64, low: f64, high: f64) -> Option<Reached> {
    let away = limit - value;
    if away == 0.0 {
        return Some(Reached { days: 0.0, soonest: 0.0, latest: Some(0.0) });
    }
    let days = |slope: f64| Some(away / slope).filter(|days| days.is_finite() && *days >= 0.0 && *days <= FAR);
    let middle = days(slope)?;
    let (fast, slow) = if away > 0.0 { (high, low) } else { (low, high) };
    Some(Reached { days: middle, soonest: days(fast).unwrap_or(middle).min(middle), latest: days(slow) })
}

fn day_of(now: Timestamp, days: f64) -> String {
    Timestamp(now.0 + (days * 86_400_000.0) as u64).to_string().chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_sdk::history::Point;
    use hostler_sdk::testing::{Recorded, record, refuses_each, settings};
    use serde_json::json;

    const MANIFEST: &str = include_str!("../plugin.toml");
    const NOW: Timestamp = Timestamp(1_737_500_000_000);

    fn tell(days: usize, first: f64, slope: f64) -> Recorded {
        let settings: Settings = settings(MANIFEST, json!({}));
        let limits = BTreeMap::from([("filesystem_available_percent".to_owned(), 0.0)]);
        let at = |place: usize| NOW.0 - (days - place) as u64 * 86_400_000;
        let points = (0..=days).map(|place| Point { at: at(place), value: first + place as f64 * slope }).collect();
        let series = Series {
            task: "machine".into(),
            metric: "filesystem_available_percent".into(),
            unit: "%".into(),
            labels: vec![("mount".into(), "/".into())],
            warning: None,
            critical: None,
            points,
        };
        record(|| report(&[series], &limits, NOW, &settings))
    }

    #[test]
    fn the_day_is_judged_at_its_edges() {
        let worst = |left: f64| tell(20, left + 20.0, -1.0).worst();
        assert_eq!(
            [worst(31.0), worst(30.0), worst(7.5), worst(7.0)],
            [Severity::Ok, Severity::Warning, Severity::Warning, Severity::Critical]
        );
        let told = tell(20, 25.0, -1.0);
        assert_eq!(
            told.told(),
            [("limit-near", "filesystem_available_percent{mount=\"/\"} of machine", Severity::Critical)]
        );
        assert!(told.findings[0].summary.contains("reaches 0 on 2025-01-26, in 5 days"), "{told:?}");
        assert_eq!(tell(20, 50.0, 1.0).told(), [], "it empties");
        assert_eq!(tell(20, 50.0, 0.0).told(), []);
    }

    #[test]
    fn a_short_history_is_unknown_and_says_nothing() {
        assert_eq!(tell(13, 20.0, -1.0).told(), [("history-short", "history", Severity::Unknown)]);
    }

    #[test]
    fn bad_settings_are_refused() {
        refuses_each(
            MANIFEST,
            &[
                ("limits", json!({"a": 1})),
                ("days", json!(1)),
                ("least_days", json!(1)),
                ("warning", json!("x")),
                ("critical", json!(-1)),
            ],
        );
    }
}
