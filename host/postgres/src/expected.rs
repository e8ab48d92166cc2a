//! A session that is opened before the run that will want it asks.
//!
//! A server takes longer to start a session than this host takes to load a plugin, so both are done side by side. What
//! goes wrong is kept for the run that asks, so that a wrong password is not tried twice.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, task::JoinHandle};

use crate::{
    errors::ConnectError,
    pool::{Endpoint, Tag, held},
    session::Session,
};

/// How long what came of it holds, in a procedure whose tasks run one after another.
const HOLDS: Duration = Duration::from_secs(5);

/// A session on its way.
#[derive(Default)]
pub(crate) struct Expected(Mutex<Option<JoinHandle<Came>>>);

struct Came {
    at: Instant,
    session: Result<(Session, bool), ConnectError>,
}

impl Endpoint {
    /// Opens a session beside what the caller does, unless there is one, or the operator allows only so many.
    pub(crate) fn expect(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut expected = held(&self.expected.0);
        if expected.is_none() && self.may_expect() {
            let endpoint = self.clone();
            *expected = Some(runtime.spawn(async move {
                let session = endpoint.come().await;
                Came { at: Instant::now(), session }
            }));
        }
    }

    async fn come(&self) -> Result<(Session, bool), ConnectError> {
        let session = self.open(&Tag::nobody()).await?;
        let recovering = self.look(&session.client).await.map_err(|error| self.failed(&error))?;
        Ok((session, recovering))
    }

    /// The session that was expected, under the run's name, and whether the server is in recovery.
    pub(crate) async fn arrived(&self, tag: &Tag) -> Result<Option<(Session, bool)>, ConnectError> {
        let expected = held(&self.expected.0).take();
        let Some(expected) = expected else { return Ok(None) };
        match expected.await {
            Ok(Came { at, .. }) if at.elapsed() > HOLDS => Ok(None),
            Ok(Came { session: Ok((mut session, recovering)), .. }) if session.is_alive() => {
                session.rename(tag);
                Ok(Some((session, recovering)))
            }
            Ok(Came { session: Err(error), .. }) => Err(error),
            _ => Ok(None),
        }
    }
}
