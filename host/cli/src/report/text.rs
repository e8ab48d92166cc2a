//! The report for a terminal, in the look of a run's output.

use std::fmt::Write;

use crate::format::{Style, changes, lines, shown};

use super::{Action, Report};

/// As many changes of a step are shown.
const CHANGES: usize = 20;
/// How far what belongs to an item is set in.
const INDENT: usize = 9;

/// The report as text.
pub(crate) fn text(report: &Report, style: Style) -> String {
    let mut text = format!(
        "{} {}, {}\n",
        style.severity(report.verdict),
        style.bold(&shown(&report.name)),
        report.made_at.to_zoned(report.zone.clone()).strftime("%F %H:%M %Z")
    );
    heading(&mut text, "Needs action", report.action.len(), style);
    for action in &report.action {
        write_action(&mut text, report, action, style);
    }
    heading(&mut text, "Looked at, and well", report.well.len(), style);
    let widest = report.well.iter().map(|well| shown(&well.task).chars().count()).max().unwrap_or(0);
    for well in &report.well {
        let indent = 2 + widest + 2;
        let words = style.wrapped(&well.summary, indent, indent);
        let _ = writeln!(text, "  {:<widest$}  {words}", shown(&well.task));
    }
    heading(&mut text, "Could not be looked at", report.not_looked_at.len(), style);
    for missed in &report.not_looked_at {
        let subject = if missed.subject.is_empty() { String::new() } else { format!("{}: ", missed.subject) };
        let task = shown(&missed.task);
        let words = style.wrapped(&format!("{subject}{}", missed.reason), 4 + task.chars().count(), INDENT);
        let _ = writeln!(text, "  {}: {words}", style.bold(&task));
        remedy(&mut text, missed.remedy.as_deref(), style);
    }
    let mut changed = String::new();
    for run in &report.runs {
        changes(&mut changed, run, style, CHANGES);
    }
    if !changed.is_empty() {
        let _ = write!(text, "\n{}\n{}", style.bold("Changes"), changed.trim_start_matches('\n'));
    }
    text
}

fn heading(text: &mut String, words: &str, count: usize, style: Style) {
    let _ = writeln!(text, "\n{} ({count})", style.bold(words));
}

fn write_action(text: &mut String, report: &Report, action: &Action, style: Style) {
    let task = shown(&action.task);
    let told = action.subject.trim().is_empty() || action.evidence.starts_with(action.subject.trim());
    let subject = if told { String::new() } else { format!("{}: ", action.subject) };
    let used = INDENT + task.chars().count() + 2;
    let words = style.wrapped(&format!("{subject}{} ({})", action.evidence, report.age(action)), used, INDENT);
    let _ = writeln!(text, "{} {}: {words}", style.severity(action.severity), style.bold(&task));
    for line in action.detail.iter().flat_map(|detail| lines(detail)) {
        let _ = writeln!(text, "{:INDENT$}{}", "", style.wrapped(&line, INDENT, INDENT));
    }
    remedy(text, action.remedy.as_deref(), style);
}

/// Never broken into lines: it is there to be copied.
fn remedy(text: &mut String, remedy: Option<&str>, style: Style) {
    for (number, line) in remedy.into_iter().flat_map(lines).enumerate() {
        let arrow = if number == 0 { "→" } else { " " };
        let _ = writeln!(text, "{:INDENT$}{arrow} {}", "", style.paint("36", &line));
    }
}
