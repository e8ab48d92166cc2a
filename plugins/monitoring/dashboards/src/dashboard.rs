//! The dashboard as Grafana reads it. Everything in it follows from the metrics alone: order by name, identities from
//! names, so that an unchanged state is the same file to the byte and a new metric moves no other panel's identity.

use std::collections::BTreeSet;

use hostler_sdk::prelude::*;
use serde_json::{Value, json};

use crate::Settings;
use crate::metrics::{Measured, Metrics, exported, thresholds, unit};

/// Grafana's columns, and what a panel takes of them.
const COLUMNS: usize = 24;
const WIDTH: usize = 8;
const HEIGHT: usize = 8;

/// The whole file.
pub fn render(metrics: &Metrics, settings: &Settings) -> Result<String, TaskError> {
    let mut ids = Ids::default();
    let (mut panels, mut line) = (vec![], 0);
    panels.push(verdicts(&mut ids, settings));
    line += HEIGHT;
    for (task, of_task) in metrics {
        panels.push(json!({
            "collapsed": false,
            "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": line},
            "id": ids.of(&format!("row {task}")),
            "panels": [],
            "title": task,
            "type": "row",
        }));
        line += 1;
        for (place, (name, measured)) in of_task.iter().enumerate() {
            let (column, row) = (place * WIDTH % COLUMNS, place * WIDTH / COLUMNS);
            let grid = json!({"h": HEIGHT, "w": WIDTH, "x": column, "y": line + row * HEIGHT});
            panels.push(panel(task, name, measured, grid, ids.of(&format!("{task} {name}")), settings));
        }
        line += (of_task.len() * WIDTH).div_ceil(COLUMNS) * HEIGHT;
    }
    let dashboard = json!({
        "editable": true,
        "graphTooltip": 1,
        "id": null,
        "panels": panels,
        "refresh": "",
        "schemaVersion": 39,
        "tags": ["hostler"],
        "time": {"from": "now-30d", "to": "now"},
        "timezone": "",
        "title": settings.title,
        "uid": settings.uid,
    });
    Ok(serde_json::to_string_pretty(&dashboard)? + "\n")
}

/// How many panels show something.
pub fn panels(metrics: &Metrics) -> usize {
    1 + metrics.values().map(|of_task| of_task.len()).sum::<usize>()
}

fn source(settings: &Settings) -> Value {
    match settings.datasource.as_str() {
        "" => json!({"type": "prometheus"}),
        uid => json!({"type": "prometheus", "uid": uid}),
    }
}

/// The last verdict of each task, as the exit code that it stands for.
fn verdicts(ids: &mut Ids, settings: &Settings) -> Value {
    let words = json!({
        "0": {"color": "green", "index": 0, "text": "ok"},
        "1": {"color": "yellow", "index": 1, "text": "warning"},
        "2": {"color": "red", "index": 2, "text": "critical"},
        "3": {"color": "purple", "index": 3, "text": "unknown"},
    });
    json!({
        "datasource": source(settings),
        "fieldConfig": {"defaults": {"mappings": [{"options": words, "type": "value"}]}, "overrides": []},
        "gridPos": {"h": HEIGHT, "w": COLUMNS, "x": 0, "y": 0},
        "id": ids.of("verdicts"),
        "options": {"colorMode": "background", "reduceOptions": {"calcs": ["lastNotNull"]}},
        "targets": [{"expr": "hostler_task_verdict", "legendFormat": "{{task}}", "refId": "A"}],
        "title": "Verdicts",
        "type": "stat",
    })
}

fn panel(task: &str, name: &str, measured: &Measured, grid: Value, id: u32, settings: &Settings) -> Value {
    let selector = format!("{}{{task={}}}", exported(name), quoted(task));
    // A counter says something by its growth; tasks run once a day, so over more than that.
    let expression = if name.ends_with("_total") { format!("increase({selector}[2d])") } else { selector };
    let legend: Vec<String> =
        measured.labels.iter().filter(|label| *label != "task").map(|label| format!("{{{{{label}}}}}")).collect();
    let legend = if legend.is_empty() { name.to_owned() } else { legend.join(" ") };
    let steps = thresholds(measured);
    let style = if steps.is_empty() { "off" } else { "area" };
    let steps: Vec<Value> =
        steps.iter().map(|step| json!({"color": colour(step.severity), "value": step.from})).collect();
    let steps = if steps.is_empty() { vec![json!({"color": "green", "value": null})] } else { steps };
    let description =
        if measured.differ { "Its series have thresholds of their own, which are not drawn." } else { "" };
    json!({
        "datasource": source(settings),
        "description": description,
        "fieldConfig": {
            "defaults": {
                "custom": {"spanNulls": true, "thresholdsStyle": {"mode": style}},
                "thresholds": {"mode": "absolute", "steps": steps},
                "unit": unit(measured),
            },
            "overrides": [],
        },
        "gridPos": grid,
        "id": id,
        "targets": [{"expr": expression, "legendFormat": legend, "refId": "A"}],
        "title": name,
        "type": "timeseries",
    })
}

fn colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "green",
        Severity::Warning => "yellow",
        Severity::Critical => "red",
        Severity::Unknown => "purple",
    }
}

/// As PromQL quotes a text.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Identities of panels, from their names.
#[derive(Default)]
struct Ids(BTreeSet<u32>);

impl Ids {
    /// FNV-1a, and the next free one where two names have the same. Grafana takes 31 bits.
    fn of(&mut self, name: &str) -> u32 {
        let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let mut id = (hash & 0x7fff_ffff).max(1);
        while !self.0.insert(id) {
            id = (id % 0x7fff_ffff) + 1;
        }
        id
    }
}
