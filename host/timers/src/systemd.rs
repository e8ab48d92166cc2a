//! A service and a timer of systemd's for each procedure.
//!
//! The service is held to what its procedure touches, with three walls left out on purpose: restricted namespaces,
//! protected kernel tunables and logs, and memory that is either written or executed. The host builds its own walls
//! around programs out of namespaces, where a masked /proc refuses to be mounted again; and a plugin's code is compiled.

use std::{fmt::Write, path::Path};

use hostler_configuration::ProcedureConfiguration;

use crate::{Needs, Start};

/// A file of systemd's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its name, as below /etc/systemd/system.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The service and the timer of a procedure; nothing where it has no schedule.
pub fn units(procedure: &ProcedureConfiguration, needs: &Needs, start: Start<'_>) -> Vec<Unit> {
    let Some(schedule) = &procedure.schedule else { return vec![] };
    let name = &procedure.name;
    let timer = format!(
        "[Unit]\nDescription=Hostler procedure {name}, {schedule}\n\n[Timer]\n{}\
         # What was missed while the machine was off is made up for, and not by all machines at the same second.\n\
         Persistent=true\nRandomizedDelaySec={}\n\n[Install]\nWantedBy=timers.target\n",
        events(procedure),
        delay(procedure),
    );
    vec![
        Unit { name: format!("hostler-{name}.service"), text: service(procedure, needs, start) },
        Unit { name: format!("hostler-{name}.timer"), text: timer },
    ]
}

fn events(procedure: &ProcedureConfiguration) -> String {
    let zone = procedure.time_zone.iana_name().unwrap_or("UTC");
    let events = procedure.schedule.iter().flat_map(|schedule| schedule.on_calendar());
    events.fold(String::new(), |mut text, event| {
        let _ = writeln!(text, "OnCalendar={event} {zone}");
        text
    })
}

/// Short beside the time between two runs, and never so long that a window of hours is missed.
fn delay(procedure: &ProcedureConfiguration) -> &'static str {
    match &procedure.schedule {
        Some(schedule) if schedule.to_string().starts_with("hourly") => "1min",
        _ => "5min",
    }
}

fn service(procedure: &ProcedureConfiguration, needs: &Needs, start: Start<'_>) -> String {
    let name = &procedure.name;
    let mut text = format!(
        "[Unit]\nDescription=Hostler procedure {name}\nAfter=network-online.target\n\
         Wants=network-online.target\n\n[Service]\nType=oneshot\nUser={}\nExecStart={} --config {} run {name} --exit work\n\
         # A run that is told to end stops between two steps and says how far it came.\nTimeoutStopSec=10min\n",
        start.user,
        argument(start.program),
        argument(start.config),
    );
    for credential in &needs.credentials {
        let _ = writeln!(text, "LoadCredential={credential}");
    }
    text.push_str("Nice=10\nIOSchedulingClass=best-effort\nIOSchedulingPriority=7\nUMask=0077\n");
    if needs.unconfined.is_empty() {
        text.push_str("NoNewPrivileges=yes\nProtectSystem=strict\nProtectHome=read-only\n");
        for path in &needs.written {
            // A directory that is not there yet must not keep the service from starting.
            let _ = writeln!(text, "ReadWritePaths=-{}", argument(path));
        }
        text.push_str("ProtectKernelModules=yes\nProtectControlGroups=yes\nRestrictSUIDSGID=yes\n");
    } else {
        let programs = needs.unconfined.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let _ =
            writeln!(text, "# The machine itself stays writable: {programs} may change it (confine in hostler.toml).");
    }
    if !needs.temporary {
        text.push_str("PrivateTmp=yes\n");
    }
    text.push_str("LockPersonality=yes\nRestrictRealtime=yes\nSystemCallArchitectures=native\n");
    text
}

/// A path as systemd reads it in a command line: in quotation marks where it needs them, without its own `%` and `$`.
fn argument(path: &Path) -> String {
    let text = path.display().to_string().replace('%', "%%").replace('$', "$$");
    if text.contains([' ', '"', '\'', '\\', ';']) {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_argument_to_systemd() {
        assert_eq!(argument(Path::new("/etc/hostler/hostler.toml")), "/etc/hostler/hostler.toml");
        assert_eq!(argument(Path::new("/srv/a b/100%/$x\"y")), "\"/srv/a b/100%%/$$x\\\"y\"");
    }
}
