//! Thresholds beside what was measured. One that fires every day is looked at by nobody, one that flaps wakes people for
//! nothing, and one that lies far from everything that ever was may never fire. For each a better one is proposed, from
//! the 99th percentile with some room; nothing is edited, since only an operator knows what a figure may be.

use hostler_sdk::Attachment;
use hostler_sdk::history::{self, Series};
use hostler_sdk::prelude::*;
use shared_history::{days_before, name, points, quantile};

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    days: u32,
    least_runs: usize,
    noisy: Percent,
    flapping: Percent,
    headroom: Percent,
}

/// How a threshold did.
#[derive(Debug, Clone, PartialEq)]
struct Judged {
    name: String,
    metric: String,
    task: String,
    range: String,
    points: usize,
    fired: usize,
    changes: usize,
    /// The range that is proposed, where one can be.
    proposed: Option<String>,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let since = days_before(context.planned_at(), f64::from(settings.days));
    let series = history::metrics("*", "*", since, None).await?;
    Ok(report(&series, &settings))
}

fn report(series: &[Series], settings: &Settings) -> String {
    let judged: Vec<Judged> = series.iter().filter_map(|one| judge(one, settings)).collect();
    if judged.is_empty() {
        finding!(
            Severity::Unknown,
            "history-short",
            "history",
            "no metric with a threshold has {} points in {} days",
            settings.least_runs,
            settings.days
        )
        .remedy("let the tasks run every day (`hostler timers`), and keep their runs (host.keep_days)")
        .report();
        return "baseline taken: the history is too short".into();
    }
    let mut diff = String::new();
    let (mut noisy, mut flapping, mut silent) = (0, 0, 0);
    for one in &judged {
        let (fired, changed) = (share(one.fired, one.points), share(one.changes, one.points));
        let (code, words) = if fired.0 >= settings.noisy.0 {
            noisy += 1;
            ("threshold-noisy", format!("it fired at {fired} of {}", counted(one.points, "point")))
        } else if changed.0 >= settings.flapping.0 {
            flapping += 1;
            (
                "threshold-flaps",
                format!(
                    "it fired and fell silent {} in {}",
                    counted(one.changes, "time"),
                    counted(one.points, "point")
                ),
            )
        } else {
            silent += usize::from(one.fired == 0);
            continue;
        };
        let proposed =
            one.proposed.as_deref().map(|range| format!("; {range:?} would have fired at 1 % of them at most"));
        finding!(Severity::Warning, code, &one.name, "{words}, by {:?}{}", one.range, proposed.unwrap_or_default())
            .detail("A threshold that cries every day is heard by nobody. If the figure itself is bad, mend that and leave the threshold.")
            .remedy(format!("hostler show of the task's plugin names the setting; then in [tasks.{}]: settings = {{ … }}", one.task))
            .report();
        if let Some(range) = &one.proposed {
            diff.push_str(&format!(
                "# {}\n# [tasks.{}], the setting behind {}\n-{:?}\n+{range:?}\n",
                one.name, one.task, one.metric, one.range
            ));
        }
    }
    if !diff.is_empty() {
        let (name, media_type) = ("thresholds.diff".to_owned(), "text/x-diff".to_owned());
        Attachment { name, media_type, content: diff.into_bytes() }.report();
    }
    let mut table =
        Table::new("thresholds and what was measured", &["metric", "threshold", "points", "fired", "changes"]);
    for one in &judged {
        table.row(&[&one.name, &one.range, &one.points, &one.fired, &one.changes]);
    }
    table.report();
    Metric::gauge("thresholds_noisy", (noisy + flapping) as f64).report();
    format!("{}: {noisy} noisy, {flapping} flapping, {silent} never fired", counted(judged.len(), "threshold"))
}

fn share(part: usize, whole: usize) -> Percent {
    Percent::of(part as f64, whole as f64).unwrap_or_default()
}

/// How a metric's warning range did; nothing where it has none, or too few points.
fn judge(series: &Series, settings: &Settings) -> Option<Judged> {
    let text = series.warning.clone()?;
    let range = Range::parse(&text).ok()?;
    let points = points(series);
    if points.len() < settings.least_runs {
        return None;
    }
    let fired: Vec<bool> = points.iter().map(|(_, value)| range.matches(*value)).collect();
    let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    Some(Judged {
        name: name(series),
        metric: series.metric.clone(),
        task: series.task.clone(),
        range: text.clone(),
        points: points.len(),
        fired: fired.iter().filter(|fired| **fired).count(),
        changes: fired.windows(2).filter(|pair| pair[0] != pair[1]).count(),
        proposed: proposed(&text, &values, settings),
    })
}

/// A range of the same shape beyond what was measured: `80`, `~:80` or `10:`. Others are an operator's own thought.
fn proposed(text: &str, values: &[f64], settings: &Settings) -> Option<String> {
    let room = settings.headroom.0 / 100.0;
    if let Some(lower) = text.strip_suffix(':').filter(|lower| lower.parse::<f64>().is_ok()) {
        let value = quantile(values, 0.01)? * (1.0 - room);
        return Some(format!("{}:", rounded(value))).filter(|range| *range != format!("{lower}:"));
    }
    let prefix = if text.starts_with("~:") { "~:" } else { "" };
    text.trim_start_matches("~:").parse::<f64>().ok()?;
    Some(format!("{prefix}{}", rounded(quantile(values, 0.99)? * (1.0 + room))))
}

/// Two figures are enough for a threshold.
fn rounded(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".into();
    }
    let step = 10_f64.powf(value.abs().log10().floor() - 1.0);
    let rounded = (value / step).round() * step;
    if rounded.abs() >= 10.0 {
        format!("{rounded:.0}")
    } else {
        format!("{rounded:.3}").trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_sdk::history::Point;
    use hostler_sdk::testing::{Recorded, record, refuses_each, settings};
    use serde_json::json;

    const MANIFEST: &str = include_str!("../plugin.toml");

    fn tell(range: Option<&str>, values: &[f64]) -> Recorded {
        let settings: Settings = settings(MANIFEST, json!({}));
        let points = values.iter().zip(0..).map(|(value, at)| Point { at: at * 60_000, value: *value }).collect();
        let series = Series {
            task: "machine".into(),
            metric: "used_percent".into(),
            unit: "%".into(),
            labels: vec![],
            warning: range.map(str::to_owned),
            critical: None,
            points,
        };
        record(|| report(&[series], &settings))
    }

    fn codes(range: &str, values: &[f64]) -> Vec<String> {
        tell(Some(range), values).findings.into_iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_threshold_that_fires_all_the_time_or_flaps_is_told_with_a_better_one() {
        assert_eq!(codes("80", &[85.0; 20]), ["threshold-noisy"]);
        assert_eq!(codes("80", &[[70.0; 17].as_slice(), &[85.0; 3]].concat()), Vec::<String>::new());
        let flapping: Vec<f64> =
            (0..40).map(|place| if [3, 9, 15, 21, 27].contains(&place) { 81.0 } else { 79.0 }).collect();
        assert_eq!(codes("80", &flapping), ["threshold-flaps"]);
        let told = tell(Some("80"), &[85.0; 20]);
        let diff = String::from_utf8_lossy(&told.attachments[0].content).into_owned();
        assert!(diff.contains("-\"80\"\n+\"94\"\n"), "{diff}");
        assert_eq!(codes("10:", &[5.0; 20]), ["threshold-noisy"]);
        assert_eq!(proposed("10:", &[5.0; 20], &settings(MANIFEST, json!({}))).as_deref(), Some("4.5:"));
        assert_eq!(proposed("5:10", &[5.0; 20], &settings(MANIFEST, json!({}))), None);
    }

    #[test]
    fn without_thresholds_or_with_few_points_nothing_is_known() {
        assert_eq!(tell(None, &[85.0; 20]).told(), [("history-short", "history", Severity::Unknown)]);
        assert_eq!(tell(Some("80"), &[85.0; 13]).worst(), Severity::Unknown);
    }

    #[test]
    fn bad_settings_are_refused() {
        refuses_each(
            MANIFEST,
            &[
                ("days", json!(1)),
                ("least_runs", json!(1)),
                ("noisy", json!(101)),
                ("flapping", json!("x")),
                ("headroom", json!(-1)),
            ],
        );
    }
}
