//! `plan` and `run`.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use hostler_capability::{Mode, Severity};
use hostler_service::{Approval, Host, Outcome, RunOptions};

use super::{
    configuration::load,
    print::{out, style},
};
use crate::{
    arguments::{DEFAULT_CONFIG, ExitBy, RunArguments},
    exit::{UNAVAILABLE, USAGE, failure},
    format::Format,
    progress,
    signals::Signals,
};

/// Says what would change.
pub(super) async fn plan(
    config: &Path,
    arguments: &RunArguments,
    file: Option<&Path>,
    valid_for: Duration,
) -> anyhow::Result<u8> {
    let host = open(config)?;
    let mut options = RunOptions::new(Mode::Check);
    options.keep_state = arguments.keep_state;
    let (outcome, code) = run_named(&host, arguments, options, ExitBy::Verdict).await?;
    let approval = Approval::of(&outcome, valid_for);
    if let Some(file) = file {
        write(file, &approval.to_text())
            .map_err(|error| failure(UNAVAILABLE, format!("{}: cannot be written: {error}", file.display())))?;
    }
    if arguments.format == Format::Text {
        out(&next(config, &arguments.name, &approval, file))?;
    }
    Ok(code)
}

/// The one command that applies what was planned.
fn next(config: &Path, name: &str, approval: &Approval, file: Option<&Path>) -> String {
    if !approval.changes_something() {
        return String::new();
    }
    let held_to = match (file, approval.run_id()) {
        (Some(file), _) => format!("--approved {}", quoted(&file.display().to_string())),
        (None, Some(run)) => format!("--plan {run}"),
        (None, None) => return String::new(),
    };
    // What the environment or the default says need not be written.
    let named = std::env::var_os("HOSTLER_CONFIG").map_or_else(|| DEFAULT_CONFIG.into(), PathBuf::from);
    let config =
        if named == config { String::new() } else { format!(" --config {}", quoted(&config.display().to_string())) };
    format!("to apply exactly this: hostler run {name} {held_to}{config}\n")
}

/// As a shell reads it back.
fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./:=@%+,".contains(letter);
    if !text.is_empty() && text.chars().all(plain) { text.into() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Writes a file for its owner alone, whole or not at all.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(directory)?;
    temporary.write_all(text.as_bytes())?;
    temporary.as_file().sync_all()?;
    temporary.persist(file).map(drop).map_err(|error| error.error)
}

/// Runs.
pub(super) async fn run(
    config: &Path,
    arguments: &RunArguments,
    plan: Option<&str>,
    approved: Option<&Path>,
    exit: ExitBy,
) -> anyhow::Result<u8> {
    let host = open(config)?;
    let mut options = RunOptions::new(Mode::Apply);
    options.approved = match (plan, approved) {
        (Some(run), _) => Some(Arc::new(host.approved(run)?)),
        (None, Some(file)) => Some(Arc::new(read(file)?)),
        (None, None) => None,
    };
    run_named(&host, arguments, options, exit).await.map(|(_, code)| code)
}

fn read(file: &Path) -> anyhow::Result<Approval> {
    let wrong = |problem: String| failure(USAGE, format!("{}: {problem}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    Approval::read(&text).map_err(|error| wrong(error.to_string()))
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
    let outcome = host.run_named(&arguments.name, options).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_from_a_shell_as_they_were() {
        assert_eq!(quoted("/etc/hostler/hostler.toml"), "/etc/hostler/hostler.toml");
        assert_eq!(quoted("/home/a b/it's"), "'/home/a b/it'\\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_plan_is_written_for_its_owner_alone_and_over_the_one_before() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("plan.json");
        for text in ["one", "two"] {
            write(&file, text).expect("it is written");
            assert_eq!(fs::read_to_string(&file).expect("it is there"), text);
        }
        assert_eq!(fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
        assert!(write(&directory.path().join("absent/plan.json"), "x").is_err());
    }
}
