//! Locks held against all hosts that share a server: advisory locks, each on a session of its own.
//!
//! The server lets such a lock go when the session ends, however the host ends. A session of its own because the
//! lock has to outlive calls, and because one session may take one lock twice. They count beside the grant's
//! connections: a plugin with one connection can hold a lock and work.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use hostler_capability::{Error, RunContext, ServerLocks, failed};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    errors::is_lost,
    pool::{Endpoint, Lease, Tag, first},
    terms::READING,
};

/// Locks that one run may hold at a time.
const MOST: usize = 16;

/// A lock that was let go a moment ago may still be held while its session ends.
const TRIES: u32 = 5;
const BETWEEN: Duration = Duration::from_millis(40);

/// The locks of one request's server.
pub struct DatabaseLocks {
    endpoint: Arc<Endpoint>,
    tag: Arc<Tag>,
    // The run has these locks: they do not keep it, or neither would ever end, nor its sessions.
    context: Weak<RunContext>,
    permits: Arc<Semaphore>,
}

/// The key under which a lock's name is known to the server.
#[must_use]
pub fn key(name: &str) -> i64 {
    let digest = Sha256::digest(format!("hostler:{name}"));
    digest.iter().take(8).fold(0, |key, byte| key << 8 | i64::from(*byte))
}

struct Guard {
    lease: Option<Lease>,
    permit: Option<OwnedSemaphorePermit>,
    name: String,
    key: i64,
    context: Arc<RunContext>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (Some(mut lease), permit) = (self.lease.take(), self.permit.take()) else { return };
        if !lease.session().is_alive() {
            let resource = &lease.endpoint.name;
            self.context.trouble(format!("the lock {:?} on {resource} was lost before the run ended", self.name));
            return;
        }
        let (background, runtime) = (lease.endpoint.background.clone(), lease.session().runtime.clone());
        let unlock = format!("SELECT pg_catalog.pg_advisory_unlock({})", self.key);
        background.spawn(&runtime, async move {
            let client = lease.work().client.clone();
            if matches!(tokio::time::timeout(READING, client.batch_execute(&unlock)).await, Ok(Ok(()))) {
                lease.rest();
            }
            drop((lease, permit));
        });
    }
}

impl DatabaseLocks {
    pub(crate) fn new(endpoint: Arc<Endpoint>, tag: Arc<Tag>, context: &Arc<RunContext>) -> Self {
        let context = Arc::downgrade(context);
        Self { endpoint, tag, context, permits: Arc::new(Semaphore::new(MOST)) }
    }

    async fn ask(&self, lease: &mut Lease, question: &str) -> Result<bool, Error> {
        let began = std::time::Instant::now();
        loop {
            let client = lease.work().client.clone();
            match tokio::time::timeout(READING, client.simple_query(question)).await {
                Ok(Ok(answer)) => {
                    lease.rest();
                    return Ok(first(&answer) == Some("t"));
                }
                Ok(Err(error)) if is_lost(&error) && !lease.fresh => lease.replace(&self.tag).await?,
                Ok(Err(error)) => {
                    return Err(lease.session().names.statement(&error, began.elapsed(), READING));
                }
                Err(_) => return Err(Error::TimedOut(crate::errors::milliseconds(READING))),
            }
        }
    }
}

#[async_trait]
impl ServerLocks for DatabaseLocks {
    /// `failed` with code `held` where another session holds it; `None` where it was looked at and is free. To look
    /// takes no lock, not even for a moment.
    async fn acquire(&self, name: &str, only_look: bool) -> Result<Option<Box<dyn Send + Sync>>, Error> {
        let context = self.context.upgrade().ok_or_else(|| Error::Invalid("the run is over".into()))?;
        let key = key(name);
        let permit = self.permits.clone().try_acquire_owned().map_err(|_| context.over("locks"))?;
        let mut lease = Lease::new(&self.endpoint, self.endpoint.take(&self.tag).await?, None);
        let bits = key.cast_unsigned();
        let question = if only_look {
            format!(
                "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_database AS d \
                 ON d.oid = l.database WHERE d.datname = pg_catalog.current_database() AND l.locktype = 'advisory' \
                 AND l.objsubid = 1 AND l.granted AND l.classid = {} AND l.objid = {})",
                bits >> 32,
                bits & 0xffff_ffff
            )
        } else {
            format!("SELECT pg_catalog.pg_try_advisory_lock({key})")
        };
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(BETWEEN).await;
            }
            if !self.ask(&mut lease, &question).await? {
                continue;
            }
            if only_look {
                return Ok(None);
            }
            // A session that is idle for long is what a lock needs; older servers have no such limit.
            let _ = lease.session().client.batch_execute("SET idle_session_timeout = 0").await;
            // Dropped in between, the session ends, and the lock with it.
            lease.work();
            let guard = Guard { lease: Some(lease), permit: Some(permit), name: name.into(), key, context };
            return Ok(Some(Box::new(guard)));
        }
        Err(failed("held", format!("another run holds the lock {name:?} on {}", self.endpoint.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn a_key_is_the_same_on_every_host() {
        // The first bytes of what `printf hostler:nightly | sha256sum` prints.
        assert_eq!(key("nightly"), 0x7184_2ca8_06f7_4145);
        assert_ne!(key("nightly"), key("weekly"));
    }
}
