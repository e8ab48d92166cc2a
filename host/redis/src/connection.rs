//! One connection: commands go out while replies come in, on the task of whoever asks.
//!
//! There is no task of its own: a call that is dropped drops its connection, and the server sees it. Writing and
//! reading advance together, since a server that cannot get rid of its replies reads no more commands.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use hostler_world::redis::Node;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::resp::{Allowance, Decoder, Unreadable};

/// What a connection runs over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Why an exchange ended early.
#[derive(Debug, Error)]
pub(crate) enum Broken {
    #[error("it closed the connection{}", if *.in_a_reply { " in the middle of a reply" } else { "" })]
    Closed { in_a_reply: bool },
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
}

/// Replies in order, and the bytes that they took.
pub(crate) struct Replies {
    pub(crate) replies: Vec<Vec<Node>>,
    pub(crate) bytes: u64,
}

/// A connection on which nothing is under way.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    decoder: Decoder,
    scratch: Box<[u8]>,
}

impl Connection {
    pub(crate) fn new(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), decoder: Decoder::default(), scratch: vec![0; 64 << 10].into() }
    }

    /// Whether the server has neither closed it nor said something that nobody asked for.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let mut buffer = ReadBuf::new(&mut self.scratch);
        Pin::new(&mut self.stream).poll_read(&mut context, &mut buffer).is_pending() && self.decoder.is_empty()
    }

    /// Sends commands and reads as many replies. After an error the connection is of no use.
    pub(crate) async fn exchange(&mut self, out: &[u8], count: usize, allowance: Allowance) -> Result<Replies, Broken> {
        let mut left = allowance;
        let mut replies = Vec::with_capacity(count.min(1 << 16));
        let mut written = 0;
        let mut flushed = false;
        poll_fn(|context| {
            while written < out.len() {
                match Pin::new(&mut self.stream).poll_write(context, &out[written..])? {
                    Poll::Ready(0) => return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into())),
                    Poll::Ready(count) => written += count,
                    Poll::Pending => break,
                }
            }
            if written == out.len() && !flushed {
                flushed = Pin::new(&mut self.stream).poll_flush(context)?.is_ready();
            }
            while replies.len() < count {
                let mut buffer = ReadBuf::new(&mut self.scratch);
                match Pin::new(&mut self.stream).poll_read(context, &mut buffer)? {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) if buffer.filled().is_empty() => {
                        let in_a_reply = !replies.is_empty() || !self.decoder.is_empty();
                        return Poll::Ready(Err(Broken::Closed { in_a_reply }));
                    }
                    Poll::Ready(()) => self.decoder.feed(buffer.filled()),
                }
                while replies.len() < count
                    && let Some(reply) = self.decoder.next(&mut left)?
                {
                    replies.push(reply);
                }
            }
            Poll::Ready(Ok::<_, Broken>(()))
        })
        .await?;
        if written < out.len() {
            // Replies to commands that were not sent.
            return Err(Unreadable::Protocol.into());
        }
        Ok(Replies { replies, bytes: (allowance.bytes - left.bytes) as u64 })
    }

    /// Whether it may serve another call.
    pub(crate) fn is_clean(&self) -> bool {
        self.decoder.is_empty()
    }
}
