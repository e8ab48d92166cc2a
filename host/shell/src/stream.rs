//! Streams between a plugin and a program, each through a short queue so that neither side runs ahead of the other.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::sync::mpsc;
use wasmtime::{
    StoreContextMut,
    component::{Destination, Source, StreamConsumer, StreamProducer, StreamResult, VecBuffer},
};

/// Chunks that wait between the two sides.
const QUEUE: usize = 4;
/// The most that is taken from a plugin at a time.
const CHUNK: usize = 64 * 1024;

type Permit = mpsc::OwnedPermit<Vec<u8>>;
type Reserving = Pin<Box<dyn Future<Output = Result<Permit, mpsc::error::SendError<()>>> + Send>>;

/// What a plugin writes to a program.
pub(crate) struct Input {
    sender: mpsc::Sender<Vec<u8>>,
    reserving: Option<Reserving>,
    permit: Option<Permit>,
}

/// The end to hand to wasmtime, and the end that feeds the program. The latter ends when the plugin drops its stream.
pub(crate) fn input() -> (Input, mpsc::Receiver<Vec<u8>>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Input { sender, reserving: None, permit: None }, receiver)
}

impl<D> StreamConsumer<D> for Input {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        store: StoreContextMut<D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        // Room first: what is taken from the plugin cannot be put back.
        let permit = match self.permit.take() {
            Some(permit) => permit,
            None => {
                let sender = self.sender.clone();
                let reserving = self.reserving.get_or_insert_with(|| Box::pin(sender.reserve_owned()));
                let reserved = match reserving.as_mut().poll(context) {
                    Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                    other => ready!(other),
                };
                self.reserving = None;
                match reserved {
                    Ok(permit) => permit,
                    Err(_) => return Poll::Ready(Ok(StreamResult::Dropped)),
                }
            }
        };
        let mut source = source.as_direct(store);
        let waiting = source.remaining();
        if waiting.is_empty() {
            self.permit = Some(permit);
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let chunk = waiting[..waiting.len().min(CHUNK)].to_vec();
        source.mark_read(chunk.len());
        permit.send(chunk);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// What a program writes to a plugin.
pub(crate) struct Output(mpsc::Receiver<Vec<u8>>);

/// The end that reads the program, and the end to hand to wasmtime. The former is closed when the plugin drops its
/// stream.
pub(crate) fn output() -> (mpsc::Sender<Vec<u8>>, Output) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (sender, Output(receiver))
}

impl<D: 'static> StreamProducer<D> for Output {
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
                destination.set_buffer(VecBuffer::from(chunk));
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(None) => Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}
