//! What the tasks measure, one entry a metric and task, in an order that does not depend on when they ran.

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::history::Series;
use hostler_sdk::prelude::*;

/// One metric of one task.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    pub unit: String,
    /// Names of its labels.
    pub labels: BTreeSet<String>,
    /// Where it is a warning and where critical; nothing where its series differ in it.
    pub ranges: (Option<String>, Option<String>),
    pub differ: bool,
}

/// By task, then by metric.
pub type Metrics = BTreeMap<String, BTreeMap<String, Measured>>;

pub fn of(series: &[Series]) -> Metrics {
    let mut metrics = Metrics::new();
    for one in series {
        let ranges = (one.warning.clone(), one.critical.clone());
        let labels = one.labels.iter().map(|(name, _)| name.clone());
        let of_task = metrics.entry(one.task.clone()).or_default();
        match of_task.get_mut(&one.metric) {
            None => {
                let measured = Measured { unit: one.unit.clone(), labels: labels.collect(), ranges, differ: false };
                of_task.insert(one.metric.clone(), measured);
            }
            Some(measured) => {
                measured.labels.extend(labels);
                measured.differ |= measured.ranges != ranges;
            }
        }
    }
    metrics
}

/// The name under which `--format prometheus` prints it.
pub fn exported(metric: &str) -> String {
    let safe = |letter: char| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '_' };
    format!("hostler_{}", metric.chars().map(safe).collect::<String>())
}

/// Grafana's name for a unit.
pub fn unit(measured: &Measured) -> &'static str {
    match measured.unit.as_str() {
        "B" => "bytes",
        "s" => "s",
        "%" => "percent",
        "B/s" => "Bps",
        _ => "short",
    }
}

/// A step of Grafana's thresholds: from this value on; nothing for the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    pub from: Option<f64>,
    pub severity: Severity,
}

/// Where the colours change; nothing where no threshold is known.
pub fn thresholds(measured: &Measured) -> Vec<Threshold> {
    if measured.differ {
        return vec![];
    }
    let range = |text: &Option<String>| text.as_deref().and_then(|text| Range::parse(text).ok());
    let (warning, critical) = (range(&measured.ranges.0), range(&measured.ranges.1));
    let texts = [measured.ranges.0.as_deref(), measured.ranges.1.as_deref()];
    let mut edges: Vec<f64> = texts.into_iter().flatten().flat_map(edges).collect();
    edges.sort_by(f64::total_cmp);
    edges.dedup();
    let (Some(first), Some(last)) = (edges.first().copied(), edges.last().copied()) else { return vec![] };
    let severity = |value: f64| match (&warning, &critical) {
        (_, Some(critical)) if critical.matches(value) => Severity::Critical,
        (Some(warning), _) if warning.matches(value) => Severity::Warning,
        _ => Severity::Ok,
    };
    // Between two edges the severity is the same, so any value there tells it.
    let mut steps = vec![Threshold { from: None, severity: severity(first - 1.0) }];
    for pair in edges.windows(2) {
        steps.push(Threshold { from: Some(pair[0]), severity: severity((pair[0] + pair[1]) / 2.0) });
    }
    steps.push(Threshold { from: Some(last), severity: severity(last + 1.0) });
    steps.dedup_by(|later, earlier| later.severity == earlier.severity);
    steps
}

/// The finite ends of an alert range.
fn edges(range: &str) -> Vec<f64> {
    let range = range.trim_start_matches('@');
    let (start, end) = range.split_once(':').unwrap_or(("0", range));
    [start, end].into_iter().filter_map(|edge| edge.parse().ok()).filter(|edge: &f64| edge.is_finite()).collect()
}
