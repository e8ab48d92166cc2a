//! Who holds the session that rows come from: a call of its own, or an open transaction.

use hostler_capability::Error;
use tokio::{runtime::Handle, sync::OwnedMutexGuard};

use crate::{background::Background, held::State, pool::Lease, session::Session};

pub(crate) enum Holder {
    /// A call of its own.
    Call(Box<Lease>),
    /// A transaction, and the number of the effect whose rows these are.
    Transaction(OwnedMutexGuard<State>, Option<usize>),
}

impl Holder {
    pub(crate) fn session(&self) -> &Session {
        match self {
            Self::Call(lease) => lease.session(),
            Self::Transaction(state, _) => state.lease().session(),
        }
    }

    pub(crate) fn background(&self) -> (Background, Handle) {
        let lease = match self {
            Self::Call(lease) => lease,
            Self::Transaction(state, _) => state.lease(),
        };
        (lease.endpoint.background.clone(), lease.session().runtime.clone())
    }

    /// The statement is over. `clean` says whether the session is where it was before.
    pub(crate) fn finish(self, rows: u64, error: Option<&Error>, clean: bool) {
        match self {
            Self::Call(mut lease) => {
                if clean {
                    lease.rest();
                }
            }
            Self::Transaction(mut state, None) => {
                if !clean {
                    state.spoil();
                }
            }
            Self::Transaction(mut state, Some(effect)) => state.changed(effect, rows, error, clean),
        }
    }

    /// The statement does not end, and nobody waits for it.
    pub(crate) async fn give_up(self) {
        match self {
            // Dropped in the middle of its work a lease cancels and ends its session.
            Self::Call(lease) => drop(lease),
            // What was done so far cannot be told from what was not: the whole of it is rolled back.
            Self::Transaction(mut state, effect) => {
                state.lease().session().cancel().await;
                state.spoil();
                if let Some(effect) = effect {
                    state.changed(effect, 0, None, false);
                }
            }
        }
    }
}
