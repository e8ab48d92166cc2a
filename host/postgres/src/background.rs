//! Work that goes on after a call ended: cancelling on the server, rolling back, letting a lock go.
//!
//! It is counted, so that a host that is about to exit can wait for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, sync::Notify};

/// Counts tasks.
#[derive(Clone, Default)]
pub(crate) struct Background(Arc<Counted>);

#[derive(Default)]
struct Counted {
    running: AtomicUsize,
    ended: Notify,
}

struct Ticket(Arc<Counted>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
        self.0.ended.notify_waiters();
    }
}

impl Background {
    /// Starts a task, from wherever a value is dropped. Where the runtime is gone the task is dropped, and with it the
    /// connection that it holds, which the server then ends.
    pub(crate) fn spawn(&self, runtime: &Handle, work: impl Future<Output = ()> + Send + 'static) {
        self.0.running.fetch_add(1, Ordering::AcqRel);
        let ticket = Ticket(self.0.clone());
        runtime.spawn(async move {
            work.await;
            drop(ticket);
        });
    }

    /// Waits until none is left, at most so long.
    pub(crate) async fn settle(&self, limit: Duration) {
        let wait = async {
            loop {
                let ended = self.0.ended.notified();
                if self.0.running.load(Ordering::Acquire) == 0 {
                    return;
                }
                ended.await;
            }
        };
        let _ = tokio::time::timeout(limit, wait).await;
    }
}
