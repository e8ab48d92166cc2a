//! The rows of one statement, in batches, with all that has to happen when they end.
//!
//! They may end in four ways: whole, with an error in the middle, dropped by the plugin, or over a limit. In each the
//! session goes back where it came from, or is cancelled and ended; the call's line is written; and a change that
//! returned rows is given its outcome.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt};
use hostler_capability::{Call, Error, RunContext, failed};
use hostler_world::postgres::{Batch, Column};
use tokio_postgres::{Row, RowStream};

use crate::{
    columns::Builder,
    errors::{Names, milliseconds},
    holder::Holder,
    patience::Patience,
    read::{Closing, Started},
    terms::{GRACE, Terms},
};

/// How long a dropped statement may take to end by itself before it is cancelled.
pub(crate) const TIDY: Duration = Duration::from_millis(20);

enum Stage {
    /// Rows may come.
    Rows,
    /// The closing has to be answered.
    Closing,
    /// The rows that are left have to be handed over.
    Last,
    /// Nothing more.
    Over,
}

/// Rows, as batches of the contract.
pub struct RowBatches {
    /// The columns of the statement.
    pub columns: Vec<Column>,
    stage: Stage,
    builder: Builder,
    rows: Option<Pin<Box<RowStream>>>,
    first: Option<Row>,
    closing: Option<Closing>,
    holder: Option<Holder>,
    call: Option<Call>,
    context: Arc<RunContext>,
    names: Arc<Names>,
    failure: Option<Error>,
    counted: (u64, u64),
    began: Instant,
    limit: Duration,
    patience: Patience,
    broken: bool,
}

impl RowBatches {
    pub(crate) fn new(
        started: Started,
        holder: Holder,
        context: &Arc<RunContext>,
        terms: &Terms,
        began: Instant,
    ) -> Self {
        let session = holder.session();
        Self {
            columns: started.described.columns.clone(),
            stage: if started.ended { Stage::Closing } else { Stage::Rows },
            builder: Builder::new(started.described.kinds.clone()),
            names: session.names.clone(),
            rows: (!started.ended).then_some(started.rows),
            first: started.first,
            closing: started.closing,
            holder: Some(holder),
            call: None,
            context: context.clone(),
            failure: None,
            counted: (0, 0),
            began,
            limit: terms.limit,
            patience: Patience::new(terms.limit + GRACE),
            broken: false,
        }
    }

    /// The call whose rows they are: it ends when they do.
    pub(crate) fn of(mut self, call: Call) -> Self {
        self.call = Some(call);
        if matches!(self.stage, Stage::Closing) && self.closing.is_none() {
            self.finish(true);
            self.stage = Stage::Last;
        }
        self
    }

    /// The next batch. After an error, or `None`, there is none.
    pub async fn next(&mut self) -> Option<Result<Batch, Error>> {
        poll_fn(|task| self.poll_batch(task)).await
    }

    /// The next batch, for a stream of the contract.
    pub fn poll_batch(&mut self, task: &mut Context<'_>) -> Poll<Option<Result<Batch, Error>>> {
        loop {
            match self.stage {
                Stage::Rows => {
                    if ready!(self.poll_rows(task)) {
                        return Poll::Ready(self.hand_over());
                    }
                }
                Stage::Closing => {
                    let closed = match &mut self.closing {
                        Some(closing) => ready!(closing.as_mut().poll(task)),
                        None => Ok(()),
                    };
                    if let Err(error) = &closed {
                        let ran = self.began.elapsed();
                        self.failure.get_or_insert_with(|| self.names.statement(error, ran, self.limit));
                    }
                    self.finish(closed.is_ok() && !self.broken);
                    self.stage = Stage::Last;
                }
                Stage::Last => {
                    self.stage = Stage::Over;
                    if !self.builder.is_empty() {
                        return Poll::Ready(self.hand_over());
                    }
                }
                Stage::Over => return Poll::Ready(self.failure.take().map(Err)),
            }
        }
    }

    /// Gathers rows. Ready with true where a batch is full, with false where no row comes any more.
    fn poll_rows(&mut self, task: &mut Context<'_>) -> Poll<bool> {
        let mut heard = false;
        loop {
            let Some(rows) = &mut self.rows else { return Poll::Ready(false) };
            let row = match self.first.take() {
                Some(first) => Some(Ok(first)),
                None => match rows.as_mut().poll_next(task) {
                    Poll::Ready(row) => row,
                    // The server ends its statements itself; where nothing comes long after that, it hangs.
                    Poll::Pending => {
                        ready!(self.patience.poll(task, heard));
                        return self.abandon(Error::TimedOut(milliseconds(self.limit)));
                    }
                },
            };
            match row {
                Some(Ok(row)) => {
                    heard = true;
                    if self.builder.push(&row).is_none() {
                        let problem = format!("{} sent a row that is not as it described it", self.names.resource);
                        return self.abandon(failed("08P01", problem));
                    }
                    if self.builder.is_full() {
                        return Poll::Ready(true);
                    }
                }
                Some(Err(error)) => {
                    self.failure = Some(self.names.statement(&error, self.began.elapsed(), self.limit));
                    if error.as_db_error().is_none() {
                        self.broken = true;
                        self.closing = None;
                    }
                    self.rows = None;
                    self.stage = Stage::Closing;
                    return Poll::Ready(false);
                }
                None => {
                    // Polled after its end, it would say that the connection is closed.
                    self.rows = None;
                    self.stage = Stage::Closing;
                    return Poll::Ready(false);
                }
            }
        }
    }

    fn hand_over(&mut self) -> Option<Result<Batch, Error>> {
        let (batch, bytes) = self.builder.take();
        let rows = u64::from(batch.row_count);
        self.counted = (self.counted.0 + rows, self.counted.1 + bytes);
        match self.context.take(rows, bytes) {
            Ok(()) => Some(Ok(batch)),
            Err(error) => {
                let _ = self.abandon(error);
                self.failure.take().map(Err)
            }
        }
    }

    /// The statement is over, and the session is where it was, or is not.
    fn finish(&mut self, clean: bool) {
        self.rows = None;
        self.closing = None;
        let rows = self.counted.0 + u64::from(self.builder.rows());
        let bytes = self.counted.1 + self.builder.bytes();
        if let Some(holder) = self.holder.take() {
            holder.finish(rows, self.failure.as_ref(), clean);
        }
        if let Some(call) = self.call.take() {
            match &self.failure {
                Some(error) => drop(call.fail(error.clone())),
                None => call.finish(rows, bytes),
            }
        }
    }

    /// Ends the statement from this side.
    fn abandon(&mut self, error: Error) -> Poll<bool> {
        self.failure = Some(error);
        self.stage = Stage::Over;
        if let (Some(call), Some(error)) = (self.call.take(), &self.failure) {
            drop(call.fail(error.clone()));
        }
        self.tidy();
        Poll::Ready(false)
    }

    /// Lets a statement that is nearly over end by itself, and cancels any other.
    fn tidy(&mut self) {
        let Some(holder) = self.holder.take() else { return };
        let (mut rows, closing) = (self.rows.take(), self.closing.take());
        let (background, runtime) = holder.background();
        let error = self.failure.clone();
        let counted = self.counted.0;
        background.spawn(&runtime, async move {
            let end = async {
                if let Some(rows) = &mut rows {
                    while let Some(row) = rows.next().await {
                        row?;
                    }
                }
                match closing {
                    Some(closing) => closing.await,
                    None => Ok(()),
                }
            };
            match tokio::time::timeout(TIDY, end).await {
                Ok(ended) => holder.finish(counted, error.as_ref(), ended.is_ok()),
                Err(_) => holder.give_up().await,
            }
        });
    }
}

impl Drop for RowBatches {
    fn drop(&mut self) {
        self.tidy();
    }
}
