//! Updates: what waits, what of it are security fixes and for how long, what was updated and still runs as before, and
//! for how long there will be fixes at all.
//!
//! Neither a package list nor a repository says when a fix came out. So the task remembers when it first saw one: a fix
//! waits for at least that long, and one that was there at the first run is unknown rather than new.

mod fixes;
mod lists;
mod release;

use hostler_sdk::machine;
use hostler_sdk::prelude::*;
use shared_packages::policy::Sources;
use shared_packages::simulation::{EVERYTHING, Simulation};
use shared_packages::{is_security, restart};

use fixes::Fixes;
use release::Support;

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    security_origins: Vec<String>,
    security_warning: Duration,
    security_critical: Duration,
    lists_age: Duration,
    end_of_life_warning: Duration,
    extended_support: bool,
    end_of_life: Option<String>,
    ignore_processes: Vec<String>,
    databases: Vec<String>,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let now = Timestamp::now();
    let named = settings.end_of_life.as_deref().map(release::last_day).transpose()?;
    let lists = lists::report(&context.directory("lists"), &settings, now).await;
    tell(lists, "package lists")?;
    let updates = tell(updates(&context, &settings, now).await, "updates")?;
    tell(machine(&context, &settings, named, now).await, "machine")?;
    Ok(updates.unwrap_or_else(|| "the updates could not be looked at".into()))
}

/// What could not be looked at is told, and the rest is looked at all the same.
fn tell<T>(looked: Result<T, TaskError>, what: &str) -> Result<Option<T>, TaskError> {
    match looked {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.ends_the_run() => Err(error),
        Err(error) => {
            error.finding("not-looked-at", what).report();
            Ok(None)
        }
    }
}

async fn updates(context: &Context, settings: &Settings, now: Timestamp) -> Result<String, TaskError> {
    let said = context.program("apt-get").arguments(EVERYTHING).output().await;
    let simulation = Simulation::parse(&said.map_err(broken)?)?;
    report_unfinished(simulation.unfinished);
    let waiting: Vec<&str> = simulation
        .upgrades
        .iter()
        .map(|upgrade| upgrade.name.as_str())
        .chain(simulation.held.iter().map(String::as_str))
        .collect();
    let mut with_fix = std::collections::BTreeSet::new();
    if !waiting.is_empty() {
        let sources = Sources::parse(&context.program("apt-cache").argument("policy").output().await?);
        let tables = context.program("apt-cache").argument("policy").arguments(waiting).output().await?;
        with_fix = sources.with_fix(&tables, |origin| is_security(origin, &settings.security_origins));
    }
    let fixes = Fixes::of(&simulation, &with_fix, &settings.security_origins);
    let known = context.state().get(fixes::KEPT).await?;
    let (kept, first) = fixes.since(known, now);
    context.state().set(fixes::KEPT, &kept).await?;
    Ok(fixes.report(&simulation, &kept, first, settings, now))
}

/// What is half done may not work, and stands in the way of every update.
fn report_unfinished(count: usize) {
    if count > 0 {
        let (packages, are) = (counted(count, "package"), agreed(count, "is", "are"));
        finding!(
            Severity::Critical,
            "packages-unfinished",
            "dpkg",
            "{packages} {are} half done: an upgrade was cut off"
        )
        .remedy("dpkg --audit    # names them; then dpkg --configure -a and apt-get --fix-broken install")
        .report();
    }
}

/// apt-get's own advice names the command.
fn broken(error: TaskError) -> TaskError {
    let said = error.message().to_owned();
    let advice = match () {
        () if said.contains("dpkg was interrupted") => "dpkg --configure -a",
        () if said.contains("nmet dependencies") || said.contains("held broken packages") => {
            "apt-get --fix-broken install"
        }
        () => return error,
    };
    error.remedy(format!("{advice}    # the package database is not whole: no update can be installed before"))
}

async fn machine(
    context: &Context,
    settings: &Settings,
    named: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), TaskError> {
    let system = machine::operating_system().await?;
    Support::of(&system.fields, named, settings.extended_support).report(settings.end_of_life_warning, now);
    let waits = restart::reboot_required_for(context, &system, now).await?;
    report_reboot(waits);
    let processes = machine::processes().await?;
    let old = restart::report_old_code(&processes, &settings.ignore_processes, &settings.databases);
    Metric::gauge("system_old_code_running", old as f64).report();
    Ok(())
}

fn report_reboot(waits: Option<Duration>) {
    Metric::gauge("system_reboot_required", f64::from(u8::from(waits.is_some()))).report();
    let Some(waits) = waits else { return };
    let seen = if waits.as_seconds() > 0.0 { format!(", as this task has seen for {waits}") } else { String::new() };
    finding!(Severity::Warning, "reboot-required", "machine", "an update takes effect with a reboot alone{seen}")
        .remedy("cat /run/reboot-required.pkgs    # names the packages; reboot in the maintenance window")
        .report();
}

#[cfg(test)]
mod tests;
