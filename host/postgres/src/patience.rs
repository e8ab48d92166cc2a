//! Waiting for a server that may never answer, inside a stream that is polled.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::time::Sleep;

/// Runs out after a silence. The timer is set anew once a second at most, since rows come by the million.
pub(crate) struct Patience {
    silence: Duration,
    timer: Option<(Pin<Box<Sleep>>, Instant)>,
}

impl Patience {
    pub(crate) fn new(silence: Duration) -> Self {
        Self { silence, timer: None }
    }

    /// To be polled whenever nothing came; ready when nothing came for too long.
    pub(crate) fn poll(&mut self, task: &mut Context<'_>, heard: bool) -> Poll<()> {
        let now = Instant::now();
        let (sleep, since) = self.timer.get_or_insert_with(|| (Box::pin(tokio::time::sleep(self.silence)), now));
        if heard && now.duration_since(*since) > Duration::from_secs(1) {
            sleep.as_mut().reset(tokio::time::Instant::now() + self.silence);
            *since = now;
        }
        ready!(sleep.as_mut().poll(task));
        Poll::Ready(())
    }
}
