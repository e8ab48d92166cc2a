//! The run that a plugin serves: its mode, its time, its locks, its steps, its memory.

use serde::{Serialize, de::DeserializeOwned};

use crate::bindings::base::hostler::plugin::{plan, run_context, state, types};
use crate::files::Directory;
use crate::network::Endpoint;
use crate::postgres::Database;
use crate::redis::Server;
use crate::shell::Program;
use crate::{During, TaskError, Timestamp};

pub use run_context::{RunInfo, StopReason};
pub use types::Mode;

/// The run. Everything that a plugin may touch is reached through it.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    mode: Mode,
}

impl Context {
    pub(crate) fn new(mode: Mode) -> Self {
        Self { mode }
    }

    /// Whether the run looks only, or applies.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether the run looks only: every change is answered with `planned`.
    #[must_use]
    pub fn is_check(&self) -> bool {
        self.mode == Mode::Check
    }

    /// Who runs, and until when.
    #[must_use]
    pub fn info(&self) -> RunInfo {
        run_context::info()
    }

    /// The time that names and cut-offs derive from; in a run of an approved plan, the plan's.
    #[must_use]
    pub fn planned_at(&self) -> Timestamp {
        Timestamp(run_context::info().planned_at)
    }

    /// Why the run should stop, where it should. To be asked between any two steps of a change.
    #[must_use]
    pub fn stop_requested(&self) -> Option<&'static str> {
        run_context::stop_requested().map(|reason| match reason {
            StopReason::Interrupted => "interrupted",
            StopReason::WindowClosed => "the maintenance window closed",
            StopReason::TimeLimit => "the run's time is over",
        })
    }

    /// Opens a step of the plan: the effects asked for until it is dropped belong to it.
    ///
    /// # Errors
    /// Where a step is open already.
    pub fn step(&self, title: &str, effects: u64, rows: u64) -> Result<Step, TaskError> {
        Ok(Step { _step: plan::Step::begin(title, plan::Bounds { effects, rows })? })
    }

    /// Takes a lock, held until it is dropped: on a postgres request against all hosts that share the server.
    ///
    /// # Errors
    /// Where another run holds it.
    pub async fn lock(&self, request: &str, name: &str) -> Result<Lock, TaskError> {
        let lock = run_context::Lock::acquire(request.into(), name.into()).await;
        let lock = lock.map_err(TaskError::from);
        match lock {
            Err(error) if error.is("held") => Err(error
                .during(format!("another run works on `{name}`"))
                .remedy("let it end, then run the task again")),
            lock => lock.map(|lock| Lock { _lock: lock }),
        }
    }

    /// What the task remembers between its runs.
    #[must_use]
    pub fn state(&self) -> State {
        State
    }

    /// Opens the database bound to a request.
    ///
    /// # Errors
    /// Where it cannot be reached, or is not bound.
    pub async fn postgres(&self, request: &str) -> Result<Database, TaskError> {
        Database::open(request, None, None).await
    }

    /// Opens every database bound to a request that takes many, each with its name.
    #[must_use]
    pub fn postgres_targets(&self, request: &str) -> Vec<String> {
        crate::postgres::targets(request)
    }

    /// Opens the Redis server bound to a request.
    ///
    /// # Errors
    /// Where it cannot be reached, or is not bound.
    pub async fn redis(&self, request: &str) -> Result<Server, TaskError> {
        Server::open(request, None).await
    }

    /// The directory bound to a request.
    #[must_use]
    pub fn directory(&self, request: &str) -> Directory {
        Directory::new(request, None)
    }

    /// The directories bound to a request that takes many.
    #[must_use]
    pub fn directories(&self, request: &str) -> Vec<Directory> {
        let targets = crate::files::targets(request);
        targets.into_iter().map(|target| Directory::new(request, Some(target))).collect()
    }

    /// The program bound to a request.
    pub fn program(&self, request: &str) -> Program {
        Program::new(request)
    }

    /// The endpoint bound to a request.
    #[must_use]
    pub fn endpoint(&self, request: &str) -> Endpoint {
        Endpoint::new(request, None)
    }

    /// The endpoints bound to a request that takes many.
    #[must_use]
    pub fn endpoints(&self, request: &str) -> Vec<Endpoint> {
        let targets = crate::network::targets(request);
        targets.into_iter().map(|target| Endpoint::new(request, Some(target))).collect()
    }
}

/// A step of the plan, open until dropped.
#[derive(Debug)]
#[must_use = "a step ends when it is dropped"]
pub struct Step {
    _step: plan::Step,
}

/// A lock, held until dropped.
#[derive(Debug)]
#[must_use = "a lock is let go when it is dropped"]
pub struct Lock {
    _lock: run_context::Lock,
}

/// What a task remembers between its runs, as JSON. One task never sees another's.
#[derive(Debug, Clone, Copy)]
pub struct State;

impl State {
    /// What was kept under a key; nothing where nothing was, or where it has another shape by now (an older version of
    /// the plugin kept it).
    ///
    /// # Errors
    /// Where the host cannot read it.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, TaskError> {
        let kept = state::get(key.into()).await.during("reading the task's state")?;
        Ok(kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Keeps a value; durable when it returns.
    ///
    /// # Errors
    /// Where the host cannot write it.
    pub async fn set<T: Serialize>(&self, key: &str, value: &T) -> Result<(), TaskError> {
        let bytes = serde_json::to_vec(value)?;
        state::set(key.into(), bytes).await.during("keeping the task's state")
    }

    /// Forgets a value.
    ///
    /// # Errors
    /// Where the host cannot write it.
    pub async fn delete(&self, key: &str) -> Result<(), TaskError> {
        state::delete(key.into()).await.during("keeping the task's state")
    }
}
