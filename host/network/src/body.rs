//! A response's body, as it comes, through a short queue so that a plugin that reads slowly slows the server down.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hostler_capability::{Error, RunContext};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::mpsc;
use wasmtime::{
    StoreContextMut,
    component::{Destination, StreamProducer, StreamResult, VecBuffer},
};

/// Chunks that wait.
const QUEUE: usize = 4;

/// What a plugin reads.
pub(crate) struct Body(mpsc::Receiver<Bytes>);

/// The end that is filled, and the end to hand to wasmtime. The former is closed when the plugin drops its stream.
pub(crate) fn body() -> (mpsc::Sender<Bytes>, Body) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (sender, Body(receiver))
}

/// Hands a body on to its end, and says how many bytes it had. A plugin that wants no more ends it well.
///
/// # Errors
/// Where the body breaks off, or the run's limit is used up.
pub(crate) async fn forward(
    mut incoming: Incoming,
    sender: mpsc::Sender<Bytes>,
    context: &RunContext,
    broken: impl Fn() -> Error,
) -> Result<u64, Error> {
    let mut total = 0;
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame.map_err(|_| broken())?.into_data() else { continue };
        if data.is_empty() {
            continue;
        }
        let count = data.len() as u64;
        context.take(0, count)?;
        total += count;
        if sender.send(data).await.is_err() {
            break;
        }
    }
    Ok(total)
}

impl<D: 'static> StreamProducer<D> for Body {
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, u8, VecBuffer<u8>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        // A read of nothing asks whether something is there; answering at once leaves the chunk in the queue.
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        match self.0.poll_recv(context) {
            Poll::Ready(Some(chunk)) => {
                destination.set_buffer(VecBuffer::from(Vec::from(chunk)));
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(None) => Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}
