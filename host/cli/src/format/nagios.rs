//! A Monitoring Plugins line: `STATUS: text | performance data`, then the findings on lines of their own.
//!
//! The shape is that of the Monitoring Plugins Development Guidelines; a `|` in text would begin performance data, so
//! it is replaced.

use std::fmt::Write;

use hostler_capability::{Metric, Severity};
use hostler_service::Outcome;

use super::look::shown;

pub(super) fn print(outcome: &Outcome) -> String {
    let verdict = outcome.verdict();
    let mut findings: Vec<_> = outcome
        .tasks
        .iter()
        .flat_map(|task| task.reported.findings.iter().map(move |finding| (task, finding)))
        .filter(|(_, finding)| finding.severity != Severity::Ok)
        .collect();
    findings.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.severity));
    let said: Vec<_> = match findings.first() {
        Some((task, finding)) => vec![format!("{}: {}", task.task, finding.summary)],
        None => outcome.tasks.iter().map(|task| format!("{}: {}", task.task, task.summary)).collect(),
    };
    let mut text = format!("{}: {}", verdict.word().to_uppercase(), clean(&said.join("; ")));
    let figures: Vec<_> = outcome
        .tasks
        .iter()
        .flat_map(|task| task.reported.metrics.iter().map(|metric| figure(&task.task, metric)))
        .collect();
    if !figures.is_empty() {
        let _ = write!(text, " | {}", figures.join(" "));
    }
    text.push('\n');
    for (task, finding) in findings.iter().skip(1) {
        let _ =
            writeln!(text, "{}: {}: {}", finding.severity.word().to_uppercase(), task.task, clean(&finding.summary));
    }
    for task in &outcome.tasks {
        for trouble in &task.troubles {
            let _ = writeln!(text, "UNKNOWN: {}: {}", task.task, clean(trouble));
        }
    }
    text
}

fn figure(task: &str, metric: &Metric) -> String {
    let labels: String = metric.labels.iter().map(|(name, value)| format!("_{name}_{value}")).collect();
    let name = format!("{task}_{}{labels}", metric.name).replace(['\'', '=', '|'], "_");
    let name = shown(&name);
    let unit = match metric.unit.as_str() {
        _ if metric.counter => "c",
        unit @ ("s" | "B" | "%") => unit,
        _ => "",
    };
    let range = |range: &Option<String>| range.clone().unwrap_or_default();
    let figure = format!("'{name}'={}{unit};{};{}", metric.value, range(&metric.warning), range(&metric.critical));
    figure.trim_end_matches(';').to_owned()
}

/// In one line, since a line's end and `|` have a meaning here.
fn clean(text: &str) -> String {
    shown(&text.replace('|', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::samples::{outcome, task};

    #[test]
    fn it_is_one_line_with_performance_data_whatever_a_plugin_says() {
        let mut evil = task("t");
        evil.summary = "a|b\nc\x1b[2J".into();
        evil.reported.metrics = vec![
            Metric {
                name: "used".into(),
                value: 3.0,
                unit: "%".into(),
                warning: Some("80".into()),
                ..Metric::default()
            },
            Metric { name: "calls".into(), value: 9.0, counter: true, ..Metric::default() },
        ];
        assert_eq!(print(&outcome(vec![evil])), "OK: t: a/b c [2J | 't_used'=3%;80 't_calls'=9c\n");
    }
}
