//! `timers`: systemd units for the procedures that have a schedule, to be read before they are installed.

use std::path::Path;

use super::{configuration::load, print::out};

/// Prints them, each under the name of its file.
pub(super) fn timers(config: &Path) -> anyhow::Result<u8> {
    let configuration = load(config)?;
    let program = std::env::current_exe()?;
    let config = std::path::absolute(config)?;
    let mut any = false;
    for procedure in configuration.procedures.values() {
        let Some(schedule) = &procedure.schedule else { continue };
        any = true;
        let zone = procedure.time_zone.iana_name().unwrap_or("UTC");
        let name = &procedure.name;
        out(&format!(
            "# /etc/systemd/system/hostler-{name}.service\n[Unit]\nDescription=Hostler procedure {name}\n\n[Service]\nType=oneshot\n\
             ExecStart={} --config {} run {name} --exit work\n\n\
             # /etc/systemd/system/hostler-{name}.timer\n[Unit]\nDescription=Hostler procedure {name}, {schedule}\n\n[Timer]\n\
             OnCalendar={} {zone}\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n\n",
            argument(&program),
            argument(&config),
            schedule.on_calendar(),
        ))?;
    }
    if !any {
        out("# no procedure has a schedule\n")?;
    }
    Ok(0)
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
