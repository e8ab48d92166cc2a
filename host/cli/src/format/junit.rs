//! JUnit XML: a suite for the command, a test case a task. A warning is a failure, work not done an error.

use std::fmt::Write;

use hostler_capability::Severity;
use hostler_service::{Course, Outcome};

pub(super) fn print(outcome: &Outcome) -> String {
    let failures = outcome.tasks.iter().filter(|task| failed(task.verdict)).count();
    let errors = outcome
        .tasks
        .iter()
        .filter(|task| task.verdict == Severity::Unknown && task.course != Course::NotStarted)
        .count();
    let skipped = outcome.tasks.iter().filter(|task| task.course == Course::NotStarted).count();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        text,
        "<testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\" time=\"{:.3}\">",
        escape(&outcome.name),
        outcome.tasks.len(),
        outcome.duration_ms as f64 / 1000.0,
    );
    for task in &outcome.tasks {
        let _ = write!(
            text,
            "  <testcase name=\"{}\" classname=\"{}\" time=\"{:.3}\">",
            escape(&task.task),
            escape(&task.plugin),
            task.duration_ms as f64 / 1000.0
        );
        let mut lines: Vec<_> = task
            .reported
            .findings
            .iter()
            .filter(|finding| finding.severity != Severity::Ok)
            .map(|finding| format!("{}: {}", finding.severity.word(), finding.summary))
            .collect();
        lines.extend(task.troubles.iter().cloned());
        let element = match (task.course, task.verdict) {
            (_, Severity::Ok) => None,
            (Course::NotStarted, _) => Some("skipped"),
            (_, Severity::Unknown) => Some("error"),
            _ => Some("failure"),
        };
        if let Some(element) = element {
            let body = escape(&lines.join("\n"));
            let _ = write!(text, "<{element} message=\"{}\">{body}</{element}>", escape(&task.summary));
        }
        text.push_str("</testcase>\n");
    }
    text.push_str("</testsuite>\n");
    text
}

fn failed(verdict: Severity) -> bool {
    matches!(verdict, Severity::Warning | Severity::Critical)
}

/// XML's five, and no control characters, which XML 1.0 cannot carry.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\n' | '\t' => escaped.push(letter),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}
