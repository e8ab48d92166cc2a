//! bubblewrap: what it is told, and whether it can do it here.
//!
//! All options go through an unnamed file: an environment of a process is nobody's, its command line is everybody's.

use std::{
    ffi::OsString,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{io::AsyncReadExt, process::Command};

use super::{Missing, PROBE, limits, memory_file, mounts, rules};
use crate::{
    child::{self, Fence},
    launch::Launch,
};

/// Options that older versions lack.
const NEEDED: &[&str] = &["--ro-bind-fd", "--json-status-fd", "--perms", "--size", "--clearenv"];

/// A bubblewrap that was tried.
#[derive(Debug, Clone)]
pub(super) struct Bubblewrap {
    path: PathBuf,
    /// Whether it makes a user namespace, in which no further ones can be made.
    user: bool,
}

impl Bubblewrap {
    /// Finds it, and has it raise all walls around a program that does nothing.
    pub(super) async fn find(candidates: &[PathBuf]) -> Result<Self, Missing> {
        let path = candidates.iter().find(|path| path.is_file()).ok_or(Missing::NotInstalled)?;
        let help = output(Command::new(path).arg("--help"), None).await.unwrap_or_default();
        if let Some(option) = NEEDED.iter().find(|option| !help.contains(**option)) {
            return Err(Missing::TooOld(option));
        }
        let mut problem = String::new();
        for user in [true, false] {
            let candidate = Self { path: path.clone(), user };
            match candidate.probe().await {
                Ok(()) => return Ok(candidate),
                Err(said) => problem = said,
            }
        }
        Err(Missing::Refused(problem))
    }

    async fn probe(&self) -> Result<(), String> {
        let program = ["/usr/bin/true", "/bin/true", "/run/current-system/sw/bin/true"];
        let program =
            program.iter().map(PathBuf::from).find(|path| path.is_file()).ok_or("the machine has no program true")?;
        let launch = Launch { program, variables: Launch::base_variables(), ..Launch::default() };
        let (status, report) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|errno| errno.to_string())?;
        let (mut command, inherit) = self.command(launch, &[], report, None).map_err(|error| error.to_string())?;
        let fence = Fence { inherit, limits: limits::all(), landlock: rules::scope(false), ..Fence::default() };
        let said = output(&mut command, Some(fence)).await;
        drop(status);
        match said {
            Some(said) if said.is_empty() => Ok(()),
            Some(said) => Err(super::said(said.as_bytes())),
            None => Err("it does not end".into()),
        }
    }

    /// The command that starts a program behind every wall, and the handles that it keeps. `report` is where
    /// bubblewrap says how it went, and `held` where it waits for a word before the program starts.
    pub(super) fn command(
        &self,
        launch: Launch,
        hidden: &[PathBuf],
        report: OwnedFd,
        held: Option<OwnedFd>,
    ) -> std::io::Result<(Command, Vec<OwnedFd>)> {
        let mut options = Options::default();
        if self.user {
            options.words(&["--unshare-user", "--disable-userns"]);
        }
        options.words(&["--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"]);
        if !launch.network {
            options.words(&["--unshare-net"]);
        }
        options.words(&["--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]);
        options.all(mounts::system(&launch.program, launch.network));
        let mut shown = launch.shown;
        // What lies above is shown first, so that it does not cover what lies below.
        shown.sort_by_key(|shown| (shown.real.components().count(), shown.writable));
        let places: Vec<PathBuf> = shown.iter().map(|shown| shown.real.clone()).collect();
        for shown in shown {
            options.words(&[if shown.writable { "--bind-fd" } else { "--ro-bind-fd" }]);
            options.handle(shown.handle);
            options.path(&shown.real);
        }
        options.all(mounts::masks(hidden, &places));
        for socket in &launch.sockets {
            options.words(&["--ro-bind-try"]);
            options.path(socket);
            options.path(socket);
        }
        for file in &launch.files {
            let place = Path::new("/run/hostler").join(file.name);
            options.words(&["--perms", "0600", "--ro-bind-data"]);
            options.handle(memory_file("file", &file.contents)?);
            options.path(&place);
            options.words(&["--setenv", file.variable]);
            options.path(&place);
        }
        options.words(&["--remount-ro", "/", "--setenv", "HOME", "/tmp"]);
        for (name, value) in &launch.variables {
            options.words(&["--setenv", name, value]);
        }
        options.words(&["--chdir"]);
        options.path(launch.directory.as_deref().unwrap_or(Path::new("/")));
        options.words(&["--json-status-fd"]);
        options.handle(report);
        if let Some(held) = held {
            options.words(&["--block-fd"]);
            options.handle(held);
        }
        let Options { bytes, mut handles } = options;
        let list = memory_file("options", &bytes)?;
        let mut command = Command::new(&self.path);
        command.env_clear().current_dir("/").arg("--args").arg(list.as_raw_fd().to_string());
        command.arg("--").arg(&launch.program).args(&launch.arguments);
        handles.push(list);
        Ok((command, handles))
    }
}

/// Options as bubblewrap reads them from a file: each with a NUL behind it.
#[derive(Default)]
struct Options {
    bytes: Vec<u8>,
    handles: Vec<OwnedFd>,
}

impl Options {
    fn words(&mut self, words: &[&str]) {
        for word in words {
            self.bytes.extend_from_slice(word.as_bytes());
            self.bytes.push(0);
        }
    }

    fn all(&mut self, words: Vec<String>) {
        words.iter().for_each(|word| self.words(&[word]));
    }

    fn path(&mut self, path: &Path) {
        self.bytes.extend_from_slice(OsString::from(path).as_bytes());
        self.bytes.push(0);
    }

    fn handle(&mut self, handle: OwnedFd) {
        self.words(&[&handle.as_raw_fd().to_string()]);
        self.handles.push(handle);
    }
}

/// All that a short command says; nothing where it cannot be started or does not end in time.
async fn output(command: &mut Command, fence: Option<Fence>) -> Option<String> {
    let mut owned = std::mem::replace(command, Command::new("/"));
    owned.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    child::fence(&mut owned, fence.unwrap_or_default());
    let mut child = child::spawn(owned).await.ok()?;
    let (mut stdout, mut stderr) = (child.stdout.take()?, child.stderr.take()?);
    let (mut said, mut complained) = (String::new(), String::new());
    let reading = async { tokio::join!(stdout.read_to_string(&mut said), stderr.read_to_string(&mut complained)) };
    let _ = tokio::time::timeout(PROBE, reading).await.ok()?;
    let ended = tokio::time::timeout(PROBE, child.wait()).await.ok()?.ok()?;
    let said = said + &complained;
    if !ended.success() && said.is_empty() { Some(format!("it ended with {ended}")) } else { Some(said) }
}
