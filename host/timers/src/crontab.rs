//! Lines for /etc/cron.d, where there is no systemd.
//!
//! Cron does not make up for what it missed, has no last day of a month, and Debian's does not know zones: where the
//! words of a schedule say more than its columns can, the line tests the day itself or says what it lacks.

use std::{fmt::Write, path::Path};

use hostler_configuration::ProcedureConfiguration;
use jiff::tz::TimeZone;

use crate::Start;

/// The lines of a procedure; nothing where it has no schedule.
pub fn crontab(procedure: &ProcedureConfiguration, start: Start<'_>, machine: &TimeZone) -> String {
    let Some(schedule) = &procedure.schedule else { return String::new() };
    let name = &procedure.name;
    let mut text = format!("# {name}: {schedule}\n");
    if procedure.time_zone != *machine {
        let zone = procedure.time_zone.iana_name().unwrap_or("UTC");
        let _ = writeln!(
            text,
            "# cronie reads this zone; Debian's cron keeps to the machine's, and needs the hour put right.\nCRON_TZ={zone}"
        );
    }
    let run = format!("{} --config {} run {name} --exit work", argument(start.program), argument(start.config));
    for (columns, only_on_the_last_day) in schedule.columns() {
        let test = if only_on_the_last_day { "[ \"$(date -d tomorrow +\\%d)\" = 01 ] && " } else { "" };
        let _ = writeln!(text, "{columns} {} {test}{run}", start.user);
    }
    text
}

/// A path as cron's shell reads it: cron takes `%` for a new line.
fn argument(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''").replace('%', "\\%")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_to_crons_shell() {
        assert_eq!(argument(Path::new("/etc/hostler/hostler.toml")), "/etc/hostler/hostler.toml");
        assert_eq!(argument(Path::new("/srv/a b/it's 100%")), "'/srv/a b/it'\\''s 100\\%'");
    }
}
