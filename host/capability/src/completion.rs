//! The `completed` future beside a stream: whether it ended whole, and whether the plugin looked.
//!
//! A plugin that reads half a result and never asks why it ended would call a cut result whole; so a failure that was
//! not read makes the verdict unknown.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::{Error, RunContext};

/// How the stream ended, and the ticket of a failure that has to be read.
type Ended<T> = (Result<T, Error>, Option<u64>);

/// The sending half, kept by whoever produces the stream.
pub struct Completion<T> {
    context: Arc<RunContext>,
    what: String,
    sender: Option<oneshot::Sender<Ended<T>>>,
}

/// A pair: the sending half, and the future to hand to the plugin. `what` names the call for the operator.
pub fn completion<T: Send + 'static>(
    context: &Arc<RunContext>,
    what: impl Into<String>,
) -> (Completion<T>, impl Future<Output = wasmtime::Result<Result<T, Error>>> + Send + 'static) {
    let (sender, receiver) = oneshot::channel();
    let reader = context.clone();
    let future = async move {
        match receiver.await {
            Ok((result, ticket)) => {
                if let Some(ticket) = ticket {
                    reader.was_read(ticket);
                }
                Ok(result)
            }
            Err(_) => Ok(Err(Error::Stopped)),
        }
    };
    (Completion { context: context.clone(), what: what.into(), sender: Some(sender) }, future)
}

impl<T> Completion<T> {
    /// Says how the stream ended. A second time is ignored.
    pub fn send(&mut self, result: Result<T, Error>) {
        if let Some(sender) = self.sender.take() {
            let ticket = result.is_err().then(|| self.context.unread(self.what.clone()));
            // The plugin may have dropped the future: then the ticket stays, as it should.
            let _ = sender.send((result, ticket));
        }
    }
}
