//! Asking a run to stop, and knowing that it was asked.

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

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
    own: watch::Sender<Option<StopReason>>,
    parent: Option<watch::Sender<Option<StopReason>>>,
}

impl Stop {
    /// A stop of its own, that also hears this one.
    pub fn child(&self) -> Self {
        Self { own: watch::Sender::default(), parent: Some(self.own.clone()) }
    }

    /// Asks for the stop.
    pub fn request(&self, reason: StopReason) {
        self.own.send_if_modified(|own| own.replace(own.unwrap_or(reason)).is_none());
    }

    /// Why, where it was asked for. An interruption of all outranks a reason of its own.
    pub fn requested(&self) -> Option<StopReason> {
        self.parent.as_ref().and_then(|parent| *parent.borrow()).or_else(|| *self.own.borrow())
    }

    /// Waits until it is asked for.
    pub async fn wait(&self) -> StopReason {
        self.wait_for(|_| true).await
    }

    /// Waits until it is asked for with such a reason. Where its own is another, its parent's may still come.
    pub async fn wait_for(&self, such: impl Fn(StopReason) -> bool) -> StopReason {
        let asked = async |by: &watch::Sender<Option<StopReason>>| {
            let found = by.subscribe().wait_for(|reason| reason.is_some_and(&such)).await.ok().and_then(|found| *found);
            match found {
                Some(reason) => reason,
                // Its sender is held here, so that it does not close.
                None => std::future::pending().await,
            }
        };
        match &self.parent {
            None => asked(&self.own).await,
            Some(parent) => tokio::select! {
                biased;
                reason = asked(parent) => reason,
                reason = asked(&self.own) => reason,
            },
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

    #[tokio::test]
    async fn after_its_own_reason_an_interruption_of_all_is_still_heard() {
        let all = Stop::default();
        let one = all.child();
        one.request(StopReason::WindowClosed);
        one.request(StopReason::TimeLimit);
        assert_eq!(one.wait().await, StopReason::WindowClosed, "the first reason holds");
        let waiting = tokio::spawn(async move { one.wait_for(|reason| reason != StopReason::WindowClosed).await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        all.request(StopReason::Interrupted);
        assert_eq!(waiting.await.expect("it ends"), StopReason::Interrupted);
    }
}
