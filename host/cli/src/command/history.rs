//! `history`: earlier runs, listed or one whole.

use std::{fmt::Write, fs, path::Path};

use hostler_record::{KeptRun, Record, RunFilter};
use hostler_service::{Outcome, TaskOutcome};
use jiff::Timestamp;

use super::{
    configuration::load,
    print::{out, style},
};
use crate::{
    exit::{UNAVAILABLE, failure},
    format::Format,
};

/// Lists runs, or shows one.
pub(super) fn history(
    config: &Path,
    name: Option<&str>,
    limit: u32,
    format: Format,
    attachments: Option<&Path>,
) -> anyhow::Result<u8> {
    let configuration = load(config)?;
    let record = Record::open(&configuration.host.state).map_err(wrong)?;
    record.history().mark_interrupted().map_err(wrong)?;
    let is_name = |name: &str| configuration.tasks.contains_key(name) || configuration.procedures.contains_key(name);
    match name {
        Some(run) if !is_name(run) => {
            let kept = record.history().run(run).map_err(wrong)?;
            let outcome = whole(&kept)?;
            if let Some(directory) = attachments {
                write_attachments(&outcome, directory)?;
            }
            out(&format.print(&outcome, style(true)))?;
        }
        name => {
            let filter = RunFilter { name: name.map(str::to_owned), limit };
            let runs = record.history().runs(&filter).map_err(wrong)?;
            out(&listed(&runs, format))?;
        }
    }
    Ok(0)
}

fn whole(kept: &KeptRun) -> anyhow::Result<Outcome> {
    let Some(document) = &kept.document else {
        return Err(failure(UNAVAILABLE, format!("the run {} is {}: {}", kept.id, kept.course, kept.summary)));
    };
    let task: TaskOutcome = serde_json::from_str(document)?;
    Ok(Outcome { name: kept.task.clone(), duration_ms: task.duration_ms, tasks: vec![task] })
}

fn write_attachments(outcome: &Outcome, directory: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(directory)?;
    for attachment in outcome.tasks.iter().flat_map(|task| &task.reported.attachments) {
        let path = directory.join(&attachment.name);
        fs::write(&path, &attachment.content)?;
        eprintln!("{}", path.display());
    }
    Ok(())
}

fn listed(runs: &[KeptRun], format: Format) -> String {
    if format == Format::Json {
        let runs: Vec<_> = runs
            .iter()
            .map(|run| {
                serde_json::json!({
                    "run_id": run.id, "task": run.task, "procedure": run.procedure, "plugin": run.plugin,
                    "mode": run.mode, "started_at": run.started_at, "course": run.course, "verdict": run.verdict,
                    "duration_ms": run.duration_ms, "summary": run.summary,
                })
            })
            .collect();
        return format!("{:#}\n", serde_json::json!({ "schema_version": 1, "runs": runs }));
    }
    if runs.is_empty() {
        return "no run is kept\n".into();
    }
    runs.iter().fold(String::new(), |mut text, run| {
        let at = Timestamp::from_millisecond(i64::try_from(run.started_at).unwrap_or(0)).unwrap_or_default();
        let verdict = run.verdict.map_or(run.course.as_str(), |verdict| verdict.word());
        let _ = writeln!(
            text,
            "{} {} {verdict:<8} {:<5} {:<24} {}",
            run.id,
            at.strftime("%F %T"),
            run.mode,
            run.task,
            run.summary
        );
        text
    })
}

fn wrong(error: hostler_record::RecordError) -> anyhow::Error {
    failure(UNAVAILABLE, error.to_string())
}
