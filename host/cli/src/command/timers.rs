//! `timers`: what starts the procedures, to be read before it is installed, and the times that it comes to.

use std::{
    fs,
    io::Write,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use hostler_configuration::{Configuration, ProcedureConfiguration};
use hostler_manifest::{Access, Request, did_you_mean};
use hostler_registry::Registry;
use hostler_timers::{Start, Unit, crontab, needs, times, units};
use jiff::{Timestamp, tz::TimeZone};

use super::{configuration::load, print::out};
use crate::{
    arguments::TimerFormat,
    exit::{UNAVAILABLE, USAGE, failure},
};

/// Prints or writes them.
pub(super) fn timers(
    config: &Path,
    only: Option<&str>,
    format: TimerFormat,
    directory: Option<&Path>,
) -> anyhow::Result<u8> {
    let configuration = load(config)?;
    let procedures = asked(&configuration, only)?;
    let (program, config) = (std::env::current_exe()?, std::path::absolute(config)?);
    let user = user(&configuration);
    let start = Start { program: &program, config: &config, user: &user };
    if format == TimerFormat::Crontab {
        if directory.is_some() {
            return Err(failure(USAGE, "--out writes systemd's units; what cron reads is one file: redirect it there"));
        }
        let machine = TimeZone::system();
        let lines: String =
            procedures.iter().map(|one| crontab(one, start, &machine) + &times(one, Timestamp::now())).collect();
        out(&lines)?;
        return Ok(0);
    }
    let writes = writes(&configuration);
    for procedure in procedures {
        let needs = needs(&configuration, procedure, &writes);
        let made = units(procedure, &needs, start);
        match directory {
            Some(directory) => write(directory, &made)?,
            None => {
                for unit in &made {
                    out(&format!("# /etc/systemd/system/{}\n{}\n", unit.name, unit.text))?;
                }
            }
        }
        out(&format!("{}\n", times(procedure, Timestamp::now())))?;
    }
    if directory.is_some() {
        out("# next: systemctl daemon-reload && systemctl enable --now 'hostler-*.timer'\n")?;
    }
    Ok(0)
}

/// The procedures that have a schedule, or the one that was named.
fn asked<'c>(configuration: &'c Configuration, only: Option<&str>) -> anyhow::Result<Vec<&'c ProcedureConfiguration>> {
    let Some(name) = only else {
        let scheduled: Vec<_> = configuration.procedures.values().filter(|one| one.schedule.is_some()).collect();
        if scheduled.is_empty() {
            out("# no procedure has a schedule\n")?;
        }
        return Ok(scheduled);
    };
    match configuration.procedures.get(name) {
        Some(procedure) if procedure.schedule.is_some() => Ok(vec![procedure]),
        Some(_) => {
            Err(failure(USAGE, format!("the procedure {name} has no schedule; write schedule = \"daily 03:00\"")))
        }
        None => {
            let known = configuration.procedures.keys().map(String::as_str);
            let meant = did_you_mean(name, known).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
            Err(failure(USAGE, format!("there is no procedure {name}{meant}")))
        }
    }
}

/// The state directory's owner, whose history it is; root where nothing has run yet.
fn user(configuration: &Configuration) -> String {
    let owner = fs::metadata(&configuration.host.state).map_or(0, |metadata| metadata.uid());
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(owner)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| owner.to_string())
}

/// Whether a plugin writes the directories of a request; one that is not installed may.
fn writes(configuration: &Configuration) -> impl Fn(&str, &str) -> bool {
    let registry = Registry::open(&configuration.host.registry).ok();
    move |plugin, request| {
        let installed = registry.as_ref().and_then(|registry| registry.get(plugin).ok());
        let Some(installed) = installed else { return true };
        match installed.manifest.requests.get(request) {
            Some(Request::Directory(directory)) => directory.access == Access::Write,
            _ => false,
        }
    }
}

/// Each unit under its name. One that is there with another text stays: it may be somebody's own.
fn write(directory: &Path, units: &[Unit]) -> anyhow::Result<()> {
    for unit in units {
        let path = directory.join(&unit.name);
        let wrong = |error: std::io::Error| failure(UNAVAILABLE, format!("{}: {error}", path.display()));
        match fs::read_to_string(&path) {
            Ok(text) if text == unit.text => {}
            Ok(_) => {
                return Err(failure(
                    USAGE,
                    format!("{}: is there with another text, and is left as it is; remove it first", path.display()),
                ));
            }
            Err(_) => {
                let mut file =
                    fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path).map_err(wrong)?;
                file.write_all(unit.text.as_bytes()).map_err(wrong)?;
            }
        }
        out(&format!("# {}\n", path.display()))?;
    }
    Ok(())
}
