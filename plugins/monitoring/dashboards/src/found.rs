//! A dashboard as it was found on the disk: whose it is, and which of its panels show what nobody reports any more.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::metrics::{Metrics, exported};

/// A dashboard's panels that are looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    pub title: String,
    /// Metrics of this host that it shows.
    pub metrics: BTreeSet<String>,
}

/// What the host itself says of each task, whatever its plugin.
const OWN: [&str; 4] = [
    "hostler_task_verdict",
    "hostler_task_worked",
    "hostler_task_duration_seconds",
    "hostler_task_started_timestamp_seconds",
];

/// Panels that show metrics of this host, those in rows that are folded too.
pub fn panels(dashboard: &Value) -> Vec<Panel> {
    let mut found = vec![];
    for panel in dashboard["panels"].as_array().into_iter().flatten() {
        found.extend(panels(panel));
        let targets = panel["targets"].as_array().into_iter().flatten();
        let metrics: BTreeSet<String> = targets.filter_map(|target| target["expr"].as_str()).flat_map(names).collect();
        if !metrics.is_empty() {
            let title = panel["title"].as_str().filter(|title| !title.is_empty()).unwrap_or("a panel without a title");
            found.push(Panel { title: title.to_owned(), metrics });
        }
    }
    found
}

/// The host's metrics that a query names. What stands in quotes is a label's value.
fn names(expression: &str) -> Vec<String> {
    let unquoted: String = expression.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    let words = unquoted.split(|letter: char| !is_of_name(letter));
    words.filter(|word| word.starts_with("hostler_")).map(str::to_owned).collect()
}

/// The metrics of a panel that nobody reports.
pub fn stale(panel: &Panel, metrics: &Metrics) -> Vec<String> {
    let reported: BTreeSet<String> =
        metrics.values().flat_map(|of_task| of_task.keys()).map(|name| exported(name)).collect();
    let is_gone = |name: &&String| !reported.contains(*name) && !OWN.contains(&name.as_str());
    panel.metrics.iter().filter(is_gone).cloned().collect()
}

/// Whether a dashboard was written by this task: it has the same identity.
pub fn is_own(dashboard: &Value, uid: &str) -> bool {
    dashboard["uid"].as_str() == Some(uid)
}
