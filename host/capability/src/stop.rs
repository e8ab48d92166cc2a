//! Asking a run to stop, and knowing that it was asked.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// Why a run is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// SIGINT or SIGTERM.
    Interrupted,
    /// The end of the maintenance window.
    WindowClosed,
    /// The run's time limit.
    TimeLimit,
}

/// A request to stop, shared by the host and a run. The first reason holds.
///
/// A child is asked whenever its parent is, and can be asked alone: the end of one run's window ends no other run.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    own: Arc<Shared>,
    parent: Option<Arc<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    reason: AtomicU8,
    changed: Notify,
}

impl Shared {
    fn requested(&self) -> Option<StopReason> {
        match self.reason.load(Ordering::Acquire) {
            1 => Some(StopReason::Interrupted),
            2 => Some(StopReason::WindowClosed),
            3 => Some(StopReason::TimeLimit),
            _ => None,
        }
    }
}

impl Stop {
    /// A stop of its own, that also hears this one.
    pub fn child(&self) -> Self {
        Self { own: Arc::default(), parent: Some(self.own.clone()) }
    }

    /// Asks for the stop.
    pub fn request(&self, reason: StopReason) {
        let code = match reason {
            StopReason::Interrupted => 1,
            StopReason::WindowClosed => 2,
            StopReason::TimeLimit => 3,
        };
        let _ = self.own.reason.compare_exchange(0, code, Ordering::AcqRel, Ordering::Acquire);
        self.own.changed.notify_waiters();
    }

    /// Why, where it was asked for. An interruption of all outranks a reason of its own.
    pub fn requested(&self) -> Option<StopReason> {
        self.parent.as_ref().and_then(|parent| parent.requested()).or_else(|| self.own.requested())
    }

    /// Waits until it is asked for.
    pub async fn wait(&self) -> StopReason {
        loop {
            let own = self.own.changed.notified();
            let parent = async {
                match &self.parent {
                    Some(parent) => parent.changed.notified().await,
                    None => std::future::pending().await,
                }
            };
            tokio::pin!(own, parent);
            own.as_mut().enable();
            // The parent's notification is registered by its first poll, before the reason is read.
            let registered = futures::poll!(parent.as_mut());
            if let Some(reason) = self.requested() {
                return reason;
            }
            if registered.is_ready() {
                continue;
            }
            tokio::select! {
                () = own => {}
                () = parent => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_child_hears_its_parent_and_not_the_other_way_round() {
        let all = Stop::default();
        let (one, other) = (all.child(), all.child());
        one.request(StopReason::TimeLimit);
        assert_eq!((one.requested(), other.requested(), all.requested()), (Some(StopReason::TimeLimit), None, None));
        let waiting = tokio::spawn(async move { other.wait().await });
        tokio::task::yield_now().await;
        all.request(StopReason::Interrupted);
        assert_eq!(waiting.await.expect("it ends"), StopReason::Interrupted);
        assert_eq!(one.requested(), Some(StopReason::Interrupted));
    }
}
