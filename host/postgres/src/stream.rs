//! Rows and copied text as streams of the contract.
//!
//! The `completed` future beside a stream hears how it ended when the stream itself has ended, and not before: what
//! was handed over by then is all that comes.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use hostler_capability::Completion;
use hostler_world::postgres::Batch;
use wasmtime::{
    StoreContextMut,
    component::{Destination, StreamProducer, StreamResult, VecBuffer},
};

use crate::{copy::CopiedText, rows::RowBatches};

pub(crate) struct Batches {
    pub(crate) rows: RowBatches,
    pub(crate) completion: Completion<()>,
}

impl<D: 'static> StreamProducer<D> for Batches {
    type Item = Batch;
    type Buffer = VecBuffer<Batch>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, Self::Item, Self::Buffer>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        // Whoever reads nothing wants to know whether there is something; the next read tells.
        if destination.remaining(store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        match self.rows.poll_batch(task) {
            Poll::Ready(Some(Ok(batch))) => {
                destination.set_buffer(vec![batch].into());
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(Some(Err(error))) => {
                self.completion.send(Err(error));
                Poll::Ready(Ok(StreamResult::Dropped))
            }
            Poll::Ready(None) => {
                self.completion.send(Ok(()));
                Poll::Ready(Ok(StreamResult::Dropped))
            }
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}

pub(crate) struct Bytes {
    pub(crate) copied: CopiedText,
    pub(crate) completion: Completion<u64>,
}

impl<D: 'static> StreamProducer<D> for Bytes {
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, Self::Item, Self::Buffer>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        if destination.remaining(store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        match self.copied.poll_chunk(task) {
            Poll::Ready(Some(Ok(chunk))) => {
                destination.set_buffer(chunk.into());
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(Some(Err(error))) => {
                self.completion.send(Err(error));
                Poll::Ready(Ok(StreamResult::Dropped))
            }
            Poll::Ready(None) => {
                let rows = self.copied.rows();
                self.completion.send(Ok(rows));
                Poll::Ready(Ok(StreamResult::Dropped))
            }
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}
