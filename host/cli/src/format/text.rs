//! For people at night: what needs action first, each with its remedy; then what was done; then a line a task.

use std::fmt::Write;

use hostler_capability::{Finding, Severity};
use hostler_service::{Course, Outcome, TaskOutcome};

/// How text may look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// Whether colour may be used.
    pub colour: bool,
    /// Whether findings that are ok, and tables, are shown too.
    pub verbose: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn severity(self, severity: Severity) -> String {
        let code = match severity {
            Severity::Ok => "32",
            Severity::Warning => "33",
            Severity::Critical => "1;31",
            Severity::Unknown => "35",
        };
        self.paint(code, &format!("{:<8}", severity.word().to_uppercase()))
    }
}

/// As many findings of a task as are shown before the rest is counted.
const SHOWN: usize = 20;

pub(super) fn print(outcome: &Outcome, style: Style) -> String {
    let mut text = String::new();
    let mut tasks: Vec<&TaskOutcome> = outcome.tasks.iter().collect();
    tasks.sort_by_key(|task| std::cmp::Reverse(task.verdict));
    for task in &tasks {
        needs_action(&mut text, task, style);
    }
    for task in &outcome.tasks {
        effects(&mut text, task, style);
        if style.verbose {
            tables(&mut text, task);
        }
    }
    summary(&mut text, outcome, style);
    text
}

fn needs_action(text: &mut String, task: &TaskOutcome, style: Style) {
    let mut findings: Vec<&Finding> =
        task.reported.findings.iter().filter(|finding| style.verbose || finding.severity != Severity::Ok).collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    for finding in findings.iter().take(SHOWN) {
        let _ = writeln!(text, "{} {}: {}", style.severity(finding.severity), task.task, finding.summary);
        for detail in finding.detail.iter().flat_map(|detail| detail.lines()) {
            let _ = writeln!(text, "         {detail}");
        }
        for (number, remedy) in finding.remedy.iter().flat_map(|remedy| remedy.lines()).enumerate() {
            let arrow = if number == 0 { "→" } else { " " };
            let _ = writeln!(text, "         {arrow} {}", style.paint("36", remedy));
        }
    }
    if findings.len() > SHOWN {
        let _ = writeln!(
            text,
            "         … and {} more of {}: `hostler history {}`",
            findings.len() - SHOWN,
            task.task,
            task.run_id
        );
    }
    if task.course != Course::Done {
        let _ = writeln!(text, "{} {}: {}", style.severity(Severity::Unknown), task.task, task.summary);
    }
    for trouble in &task.troubles {
        let _ = writeln!(text, "{} {}: {trouble}", style.severity(Severity::Unknown), task.task);
    }
    for note in &task.notes {
        let _ = writeln!(text, "{} {}: {note}", style.paint("2", "note    "), task.task);
    }
}

fn effects(text: &mut String, task: &TaskOutcome, style: Style) {
    if task.plan.effects().next().is_none() {
        return;
    }
    let count = task.effects();
    let heading = if count.planned > 0 { "plans" } else { "changed" };
    let _ = writeln!(text, "\n{} {heading}:", style.paint("1", &task.task));
    for step in &task.plan.steps {
        if !step.title.is_empty() {
            let _ = writeln!(text, "  {} (at most {} changes)", step.title, step.effects_bound);
        }
        for planned in step.effects.iter().take(SHOWN) {
            let outcome = if planned.outcome == "planned" { String::new() } else { format!("  [{}]", planned.outcome) };
            let object =
                if planned.effect.operation.contains(&planned.effect.object) { "" } else { &planned.effect.object };
            let _ = writeln!(text, "    {} {object}{outcome}", planned.effect.operation);
        }
        if step.effects.len() > SHOWN {
            let _ = writeln!(text, "    … and {} more", step.effects.len() - SHOWN);
        }
    }
}

fn tables(text: &mut String, task: &TaskOutcome) {
    for table in &task.reported.tables {
        let mut drawn = comfy_table::Table::new();
        drawn.load_preset(comfy_table::presets::UTF8_HORIZONTAL_ONLY).set_header(&table.columns).add_rows(&table.rows);
        let _ = writeln!(text, "\n{}: {}\n{drawn}", task.task, table.title);
    }
}

fn summary(text: &mut String, outcome: &Outcome, style: Style) {
    if !text.is_empty() {
        text.push('\n');
    }
    let width = outcome.tasks.iter().map(|task| task.task.chars().count()).max().unwrap_or(0);
    for task in &outcome.tasks {
        let _ = writeln!(
            text,
            "{} {:<width$} {:>7}  {}",
            style.severity(task.verdict),
            task.task,
            duration(task.duration_ms),
            task.summary
        );
    }
    let mut changed = (0, 0);
    for task in &outcome.tasks {
        changed.0 += task.effects().planned;
        changed.1 += task.effects().applied;
    }
    let changes = match changed {
        (0, 0) => "nothing changed".to_owned(),
        (planned, 0) => format!("{planned} changes planned, nothing changed"),
        (0, applied) => format!("{applied} changes applied"),
        (planned, applied) => format!("{planned} changes planned, {applied} applied"),
    };
    let tasks = if outcome.tasks.len() == 1 { "1 task".into() } else { format!("{} tasks", outcome.tasks.len()) };
    let _ = writeln!(
        text,
        "\n{} {}: {tasks} in {}, {changes}",
        style.severity(outcome.verdict()).trim_end(),
        outcome.name,
        duration(outcome.duration_ms)
    );
}

/// Milliseconds for people: `12 ms`, `3.4 s`, `2 min`.
fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        1000..120_000 => format!("{:.1} s", milliseconds as f64 / 1000.0),
        _ => format!("{} min", milliseconds / 60_000),
    }
}
