//! What happens between fork and exec: the one place of this crate that is `unsafe`.
//!
//! Between fork and exec of a process with threads only system calls are allowed: no allocation, no lock. So all that
//! is needed is made before, and what runs there is small enough to be read in one sitting.
#![allow(unsafe_code, reason = "a child process is confined between fork and exec, which the language cannot check")]

mod spawner;

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
};

use landlock::RulesetCreated;
use rustix::{
    io::FdFlags,
    process::{Resource, Rlimit, Signal},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    process::Command,
};

pub(crate) use spawner::spawn;

/// What holds a child from its first instruction on.
#[derive(Default)]
pub(crate) struct Fence {
    /// Handles that the child keeps, under the same numbers.
    pub(crate) inherit: Vec<OwnedFd>,
    /// Resource limits.
    pub(crate) limits: Vec<(Resource, u64)>,
    /// Landlock's rules.
    pub(crate) landlock: Option<RulesetCreated>,
    /// Whether it may gain no privilege by what it starts.
    pub(crate) no_new_privileges: bool,
    /// The reading end of a pipe whose end kills the child's process group; see [`watch`].
    pub(crate) watched: Option<OwnedFd>,
    /// Kept open by who watches, so that nobody sees its end before the group is killed.
    pub(crate) kept: Option<OwnedFd>,
}

/// Puts a fence around a command. The child leads a process group of its own and dies with this process.
pub(crate) fn fence(command: &mut Command, mut fence: Fence) {
    let host = rustix::process::getpid();
    command.process_group(0);
    let work = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // The host may have died before the line above.
        if rustix::process::getppid() != Some(host) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if let Some(pipe) = &fence.watched {
            // SAFETY: called between fork and exec, as it demands.
            unsafe { watch(pipe.as_raw_fd(), fence.kept.as_ref().map(AsRawFd::as_raw_fd))? };
        }
        for (resource, most) in &fence.limits {
            limit(*resource, *most)?;
        }
        close_inherited();
        for handle in &fence.inherit {
            rustix::io::fcntl_setfd(handle.as_fd(), FdFlags::empty())?;
        }
        if fence.no_new_privileges {
            rustix::thread::set_no_new_privs(true)?;
        }
        if let Some(rules) = fence.landlock.take() {
            rules.restrict_self().map_err(|_| io::Error::from(io::ErrorKind::PermissionDenied))?;
        }
        Ok(())
    };
    // SAFETY: the closure makes system calls on what was made before the fork, and frees at most what it owns.
    unsafe { command.pre_exec(work) };
}

/// What the host itself inherited, and what another part of it opened carelessly, ends with exec.
fn close_inherited() {
    // SAFETY: marks descriptors by number, and closes none. A kernel without it (before 5.11) leaves them as they are.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}

/// Lowers a limit, never beyond what the process has.
fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let now = rustix::process::getrlimit(resource);
    let most = most.min(now.maximum.unwrap_or(u64::MAX));
    Ok(rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?)
}

/// Leaves a process behind that kills the calling process's group when the pipe ends without a word, which is when
/// the host died; a byte in the pipe says that the group has ended, and four are the number of a process outside the
/// group that is killed with it. The watching process is nobody's child, belongs to no group that is killed, and keeps
/// nothing open but its pipe, `kept`, and a handle of that process.
///
/// # Safety
/// To be called between fork and exec alone, where the process has one thread.
unsafe fn watch(pipe: RawFd, kept: Option<RawFd>) -> io::Result<()> {
    // SAFETY: system calls alone, on numbers; the process has one thread.
    unsafe {
        let group = libc::getpid();
        match libc::fork() {
            -1 => return Err(io::Error::last_os_error()),
            0 => {}
            between => {
                let mut status = 0;
                while libc::waitpid(between, &raw mut status, 0) == -1 && *libc::__errno_location() == libc::EINTR {}
                return Ok(());
            }
        }
        if libc::fork() != 0 {
            libc::_exit(0);
        }
        libc::setsid();
        // Neither number is one of those that they are moved to: those are the program's own.
        let pipe = libc::dup2(pipe, 0);
        let open = kept.map_or(1, |kept| libc::dup2(kept, 1) + 1);
        libc::syscall(libc::SYS_close_range, open, u32::MAX, 0);
        let mut other = -1;
        loop {
            let mut word = [0u8; 4];
            let read = libc::read(pipe, word.as_mut_ptr().cast(), word.len());
            match read {
                -1 if *libc::__errno_location() == libc::EINTR => {}
                4 => other = libc::syscall(libc::SYS_pidfd_open, i32::from_ne_bytes(word), 0),
                1.. => libc::_exit(0),
                _ => break,
            }
        }
        libc::kill(-group, libc::SIGKILL);
        if other >= 0 {
            let nothing = std::ptr::null::<libc::siginfo_t>();
            libc::syscall(libc::SYS_pidfd_send_signal, other, libc::SIGKILL, nothing, 0);
        }
        libc::_exit(0)
    }
}

/// Makes the end of a process something to wait for.
///
/// # Errors
/// What the runtime says.
pub(crate) fn ending(process: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` keeps its descriptor open, and the same, for as long as it lives, which is as long as the
    // registration that owns it from here on.
    Ok(unsafe { AsyncFd::register_with_interest(process, Interest::READABLE)? })
}

/// The version of Landlock that the kernel has; 0 where it has none.
pub(crate) fn landlock_version() -> i64 {
    // SAFETY: asks for the version, without a structure.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0usize, 1u32) };
    version.max(0)
}
