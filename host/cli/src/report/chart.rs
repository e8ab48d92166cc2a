//! A metric's history as a small line chart: its range, its limits where they lie within reach, its last value.
//!
//! A few lines of SVG, drawn here: a chart library brings fonts and axes of its own, and this one has two figures.

use hostler_capability::{HistorySeries, Severity};
use maud::{Markup, html};

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 72.0;
/// Room above and below the line.
const MARGIN: f64 = 6.0;

/// The chart of a series of at least two points.
pub(super) fn chart(series: &HistorySeries) -> Markup {
    let limits = limits(series);
    let (low, high) = range(series, &limits);
    let (first, last) = match (series.points.first(), series.points.last()) {
        (Some(first), Some(last)) => (first, last),
        _ => return html! {},
    };
    let span = (last.at.saturating_sub(first.at)).max(1) as f64;
    let across = |at: u64| (at.saturating_sub(first.at)) as f64 / span * WIDTH;
    let down = |value: f64| HEIGHT - MARGIN - (value - low) / (high - low) * (HEIGHT - 2.0 * MARGIN);
    let line: Vec<String> =
        series.points.iter().map(|point| format!("{:.1},{:.1}", across(point.at), down(point.value))).collect();
    let words = format!(
        "{}: {} to {}, last {}",
        series.metric,
        figure(smallest(series), &series.unit),
        figure(largest(series), &series.unit),
        figure(last.value, &series.unit)
    );
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(words) preserveAspectRatio="none" {
            title { (words) }
            @for (severity, limit) in limits.iter().filter(|(_, limit)| (low..=high).contains(limit)) {
                line class=(severity.word()) x1="0" x2=(WIDTH) y1=(format!("{:.1}", down(*limit))) y2=(format!("{:.1}", down(*limit))) {}
            }
            polyline points=(line.join(" ")) {}
        }
    }
}

/// The edges of the alert ranges.
fn limits(series: &HistorySeries) -> Vec<(Severity, f64)> {
    let mut limits = vec![];
    for (severity, range) in [(Severity::Warning, &series.warning), (Severity::Critical, &series.critical)] {
        let edges = range.iter().flat_map(|range| range.trim_start_matches('@').split(':'));
        limits.extend(
            edges.filter_map(|edge| edge.parse::<f64>().ok()).filter(|edge| *edge != 0.0).map(|edge| (severity, edge)),
        );
    }
    limits
}

/// The values, and a limit where it is no further away than they are far apart or large.
fn range(series: &HistorySeries, limits: &[(Severity, f64)]) -> (f64, f64) {
    let (mut low, mut high) = (smallest(series), largest(series));
    let reach = (high - low).max(high.abs() * 0.5);
    for (_, limit) in limits {
        if *limit > high && *limit - high <= reach {
            high = *limit;
        } else if *limit < low && low - *limit <= reach {
            low = *limit;
        }
    }
    if high > low { (low, high) } else { (low - 1.0, high + 1.0) }
}

fn smallest(series: &HistorySeries) -> f64 {
    series.points.iter().map(|point| point.value).fold(f64::INFINITY, f64::min)
}

fn largest(series: &HistorySeries) -> f64 {
    series.points.iter().map(|point| point.value).fold(f64::NEG_INFINITY, f64::max)
}

/// A figure for people.
pub(super) fn figure(value: f64, unit: &str) -> String {
    const STEPS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    if unit == "B" {
        let mut size = value;
        let mut step = 0;
        while size.abs() >= 1024.0 && step + 1 < STEPS.len() {
            size /= 1024.0;
            step += 1;
        }
        return format!("{} {}", trimmed(size), STEPS[step]);
    }
    if unit.is_empty() { trimmed(value) } else { format!("{} {unit}", trimmed(value)) }
}

fn trimmed(value: f64) -> String {
    if value == value.trunc() || value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use hostler_capability::HistoryPoint;

    use super::*;

    fn series(values: &[f64], warning: Option<&str>) -> HistorySeries {
        let points = values.iter().zip(1..).map(|(value, at)| HistoryPoint { at: at * 1000, value: *value }).collect();
        HistorySeries {
            task: "t".into(),
            metric: "used_percent".into(),
            unit: "%".into(),
            labels: vec![],
            warning: warning.map(str::to_owned),
            critical: None,
            points,
        }
    }

    #[test]
    fn a_limit_is_drawn_where_it_is_within_reach() {
        let drawn = chart(&series(&[60.0, 70.0, 75.0], Some("80"))).into_string();
        assert!(
            drawn.contains("class=\"warning\"") && drawn.contains("used_percent: 60 % to 75 %, last 75 %"),
            "{drawn}"
        );
        assert!(!chart(&series(&[1.0, 2.0], Some("80"))).into_string().contains("class=\"warning\""));
        assert!(chart(&series(&[5.0, 5.0], None)).into_string().contains("polyline"), "a flat line is a line");
    }

    #[test]
    fn figures_are_for_people() {
        assert_eq!(figure(1_610_612_736.0, "B"), "1.50 GiB");
        assert_eq!(
            (figure(12.0, ""), figure(99.5, "%"), figure(1234.5, "s")),
            ("12".into(), "99.50 %".into(), "1234 s".into())
        );
    }
}
