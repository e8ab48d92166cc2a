//! Blocking work on threads that may block, and telling it to end.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use hostler_capability::{Error, RunContext, StopReason, failed};

use crate::Problem;

/// Asked by long work between any two of its steps. The end of a maintenance window does not count: what is under way
/// is let finish, and the plugin is asked to stop after it.
#[derive(Clone)]
pub(crate) struct Cancel {
    dropped: Arc<AtomicBool>,
    context: Arc<RunContext>,
}

impl Cancel {
    pub(crate) fn new(context: &Arc<RunContext>) -> Self {
        Self { dropped: Arc::default(), context: context.clone() }
    }

    /// Says that nobody waits any more when it is dropped.
    pub(crate) fn guard(&self) -> CancelGuard {
        CancelGuard(self.dropped.clone())
    }

    /// # Errors
    /// [`Problem::Stopped`] where the plugin dropped the call or the run is being stopped.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        let stopped = matches!(self.context.stop.requested(), Some(StopReason::Interrupted | StopReason::TimeLimit));
        if stopped || self.dropped.load(Ordering::Relaxed) { Err(Problem::Stopped) } else { Ok(()) }
    }
}

pub(crate) struct CancelGuard(Arc<AtomicBool>);

impl Drop for CancelGuard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does blocking work, and tells it to end where the future is dropped.
///
/// # Errors
/// The work's own.
pub(crate) async fn blocking<T: Send + 'static>(
    context: &Arc<RunContext>,
    work: impl FnOnce(&Cancel) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let cancel = Cancel::new(context);
    let _guard = cancel.guard();
    match tokio::task::spawn_blocking(move || work(&cancel)).await {
        Ok(result) => result,
        Err(_) => Err(failed("host", "the host's own work ended before its time; its log says why")),
    }
}
