//! The run's own facts, whether it is asked to stop, and its locks.
//!
//! A lock on a request is one on the resources bound to it, so that two tasks which call the same resource differently
//! meet at it.

use std::{collections::BTreeMap, sync::Arc};

use hostler_capability::{
    Binding, Capability, CapabilityError, Error, Grant, LockError, RunContext, RunState, Slot, StopReason, Table,
    failed,
};
use hostler_world::{run_context as wit, types};
use wasmtime::component::{Accessor, HasData, Linker, Resource};

/// Links `run-context`, and with it `types`, which has no functions.
pub struct RunContextCapability;

/// Its part of one run.
pub struct ContextRun {
    context: Arc<RunContext>,
    /// What each request is bound to, in words.
    bound: Arc<BTreeMap<String, String>>,
    locks: Table<wit::Lock, Guard>,
}

/// Lets the lock go when it is dropped.
type Guard = Box<dyn Send + Sync>;

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

    fn prepare(&self, bindings: &[Binding], context: &Arc<RunContext>) -> Result<Slot, CapabilityError> {
        let bound = bindings.iter().map(|binding| (binding.request.clone(), resources(binding))).collect();
        let locks = Table::new(context.limits.handles);
        Ok(Box::new(ContextRun { context: context.clone(), bound: Arc::new(bound), locks }))
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
        let (context, bound) = accessor.with(|mut access| (access.get().context.clone(), access.get().bound.clone()));
        let guard = match take(&context, &bound, &request, &name).await {
            Ok(guard) => guard,
            Err(error) => return Ok(Err(error)),
        };
        Ok(accessor.with(|mut access| access.get().keep(guard)))
    }
}

impl ContextRun {
    fn keep(&mut self, guard: Guard) -> Result<Resource<wit::Lock>, Error> {
        self.locks.push(guard).map_err(|_| self.context.over("handles"))
    }
}

/// The resources of a binding, in one order.
fn resources(binding: &Binding) -> String {
    let kind = match binding.grant {
        Grant::Postgres(_) => "postgres",
        Grant::Redis(_) => "redis",
        Grant::Directory(_) => "directory",
        Grant::Program { .. } => "program",
        Grant::Endpoint(_) => "endpoint",
        Grant::Machine => "machine",
        Grant::History(_) => "history",
    };
    let mut names: Vec<_> = binding.targets.iter().map(|target| format!("{kind}.{}", target.name)).collect();
    names.sort();
    names.join(", ")
}

async fn take(
    context: &Arc<RunContext>,
    bound: &BTreeMap<String, String>,
    request: &str,
    name: &str,
) -> Result<Guard, Error> {
    if name.is_empty() || name.len() > 128 {
        return Err(Error::Invalid("a lock's name has 1 to 128 bytes".into()));
    }
    let on = match bound.get(request) {
        Some(resources) => resources,
        None if request.is_empty() => "this host",
        None => return Err(Error::Invalid("a lock is on a request that is bound, or on no request".into())),
    };
    let call = context.begin(request, &format!("lock {name:?}"), "locks")?;
    let taken = match context.server_locks(request) {
        Some(locks) => locks.acquire(name, context.checks()).await.map(|guard| guard.unwrap_or_else(|| Box::new(()))),
        None => on_this_host(context, &format!("plugins: {name:?} on {on}")),
    };
    call.settle(taken, |_| (0, 0))
}

fn on_this_host(context: &RunContext, name: &str) -> Result<Guard, Error> {
    let in_words = |error| in_words(context, error);
    if !context.checks() {
        return context.locks.acquire(name).map_err(in_words);
    }
    match context.locks.held(name).map_err(in_words)? {
        true => Err(failed("held", "another run holds the lock")),
        false => Ok(Box::new(())),
    }
}

/// What the store says names a file of the host's: that is for the operator alone.
fn in_words(context: &RunContext, error: LockError) -> Error {
    match error {
        LockError::Held(holder) => failed("held", format!("the lock is held by {holder}")),
        LockError::Store(problem) => {
            context.trouble(format!("a lock could not be taken: {problem}"));
            Error::Unavailable("the host's locks cannot be written".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use hostler_capability::{Decision, Limits, Mode, Resource as Bound, Target};

    use super::*;
    use crate::tests::Task;

    fn bindings() -> BTreeMap<String, String> {
        let target = |name: &str| Target { name: name.into(), resource: Bound::Machine };
        let targets = vec![target("b"), target("a")];
        let binding = Binding { request: "output".into(), many: true, targets, grant: Grant::Machine };
        BTreeMap::from([("output".into(), resources(&binding)), ("other".into(), resources(&binding))])
    }

    fn part(task: &Task) -> ContextRun {
        *RunContextCapability.prepare(&[], &task.run).expect("prepared").downcast().expect("its own part")
    }

    #[test]
    fn a_run_knows_what_it_is_and_whether_to_stop() {
        let task = Task::new(Mode::Apply);
        let mut run = part(&task);
        let info = wit::Host::info(&mut run).expect("its facts");
        assert_eq!(
            (info.run_id.as_str(), info.task.as_str(), info.procedure.as_deref()),
            ("r1", "vacuum", Some("weekly"))
        );
        assert_eq!((info.time_zone.as_str(), info.planned_at, info.deadline), ("Europe/Berlin", 6, Some(9)));
        assert!(wit::Host::stop_requested(&mut run).expect("an answer").is_none());
        task.stop.request(StopReason::Interrupted);
        assert!(matches!(wit::Host::stop_requested(&mut run), Ok(Some(wit::StopReason::Interrupted))));
    }

    #[tokio::test]
    async fn a_lock_is_on_what_is_bound_and_held_by_one_run() {
        let (task, bound) = (Task::new(Mode::Apply), bindings());
        let (run, other) = (&task.run, task.again(Mode::Apply));
        let guard = take(run, &bound, "output", "write").await.expect("nobody has it");
        let Err(Error::Failed(failure)) = take(&other, &bound, "other", "write").await else { panic!("it is held") };
        assert_eq!(failure.code, "held");
        assert!(failure.message.contains("run r1 of task vacuum"), "{}", failure.message);
        let free = [take(&other, &bound, "other", "read").await, take(&other, &bound, "", "write").await];
        assert!(free.iter().all(Result::is_ok), "another name and another resource are other locks");
        assert!(matches!(take(&other, &bound, "nothing", "write").await, Err(Error::Invalid(_))));
        assert!(matches!(take(&other, &bound, "", "").await, Err(Error::Invalid(_))));
        drop(guard);
        assert!(take(&other, &bound, "other", "write").await.is_ok());
        let denied = serde_json::to_value(Decision::Failed).expect("a word");
        assert!(task.audit().contains(&format!("\"decision\":{denied}")), "that it was held is in the audit");
    }

    #[tokio::test]
    async fn check_mode_only_looks() {
        let (task, bound) = (Task::new(Mode::Check), bindings());
        let apply = task.again(Mode::Apply);
        let looked = take(&task.run, &bound, "", "one").await.expect("nobody has it");
        let guard = take(&apply, &bound, "", "one").await.expect("looking takes nothing");
        assert!(
            matches!(take(&task.run, &bound, "", "one").await, Err(Error::Failed(failure)) if failure.code == "held")
        );
        drop((guard, looked));
    }

    #[tokio::test]
    async fn a_store_that_fails_tells_the_plugin_no_path() {
        let task = Task::new(Mode::Apply);
        std::fs::remove_dir_all(std::path::Path::new(task.place()).join("locks/names")).expect("it is there");
        let Err(error) = take(&task.run, &BTreeMap::new(), "", "one").await else {
            panic!("there is nowhere to put it")
        };
        assert!(matches!(&error, Error::Unavailable(words) if !words.contains(task.place())), "{error:?}");
        assert!(task.run.troubles_and_notes().0.iter().any(|trouble| trouble.contains(task.place())));
    }

    #[test]
    fn a_run_holds_so_many() {
        let task = Task::limited(Mode::Apply, Limits { handles: 1, ..Limits::default() });
        let mut run = part(&task);
        let lock = run.keep(Box::new(())).expect("there is room");
        assert!(matches!(run.keep(Box::new(())), Err(Error::Limit(limit)) if limit == "handles"));
        wit::HostLock::drop(&mut run, lock).expect("it is held");
        run.keep(Box::new(())).expect("there is room again");
    }
}
