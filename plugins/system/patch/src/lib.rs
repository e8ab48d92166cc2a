//! Packages upgraded, and no others. `apt-get upgrade postgresql-14` upgrades everything that there is and takes the name
//! for one more; `install --only-upgrade` of the very versions that were simulated upgrades those. Each package is a step
//! of its own where that can be, so that the run can stop between two and one that fails is known by its name.
//!
//! Nothing is restarted here: what needs it is told. A package's own scripts may restart its service, and those of a
//! database end every connection, so that a database is upgraded where it is named and nowhere else.

mod choose;
mod outcome;
mod services;
mod work;

use hostler_sdk::prelude::*;
use hostler_sdk::{judged_above, machine};
use shared_packages::restart;

use choose::Choice;
use services::Services;
use work::Work;

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    packages: Vec<String>,
    security: bool,
    security_origins: Vec<String>,
    databases: Vec<String>,
    exclude: Vec<String>,
    limit: usize,
    refresh: bool,
    lock_wait: Duration,
    reserve: Duration,
    services: Vec<String>,
    settle: Duration,
    ignore_processes: Vec<String>,
    reboot_warning: Duration,
    reboot_critical: Duration,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    choose::check_names(&settings.packages)?;
    let _lock = context.lock("upgrade", "packages").await?;
    let before = Services::look(&context).await?;
    let result = patch(&context, &settings).await;
    // Whatever became of it, the services and what needs a restart are told.
    if !context.is_check() {
        services::check(&context, &before, &settings).await?;
    }
    let due = restarts(&context, &settings).await?;
    Ok(result? + &due)
}

async fn patch(context: &Context, settings: &Settings) -> Result<String, TaskError> {
    let mut work = Work::new(context, settings);
    if !work.refresh().await? {
        return Ok(work.report());
    }
    let Some(begun) = work.finish_unfinished().await? else { return Ok(work.report()) };
    let choice = Choice::make(context, settings, &begun).await?;
    choice.report(settings);
    let wanted = work.vetted(choice.wanted).await?;
    work.upgrade(wanted).await?;
    Ok(work.report())
}

/// What has to be started again, and the end of the run's summary.
async fn restarts(context: &Context, settings: &Settings) -> Result<String, TaskError> {
    let processes = machine::processes().await?;
    let old = restart::report_old_code(&processes, &settings.ignore_processes, &settings.databases);
    Metric::gauge("system_old_code_running", old as f64).report();
    let system = machine::operating_system().await?;
    let due = restart::reboot_required_for(context, &system, Timestamp::now()).await?;
    let reboot = report_reboot(due, settings);
    let old = if old > 0 { format!(", {} to be restarted", counted(old, "service")) } else { String::new() };
    Ok(old + reboot)
}

fn report_reboot(due: Option<Duration>, settings: &Settings) -> &'static str {
    let seconds = due.map_or(0.0, Duration::as_seconds);
    Metric::gauge("system_reboot_due_seconds", seconds).report();
    let Some(due) = due else { return "" };
    let (warning, critical) = (settings.reboot_warning.as_seconds(), settings.reboot_critical.as_seconds());
    let (severity, limit) = judged_above(seconds, warning, critical, Measure::Seconds);
    finding!(severity, "reboot-required", "machine", "a reboot is due, as this task has seen for {due}{limit}")
        .remedy("cat /run/reboot-required.pkgs    # names the packages; reboot in the maintenance window")
        .report_unless_ok();
    ", a reboot is due"
}

#[cfg(test)]
mod tests;
