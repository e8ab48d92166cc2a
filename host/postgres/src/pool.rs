//! Sessions kept warm between calls and between runs.
//!
//! A session belongs to the run that used it last. Another run gets it after `DISCARD ALL`, and under its own name;
//! the answer to that shows at the same time that the server is still there.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use futures::future::join;
use hostler_capability::RunInfo;
use hostler_configuration::PostgresResource;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::{
    background::Background,
    connect::{check_for_client, connect},
    describe::Descriptions,
    destination::Destination,
    environment::Environment,
    errors::{ConnectError, connecting},
    expected::Expected,
    session::Session,
};

/// How long a session is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(60);

/// How many are kept a database.
const MOST_IDLE: usize = 8;

/// How long a kept session has to answer before a new one is opened.
const ANSWER: Duration = Duration::from_secs(5);

/// The run that a session serves: who owns it, and what the server shows as its name.
#[derive(Debug, Clone)]
pub struct Tag {
    pub(crate) owner: Arc<str>,
    application: String,
}

impl Tag {
    /// The tag of a run.
    #[must_use]
    pub fn of(run: &RunInfo) -> Self {
        let skipped = run.run_id.chars().count().saturating_sub(8);
        let short: String = run.run_id.chars().skip(skipped).collect();
        let mut application = format!("hostler {short}/{}", run.task);
        // The server cuts longer names, and counts bytes.
        application.truncate(application.floor_char_boundary(63));
        Self { owner: run.run_id.as_str().into(), application }
    }

    /// What makes the server show the name.
    pub(crate) fn set_name(&self) -> String {
        format!("SET application_name = '{}'", self.application.replace('\'', "''"))
    }

    /// Of no run yet.
    pub(crate) fn nobody() -> Self {
        Self { owner: "".into(), application: "hostler".into() }
    }
}

/// All databases of all resources, over all runs.
pub(crate) struct Pool {
    environment: Arc<Environment>,
    endpoints: Mutex<HashMap<String, Arc<Endpoint>>>,
    pub(crate) background: Background,
}

impl Pool {
    pub(crate) fn new(environment: Environment) -> Self {
        Self { environment: Arc::new(environment), endpoints: Mutex::default(), background: Background::default() }
    }

    /// One database of a resource. A resource whose configuration changed is another one.
    pub(crate) fn endpoint(&self, name: &str, resource: &PostgresResource, database: Option<&str>) -> Arc<Endpoint> {
        let key = format!("{name}\0{resource:?}\0{database:?}");
        let mut endpoints = held(&self.endpoints);
        endpoints
            .entry(key)
            .or_insert_with(|| {
                Arc::new(Endpoint {
                    name: format!("postgres.{name}"),
                    resource: resource.clone(),
                    database: database.map(Into::into),
                    environment: self.environment.clone(),
                    idle: Mutex::default(),
                    expected: Expected::default(),
                    places: resource.connections.map(|most| Arc::new(Semaphore::new(most.get() as usize))),
                    described: Descriptions::default(),
                    identifier: OnceLock::new(),
                    background: self.background.clone(),
                })
            })
            .clone()
    }
}

/// One database, its idle sessions, and what is known of it.
pub(crate) struct Endpoint {
    /// `postgres.main`.
    pub(crate) name: String,
    resource: PostgresResource,
    database: Option<String>,
    environment: Arc<Environment>,
    idle: Mutex<Idle>,
    pub(crate) expected: Expected,
    /// One a session, where the operator allows only so many.
    places: Option<Arc<Semaphore>>,
    pub(crate) described: Descriptions,
    pub(crate) identifier: OnceLock<String>,
    pub(crate) background: Background,
}

#[derive(Default)]
struct Idle {
    sessions: Vec<(Session, Instant)>,
    reaped: bool,
}

/// A session just taken, and whether the server is in recovery where that was asked on the way.
pub(crate) struct Taken {
    pub(crate) session: Session,
    pub(crate) recovering: Option<bool>,
    pub(crate) fresh: bool,
    place: Option<OwnedSemaphorePermit>,
}

impl Endpoint {
    /// Where it leads.
    pub(crate) fn destination(&self) -> Result<Destination, ConnectError> {
        Destination::read(&self.resource, self.database.as_deref(), &self.environment)
            .map_err(|problem| ConnectError::Configuration { resource: self.name.clone(), problem })
    }

    /// A session for a run: its own, another's made ready, or a new one.
    pub(crate) async fn take(&self, tag: &Tag) -> Result<Taken, ConnectError> {
        let place = match &self.places {
            Some(places) => places.clone().acquire_owned().await.ok(),
            None => None,
        };
        if let Some((session, recovering)) = self.arrived(tag).await? {
            return Ok(Taken { session, recovering: Some(recovering), fresh: true, place });
        }
        while let Some(mut session) = self.pick(tag) {
            if session.owner == tag.owner {
                return Ok(Taken { session, recovering: None, fresh: false, place });
            }
            if let Ok(Some(recovering)) = tokio::time::timeout(ANSWER, renew(&session, tag)).await {
                session.owner = tag.owner.clone();
                return Ok(Taken { session, recovering: Some(recovering), fresh: false, place });
            }
        }
        if place.is_some() {
            // What is idle and cannot be handed on would be one too many.
            held(&self.idle).sessions.clear();
        }
        Ok(Taken { session: self.open(tag).await?, recovering: None, fresh: true, place })
    }

    /// A new session.
    pub(crate) async fn open(&self, tag: &Tag) -> Result<Session, ConnectError> {
        connect(&self.name, &self.destination()?, &tag.owner, &tag.application).await
    }

    /// Whether a session may be opened that nobody asked for yet.
    pub(crate) fn may_expect(&self) -> bool {
        self.places.is_none() && held(&self.idle).sessions.is_empty()
    }

    /// Whether the server is in recovery. Its identifier is asked with it where that is not known yet; where the role
    /// may not read it, plugins are told nothing.
    pub(crate) async fn look(&self, client: &Client) -> Result<bool, tokio_postgres::Error> {
        let recovery = client.simple_query("SELECT pg_catalog.pg_is_in_recovery()");
        if self.identifier.get().is_some() {
            return Ok(first(&recovery.await?) == Some("t"));
        }
        let control = client.simple_query("SELECT system_identifier FROM pg_catalog.pg_control_system()");
        let (recovery, control) = join(recovery, control).await;
        let recovery = recovery?;
        let identifier = control.ok().and_then(|control| first(&control).map(Into::into));
        let _ = self.identifier.set(identifier.unwrap_or_default());
        Ok(first(&recovery) == Some("t"))
    }

    pub(crate) fn failed(&self, error: &tokio_postgres::Error) -> ConnectError {
        connecting(&self.name, error, false)
    }

    fn pick(&self, tag: &Tag) -> Option<Session> {
        let mut idle = held(&self.idle);
        idle.sessions.retain(|(session, since)| session.is_alive() && since.elapsed() < IDLE);
        let own = idle.sessions.iter().rposition(|(session, _)| session.owner == tag.owner);
        let place = own.or_else(|| idle.sessions.iter().rposition(|(session, _)| session.is_plain()))?;
        Some(idle.sessions.remove(place).0)
    }

    /// Keeps a session that is clean.
    pub(crate) fn put(self: &Arc<Self>, session: Session) {
        if !session.is_alive() {
            return;
        }
        let runtime = session.runtime.clone();
        let mut idle = held(&self.idle);
        idle.sessions.push((session, Instant::now()));
        if idle.sessions.len() > MOST_IDLE {
            idle.sessions.remove(0);
        }
        if !std::mem::replace(&mut idle.reaped, true) {
            let endpoint = Arc::downgrade(self);
            runtime.spawn(async move {
                loop {
                    tokio::time::sleep(IDLE / 4).await;
                    let Some(endpoint) = endpoint.upgrade() else { return };
                    let mut idle = held(&endpoint.idle);
                    idle.sessions.retain(|(session, since)| session.is_alive() && since.elapsed() < IDLE);
                    if idle.sessions.is_empty() {
                        idle.reaped = false;
                        return;
                    }
                }
            });
        }
    }
}

/// Takes from a session what another run left, and says whether the server is in recovery. `None` where it failed.
async fn renew(session: &Session, tag: &Tag) -> Option<bool> {
    let client = &session.client;
    let name = format!("{}; SELECT pg_catalog.pg_is_in_recovery()", tag.set_name());
    let (discarded, answer) = join(client.batch_execute("DISCARD ALL"), client.simple_query(&name)).await;
    discarded.ok()?;
    check_for_client(session);
    first(&answer.ok()?).map(|value| value == "t")
}

/// The first value of a simple answer.
pub(crate) fn first(messages: &[SimpleQueryMessage]) -> Option<&str> {
    messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten(),
        _ => None,
    })
}

/// A session in use. Dropped while it is clean it goes back; dropped in the middle of something it is cancelled on
/// the server and ended, and its permit is given back only then.
pub(crate) struct Lease {
    session: Option<Session>,
    permit: Option<OwnedSemaphorePermit>,
    place: Option<OwnedSemaphorePermit>,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) fresh: bool,
    /// Whether the server is in recovery, where that was asked when the session was taken.
    pub(crate) recovering: Option<bool>,
    clean: bool,
}

impl Lease {
    pub(crate) fn new(endpoint: &Arc<Endpoint>, taken: Taken, permit: Option<OwnedSemaphorePermit>) -> Self {
        let Taken { session, recovering, fresh, place } = taken;
        Self { session: Some(session), permit, place, endpoint: endpoint.clone(), fresh, recovering, clean: true }
    }

    /// The session. From here on it is in the middle of something.
    pub(crate) fn work(&mut self) -> &Session {
        self.clean = false;
        self.session()
    }

    pub(crate) fn session(&self) -> &Session {
        self.session.as_ref().expect("a lease has its session until it is dropped")
    }

    /// It is in the middle of nothing any more.
    pub(crate) fn rest(&mut self) {
        self.clean = true;
    }

    /// Takes a new session in place of one that turned out to be dead.
    pub(crate) async fn replace(&mut self, tag: &Tag) -> Result<(), ConnectError> {
        self.session = Some(self.endpoint.open(tag).await?);
        self.fresh = true;
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (Some(session), permit) = (self.session.take(), self.permit.take()) else { return };
        if self.clean {
            self.endpoint.put(session);
            return;
        }
        let (runtime, place) = (session.runtime.clone(), self.place.take());
        self.endpoint.background.spawn(&runtime, async move {
            session.discard().await;
            drop((permit, place));
        });
    }
}

pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
