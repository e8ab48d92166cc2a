//! What a transaction holds on the server, and what becomes of it when it ends without being asked to.
//!
//! Whatever is dropped in the middle leaves it spoiled: nobody can tell how far it came, so nothing of it is kept.

use std::{fmt::Write as _, sync::Arc};

use hostler_capability::{Error, RunContext, failed};
use tokio::runtime::Handle;

use crate::{background::Background, pool::Lease, session::Canceller, terms::GRACE, terms::Terms};

/// What one holds on the server. One statement at a time has it.
pub(crate) struct State {
    pub(crate) context: Arc<RunContext>,
    pub(crate) lease: Option<Lease>,
    pub(crate) effects: Vec<usize>,
    pub(crate) rows: u64,
    pub(crate) spoiled: bool,
    pub(crate) settings: Vec<(String, String)>,
}

impl State {
    /// # Panics
    /// After the end, which `Transaction` excludes: its end takes it by value.
    pub(crate) fn lease(&self) -> &Lease {
        self.lease.as_ref().expect("a transaction has its session until its end")
    }

    /// Nothing of it can be kept any more.
    pub(crate) fn spoil(&mut self) {
        self.spoiled = true;
    }

    /// A change was made, or was not.
    pub(crate) fn changed(&mut self, effect: usize, rows: u64, error: Option<&Error>, clean: bool) {
        let unclean = || failed("25P02", "the transaction was given up");
        let outcome = match (error, clean) {
            (None, true) => Ok(Some(rows)),
            (Some(error), _) => Err(error.clone()),
            (None, false) => Err(unclean()),
        };
        self.context.outcome(effect, &outcome);
        match outcome {
            Ok(_) => {
                self.effects.push(effect);
                self.rows += rows;
            }
            Err(_) => self.spoiled = true,
        }
    }

    /// What was said to be applied is not, after all.
    pub(crate) fn take_back(&mut self, error: &Error) {
        for effect in self.effects.drain(..) {
            self.context.outcome(effect, &Err(error.clone()));
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.take_back(&failed("40000", "the transaction was rolled back"));
        if let Some(lease) = self.lease.take() {
            let (background, runtime) = (lease.endpoint.background.clone(), lease.session().runtime.clone());
            background.spawn(&runtime, roll_back(lease));
        }
    }
}

/// A statement under way. Dropped before it is over, it is cancelled on the server.
pub(crate) struct UnderWay(Option<(Canceller, Background, Handle)>);

impl UnderWay {
    pub(crate) fn of(state: &mut State) -> Self {
        // Whoever drops it does not know how far it came.
        state.spoil();
        let lease = state.lease();
        let session = lease.session();
        Self(Some((session.canceller(), lease.endpoint.background.clone(), session.runtime.clone())))
    }

    pub(crate) fn over(mut self) {
        self.0 = None;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some((canceller, background, runtime)) = self.0.take() {
            background.spawn(&runtime, async move { canceller.cancel().await });
        }
    }
}

/// Rolls back and keeps the session, or ends it where that fails.
pub(crate) async fn roll_back(mut lease: Lease) {
    let client = lease.session().client.clone();
    if matches!(tokio::time::timeout(GRACE, client.batch_execute("ROLLBACK")).await, Ok(Ok(()))) {
        lease.rest();
    }
}

pub(crate) fn spoiled() -> Error {
    failed("25P02", "the transaction was given up because a statement in it failed, was dropped or timed out")
}

/// Puts the settings of a statement back to those of its transaction.
pub(crate) fn restore(terms: &Terms, settings: &[(String, String)]) -> String {
    let mut text = String::from("SET LOCAL statement_timeout TO DEFAULT");
    for (name, _) in &terms.settings {
        let _ = match settings.iter().find(|(own, _)| own == name) {
            Some((_, value)) => write!(text, "; SET LOCAL {name} = '{}'", value.replace('\'', "''")),
            None => write!(text, "; SET LOCAL {name} TO DEFAULT"),
        };
    }
    text
}
