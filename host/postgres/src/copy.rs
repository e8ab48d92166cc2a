//! `COPY (query) TO STDOUT`, in text form: one message a row, handed on as bytes.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use futures::{FutureExt, Stream, StreamExt, future::join};
use hostler_capability::{Call, Error, RunContext};
use tokio_postgres::CopyOutStream;

use crate::{
    database::{Database, read_only},
    errors::{Names, is_lost, milliseconds},
    patience::Patience,
    pool::Lease,
    rows::TIDY,
    terms::{READING, Terms},
};

const CHUNK: usize = 256 * 1024;

/// The text of a copy, in chunks, and the number of its rows at the end.
pub struct CopiedText {
    stream: Option<Pin<Box<CopyOutStream>>>,
    lease: Option<Lease>,
    call: Option<Call>,
    context: Arc<RunContext>,
    names: Arc<Names>,
    rows: u64,
    bytes: u64,
    failure: Option<Error>,
    began: Instant,
    limit: Duration,
    patience: Patience,
    heard: bool,
}

impl Database {
    /// The rows of a reading query, as the text that COPY makes of them.
    ///
    /// # Errors
    /// Those of the contract.
    pub async fn copy_out(&self, query: &str) -> Result<CopiedText, Error> {
        let statement = self.granted.copy_out(query).map_err(|refusal| self.deny(&refusal))?;
        let terms = self.terms(&hostler_world::postgres::Options { settings: vec![], timeout_ms: None }, READING)?;
        let call = self.context.begin(&self.label, &format!("COPY ({})", statement.redacted), "query reads")?;
        match self.copy(&format!("COPY (\n{}\n) TO STDOUT", statement.text), &terms).await {
            Ok(mut copied) => {
                copied.call = Some(call);
                Ok(copied)
            }
            Err(error) => Err(call.fail(error)),
        }
    }

    async fn copy(&self, text: &str, terms: &Terms) -> Result<CopiedText, Error> {
        let mut lease = self.lease(terms.limit).await?;
        let began = Instant::now();
        let started = loop {
            let client = lease.work().client.clone();
            let open = read_only(terms);
            let work = async {
                let (opened, prepared) = join(client.batch_execute(&open), client.prepare(text)).await;
                let prepared = opened.and(prepared)?;
                let mut stream = client.copy_out(&prepared).boxed();
                let sent = futures::poll!(stream.as_mut());
                let _ = client.batch_execute("COMMIT").now_or_never();
                match sent {
                    Poll::Ready(stream) => stream,
                    Poll::Pending => stream.await,
                }
            };
            match tokio::time::timeout(terms.patience(), work).await {
                Ok(Err(error)) if is_lost(&error) && !lease.fresh => lease.replace(&self.tag).await?,
                Ok(started) => break started,
                Err(_) => return Err(Error::TimedOut(milliseconds(terms.limit))),
            }
        };
        match started {
            Ok(stream) => Ok(CopiedText {
                stream: Some(Box::pin(stream)),
                names: lease.session().names.clone(),
                lease: Some(lease),
                call: None,
                context: self.context.clone(),
                rows: 0,
                bytes: 0,
                failure: None,
                began,
                limit: terms.limit,
                patience: Patience::new(terms.patience()),
                heard: false,
            }),
            Err(error) => {
                // Whether the closing was sent depends on how far it came; once more does no harm.
                if lease.session().client.batch_execute("ROLLBACK").await.is_ok() {
                    lease.rest();
                }
                Err(lease.session().names.statement(&error, began.elapsed(), terms.limit))
            }
        }
    }
}

impl CopiedText {
    /// The next chunk.
    pub async fn next(&mut self) -> Option<Result<Vec<u8>, Error>> {
        poll_fn(|task| self.poll_chunk(task)).await
    }

    /// How many rows came so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The next chunk, for a stream of the contract.
    pub fn poll_chunk(&mut self, task: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, Error>>> {
        let mut chunk = Vec::new();
        while let Some(stream) = &mut self.stream {
            match stream.as_mut().poll_next(task) {
                Poll::Ready(Some(Ok(row))) => {
                    chunk.extend_from_slice(&row);
                    self.rows += 1;
                    self.heard = true;
                    if let Err(error) = self.context.take(1, row.len() as u64) {
                        self.failure = Some(error);
                        self.tidy();
                    }
                    if chunk.len() >= CHUNK {
                        break;
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    self.failure = Some(self.names.statement(&error, self.began.elapsed(), self.limit));
                    self.end(error.as_db_error().is_some());
                }
                Poll::Ready(None) => self.end(true),
                Poll::Pending if chunk.is_empty() => {
                    ready!(self.patience.poll(task, std::mem::take(&mut self.heard)));
                    self.failure = Some(Error::TimedOut(milliseconds(self.limit)));
                    self.tidy();
                }
                Poll::Pending => break,
            }
        }
        if chunk.is_empty() {
            return Poll::Ready(self.failure.take().map(Err));
        }
        self.bytes += chunk.len() as u64;
        Poll::Ready(Some(Ok(chunk)))
    }

    fn end(&mut self, clean: bool) {
        self.stream = None;
        if let Some(mut lease) = self.lease.take()
            && clean
        {
            lease.rest();
        }
        match (self.call.take(), &self.failure) {
            (Some(call), None) => call.finish(self.rows, self.bytes),
            (Some(call), Some(error)) => drop(call.fail(error.clone())),
            (None, _) => {}
        }
    }

    fn tidy(&mut self) {
        if let (Some(call), Some(error)) = (self.call.take(), &self.failure) {
            drop(call.fail(error.clone()));
        }
        let (Some(mut stream), Some(mut lease)) = (self.stream.take(), self.lease.take()) else { return };
        let (background, runtime) = (lease.endpoint.background.clone(), lease.session().runtime.clone());
        background.spawn(&runtime, async move {
            let end = async {
                while let Some(row) = stream.next().await {
                    row?;
                }
                Ok::<_, tokio_postgres::Error>(())
            };
            if let Ok(Ok(())) = tokio::time::timeout(TIDY, end).await {
                lease.rest();
            }
        });
    }
}

impl Drop for CopiedText {
    fn drop(&mut self) {
        self.tidy();
    }
}
