//! For people at night: what needs action first, the worst first and each with its remedy; then what was done or would
//! be; then a line a task, and one for all.
//!
//! Remedies and descriptions of changes are never broken into lines: they are there to be copied and to be found again.

use std::{collections::BTreeSet, fmt::Write};

use hostler_capability::{Finding, Severity};
use hostler_service::{Course, Outcome, TaskOutcome};

use super::{
    changes::changes,
    look::{INDENT, Style, count, duration, lines, shown},
};

/// As many of a task's findings are shown before the rest is counted.
const SHOWN: usize = 20;

pub(super) fn print(outcome: &Outcome, style: Style) -> String {
    let mut text = body(outcome, style, SHOWN);
    summary(&mut text, outcome, style);
    text
}

/// What was found and changed, at most `most` lines of each kind a task.
pub(super) fn body(outcome: &Outcome, style: Style, most: usize) -> String {
    let mut text = String::new();
    needs_action(&mut text, outcome, style, most);
    notes(&mut text, outcome, style);
    for task in &outcome.tasks {
        changes(&mut text, task, style, most);
        if style.verbose {
            tables(&mut text, task, style);
        }
    }
    text
}

/// One thing that an operator has to know.
struct Item<'o> {
    severity: Severity,
    task: &'o str,
    words: Vec<String>,
    detail: Vec<String>,
    remedy: Vec<String>,
}

fn needs_action(text: &mut String, outcome: &Outcome, style: Style, most: usize) {
    let mut items: Vec<Item<'_>> = Vec::new();
    let mut more: Vec<(&TaskOutcome, usize)> = Vec::new();
    for task in &outcome.tasks {
        let mut findings: Vec<&Finding> =
            task.reported.findings.iter().filter(|finding| style.verbose || finding.severity != Severity::Ok).collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        more.push((task, findings.len().saturating_sub(most)));
        items.extend(findings.iter().take(most).map(|finding| of_finding(&task.task, finding)));
        items.extend(not_done(task));
        let told = (task.course != Course::Done).then_some(task.summary.as_str());
        items.extend(task.troubles.iter().filter(|trouble| told != Some(trouble)).map(|trouble| Item {
            severity: Severity::Unknown,
            task: &task.task,
            words: vec![trouble.clone()],
            detail: vec![],
            remedy: vec![],
        }));
    }
    // Stable: within a severity the tasks stay in their order.
    items.sort_by_key(|item| std::cmp::Reverse(item.severity));
    for item in &items {
        write_item(text, item, style);
    }
    for (task, left) in more.iter().filter(|(_, left)| *left > 0) {
        let _ = writeln!(text, "         … and {left} more of {}: `hostler history {}`", task.task, task.run_id);
    }
}

fn of_finding<'o>(task: &'o str, finding: &Finding) -> Item<'o> {
    // Many a sentence begins with what it is about.
    let told = finding.subject.trim().is_empty() || finding.summary.starts_with(finding.subject.trim());
    let mut words = vec![finding.summary.clone()];
    if !told {
        words.insert(0, finding.subject.clone());
    }
    let split = |text: &Option<String>| text.iter().flat_map(|text| lines(text)).collect();
    Item { severity: finding.severity, task, words, detail: split(&finding.detail), remedy: split(&finding.remedy) }
}

/// Why a task did not do its work: in a line where it is one, otherwise in a block.
fn not_done(task: &TaskOutcome) -> Option<Item<'_>> {
    if task.course == Course::Done {
        return None;
    }
    let course = course(task.course);
    let prefix = format!("{course}: ");
    let reason = task.summary.strip_prefix(&prefix).unwrap_or(&task.summary);
    let mut detail: Vec<String> = lines(reason).filter(|line| !line.is_empty()).collect();
    let mut words = vec![course.to_owned()];
    if detail.len() == 1 {
        words.append(&mut detail);
    }
    Some(Item { severity: Severity::Unknown, task: &task.task, words, detail, remedy: vec![] })
}

fn write_item(text: &mut String, item: &Item<'_>, style: Style) {
    let task = shown(item.task);
    let words = item.words.join(": ");
    let used = INDENT + task.chars().count() + 2;
    let words = style.wrapped(&words, used, INDENT);
    let _ = writeln!(text, "{} {}: {words}", style.severity(item.severity), style.bold(&task));
    for line in &item.detail {
        let _ = writeln!(text, "{:INDENT$}{}", "", style.wrapped(line, INDENT, INDENT));
    }
    for (number, line) in item.remedy.iter().enumerate() {
        let arrow = if number == 0 { "→" } else { " " };
        let _ = writeln!(text, "{:INDENT$}{arrow} {}", "", style.paint("36", line));
    }
}

/// What each run repeats to its operator; what several tasks say alike is said once.
fn notes(text: &mut String, outcome: &Outcome, style: Style) {
    let all: BTreeSet<&String> = outcome.tasks.iter().flat_map(|task| &task.notes).collect();
    for note in all {
        let tasks = outcome.tasks.iter().filter(|task| task.notes.contains(note));
        let tasks = shown(&tasks.map(|task| task.task.as_str()).collect::<Vec<_>>().join(", "));
        let used = INDENT + tasks.chars().count() + 2;
        let _ = writeln!(text, "{} {tasks}: {}", style.paint("2", "note    "), style.wrapped(note, used, INDENT));
    }
}

fn tables(text: &mut String, task: &TaskOutcome, style: Style) {
    for table in &task.reported.tables {
        let cells = |row: &[String]| row.iter().map(|cell| shown(cell)).collect::<Vec<_>>();
        let mut drawn = comfy_table::Table::new();
        drawn.load_preset(comfy_table::presets::UTF8_HORIZONTAL_ONLY).set_header(cells(&table.columns));
        if let Some(width) = style.width.and_then(|width| u16::try_from(width).ok()) {
            drawn.set_content_arrangement(comfy_table::ContentArrangement::Dynamic).set_width(width);
        }
        drawn.add_rows(table.rows.iter().map(|row| cells(row)));
        let _ = writeln!(text, "\n{}: {}\n{drawn}", shown(&task.task), shown(&table.title));
    }
}

fn summary(text: &mut String, outcome: &Outcome, style: Style) {
    if !text.is_empty() {
        text.push('\n');
    }
    let durations: Vec<String> = outcome.tasks.iter().map(|task| duration(task.duration_ms)).collect();
    let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
    let name = widest(&mut outcome.tasks.iter().map(|task| shown(&task.task).chars().count()));
    let time = widest(&mut durations.iter().map(|duration| duration.chars().count()));
    for (task, duration) in outcome.tasks.iter().zip(&durations) {
        let words = match task.course {
            Course::Done => task.summary.clone(),
            other => format!("{}, see above", course(other)),
        };
        let indent = INDENT + name + 2 + time + 2;
        let _ = writeln!(
            text,
            "{} {:<name$}  {duration:>time$}  {}",
            style.severity(task.verdict),
            shown(&task.task),
            style.wrapped(&words, indent, indent)
        );
    }
    let tasks = count(outcome.tasks.len() as u64, "task");
    let (verdict, took) = (style.severity(outcome.verdict()), duration(outcome.duration_ms));
    let name = style.bold(&shown(&outcome.name));
    let _ = writeln!(text, "\n{verdict} {name}: {tasks} in {took}, {}", changed(outcome));
}

/// What was changed in all, or would be.
fn changed(outcome: &Outcome) -> String {
    let (mut planned, mut applied, mut failed) = (0, 0, 0);
    for effects in outcome.tasks.iter().map(TaskOutcome::effects) {
        planned += effects.planned as u64;
        applied += effects.applied as u64;
        failed += effects.failed as u64;
    }
    let mut parts = Vec::new();
    for (number, what) in [(planned, "planned"), (applied, "applied"), (failed, "failed")] {
        if number > 0 {
            parts.push(format!("{} {what}", count(number, "change")));
        }
    }
    if applied + failed == 0 {
        parts.push("nothing changed".into());
    }
    parts.join(", ")
}

/// How far a task came, in words.
pub(super) fn course(course: Course) -> &'static str {
    match course {
        Course::Done => "done",
        Course::Failed => "failed",
        Course::NotStarted => "not started",
        Course::Interrupted => "interrupted",
    }
}

#[cfg(test)]
mod tests;
