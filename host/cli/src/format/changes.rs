//! The changes of a task, step by step, as they were planned or applied.

use std::fmt::Write;

use hostler_capability::{PlanStep, PlannedEffect};
use hostler_service::TaskOutcome;

use super::look::{Style, count, shown};

/// Writes a task's changes, at most `most` lines a step; nothing where there are none.
pub(crate) fn changes(text: &mut String, task: &TaskOutcome, style: Style, most: usize) {
    if task.plan.effects().next().is_none() {
        return;
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let heading = if task.mode == "check" { "plans" } else { "changed" };
    let _ = writeln!(text, "{} {heading}:", style.bold(&shown(&task.task)));
    for step in task.plan.steps.iter().filter(|step| !step.effects.is_empty()) {
        let mut indent = 2;
        if !step.title.is_empty() {
            let _ = writeln!(text, "  {} ({})", shown(&step.title), bounds(step));
            indent = 4;
        }
        let lines = alike(&step.effects);
        for (line, outcome) in lines.iter().take(most) {
            let outcome = outcome.words();
            let outcome = if outcome.is_empty() { outcome } else { format!("  [{outcome}]") };
            let _ = writeln!(text, "{:indent$}{line}{}", "", style.paint("2", &outcome));
        }
        if lines.len() > most {
            let _ = writeln!(text, "{:indent$}… and {} more", "", lines.len() - most);
        }
    }
}

/// How far a step may go when its plan is applied.
fn bounds(step: &PlanStep) -> String {
    let changes = count(step.effects_bound, "change");
    if step.rows_bound > step.effects_bound {
        format!("at most {changes} of {} rows", step.rows_bound)
    } else {
        format!("at most {changes}")
    }
}

/// What became of changes that read alike.
#[derive(Debug, Default, PartialEq, Eq)]
struct Became {
    outcome: String,
    times: u64,
    rows: Option<u64>,
}

impl Became {
    fn words(&self) -> String {
        let mut parts = Vec::new();
        if self.outcome != "planned" {
            parts.push(self.outcome.clone());
        }
        if self.times > 1 {
            parts.push(format!("{} times", self.times));
        }
        if let Some(rows) = self.rows.filter(|rows| *rows > 1 || (self.times > 1 && *rows > 0)) {
            parts.push(format!("{rows} in all"));
        }
        parts.join(", ")
    }
}

/// Changes in order, those together that follow each other and read alike.
fn alike(effects: &[PlannedEffect]) -> Vec<(String, Became)> {
    let mut lines: Vec<(String, Became)> = Vec::new();
    for planned in effects {
        let line = described(&planned.effect.operation, &planned.effect.object);
        let outcome = match planned.outcome.as_str() {
            "failed: failed" => "failed".into(),
            other => shown(other),
        };
        match lines.last_mut() {
            Some((last, became)) if *last == line && became.outcome == outcome => {
                became.times += 1;
                became.rows = became.rows.zip(planned.rows).map(|(rows, more)| rows.saturating_add(more));
            }
            _ => lines.push((line, Became { outcome, times: 1, rows: planned.rows })),
        }
    }
    lines
}

/// The operation, and the object where the operation does not name it.
fn described(operation: &str, object: &str) -> String {
    let (operation, object) = (shown(operation), shown(object));
    if object.is_empty() || names(&operation, &object) { operation } else { format!("{operation} {object}") }
}

/// Whether an operation names an object, quoted or not, as a word of its own.
fn names(operation: &str, object: &str) -> bool {
    let (operation, object) = (operation.replace('"', ""), object.replace('"', ""));
    let part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '.';
    operation.match_indices(&object).any(|(start, found)| {
        let (before, after) = (operation[..start].chars().next_back(), operation[start + found.len()..].chars().next());
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

#[cfg(test)]
mod tests {
    use hostler_capability::{Effect, Plan};

    use super::*;
    use crate::format::samples::task;

    fn effect(operation: &str, object: &str, outcome: &str, rows: Option<u64>) -> PlannedEffect {
        let effect = Effect { request: "database".into(), operation: operation.into(), object: object.into() };
        PlannedEffect { effect, outcome: outcome.into(), rows }
    }

    #[test]
    fn an_object_is_told_once() {
        assert_eq!(
            described("VACUUM (ANALYZE) \"shop\".\"orders\"", "shop.orders"),
            "VACUUM (ANALYZE) \"shop\".\"orders\""
        );
        assert_eq!(described("write /destination/a.tar", "/destination/a.tar"), "write /destination/a.tar");
        assert_eq!(described("VACUUM (ANALYZE)", "a"), "VACUUM (ANALYZE) a", "a letter of a word is no name");
        assert_eq!(described("ANALYZE shop.orders_old", "shop.orders"), "ANALYZE shop.orders_old shop.orders");
        assert_eq!(described("expire ? NX", "cache:*"), "expire ? NX cache:*");
        assert_eq!(described("remove\x1b[2J", ""), "remove [2J");
    }

    #[test]
    fn a_step_is_a_block_and_what_is_alike_is_one_line() {
        let step = |title: &str, effects: Vec<PlannedEffect>, effects_bound, rows_bound| PlanStep {
            title: title.into(),
            effects,
            effects_bound,
            rows_bound,
        };
        let vacuum = || effect("VACUUM \"a\".\"b\"", "a.b", "applied", None);
        let expire = |rows| effect("expire ? NX", "page:*", "applied", Some(rows));
        let mut ran = task("t");
        ran.mode = "apply".into();
        ran.plan.steps = vec![
            step("vacuum a.b", vec![vacuum()], 1, 1),
            step(
                "give keys a time",
                vec![expire(400), expire(20), effect("expire ? NX", "page:*", "failed: failed", None)],
                500,
                900,
            ),
            step("nothing was due", vec![], 3, 3),
        ];
        let mut text = String::new();
        changes(&mut text, &ran, Style::default(), 20);
        assert_eq!(
            text,
            "t changed:\n  vacuum a.b (at most 1 change)\n    VACUUM \"a\".\"b\"  [applied]\n  \
             give keys a time (at most 500 changes of 900 rows)\n    expire ? NX page:*  [applied, 2 times, 420 in all]\n    \
             expire ? NX page:*  [failed]\n"
        );
        let planned = vec![effect("a", "a", "planned", None), effect("b", "b", "planned", Some(7))];
        ran.plan = Plan { planned_at: 0, steps: vec![step("", planned, 2, 0)] };
        ran.mode = "check".into();
        let mut text = String::new();
        changes(&mut text, &ran, Style::default(), 1);
        assert_eq!(text, "t plans:\n  a\n  … and 1 more\n");
    }
}
