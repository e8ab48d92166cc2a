//! One function a call: the grant is asked, the call is recorded, and a thread that may block reads the kernel.

use std::{sync::Arc, time::Duration};

use hostler_capability::{Binding, Error, RunContext, failed, within};
use hostler_world::machine::{ListeningSocket, Load, Memory, Mount, OperatingSystem, Process};

use crate::{
    Problem, grant::MachineGrant, load, memory, mounts, mounts::Waiting, open_paths, operating_system, processes,
    sockets,
};

/// How long the kernel may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The machine as one run may ask it.
#[derive(Clone)]
pub struct Machine {
    context: Arc<RunContext>,
    grant: Arc<MachineGrant>,
    waiting: Waiting,
}

impl Machine {
    /// For a run with these bindings: all of them, for the directories among them are needed too.
    pub fn new(bindings: &[Binding], context: &Arc<RunContext>) -> Self {
        Self::waiting(bindings, context, &Waiting::default())
    }

    pub(crate) fn waiting(bindings: &[Binding], context: &Arc<RunContext>, waiting: &Waiting) -> Self {
        Self { context: context.clone(), grant: Arc::new(MachineGrant::new(bindings)), waiting: waiting.clone() }
    }

    /// Memory and swap.
    ///
    /// # Errors
    /// `denied`, or where the kernel does not tell.
    pub async fn read_memory(&self) -> Result<Memory, Error> {
        self.ask("read-memory", memory::memory, |_| 1).await
    }

    /// Load, pressure and open files.
    ///
    /// # Errors
    /// `denied`, or where the kernel does not tell.
    pub async fn read_load(&self) -> Result<Load, Error> {
        self.ask("read-load", load::load, |_| 1).await
    }

    /// The operating system.
    ///
    /// # Errors
    /// `denied`, or where the kernel does not tell.
    pub async fn read_operating_system(&self) -> Result<OperatingSystem, Error> {
        self.ask("read-operating-system", operating_system::operating_system, |_| 1).await
    }

    /// Listening sockets.
    ///
    /// # Errors
    /// `denied`, or where the kernel does not tell.
    pub async fn list_listening_sockets(&self) -> Result<Vec<ListeningSocket>, Error> {
        self.ask("list-listening-sockets", sockets::listening, Vec::len).await
    }

    /// Processes, without their arguments and environments.
    ///
    /// # Errors
    /// `denied`, or where the kernel does not tell.
    pub async fn list_processes(&self) -> Result<Vec<Process>, Error> {
        self.ask("list-processes", processes::processes, Vec::len).await
    }

    /// Mounted file systems. One that does not answer makes the run's verdict unknown.
    ///
    /// # Errors
    /// `denied`, or where the kernel does not tell.
    pub async fn list_mounts(&self) -> Result<Vec<Mount>, Error> {
        let request = self.grant.decide(&self.context, "list-mounts")?;
        let call = self.context.begin(request, "list-mounts", "machine")?;
        let mounts = mounts::mounts(&self.waiting).await.map_err(Error::from);
        let (mounts, silent) = call.settle(mounts, |(mounts, _)| (mounts.len() as u64, 0))?;
        for path in silent {
            self.context.trouble(format!("the file system mounted at {path} did not answer within 2 s"));
        }
        self.context.take(mounts.len() as u64, 0)?;
        Ok(mounts)
    }

    /// Paths below a bound directory that some process holds open.
    ///
    /// # Errors
    /// `denied`, or where the directory is not there.
    pub async fn list_open_paths(&self, path: &str) -> Result<Vec<String>, Error> {
        let directory = self.grant.directory(&self.context, path)?;
        let request = self.grant.decide(&self.context, "list-open-paths")?;
        let operation = format!("list-open-paths {}", directory.shown);
        let call = self.context.begin(request, &operation, "machine")?;
        let found = blocking(move || open_paths::open_paths(&directory)).await;
        let (paths, hidden) = call.settle(found, |(paths, _)| (paths.len() as u64, 0))?;
        if hidden > 0 {
            self.context.note(format!(
                "the open files of {hidden} processes of other users could not be seen; as root, or with \
                 CAP_SYS_PTRACE, the host sees them"
            ));
        }
        self.context.take(paths.len() as u64, paths.iter().map(|path| path.len() as u64).sum())?;
        Ok(paths)
    }

    async fn ask<T: Send + 'static>(
        &self,
        operation: &str,
        work: fn() -> Result<T, Problem>,
        rows: fn(&T) -> usize,
    ) -> Result<T, Error> {
        let request = self.grant.decide(&self.context, operation)?;
        let call = self.context.begin(request, operation, "machine")?;
        let answer = call.settle(blocking(work).await, |answer| (rows(answer) as u64, 0))?;
        self.context.take(rows(&answer) as u64, 0)?;
        Ok(answer)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Error> {
    within(PATIENCE, async {
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result.map_err(Into::into),
            Err(_) => Err(failed("host", "the host's own work ended before its time; its log says why")),
        }
    })
    .await
}
