//! One session on a server: the client, and the task that drives its socket.
//!
//! Settings that every session has go with the startup message, so that they cost no round trip, and so that
//! `DISCARD ALL` returns to them. `default_transaction_read_only` is among them: whatever reaches the server outside
//! the transaction that was meant for it is read-only all the same.

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use hostler_world::postgres::Notice;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime::Handle,
    task::JoinHandle,
};
use tokio_postgres::{AsyncMessage, CancelToken, Client, Connection, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{errors::Names, pool::Tag};

/// The settings of every session, as startup options. Memory, costs and the like stay the operator's.
pub(crate) const SETTINGS: [(&str, &str); 12] = [
    ("search_path", "pg_catalog"),
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO,YMD"),
    ("IntervalStyle", "iso_8601"),
    ("bytea_output", "hex"),
    ("standard_conforming_strings", "on"),
    ("default_transaction_read_only", "on"),
    ("client_min_messages", "notice"),
    ("xmloption", "content"),
    ("statement_timeout", "30s"),
    ("lock_timeout", "1s"),
    ("idle_in_transaction_session_timeout", "60s"),
];

/// Notices of one statement: more are dropped.
const MOST_NOTICES: usize = 1000;

/// How long a server may take to answer a request to cancel.
const CANCEL: Duration = Duration::from_secs(5);

/// What a connection is encrypted with, kept for cancelling.
#[derive(Clone)]
pub(crate) enum Encryption {
    None,
    Rustls(MakeRustlsConnect),
}

/// What it takes to cancel what a session does.
#[derive(Clone)]
pub(crate) struct Canceller {
    token: CancelToken,
    encryption: Encryption,
}

impl Canceller {
    pub(crate) async fn cancel(&self) {
        let asked = async {
            match &self.encryption {
                Encryption::None => self.token.cancel_query(NoTls).await,
                Encryption::Rustls(connector) => self.token.cancel_query(connector.clone()).await,
            }
        };
        // Where the server cannot be asked, the session is ended, which is all that is left to do.
        let _ = tokio::time::timeout(CANCEL, asked).await;
    }
}

/// Notices gathered while somebody wants them.
#[derive(Default)]
pub(crate) struct Notices(Mutex<Option<Vec<tokio_postgres::error::DbError>>>);

impl Notices {
    fn add(&self, notice: tokio_postgres::error::DbError) {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gathered) = gathered.as_mut().filter(|gathered| gathered.len() < MOST_NOTICES) {
            gathered.push(notice);
        }
    }
}

/// A session.
pub(crate) struct Session {
    pub(crate) client: Arc<Client>,
    pub(crate) names: Arc<Names>,
    /// 150018 for 15.18.
    pub(crate) version: u32,
    /// The run that it was last made ready for.
    pub(crate) owner: Arc<str>,
    /// The library keeps prepared statements of its own once it has looked a type up, which `DISCARD ALL` takes from
    /// it: such a session is not handed to another run.
    pub(crate) looked_up: AtomicBool,
    pub(crate) runtime: Handle,
    canceller: Canceller,
    notices: Arc<Notices>,
    driver: JoinHandle<()>,
}

impl Session {
    /// Takes a connection that was just opened, and drives it.
    pub(crate) fn start<S, T>(
        client: Client,
        connection: Connection<S, T>,
        names: Arc<Names>,
        encryption: Encryption,
        owner: Arc<str>,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let notices = Arc::new(Notices::default());
        let version = version(connection.parameter("server_version").unwrap_or_default());
        let driver = tokio::spawn(drive(connection, notices.clone()));
        Self {
            canceller: Canceller { token: client.cancel_token(), encryption },
            client: Arc::new(client),
            names,
            version,
            owner,
            looked_up: AtomicBool::new(false),
            runtime: Handle::current(),
            notices,
            driver,
        }
    }

    /// Whether it can be used still, as far as this side knows.
    pub(crate) fn is_alive(&self) -> bool {
        !self.client.is_closed()
    }

    /// Whether another run may have it after a `DISCARD ALL`.
    pub(crate) fn is_plain(&self) -> bool {
        !self.looked_up.load(Ordering::Relaxed)
    }

    /// Gives a session that served no run yet to a run. Sent, and not waited for.
    pub(crate) fn rename(&mut self, tag: &Tag) {
        self.owner = tag.owner.clone();
        let _ = self.client.batch_execute(&tag.set_name()).now_or_never();
    }

    /// Gathers notices from here on.
    pub(crate) fn listen(&self) {
        *self.notices.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    }

    /// The notices gathered since [`Session::listen`].
    pub(crate) fn heard(&self) -> Vec<Notice> {
        let gathered = self.notices.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        gathered.iter().map(|notice| self.names.notice(notice)).collect()
    }

    /// Asks the server to cancel what the session does, without waiting for it to end.
    pub(crate) async fn cancel(&self) {
        self.canceller.cancel().await;
    }

    /// For cancelling from elsewhere.
    pub(crate) fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Cancels what it does and ends it. Returns when the server has let go of it, or after a while.
    pub(crate) async fn discard(self) {
        self.cancel().await;
        let Self { client, mut driver, .. } = self;
        drop(client);
        if tokio::time::timeout(CANCEL, &mut driver).await.is_err() {
            driver.abort();
        }
    }
}

async fn drive<S, T>(mut connection: Connection<S, T>, notices: Arc<Notices>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    // An error ends the connection; whoever waits for an answer learns that it is closed.
    while let Some(Ok(message)) = poll_fn(|task| connection.poll_message(task)).await {
        if let AsyncMessage::Notice(notice) = message {
            notices.add(notice);
        }
    }
}

/// `15.18 (Debian …)` as 150018, `9.6.24` as 90624, `18beta1` as 180000.
fn version(text: &str) -> u32 {
    let number = |part: Option<&str>| -> u32 {
        let part = part.unwrap_or_default();
        let end = part.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse().unwrap_or(0)
    };
    let first = text.split_whitespace().next().unwrap_or_default();
    let mut parts = first.split('.');
    let (major, minor, patch) = (number(parts.next()), number(parts.next()), number(parts.next()));
    if major >= 10 { major * 10_000 + minor } else { major * 10_000 + minor * 100 + patch }
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_as_the_server_numbers_them() {
        for (text, number) in
            [("15.18 (Debian 15.18-0+deb12u1)", 150_018), ("9.6.24", 90_624), ("18beta1", 180_000), ("", 0)]
        {
            assert_eq!(version(text), number, "{text}");
        }
    }
}
