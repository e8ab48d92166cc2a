//! Streams that a plugin has, counted as handles until they are dropped.
//!
//! What waits in a stream is memory of the host. The call that began it may be over long before the plugin reads, so
//! that the limit on calls under way does not bound how many streams wait; this one does.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use wasmtime::{
    StoreContextMut,
    component::{Destination, StreamProducer, StreamResult},
};

use crate::{Error, RunContext};

/// A stream that counts as one of the run's handles.
pub struct Counted<P> {
    producer: P,
    _place: Place,
}

struct Place(Arc<RunContext>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.usage.close_stream();
    }
}

impl RunContext {
    /// Counts a stream that is about to be handed to the plugin.
    ///
    /// # Errors
    /// `limit` where the run has as many as it may.
    pub fn counted<P>(self: &Arc<Self>, producer: P) -> Result<Counted<P>, Error> {
        if self.usage.open_stream(&self.limits) {
            return Ok(Counted { producer, _place: Place(self.clone()) });
        }
        Err(self.over("handles"))
    }
}

impl<P: StreamProducer<D> + Unpin, D> StreamProducer<D> for Counted<P> {
    type Item = P::Item;
    type Buffer = P::Buffer;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        destination: Destination<'a, Self::Item, Self::Buffer>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        Pin::new(&mut self.producer).poll_produce(task, store, destination, finish)
    }
}
