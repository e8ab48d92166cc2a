//! Week on week: what every task measured in the last seven days beside the weeks before. A change has to be large and
//! unusual, both: a figure that always jumps by half is no news, and one that never moved and moved by a hundredth is
//! none either.

use hostler_sdk::history::{self, Series};
use hostler_sdk::matches_pattern;
use hostler_sdk::prelude::*;
use shared_history::{between, days_before, deviation, median, name, points};

hostler_sdk::plugin!(Settings, run);

/// Points that a week and the weeks before need.
const LEAST: (usize, usize) = (3, 6);
/// Days that the weeks before have to cover.
const COVERED: f64 = 6.0;

#[derive(Deserialize)]
struct Settings {
    tasks: String,
    ignore: Vec<String>,
    change: f64,
    deviations: f64,
    weeks: u32,
    top: usize,
}

/// A series whose history is long enough.
#[derive(Debug, Clone, PartialEq)]
struct Trend {
    name: String,
    task: String,
    before: f64,
    now: f64,
    /// In percent; endless where it was nothing before.
    change: f64,
    unusual: bool,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let now = context.planned_at();
    let since = days_before(now, 7.0 * (f64::from(settings.weeks) + 1.0));
    let series = history::metrics(&settings.tasks, "*", since, None).await?;
    Ok(report(&series, now, &settings))
}

fn report(series: &[Series], now: Timestamp, settings: &Settings) -> String {
    let kept: Vec<&Series> = series
        .iter()
        .filter(|one| !settings.ignore.iter().any(|pattern| matches_pattern(pattern, &one.metric)))
        .collect();
    let mut trends: Vec<Trend> = kept.iter().filter_map(|one| trend(one, now, settings)).collect();
    trends
        .sort_by(|one, other| other.change.abs().total_cmp(&one.change.abs()).then_with(|| one.name.cmp(&other.name)));
    if trends.is_empty() {
        finding!(
            Severity::Unknown,
            "history-short",
            "history",
            "no metric has a week and {} before it: there is nothing to compare",
            counted(COVERED as u64, "day")
        )
        .remedy("let the tasks run for two weeks (`hostler timers`), and keep their runs (host.keep_days)")
        .report();
        return format!("baseline taken: {} series so far", kept.len());
    }
    let told: Vec<&Trend> =
        trends.iter().filter(|trend| trend.change.abs() >= settings.change && trend.unusual).collect();
    for trend in told.iter().take(settings.top) {
        let way = if trend.now > trend.before { "rose" } else { "fell" };
        let by =
            if trend.change.is_finite() { format!("{:.0} %", trend.change.abs()) } else { "nothing before".into() };
        finding!(
            Severity::Warning,
            "trend",
            &trend.name,
            "it {way} by {by} in a week: {} from {}",
            figure(trend.now),
            figure(trend.before)
        )
        .detail("Medians of the last seven days and of the weeks before; further from them than is usual.")
        .remedy(format!(
            "hostler report {} --format html --out report.html    # its chart shows since when",
            trend.task
        ))
        .report();
    }
    let mut table = Table::new("largest changes of the week", &["metric", "before", "now", "change"]);
    for trend in trends.iter().take(settings.top) {
        table.row(&[&trend.name, &figure(trend.before), &figure(trend.now), &format!("{:+.0} %", trend.change)]);
    }
    table.report();
    Metric::gauge("metrics_compared", trends.len() as f64).report();
    Metric::gauge("metrics_changed", told.len() as f64).report();
    format!("{} of {} metrics changed more than usual in a week", told.len(), trends.len())
}

fn trend(series: &Series, now: Timestamp, settings: &Settings) -> Option<Trend> {
    let points = points(series);
    let week = between(&points, days_before(now, 7.0), now);
    let earlier = between(&points, days_before(now, 7.0 * (f64::from(settings.weeks) + 1.0)), days_before(now, 7.0));
    let covered = Timestamp(earlier.first()?.0).until(Timestamp(earlier.last()?.0)).as_days();
    if week.len() < LEAST.0 || earlier.len() < LEAST.1 || covered < COVERED {
        return None;
    }
    let values = |points: &[(u64, f64)]| points.iter().map(|(_, value)| *value).collect::<Vec<_>>();
    let (before, now) = (median(&values(&earlier))?, median(&values(&week))?);
    let spread = deviation(&values(&earlier))?;
    let change = if before == 0.0 && now == 0.0 { 0.0 } else { (now - before) / before.abs() * 100.0 };
    let unusual = (now - before).abs() > spread * settings.deviations;
    Some(Trend { name: name(series), task: series.task.clone(), before, now, change, unusual })
}

fn figure(value: f64) -> String {
    if value.abs() >= 100.0 || value == value.trunc() { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests;
