//! `plan` and `run`.

use std::{path::Path, sync::Arc};

use hostler_capability::{Mode, Severity};
use hostler_service::{Host, Named, Outcome, RunOptions};

use super::{
    configuration::load,
    print::{out, style},
};
use crate::{
    arguments::{ExitBy, RunArguments},
    format::Format,
    progress,
    signals::Signals,
};

/// Says what would change.
pub(super) async fn plan(config: &Path, arguments: &RunArguments) -> anyhow::Result<u8> {
    let host = open(config)?;
    let mut options = RunOptions::new(Mode::Check);
    options.keep_state = arguments.keep_state;
    let (outcome, code) = run_named(&host, arguments, options, ExitBy::Verdict).await?;
    if arguments.format == Format::Text {
        let planned = outcome.tasks.iter().filter(|task| task.plan.effects().next().is_some());
        for task in planned {
            out(&format!("to apply exactly this: hostler run {} --plan {}\n", task.task, task.run_id))?;
        }
    }
    Ok(code)
}

/// Runs.
pub(super) async fn run(
    config: &Path,
    arguments: &RunArguments,
    plan: Option<&str>,
    exit: ExitBy,
) -> anyhow::Result<u8> {
    let host = open(config)?;
    let mut options = RunOptions::new(Mode::Apply);
    options.approved = plan.map(|plan| host.approved(plan)).transpose()?.map(Arc::new);
    run_named(&host, arguments, options, exit).await.map(|(_, code)| code)
}

/// Opens the host, and tells of runs that a kill ended.
fn open(config: &Path) -> anyhow::Result<Arc<Host>> {
    let host = Host::open(load(config)?)?;
    match host.tidy() {
        Ok(interrupted) => {
            for (run, task) in interrupted {
                eprintln!("hostler: the run {run} of {task} was interrupted: its host ended in the middle");
            }
        }
        Err(error) => return Err(hostler_service::ServiceError::from(error).into()),
    }
    Ok(Arc::new(host))
}

async fn run_named(
    host: &Arc<Host>,
    arguments: &RunArguments,
    mut options: RunOptions,
    exit: ExitBy,
) -> anyhow::Result<(Outcome, u8)> {
    let signals = Signals::watch(&options.stop)?;
    progress::show(&mut options);
    let (tasks, parallel) = match host.named(&arguments.name)? {
        Named::Task(task) => {
            options.time_zone = host.configuration.host.time_zone.clone();
            (vec![task], 1)
        }
        Named::Procedure(procedure, tasks) => {
            options.procedure = Some(procedure.name.clone());
            options.window = procedure.window;
            options.time_zone = procedure.time_zone.clone();
            (tasks, procedure.parallel.unwrap_or(host.configuration.host.parallel))
        }
    };
    // A task alone that cannot be made ready is an error of the command; in a procedure the others go on.
    let alone = options.procedure.is_none();
    let mut jobs = Vec::new();
    for task in tasks {
        jobs.push(match host.job(task) {
            Ok(job) => Ok(Arc::new(job)),
            Err(error) if alone => return Err(error.into()),
            Err(error) => Err(host.unready(task, &options, &error)),
        });
    }
    let outcome = host.run_all(&arguments.name, jobs, &options, parallel).await;
    host.settle().await;
    out(&arguments.format.print(&outcome, style(arguments.all)))?;
    if let Err(error) = host.prune() {
        eprintln!("hostler: the history could not be shortened: {error}");
    }
    let code = signals.exit_code().unwrap_or_else(|| code(&outcome, exit));
    Ok((outcome, code))
}

/// The exit code of an outcome.
pub(super) fn code(outcome: &Outcome, exit: ExitBy) -> u8 {
    match exit {
        ExitBy::Verdict => outcome.verdict().exit_code(),
        ExitBy::Work if outcome.worked() => 0,
        ExitBy::Work => Severity::Unknown.exit_code(),
    }
}
