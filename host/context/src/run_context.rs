//! The run's own facts, whether it is asked to stop, and its locks.

use std::sync::Arc;

use hostler_capability::{
    Binding, Capability, CapabilityError, Error, LockError, RunContext, RunState, Slot, StopReason, Table, failed,
};
use hostler_world::{run_context as wit, types};
use wasmtime::component::{Accessor, HasData, Linker, Resource};

/// Links `run-context`, and with it `types`, which has no functions.
pub struct RunContextCapability;

/// Its part of one run.
pub struct ContextRun {
    context: Arc<RunContext>,
    locks: Table<wit::Lock, Box<dyn Send + Sync>>,
}

impl HasData for RunContextCapability {
    type Data<'a> = &'a mut ContextRun;
}

impl Capability for RunContextCapability {
    fn interface(&self) -> &'static str {
        "run-context"
    }

    fn link(&self, linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
        types::add_to_linker::<_, Self>(linker, |state| state.slot::<ContextRun>())?;
        wit::add_to_linker::<_, Self>(linker, |state| state.slot::<ContextRun>())
    }

    fn prepare(&self, _: &[Binding], context: &Arc<RunContext>) -> Result<Slot, CapabilityError> {
        Ok(Box::new(ContextRun { context: context.clone(), locks: Table::new(context.limits.handles) }))
    }
}

impl types::Host for ContextRun {}

impl wit::Host for ContextRun {
    fn info(&mut self) -> wasmtime::Result<wit::RunInfo> {
        let info = &self.context.info;
        Ok(wit::RunInfo {
            run_id: info.run_id.clone(),
            task: info.task.clone(),
            procedure: info.procedure.clone(),
            time_zone: info.time_zone.clone(),
            planned_at: info.planned_at,
            deadline: info.deadline,
        })
    }

    fn stop_requested(&mut self) -> wasmtime::Result<Option<wit::StopReason>> {
        Ok(self.context.stop.requested().map(|reason| match reason {
            StopReason::Interrupted => wit::StopReason::Interrupted,
            StopReason::WindowClosed => wit::StopReason::WindowClosed,
            StopReason::TimeLimit => wit::StopReason::TimeLimit,
        }))
    }
}

impl wit::HostLock for ContextRun {
    fn drop(&mut self, lock: Resource<wit::Lock>) -> wasmtime::Result<()> {
        self.locks.remove(&lock).map(drop)
    }
}

impl<T> wit::HostLockWithStore<T> for RunContextCapability {
    async fn acquire(
        accessor: &Accessor<T, Self>,
        request: String,
        name: String,
    ) -> wasmtime::Result<Result<Resource<wit::Lock>, Error>> {
        let context = accessor.with(|mut access| access.get().context.clone());
        let guard = match take(&context, &request, &name).await {
            Ok(guard) => guard,
            Err(error) => return Ok(Err(error)),
        };
        Ok(accessor.with(|mut access| access.get().locks.push(guard)))
    }
}

async fn take(context: &Arc<RunContext>, request: &str, name: &str) -> Result<Box<dyn Send + Sync>, Error> {
    if name.is_empty() || name.len() > 128 {
        return Err(Error::Invalid("a lock's name has 1 to 128 bytes".into()));
    }
    let call = context.begin(request, &format!("lock {name:?}"), "locks")?;
    let taken = match context.server_locks(request) {
        Some(locks) => locks.acquire(name, context.checks()).await.map(|guard| guard.unwrap_or_else(|| Box::new(()))),
        None => on_this_host(context, request, name),
    };
    call.settle(taken, |_| (0, 0))
}

fn on_this_host(context: &RunContext, request: &str, name: &str) -> Result<Box<dyn Send + Sync>, Error> {
    let name = format!("{request}/{name}");
    if !context.checks() {
        return context.locks.acquire(&name).map_err(in_words);
    }
    match context.locks.held(&name).map_err(in_words)? {
        true => Err(failed("held", "another run holds the lock")),
        false => Ok(Box::new(())),
    }
}

fn in_words(error: LockError) -> Error {
    match error {
        LockError::Held(holder) => failed("held", format!("the lock is held by {holder}")),
        LockError::Store(problem) => Error::Unavailable(problem),
    }
}
