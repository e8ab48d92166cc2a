//! What is reported and is nonsense, or steers whoever prints it.

use hostler_sdk::bindings::base::hostler::plugin::report;
use hostler_sdk::prelude::*;

fn metric(name: &str, labels: &[(&str, &str)], value: f64) {
    report::add_metric(&report::Metric {
        name: name.into(),
        kind: report::MetricKind::Gauge,
        labels: labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        value,
        unit: "furlongs\n".into(),
        warning: Some("1:2:3".into()),
        critical: None,
    });
}

/// Figures that are none, under names that are none.
pub fn metrics() {
    metric("not_a_number", &[], f64::NAN);
    metric("endless", &[], f64::NEG_INFINITY);
    metric("", &[], 1.0);
    metric("2 bad-name{x=\"1\"} 5\n# TYPE", &[("a b", "c\"d\\e\nf"), ("", "none"), ("task", "another")], 7.0);
}

/// Texts that break out of a line, a quotation, an element or a terminal.
pub fn texts() {
    report::add_finding(&report::Finding {
        severity: report::Severity::Warning,
        code: "code|with'=\"<&>\n".into(),
        subject: "subject\x1b[31m | x=1".into(),
        summary: "first|second\nOK: third <b>&amp; \"quoted\" 'too' ]]> \u{fffe}\u{0}\u{202e}\x1b[2J".into(),
        detail: Some("detail\r\nof | it\x1b]0;title\x07".into()),
        remedy: Some("rm -rf `x` | y; <z>".into()),
    });
    metric("odd_figure", &[("name", "a|b'c=d \"e\" \\ \n f")], 1e300);
    metric("odd_figure", &[("name", "small")], -1e-300);
}

/// The name under which the host itself tells the verdict.
pub fn verdict_in_metrics(context: &Context) {
    let task = context.info().task;
    for (name, value) in [("task_verdict", 0.0), ("task_worked", 1.0)] {
        metric(name, &[("task", &task), ("plugin", "test-misbehaving")], value);
    }
}
