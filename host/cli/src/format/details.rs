//! One run whole: its facts, all that it found, changed, measured and logged. What `history RUN` prints.

use std::fmt::Write;

use hostler_capability::{Metric, Severity};
use hostler_service::{Course, Outcome, TaskOutcome};

use super::{
    look::{Style, duration, lines, shown},
    text,
};

/// The page of a run: facts as names and values, then what it left.
pub fn details(facts: &[(&str, String)], outcome: &TaskOutcome, style: Style) -> String {
    let mut page = String::new();
    for (name, value) in facts {
        let _ = writeln!(page, "{name:<11}{}", style.wrapped(value, 11, 11));
    }
    let _ = writeln!(page, "{:<11}{} in {}", "course", text::course(outcome.course), duration(outcome.duration_ms));
    let verdict = style.severity(outcome.verdict);
    let _ = writeln!(page, "{:<11}{}", "verdict", verdict.trim_end());
    if outcome.course == Course::Done {
        let _ = writeln!(page, "{:<11}{}", "summary", style.wrapped(&outcome.summary, 11, 11));
    }
    let whole = Outcome { name: outcome.task.clone(), tasks: vec![outcome.clone()], duration_ms: outcome.duration_ms };
    let body = text::body(&whole, Style { verbose: true, ..style }, usize::MAX);
    section(&mut page, body.trim_matches('\n'));
    metrics(&mut page, outcome);
    log(&mut page, outcome);
    attachments(&mut page, outcome);
    page
}

fn section(page: &mut String, text: &str) {
    if !text.is_empty() {
        let _ = write!(page, "\n{text}\n");
    }
}

fn metrics(page: &mut String, outcome: &TaskOutcome) {
    let metrics = &outcome.reported.metrics;
    if metrics.is_empty() {
        return;
    }
    let named: Vec<String> = metrics.iter().map(name_of).collect();
    let widest = named.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    page.push_str("\nmetrics:\n");
    for (metric, name) in metrics.iter().zip(&named) {
        let _ = write!(page, "  {name:<widest$}  {}{}", metric.value, shown(&metric.unit));
        for (severity, range) in [(Severity::Warning, &metric.warning), (Severity::Critical, &metric.critical)] {
            if let Some(range) = range {
                let _ = write!(page, "  {} {}", severity.word(), shown(range));
            }
        }
        page.push('\n');
    }
}

fn name_of(metric: &Metric) -> String {
    let labels: Vec<String> = metric.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    shown(&if labels.is_empty() { metric.name.clone() } else { format!("{}{{{}}}", metric.name, labels.join(",")) })
}

fn log(page: &mut String, outcome: &TaskOutcome) {
    let reported = &outcome.reported;
    if reported.log.is_empty() && reported.log_dropped == 0 {
        return;
    }
    page.push_str("\nlog:\n");
    for line in &reported.log {
        let fields: String = line.fields.iter().map(|(name, value)| format!(" {name}={value:?}")).collect();
        let mut said = lines(&line.message);
        let _ = writeln!(page, "  {:<5} {}{}", shown(&line.level), said.next().unwrap_or_default(), shown(&fields));
        for more in said {
            let _ = writeln!(page, "        {more}");
        }
    }
    if reported.log_dropped > 0 {
        let _ = writeln!(page, "  … and {} lines beyond the limit log_lines, which are not kept", reported.log_dropped);
    }
}

fn attachments(page: &mut String, outcome: &TaskOutcome) {
    if outcome.reported.attachments.is_empty() {
        return;
    }
    let _ = writeln!(page, "\nattachments, written by `hostler history {} --attachments DIRECTORY`:", outcome.run_id);
    for attachment in &outcome.reported.attachments {
        let (name, kind) = (shown(&attachment.name), shown(&attachment.media_type));
        let _ = writeln!(page, "  {name}  {kind}, {} bytes", attachment.content.len());
    }
}

#[cfg(test)]
mod tests {
    use hostler_capability::{Attachment, Finding, LogLine};

    use super::*;
    use crate::format::samples::task;

    #[test]
    fn every_detail_of_a_run_is_there() {
        let mut ran = task("vacuum");
        let finding = |number: usize| Finding { summary: format!("finding {number}"), ..Finding::default() };
        ran.reported.findings = (0..30).map(finding).collect();
        let metric = Metric { name: "used".into(), value: 1.5, unit: "B".into(), ..Metric::default() };
        let labels = vec![("table".to_owned(), "a\x1b".to_owned())];
        ran.reported.metrics = vec![Metric { labels, warning: Some("10".into()), ..metric.clone() }, metric];
        let fields = vec![("rows".to_owned(), "3".to_owned())];
        ran.reported.log = vec![LogLine { level: "info".into(), message: "one\ntwo".into(), fields }];
        ran.reported.log_dropped = 4;
        let content = vec![1, 2, 3];
        ran.reported.attachments =
            vec![Attachment { name: "p.diff".into(), media_type: "text/x-diff".into(), content }];
        let page = details(&[("run", "r1".into()), ("task", "vacuum, of weekly".into())], &ran, Style::default());
        for said in [
            "run        r1\n",
            "task       vacuum, of weekly\n",
            "course     done in 12 ms\n",
            "verdict    OK\n",
            "summary    all is well\n",
            "finding 0\n",
            "finding 29\n",
            "  used{table=\"a\\u{1b}\"}  1.5B  warning 10\n",
            "  info  one rows=\"3\"\n        two\n",
            "and 4 lines beyond",
            "  p.diff  text/x-diff, 3 bytes\n",
        ] {
            assert!(page.contains(said), "{said:?} is missing in\n{page}");
        }
    }
}
