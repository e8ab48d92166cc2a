//! What has to hold on a machine, held to it: a list of controls that its owners write, each with evidence for an audit.
//!
//! A control that could not be looked at is not passed. One that fails may be waived, by somebody who is named, for a
//! reason that is written down, until a day after which it fails again: a waiver without an end is a control that nobody
//! keeps. What leaves the list is told too, since the easiest way to pass a control is to remove it.

mod facts;
mod judge;
mod list;

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::listed;
use hostler_sdk::prelude::*;
use serde::Serialize;

use facts::Facts;
use judge::Verdict;
use list::List;

hostler_sdk::plugin!(Settings, run);

/// What the state is kept under.
const KEPT: &str = "controls";

#[derive(Deserialize)]
struct Settings {
    file: String,
    waiver_warning: Duration,
}

/// What the last run found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Kept {
    all: BTreeSet<String>,
    /// Those that passed or were waived.
    held: BTreeSet<String>,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let controls = context.directory("controls");
    let text = facts::read(&controls.path(&settings.file)).await.during(format!("the list {}", settings.file))?;
    let list = List::parse(&settings.file, &text)?;
    let facts = Facts::gather(&context, &list).await?;
    let now = Timestamp::now();
    let verdicts: Vec<Verdict> =
        list.controls.iter().map(|control| judge::judge(control, &list, &facts, now)).collect();
    report(&verdicts, &settings, now);
    let kept: Option<Kept> = context.state().get(KEPT).await?;
    let new = kept_of(&verdicts);
    report_difference(kept.as_ref(), &new);
    context.state().set(KEPT, &new).await?;
    Ok(summary(&verdicts))
}

fn kept_of(verdicts: &[Verdict]) -> Kept {
    let held = verdicts.iter().filter(|verdict| verdict.holds()).map(|verdict| verdict.id.clone());
    Kept { all: verdicts.iter().map(|verdict| verdict.id.clone()).collect(), held: held.collect() }
}

fn report(verdicts: &[Verdict], settings: &Settings, now: Timestamp) {
    let mut table = Table::new("Controls", &["control", "what", "status", "evidence"]);
    for verdict in verdicts {
        table.row(&[&verdict.id, &verdict.summary, &verdict.shown(), &verdict.evidence]);
        verdict.report(settings.waiver_warning, now);
    }
    table.report();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::from([("pass", 0), ("fail", 0), ("waived", 0), ("unknown", 0)]);
    for verdict in verdicts {
        *counts.entry(verdict.status.name()).or_default() += 1;
    }
    for (status, count) in &counts {
        Metric::gauge("compliance_controls", *count as f64).label("status", *status).report();
    }
    if let Some(share) = Percent::of(counts["pass"] as f64, verdicts.len() as f64) {
        Metric::gauge("compliance_percent", share.0).report();
    }
}

/// What became worse since the last run.
fn report_difference(before: Option<&Kept>, now: &Kept) {
    let Some(before) = before else { return };
    let dropped: Vec<&String> = before.held.intersection(&now.all).filter(|id| !now.held.contains(*id)).collect();
    if !dropped.is_empty() {
        finding!(
            Severity::Warning,
            "compliance-dropped",
            "controls",
            "{} that held at the last run {} not any more: {}",
            counted(dropped.len(), "control"),
            agreed(dropped.len(), "does", "do"),
            listed(&dropped, 5)
        )
        .remedy("look what was changed since the last run of this task: hostler history")
        .report();
    }
    let removed: Vec<&String> = before.all.difference(&now.all).collect();
    if !removed.is_empty() {
        finding!(
            Severity::Warning,
            "control-removed",
            "controls",
            "{} of the last run {} no longer in the list: {}",
            counted(removed.len(), "control"),
            agreed(removed.len(), "is", "are"),
            listed(&removed, 5)
        )
        .remedy("look in the list's history who removed them and why")
        .report();
    }
}

fn summary(verdicts: &[Verdict]) -> String {
    let count = |name: &str| verdicts.iter().filter(|verdict| verdict.status.name() == name).count();
    format!(
        "{}: {} pass, {} fail, {} waived, {} unknown",
        counted(verdicts.len(), "control"),
        count("pass"),
        count("fail"),
        count("waived"),
        count("unknown")
    )
}

#[cfg(test)]
mod tests;
