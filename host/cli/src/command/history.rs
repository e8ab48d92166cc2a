//! `history`: earlier runs, listed or one whole.

use std::{fmt::Write, fs, path::Path};

use hostler_configuration::Configuration;
use hostler_manifest::did_you_mean;
use hostler_record::{KeptRun, Record, RecordError, RunFilter};
use hostler_service::{Outcome, TaskOutcome};
use jiff::{Timestamp, tz::TimeZone};

use super::{
    configuration::load,
    print::{out, style},
};
use crate::{
    exit::{UNAVAILABLE, USAGE, failure},
    format::{Format, Style, details, duration, harmless, shown},
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
    for (run, task) in record.history().mark_interrupted().map_err(wrong)? {
        eprintln!("hostler: the run {run} of {task} was interrupted: its host ended in the middle");
    }
    match asked(&record, &configuration, name, limit)? {
        Asked::Run(kept) => show(&kept, &configuration.host.time_zone, format, attachments)?,
        Asked::List(_) if attachments.is_some() => {
            return Err(failure(USAGE, "--attachments needs the run whose attachments are meant: hostler history RUN"));
        }
        Asked::List(runs) => match format {
            Format::Json => out(&json(&runs))?,
            Format::Text => out(&listed(&runs, name, &configuration.host.time_zone, style(false)))?,
            _ => return Err(failure(USAGE, "a list of runs is printed as text or json; name a run for other formats")),
        },
    }
    Ok(0)
}

enum Asked {
    Run(Box<KeptRun>),
    List(Vec<KeptRun>),
}

/// A name of the configuration lists its runs; so does one that had runs and is gone. Anything else is a run.
fn asked(record: &Record, configuration: &Configuration, name: Option<&str>, limit: u32) -> anyhow::Result<Asked> {
    let history = record.history();
    let runs = history.runs(&RunFilter { name: name.map(str::to_owned), limit }).map_err(wrong)?;
    let known = || configuration.tasks.keys().chain(configuration.procedures.keys()).map(String::as_str);
    let Some(name) = name.filter(|name| runs.is_empty() && !known().any(|known| known == *name)) else {
        return Ok(Asked::List(runs));
    };
    match history.run(name) {
        Ok(run) => Ok(Asked::Run(Box::new(run))),
        Err(RecordError::NoRun(problem)) => {
            let meant = did_you_mean(name, known()).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
            Err(failure(UNAVAILABLE, problem + &meant))
        }
        Err(error) => Err(wrong(error)),
    }
}

fn show(kept: &KeptRun, zone: &TimeZone, format: Format, attachments: Option<&Path>) -> anyhow::Result<()> {
    let task: Option<TaskOutcome> = kept.document.as_deref().map(serde_json::from_str).transpose()?;
    let Some(task) = task else {
        if format != Format::Text || attachments.is_some() {
            return Err(failure(UNAVAILABLE, format!("the run {} is {}: {}", kept.id, kept.course, kept.summary)));
        }
        let mut page = facts(kept, zone).iter().fold(String::new(), |mut page, (name, value)| {
            let _ = writeln!(page, "{name:<11}{}", shown(value));
            page
        });
        let summary =
            if kept.summary.is_empty() { String::new() } else { format!("\nsummary    {}", shown(&kept.summary)) };
        let _ = writeln!(page, "course     {}{summary}", kept.course);
        return out(&page);
    };
    if let Some(directory) = attachments {
        write_attachments(&task, directory)?;
    }
    if format == Format::Text {
        return out(&details(&facts(kept, zone), &task, style(true)));
    }
    let outcome = Outcome { name: kept.task.clone(), duration_ms: task.duration_ms, tasks: vec![task] };
    out(&format.print(&outcome, style(true)))
}

fn facts(kept: &KeptRun, zone: &TimeZone) -> Vec<(&'static str, String)> {
    let of = kept.procedure.as_ref().map(|procedure| format!(", of {procedure}")).unwrap_or_default();
    vec![
        ("run", kept.id.clone()),
        ("task", format!("{}{of}", kept.task)),
        ("plugin", kept.plugin.clone()),
        ("mode", kept.mode.clone()),
        ("started", time(kept.started_at, zone)),
    ]
}

fn write_attachments(task: &TaskOutcome, directory: &Path) -> anyhow::Result<()> {
    let wrong = |path: &Path, error: std::io::Error| failure(UNAVAILABLE, format!("{}: {error}", path.display()));
    if task.reported.attachments.is_empty() {
        eprintln!("hostler: the run has no attachments");
    }
    fs::create_dir_all(directory).map_err(|error| wrong(directory, error))?;
    for attachment in &task.reported.attachments {
        let path = directory.join(&attachment.name);
        fs::write(&path, &attachment.content).map_err(|error| wrong(&path, error))?;
        eprintln!("{}", path.display());
    }
    Ok(())
}

fn json(runs: &[KeptRun]) -> String {
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
    harmless(&format!("{:#}\n", serde_json::json!({ "schema_version": 1, "runs": runs })))
}

fn listed(runs: &[KeptRun], name: Option<&str>, zone: &TimeZone, style: Style) -> String {
    if runs.is_empty() {
        return name.map_or_else(
            || "no run is kept yet; `hostler run NAME` makes one\n".into(),
            |name| format!("no run of {name} is kept; `hostler run {name}` makes one\n"),
        );
    }
    let task = runs.iter().map(|run| shown(&run.task).chars().count()).max().unwrap_or(0);
    runs.iter().fold(String::new(), |mut text, run| {
        let verdict = match run.verdict {
            Some(verdict) => style.severity(verdict),
            None => format!("{:<8}", run.course),
        };
        let took = run.duration_ms.map(duration).unwrap_or_default();
        let (at, mode, of) = (time(run.started_at, zone), &run.mode, shown(&run.task));
        let line = format!("{}  {at}  {verdict}  {mode:<5}  {took:>7}  {of:<task$}  ", run.id);
        // A list is a line a run: what does not fit is in the run's own page.
        let plain = run.id.chars().count() + at.chars().count() + task + 8 + 5 + 7 + 12;
        let _ = writeln!(text, "{line}{}", cut(&shown(run.summary.lines().next().unwrap_or_default()), style, plain));
        text
    })
}

/// What is left of a text on a line of which so much is used.
fn cut(text: &str, style: Style, used: usize) -> String {
    let room = style.width.map_or(usize::MAX, |width| width.saturating_sub(used).max(8));
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room - 1).chain(['…']).collect()
}

fn time(milliseconds: u64, zone: &TimeZone) -> String {
    let at = Timestamp::from_millisecond(i64::try_from(milliseconds).unwrap_or(0)).unwrap_or_default();
    at.to_zoned(zone.clone()).strftime("%F %T %Z").to_string()
}

fn wrong(error: RecordError) -> anyhow::Error {
    failure(UNAVAILABLE, error.to_string())
}

#[cfg(test)]
mod tests {
    use hostler_capability::Severity;

    use super::*;

    #[test]
    fn a_list_is_a_line_a_run_and_no_wider_than_the_terminal() {
        let run = |task: &str, verdict| KeptRun {
            id: "20261123T224856-597bd715".into(),
            task: task.into(),
            procedure: None,
            plugin: "p 1".into(),
            mode: "apply".into(),
            started_at: 0,
            course: "running".into(),
            verdict,
            duration_ms: None,
            summary: "a long story \x1b[2J".repeat(9) + "\nof lines",
            document: None,
        };
        let runs = [run("a", Some(Severity::Ok)), run("longer", None)];
        let style = Style { width: Some(110), ..Style::default() };
        let text = listed(&runs, None, &TimeZone::UTC, style);
        assert_eq!(text.lines().count(), 2);
        assert!(text.lines().all(|line| line.chars().count() == 110 && line.ends_with('…')), "{text}");
        assert!(
            text.contains("1970-01-01 00:00:00 UTC  OK        apply") && text.contains("running   apply"),
            "{text}"
        );
        assert!(!text.contains('\x1b'));
        assert!(listed(&[], Some("weekly"), &TimeZone::UTC, style).contains("hostler run weekly"));
    }
}
