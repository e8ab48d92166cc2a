//! Programs: started without a shell, with arguments that a grant covers, behind walls.
//!
//! A program is somebody else's code with the rights of the host's user. So the policy decides about each argument
//! ([`hostler_policy::program`]), paths are opened here and handed over as what was opened, and the program runs
//! where it sees the system's own directories, what this call hands it, and nothing else: not the host's
//! configuration, state or sockets, not its processes, not the network. bubblewrap raises most of these walls; the
//! table says which.
//!
//! | wall | raised by |
//! | --- | --- |
//! | files: `/usr`, `/etc` and the like to read, `/tmp` of its own, the call's paths | bubblewrap's mount namespace |
//! | the host's processes | bubblewrap's process namespace |
//! | the network, unless `network = true` | bubblewrap's network namespace, Landlock for TCP |
//! | abstract sockets of the host, signals to others | Landlock, where the kernel has it (6.12) |
//! | capabilities, new privileges, terminals, shared memory | bubblewrap |
//! | memory, processes, file sizes, core files | resource limits |
//! | outliving the host | bubblewrap; without it a process that watches the host |
//!
//! Landlock's rules for files cannot stand beside bubblewrap (whoever is under them may not mount); with
//! `confine = "best-effort"` on a machine without bubblewrap they stand in for its mount namespace; `/proc` then shows
//! a few figures of the machine and no process, not even the program's own.
//!
//! # What `confine` means
//!
//! `strict`, the default: every wall, or the program is refused, and the refusal says what is missing. `best-effort`:
//! the walls that the machine has; each run notes the missing ones. `off`: no wall; each run notes it. Programs that
//! speak to the machine itself (systemctl, apt-get, certbot: `/run/systemd`, `/run/dbus`, `/proc` of the host, its
//! package database) need `off`. journalctl reads a bound `/var/log/journal` with `-D {path}` behind every wall.
//!
//! Without a process namespace a program that makes a session of its own (a daemon) outlives its call: that is what
//! daemons are for, and why `off` is the operator's word.
//!
//! # What a program is handed for `connect-to`
//!
//! PostgreSQL: `PGHOST`, `PGPORT`, `PGUSER`, `PGDATABASE`, `PGSSLMODE` and the like, and `PGPASSFILE`, a file that only
//! this call has. Redis: `REDISCLI_AUTH`, and for scripts `REDIS_HOST`, `REDIS_PORT`, `REDIS_SOCKET`, `REDIS_USER`,
//! `REDIS_DATABASE`, `REDIS_TLS`; redis-cli takes only the first from its environment, so its form names `-h` itself.
//! The variables of `connect-to` hold against those of a plugin.

mod child;
mod client;
mod connect;
mod drive;
mod examine;
mod grant;
mod host;
mod launch;
mod output;
mod place;
mod process;
mod scrub;
mod sink;
mod stream;
#[cfg(test)]
mod tests;
mod wall;

use std::{path::PathBuf, sync::Arc};

use hostler_capability::{Binding, Capability, CapabilityError, RunContext, RunState, Slot};
use hostler_world::shell;
use wasmtime::component::{HasData, Linker};

use client::Client;
pub use examine::{Examination, examine};
use wall::Walls;

/// What no program may see, wherever it lies: the host's configuration, state, registry, credentials and sockets.
#[derive(Debug, Clone, Default)]
pub struct Hidden {
    /// Files and directories, as absolute paths.
    pub paths: Vec<PathBuf>,
}

/// The capability: programs, for all runs of a host.
pub struct ShellCapability {
    walls: Arc<Walls>,
}

impl ShellCapability {
    /// Programs that never see `hidden`.
    pub fn new(hidden: Hidden) -> Self {
        Self::with_bubblewrap(hidden, wall::BUBBLEWRAP.iter().map(PathBuf::from).collect())
    }

    /// The same, with bubblewrap looked for at these paths alone.
    pub fn with_bubblewrap(hidden: Hidden, candidates: Vec<PathBuf>) -> Self {
        Self { walls: Arc::new(Walls::new(hidden.paths, candidates)) }
    }

    /// The walls that programs have on this machine, for `doctor`: what is missing, in words for the operator; empty
    /// where all are there.
    pub async fn missing_walls(&self) -> Vec<String> {
        self.walls.missing().await
    }
}

impl HasData for ShellCapability {
    type Data<'a> = &'a mut ShellRun;
}

impl Capability for ShellCapability {
    fn interface(&self) -> &'static str {
        "shell"
    }

    fn link(&self, linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
        shell::add_to_linker::<_, Self>(linker, |state: &mut RunState| state.slot::<ShellRun>())
    }

    fn prepare(&self, bindings: &[Binding], context: &Arc<RunContext>) -> Result<Slot, CapabilityError> {
        let client = Client::new(bindings, context, &self.walls)?;
        Ok(Box::new(ShellRun { client: Arc::new(client) }))
    }
}

/// The capability's part of one run.
pub struct ShellRun {
    client: Arc<Client>,
}
