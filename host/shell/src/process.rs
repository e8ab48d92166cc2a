//! A program under way: waited for, asked to end, ended, and never left behind.

use std::{
    os::{fd::OwnedFd, unix::process::ExitStatusExt},
    process::ExitStatus,
    sync::{Arc, Mutex, PoisonError},
};

use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::{
    io::{AsyncBufReadExt, BufReader, unix::AsyncFd},
    net::unix::pipe,
    process::{Child, ChildStderr, ChildStdin, ChildStdout},
};

use crate::child;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// The walls could not be raised: the program was never started.
    NotStarted,
}

/// What bubblewrap says of the program inside.
#[derive(Debug, Default, Clone, Copy)]
struct Inside {
    /// The first process inside, as this machine numbers it.
    first: Option<i32>,
    code: Option<i32>,
}

/// A running program.
pub(crate) struct Process {
    child: Child,
    group: Option<Pid>,
    exit: AsyncFd<OwnedFd>,
    watch: Option<OwnedFd>,
    go: Option<OwnedFd>,
    confined: bool,
    inside: Arc<Mutex<Inside>>,
}

impl Process {
    /// Takes a program over that was just started.
    ///
    /// # Errors
    /// What the system says; the program is killed then.
    pub(crate) fn new(child: Child, watch: Option<OwnedFd>, confined: bool) -> std::io::Result<Self> {
        let ended = || std::io::Error::other("it ended before it was looked at");
        let number = child.id().and_then(|id| i32::try_from(id).ok()).ok_or_else(ended)?;
        let group = Pid::from_raw(number).ok_or_else(ended)?;
        let exit = child::ending(rustix::process::pidfd_open(group, PidfdFlags::empty())?)?;
        Ok(Self { child, group: Some(group), exit, watch, go: None, confined, inside: Arc::default() })
    }

    /// Has the program start with a word into `go`, once who watches knows the first process inside.
    pub(crate) fn held_back(mut self, go: OwnedFd) -> Self {
        self.go = Some(go);
        self
    }

    pub(crate) fn take_pipes(&mut self) -> (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>) {
        (self.child.stdin.take(), self.child.stdout.take(), self.child.stderr.take())
    }

    /// Reads what bubblewrap says, to its end.
    pub(crate) fn listen(&self, status: Option<pipe::Receiver>) -> impl Future<Output = ()> + use<> {
        let inside = self.inside.clone();
        let handle = |handle: &Option<OwnedFd>| handle.as_ref().and_then(|handle| handle.try_clone().ok());
        let (watch, mut go) = (handle(&self.watch), handle(&self.go));
        async move {
            let Some(status) = status else { return };
            let mut lines = BufReader::new(status).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let Ok(line) = serde_json::from_str::<serde_json::Value>(&line) else { continue };
                let number = |key: &str| {
                    line.get(key).and_then(serde_json::Value::as_i64).and_then(|number| i32::try_from(number).ok())
                };
                let mut inside = inside.lock().unwrap_or_else(PoisonError::into_inner);
                inside.first = number("child-pid").or(inside.first);
                if let (Some(first), Some(watch), Some(go)) = (inside.first, &watch, go.take()) {
                    let told = rustix::io::write(watch, &first.to_ne_bytes());
                    let _ = told.and_then(|_| rustix::io::write(&go, b"."));
                }
                inside.code = number("exit-code").or(inside.code);
            }
        }
    }

    /// Waits until it has ended, without taking its status.
    pub(crate) async fn exited(&self) {
        // An error here is the runtime's end.
        let _ = self.exit.readable().await;
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        let first = self.inside.lock().unwrap_or_else(PoisonError::into_inner).first;
        match (self.confined, first) {
            (false, _) => self.signal_group(Signal::TERM),
            // bubblewrap itself would die of the signal, and take the program with it before it could tidy up.
            (true, Some(first)) => signal_children(first),
            (true, None) => {}
        }
    }

    /// Ends it, and all that it left in its process group.
    pub(crate) fn kill(&self) {
        self.signal_group(Signal::KILL);
    }

    fn signal_group(&self, signal: Signal) {
        if let Some(group) = self.group {
            // It may have ended; until it is reaped the number stays its own.
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    /// Takes the status of a program that has ended, after ending what it left in its group.
    pub(crate) async fn reap(&mut self) -> std::io::Result<Ended> {
        self.kill();
        let status = self.child.wait().await?;
        self.group = None;
        self.release();
        let inside = *self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match (self.confined, inside.code) {
            (false, _) => outside(status),
            (true, None) if status.signal().is_some() => outside(status),
            (true, None) => Ended::NotStarted,
            // bubblewrap says a signal as a shell does.
            (true, Some(code)) if (129..=192).contains(&code) => Ended::Signal(code - 128),
            (true, Some(code)) => Ended::Code(code),
        })
    }

    /// Tells the watching process that there is nothing left to watch.
    fn release(&mut self) {
        if let Some(watch) = self.watch.take() {
            let _ = rustix::io::write(watch, b".");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.group.is_some() {
            self.kill();
            self.release();
        }
    }
}

fn outside(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Code(code),
        (None, signal) => Ended::Signal(signal.unwrap_or_default()),
    }
}

/// Asks the children of the first process inside to end: that one only waits for them.
fn signal_children(first: i32) {
    let list = || std::fs::read_to_string(format!("/proc/{first}/task/{first}/children")).unwrap_or_default();
    for child in list().split_ascii_whitespace() {
        let Some(pid) = child.parse().ok().and_then(Pid::from_raw) else { continue };
        let Ok(handle) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { continue };
        // Looked at again under the handle: the number may have passed to another process in between.
        if list().split_ascii_whitespace().any(|again| again == child) {
            let _ = rustix::process::pidfd_send_signal(handle, Signal::TERM);
        }
    }
}
