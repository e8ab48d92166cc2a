//! What still runs the code of before an update: processes whose program or library was replaced, and the machine
//! itself. They are told, and nothing is restarted: whoever uses a service is asked first.

use std::collections::BTreeMap;

use hostler_sdk::machine::{OperatingSystem, Process};
use hostler_sdk::prelude::*;
use hostler_sdk::{listed, matches_pattern};

/// What the state is kept under.
const KEPT: &str = "reboot-required-since";

/// Tells each unit, or process without one, that runs code from a file that is no longer there. Returns how many.
pub fn report_old_code(processes: &[Process], ignore: &[String], databases: &[String]) -> usize {
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for process in processes.iter().filter(|process| process.deleted_code) {
        let subject = process.unit.as_deref().unwrap_or(&process.name);
        if !ignore.iter().any(|pattern| matches_pattern(pattern, subject) || matches_pattern(pattern, &process.name)) {
            found.entry(subject).or_default().push(format!("{} ({})", process.name, process.id));
        }
    }
    for (subject, processes) in &found {
        let database = databases.iter().any(|pattern| matches_pattern(pattern, subject));
        finding!(
            Severity::Warning,
            "old-code-running",
            *subject,
            "{} {} code from a file that was replaced or removed: {}",
            counted(processes.len(), "process"),
            agreed(processes.len(), "runs", "run"),
            listed(processes, 3)
        )
        .detail("An update of a program or library takes effect when what uses it is started again.")
        .remedy(remedy(subject, database))
        .report();
    }
    found.len()
}

fn remedy(subject: &str, database: bool) -> String {
    match subject {
        "init.scope" | "systemd" | "init" => "systemctl daemon-reexec".into(),
        "dbus.service" | "dbus-broker.service" => "restart the machine: nearly everything hangs on it".into(),
        _ if subject.ends_with(".scope") => "let whoever is logged in there log out and in again".into(),
        _ if database => format!("systemctl restart {subject}    # ends every connection: in the maintenance window"),
        _ if subject.ends_with(".service") => format!("systemctl restart {subject}"),
        _ => "start it again, the way in which it was started".into(),
    }
}

/// Since when the machine waits for a reboot, as far as the task's runs have seen; nothing where it does not.
///
/// # Errors
/// Where the state cannot be read or written.
pub async fn reboot_required_for(
    context: &Context,
    system: &OperatingSystem,
    now: Timestamp,
) -> Result<Option<Duration>, TaskError> {
    let kept: Option<Timestamp> = context.state().get(KEPT).await?;
    if !system.reboot_required {
        if kept.is_some() {
            context.state().delete(KEPT).await?;
        }
        return Ok(None);
    }
    let since = kept.filter(|kept| kept.0 > system.booted_at).unwrap_or(now);
    context.state().set(KEPT, &since).await?;
    Ok(Some(since.until(now)))
}
