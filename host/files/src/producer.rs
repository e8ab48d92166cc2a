//! From a thread that reads to a stream that the plugin reads: a bounded channel, so that a plugin that does not read
//! holds the thread up instead of filling memory.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::mpsc::Receiver;
use wasmtime::{
    StoreContextMut,
    component::{Destination, StreamProducer, StreamResult, VecBuffer},
};

/// Hands over what a channel brings; each message becomes items of the stream.
pub(crate) struct Producer<M, T> {
    receiver: Receiver<M>,
    items: fn(M) -> Vec<T>,
}

impl<M, T> Producer<M, T> {
    pub(crate) fn new(receiver: Receiver<M>, items: fn(M) -> Vec<T>) -> Self {
        Self { receiver, items }
    }
}

impl<M, T, D> StreamProducer<D> for Producer<M, T>
where
    M: Send + 'static,
    T: Send + Sync + 'static,
{
    type Item = T;
    type Buffer = VecBuffer<T>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, T, VecBuffer<T>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        // A read of nothing asks whether there is something; it is told when it reads in earnest.
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        match self.receiver.poll_recv(cx) {
            Poll::Ready(Some(message)) => {
                let items = (self.items)(message);
                destination.set_buffer(items.into());
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(None) => Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}
