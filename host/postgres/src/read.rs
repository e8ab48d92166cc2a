//! Sends one statement that returns rows, between what opens and what closes its read-only bracket.
//!
//! All of it is sent at once: the opening, the statement and the closing are answered one after the other, and nobody
//! waits for a round trip between them. A statement that has not been seen before is described first, since its
//! parameters and columns have to be known.

use std::{pin::Pin, sync::Arc};

use futures::{FutureExt, StreamExt, future::BoxFuture, future::join};
use hostler_world::postgres::Parameter;
use tokio_postgres::{Client, Error, Row, RowStream, types::Type};

use crate::{
    describe::{Around, Described, Descriptions},
    parameter::{Encoded, encode},
    session::Session,
};

/// What stands around the statement.
pub(crate) struct Bracket {
    pub(crate) open: String,
    pub(crate) close: String,
    /// Whether what follows depends on the closing: in a transaction it does.
    pub(crate) awaited: bool,
}

/// A closing that was sent.
pub(crate) type Closing = BoxFuture<'static, Result<(), Error>>;

/// Rows to come.
pub(crate) struct Started {
    pub(crate) described: Arc<Described>,
    pub(crate) rows: Pin<Box<RowStream>>,
    pub(crate) first: Option<Row>,
    pub(crate) ended: bool,
    pub(crate) closing: Option<Closing>,
}

/// Why there are none.
pub(crate) enum Problem {
    /// The server, or the way there.
    Server(Error),
    /// The call itself.
    Invalid(String),
}

/// And whether the session is where it was before.
pub(crate) struct Refused {
    pub(crate) problem: Problem,
    pub(crate) clean: bool,
}

/// Starts a statement and waits for its first row, so that an error which comes before it is the call's own.
pub(crate) async fn start(
    session: &Session,
    bracket: &Bracket,
    descriptions: &Descriptions,
    (text, around): (&str, Around),
    parameters: &[Parameter],
) -> Result<Started, Refused> {
    if let Some(described) = descriptions.get(text) {
        let encoded = encode(parameters, &described.parameters)
            .map_err(|problem| Refused { problem: Problem::Invalid(problem), clean: true })?;
        let sent = described.wrapped.as_deref().unwrap_or(text);
        let started = known(session, bracket, described.clone(), sent, encoded).await?;
        match &started.first {
            // It changed since it was described: nothing was handed over yet, so it is read again.
            Some(row) if !described.fits(row) => {
                descriptions.forget(text);
                let Started { rows, closing, .. } = started;
                drop(rows);
                if let Some(closing) = closing {
                    closing.await.map_err(|error| Refused { problem: Problem::Server(error), clean: false })?;
                }
            }
            _ => return Ok(started),
        }
    }
    unknown(session, bracket, descriptions, (text, around), parameters).await
}

async fn known(
    session: &Session,
    bracket: &Bracket,
    described: Arc<Described>,
    text: &str,
    encoded: Vec<(Encoded, Type)>,
) -> Result<Started, Refused> {
    let client = &session.client;
    // Requests go out in the order in which they are polled for the first time.
    let mut both = Box::pin(join(client.batch_execute(&bracket.open), client.query_typed_raw(text, encoded)));
    let sent = futures::poll!(both.as_mut());
    let closing = close(client, bracket);
    let (opened, rows) = match sent {
        std::task::Poll::Ready(both) => both,
        std::task::Poll::Pending => both.await,
    };
    let rows = opened.and(rows);
    first(described, rows, closing, bracket).await
}

async fn unknown(
    session: &Session,
    bracket: &Bracket,
    descriptions: &Descriptions,
    (text, around): (&str, Around),
    parameters: &[Parameter],
) -> Result<Started, Refused> {
    let client = &session.client;
    let (opened, prepared) = join(client.batch_execute(&bracket.open), client.prepare(text)).await;
    let prepared = match opened.and(prepared) {
        Ok(prepared) => prepared,
        Err(error) => return Err(refuse(close(client, bracket), Problem::Server(error)).await),
    };
    let foreign = |of: &Type| Type::from_oid(of.oid()).is_none();
    if prepared.params().iter().chain(prepared.columns().iter().map(|column| column.type_())).any(foreign) {
        session.looked_up.store(true, std::sync::atomic::Ordering::Relaxed);
    }
    let described = Arc::new(Described::new(&prepared, text, around));
    let encoded = match encode(parameters, &described.parameters) {
        Ok(encoded) => encoded,
        Err(problem) => return Err(refuse(close(client, bracket), Problem::Invalid(problem)).await),
    };
    descriptions.keep(text, &described);
    let (rows, closing) = {
        let mut rows = match &described.wrapped {
            Some(wrapped) => client.query_typed_raw(wrapped, encoded).boxed(),
            None => {
                let encoded: Vec<_> = encoded.into_iter().map(|(encoded, _)| encoded).collect();
                client.query_raw(&prepared, encoded).boxed()
            }
        };
        let sent = futures::poll!(rows.as_mut());
        let closing = close(client, bracket);
        match sent {
            std::task::Poll::Ready(rows) => (rows, closing),
            std::task::Poll::Pending => (rows.await, closing),
        }
    };
    first(described, rows, closing, bracket).await
}

/// Sends the closing.
pub(crate) fn close(client: &Arc<Client>, bracket: &Bracket) -> Closing {
    let (client, text) = (client.clone(), bracket.close.clone());
    let mut closing = async move { client.batch_execute(&text).await }.boxed();
    // Polled once, it is sent; an answer that is there already is kept.
    match (&mut closing).now_or_never() {
        Some(answer) => async move { answer }.boxed(),
        None => closing,
    }
}

async fn first(
    described: Arc<Described>,
    rows: Result<RowStream, Error>,
    closing: Closing,
    bracket: &Bracket,
) -> Result<Started, Refused> {
    let mut rows = match rows {
        Ok(rows) => Box::pin(rows),
        Err(error) => return Err(refuse(closing, Problem::Server(error)).await),
    };
    let first = match rows.next().await.transpose() {
        Ok(first) => first,
        Err(error) => return Err(refuse(closing, Problem::Server(error)).await),
    };
    let ended = first.is_none();
    Ok(Started { described, rows, first, ended, closing: bracket.awaited.then_some(closing) })
}

async fn refuse(closing: Closing, problem: Problem) -> Refused {
    Refused { problem, clean: closing.await.is_ok() }
}
