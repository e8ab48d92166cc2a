//! `report`: what a procedure's newest runs found, from the history.

use std::{fs, path::Path};

use hostler_configuration::Configuration;
use hostler_manifest::did_you_mean;
use hostler_record::Record;

use super::{
    configuration::load,
    print::{out, style},
};
use crate::{
    arguments::ReportFormat,
    exit::{UNAVAILABLE, USAGE, failure},
    report,
};

/// Prints a report, or writes it; the exit code is by its verdict, as a run's.
pub(super) async fn report(
    config: &Path,
    name: &str,
    format: ReportFormat,
    to: Option<&Path>,
    days: u32,
) -> anyhow::Result<u8> {
    let configuration = load(config)?;
    let subject = subject(&configuration, name)?;
    let wrong = |error: hostler_record::RecordError| failure(UNAVAILABLE, error.to_string());
    let record = Record::open(&configuration.host.state).map_err(wrong)?;
    record.history().mark_interrupted().map_err(wrong)?;
    let report = report::gather(&configuration, record.history(), subject, days).await?;
    let text = match format {
        ReportFormat::Text => report::text(&report, style(false)),
        ReportFormat::Json => report.json(),
        ReportFormat::Html => report::html(&report),
    };
    match to {
        Some(path) => {
            fs::write(path, text).map_err(|error| failure(UNAVAILABLE, format!("{}: {error}", path.display())))?;
            eprintln!("{}", path.display());
        }
        None => out(&text)?,
    }
    Ok(report.verdict.exit_code())
}

type Subject<'c> = (&'c str, &'c [String], Option<&'c hostler_configuration::ProcedureConfiguration>);

fn subject<'c>(configuration: &'c Configuration, name: &'c str) -> anyhow::Result<Subject<'c>> {
    if let Some(procedure) = configuration.procedures.get(name) {
        return Ok((name, &procedure.tasks, Some(procedure)));
    }
    if let Some(task) = configuration.tasks.get(name) {
        return Ok((name, std::slice::from_ref(&task.name), None));
    }
    let known = configuration.procedures.keys().chain(configuration.tasks.keys()).map(String::as_str);
    let meant = did_you_mean(name, known).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
    Err(failure(USAGE, format!("there is no procedure or task {name}{meant}")))
}
