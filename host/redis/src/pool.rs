//! The connections to one resource, shared by all runs of a host.
//!
//! A call has a connection to itself while it is under way, so that one that is dropped or breaks harms no other, and
//! puts it back clean. Commands that would change a connection's state are never sent, so that there is nothing to
//! reset.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hostler_capability::{Error, within};
use hostler_configuration::RedisResource;
use hostler_policy::redis::CommandTable;
use tokio::sync::Semaphore;

use crate::{
    Timeouts,
    connect::{Connected, Connector},
    connection::{Broken, Connection, Replies},
    failure::Server,
    resp::Allowance,
};

/// Connections to one resource at a time; a call beyond them waits for its turn.
const MOST_CONNECTIONS: usize = 4;

/// The connections to one resource.
pub(crate) struct Pool {
    pub(crate) resource: RedisResource,
    name: String,
    connector: Connector,
    limit: Duration,
    turns: Semaphore,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    idle: Vec<Connection>,
    /// Idle or under way.
    open: usize,
    version: String,
    table: Option<Arc<CommandTable>>,
}

/// A connection that is out of the pool. Dropped without [`Lease::keep`] it is closed.
struct Lease<'p> {
    pool: &'p Pool,
    connection: Option<Connection>,
    fresh: bool,
}

impl Pool {
    pub(crate) fn new(name: &str, resource: &RedisResource, timeouts: Timeouts) -> Result<Self, String> {
        Ok(Self {
            resource: resource.clone(),
            name: name.into(),
            connector: Connector::new(name, resource, timeouts.connect)?,
            limit: timeouts.command,
            turns: Semaphore::new(MOST_CONNECTIONS),
            kept: Mutex::default(),
        })
    }

    pub(crate) fn is_for(&self, name: &str, resource: &RedisResource) -> bool {
        self.name == name && self.resource == *resource
    }

    pub(crate) fn server(&self) -> &Server {
        &self.connector.server
    }

    /// Makes sure that the server is there, and returns what it says of its commands and its version.
    pub(crate) async fn ready(&self) -> Result<(Arc<CommandTable>, String), Error> {
        within(self.limit, async {
            let _turn = self.turn().await?;
            self.lease().await?.keep();
            let kept = self.kept();
            let table = kept.table.clone().ok_or_else(|| self.server().unavailable("it has no command table"))?;
            Ok((table, kept.version.clone()))
        })
        .await
    }

    /// Sends commands and reads their replies within the time limit of a call. Commands that only read are sent again
    /// where a kept connection turns out to be closed.
    pub(crate) async fn exchange(&self, out: &[u8], count: usize, reads: bool) -> Result<Replies, Error> {
        within(self.limit, async {
            let _turn = self.turn().await?;
            loop {
                let mut lease = self.lease().await?;
                let Some(connection) = &mut lease.connection else { continue };
                match connection.exchange(out, count, Allowance::default()).await {
                    Ok(replies) => {
                        lease.keep();
                        return Ok(replies);
                    }
                    Err(Broken::Closed { in_a_reply: false } | Broken::Io(_)) if reads && !lease.fresh => {
                        // Its like were closed with it.
                        drop(lease);
                        self.forget();
                    }
                    Err(broken) => return Err(self.server().broken(&broken)),
                }
            }
        })
        .await
    }

    async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Error> {
        self.turns.acquire().await.map_err(|_| Error::Stopped)
    }

    async fn lease(&self) -> Result<Lease<'_>, Error> {
        let lease = |connection, fresh| Lease { pool: self, connection: Some(connection), fresh };
        let with_table = {
            let mut kept = self.kept();
            while let Some(mut connection) = kept.idle.pop() {
                if connection.is_quiet() {
                    return Ok(lease(connection, false));
                }
                kept.open -= 1;
            }
            // With no connection left the server may have been restarted, as another version.
            kept.table.is_none() || kept.open == 0
        };
        let Connected { connection, version, table } = self.connector.connect(with_table).await?;
        let mut kept = self.kept();
        kept.open += 1;
        kept.version = version;
        if table.is_some() {
            kept.table = table;
        }
        Ok(lease(connection, true))
    }

    fn forget(&self) {
        let mut kept = self.kept();
        kept.open -= kept.idle.len();
        kept.idle.clear();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease<'_> {
    /// Puts the connection back for the next call.
    fn keep(mut self) {
        if let Some(connection) = self.connection.take() {
            if connection.is_clean() {
                self.pool.kept().idle.push(connection);
            } else {
                self.pool.kept().open -= 1;
            }
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if self.connection.take().is_some() {
            self.pool.kept().open -= 1;
        }
    }
}
