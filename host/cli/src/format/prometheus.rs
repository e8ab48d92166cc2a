//! The Prometheus text exposition format, as its documentation has it: HELP and TYPE once a name, then the samples.

use std::{collections::BTreeMap, fmt::Write};

use hostler_service::{Course, Outcome};

use super::look::shown;

pub(super) fn print(outcome: &Outcome) -> String {
    let mut families: BTreeMap<String, (bool, Vec<String>)> = BTreeMap::new();
    let mut add = |name: String, counter: bool, labels: Vec<(String, String)>, value: f64| {
        let labels: Vec<_> =
            labels.iter().map(|(name, value)| format!("{}=\"{}\"", safe(name), escape(value))).collect();
        let sample = format!("{name}{{{}}} {value}", labels.join(","));
        families.entry(name).or_insert_with(|| (counter, vec![])).1.push(sample);
    };
    for task in &outcome.tasks {
        let of_task = || vec![("task".to_owned(), task.task.clone()), ("plugin".to_owned(), task.plugin.clone())];
        add("hostler_task_verdict".into(), false, of_task(), f64::from(task.verdict.exit_code()));
        add("hostler_task_worked".into(), false, of_task(), f64::from(u8::from(task.course == Course::Done)));
        add("hostler_task_duration_seconds".into(), false, of_task(), task.duration_ms as f64 / 1000.0);
        add("hostler_task_started_timestamp_seconds".into(), false, of_task(), task.started_at as f64 / 1000.0);
        for metric in &task.reported.metrics {
            let mut labels = vec![("task".to_owned(), task.task.clone())];
            labels.extend(metric.labels.iter().filter(|(name, _)| name != "task").cloned());
            add(format!("hostler_{}", safe(&metric.name)), metric.counter, labels, metric.value);
        }
    }
    let mut text = String::new();
    for (name, (counter, mut samples)) in families {
        samples.sort();
        samples.dedup_by(|left, right| {
            left.rsplit_once(' ').map(|part| part.0) == right.rsplit_once(' ').map(|part| part.0)
        });
        let kind = if counter { "counter" } else { "gauge" };
        let _ = writeln!(text, "# TYPE {name} {kind}");
        for sample in samples {
            let _ = writeln!(text, "{sample}");
        }
    }
    text
}

fn safe(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '_' }).collect()
}

fn escape(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    shown(&value)
}
