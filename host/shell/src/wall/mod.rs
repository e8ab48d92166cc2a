//! The walls around a program: which this machine has, and how they are raised for one call.

mod bubblewrap;
mod limits;
mod mounts;
mod rules;
mod scratch;

use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use hostler_capability::{Error, RunContext};
use hostler_configuration::Confinement;
use rustix::pipe::PipeFlags;
use thiserror::Error;
use tokio::{net::unix::pipe, process::Command, sync::Mutex};

use crate::{
    child::{self, Fence},
    connect::PrivateFile,
    launch::Launch,
    process::Process,
};
use bubblewrap::Bubblewrap;
use scratch::Scratch;

/// Where bubblewrap is looked for.
pub(crate) const BUBBLEWRAP: &[&str] =
    &["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap", "/run/current-system/sw/bin/bwrap"];

/// Why bubblewrap cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Missing {
    /// It is not there.
    #[error("bubblewrap is not installed (package bubblewrap, program bwrap)")]
    NotInstalled,
    /// It lacks an option.
    #[error("bubblewrap is too old: it has no {0}")]
    TooOld(&'static str),
    /// It cannot raise its walls here.
    #[error("bubblewrap cannot raise its walls on this machine: {0}")]
    Refused(String),
}

/// The walls of this machine.
pub(crate) struct Walls {
    hidden: Vec<PathBuf>,
    candidates: Vec<PathBuf>,
    // Only a success is kept: what is missing may be installed while the host runs.
    found: Mutex<Option<Bubblewrap>>,
}

/// A program that was started, and what it needs until its end.
pub(crate) struct Ready {
    pub(crate) status: Option<pipe::Receiver>,
    pub(crate) scratch: Option<Scratch>,
}

impl Walls {
    pub(crate) fn new(hidden: Vec<PathBuf>, candidates: Vec<PathBuf>) -> Self {
        Self { hidden, candidates, found: Mutex::default() }
    }

    /// Whether a path is the host's own.
    pub(crate) fn hides(&self, real: &Path) -> bool {
        self.hidden().iter().any(|hidden| real.starts_with(hidden))
    }

    /// What is hidden, where it really lies, as far as it is there now.
    fn hidden(&self) -> Vec<PathBuf> {
        self.hidden.iter().map(|path| path.canonicalize().unwrap_or_else(|_| path.clone())).collect()
    }

    async fn bubblewrap(&self) -> Result<Bubblewrap, Missing> {
        let mut found = self.found.lock().await;
        if let Some(found) = &*found {
            return Ok(found.clone());
        }
        let probed = Bubblewrap::find(&self.candidates).await?;
        Ok(found.insert(probed).clone())
    }

    /// What is missing, in words for the operator.
    pub(crate) async fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if let Err(problem) = self.bubblewrap().await {
            missing.push(refusal(&problem));
        }
        missing.extend(rules::missing());
        missing
    }
}

fn refusal(problem: &Missing) -> String {
    format!(
        "{problem}: install bubblewrap and allow it its namespaces, or write confine = \"best-effort\" at the program"
    )
}

/// Raises the walls and starts a program behind them.
///
/// # Errors
/// `unavailable` where a wall is missing that the operator wants, or the program cannot be started.
pub(crate) async fn start(
    walls: &Walls,
    launch: Launch,
    confine: Confinement,
    context: &RunContext,
) -> Result<(Ready, Process), Error> {
    let label = launch.label.clone();
    check(&launch)?;
    let hidden = walls.hidden();
    let bubblewrap = match confine {
        Confinement::Off => {
            context.note(format!("{label} runs without confinement (confine = \"off\")"));
            None
        }
        _ => match (walls.bubblewrap().await, confine) {
            (Ok(bubblewrap), _) => Some(bubblewrap),
            (Err(problem), Confinement::Strict) => {
                return Err(Error::Unavailable(format!("{label} is not started: {}", refusal(&problem))));
            }
            (Err(problem), _) => {
                context.note(format!(
                    "{label} runs without the walls of bubblewrap (confine = \"best-effort\"): {problem}"
                ));
                None
            }
        },
    };
    let started = match bubblewrap {
        Some(bubblewrap) => {
            if launch.network
                && let Some(words) = rules::missing()
            {
                context.note(format!("{label}: {words}"));
            }
            behind(&bubblewrap, launch, &hidden).await
        }
        None => {
            let held = confine != Confinement::Off;
            if held && rules::version() == 0 {
                context.note(format!(
                    "{label} runs without Landlock, which this kernel does not have: no wall holds its files"
                ));
            }
            before(launch, held, &hidden).await
        }
    };
    started.map_err(|error| Error::Unavailable(format!("{label} cannot be started: {}", error.kind())))
}

/// Looks at the program itself, so that what is missing is said by its name.
fn check(launch: &Launch) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    let unavailable = |words: &str| Err(Error::Unavailable(format!("{}: {words}", launch.label)));
    match std::fs::metadata(&launch.program) {
        _ if !launch.program.is_absolute() => unavailable("its path is not absolute"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => unavailable("the program is not there"),
        Err(error) => unavailable(&format!("the program cannot be looked at: {}", error.kind())),
        Ok(found) if !found.is_file() || found.permissions().mode() & 0o111 == 0 => unavailable("it is not executable"),
        Ok(_) => Ok(()),
    }
}

/// Behind every wall.
async fn behind(bubblewrap: &Bubblewrap, launch: Launch, hidden: &[PathBuf]) -> std::io::Result<(Ready, Process)> {
    let (status, report) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let network = launch.network;
    let stdin = launch.stdin;
    // The first process inside ends with bubblewrap only once it has asked to, and leaves bubblewrap's group before. So
    // it is held back until who watches knows it by its number: a host that dies at any moment leaves nothing behind.
    let (held, go) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let (watched, watch) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let (mut command, inherit) = bubblewrap.command(launch, hidden, report, Some(held))?;
    pipes(&mut command, stdin);
    let (landlock, kept) = (rules::scope(network), Some(go.try_clone()?));
    let fence = Fence { inherit, limits: limits::all(), landlock, watched: Some(watched), kept, ..Fence::default() };
    child::fence(&mut command, fence);
    let child = child::spawn(command).await?;
    let status = pipe::Receiver::from_owned_fd(status)?;
    Ok((Ready { status: Some(status), scratch: None }, Process::new(child, Some(watch), true)?.held_back(go)))
}

/// Without namespaces: `held` by Landlock and limits, or by nothing.
async fn before(launch: Launch, held: bool, hidden: &[PathBuf]) -> std::io::Result<(Ready, Process)> {
    let scratch = if held || !launch.files.is_empty() { Some(Scratch::new()?) } else { None };
    let mut command = Command::new(&launch.program);
    command.args(&launch.arguments).env_clear().envs(&launch.variables);
    command.current_dir(launch.directory.as_deref().unwrap_or(Path::new("/")));
    let mut fence = Fence::default();
    if let Some(scratch) = &scratch {
        for file in &launch.files {
            command.env(file.variable, private(scratch.path(), file)?);
        }
        if held {
            command.env("HOME", scratch.path()).env("TMPDIR", scratch.path());
            fence.limits = limits::all();
            fence.no_new_privileges = true;
            fence.landlock = rules::files(&launch, scratch.path(), hidden);
        }
    }
    let (watched, watch) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    fence.watched = Some(watched);
    pipes(&mut command, launch.stdin);
    child::fence(&mut command, fence);
    let child = child::spawn(command).await?;
    Ok((Ready { status: None, scratch }, Process::new(child, Some(watch), false)?))
}

fn pipes(command: &mut Command, stdin: bool) {
    let input = if stdin { Stdio::piped() } else { Stdio::null() };
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
}

/// Writes a file that its owner alone reads.
fn private(directory: &Path, file: &PrivateFile) -> std::io::Result<PathBuf> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let path = directory.join(file.name);
    let mut made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    made.write_all(&file.contents)?;
    Ok(path)
}

/// The last line of what bubblewrap said, which is why it gave up.
pub(crate) fn said(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    line.trim_start_matches("bwrap: ").chars().filter(|letter| !letter.is_control()).take(300).collect()
}

/// How long bubblewrap has to show what it can.
const PROBE: Duration = Duration::from_secs(10);

/// An unnamed file with these bytes, to be read from its start.
fn memory_file(name: &str, contents: &[u8]) -> std::io::Result<OwnedFd> {
    use std::io::{Seek, Write};
    let mut file = std::fs::File::from(rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::CLOEXEC)?);
    file.write_all(contents)?;
    file.rewind()?;
    Ok(file.into())
}
