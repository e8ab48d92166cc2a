//! A database that a run opened: what a plugin calls, without any WebAssembly in sight.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hostler_capability::{Error, RunContext};
use hostler_policy::sql::Refusal;
use hostler_world::postgres::{Options, Parameter, ServerInfo};
use tokio::sync::Semaphore;

use crate::{
    describe::Around,
    errors::{is_lost, milliseconds},
    grant::Granted,
    holder::Holder,
    pool::{Endpoint, Lease, Tag, Taken},
    read::{Bracket, Problem, Refused, start},
    rows::RowBatches,
    terms::{READING, Terms},
};

/// A database. Not a connection: each call takes one when it needs it.
pub struct Database {
    pub(crate) context: Arc<RunContext>,
    /// The request, and the target where it has many.
    pub(crate) label: String,
    /// Set where it is another database than the resource's own.
    pub(crate) other: Option<String>,
    pub(crate) granted: Arc<Granted>,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) tag: Arc<Tag>,
    pub(crate) info: ServerInfo,
}

impl Database {
    /// Asks the server what it is, which shows at the same time that it can be reached.
    pub(crate) async fn opened(mut self) -> Result<Self, Error> {
        let mut lease = self.lease(READING).await?;
        let recovering = match lease.recovering.take() {
            Some(recovering) if self.endpoint.identifier.get().is_some() => recovering,
            _ => self.ask(&mut lease).await?,
        };
        self.info = ServerInfo {
            version: lease.session().version,
            database: lease.session().names.database.clone(),
            in_recovery: recovering,
            system_identifier: self.endpoint.identifier.get().cloned().unwrap_or_default(),
        };
        Ok(self)
    }

    /// Whether the server is in recovery, and its identifier where that is not known yet.
    async fn ask(&self, lease: &mut Lease) -> Result<bool, Error> {
        let began = Instant::now();
        loop {
            let client = lease.work().client.clone();
            let Ok(looked) = tokio::time::timeout(READING, self.endpoint.look(&client)).await else {
                return Err(Error::TimedOut(milliseconds(READING)));
            };
            match looked {
                Ok(recovering) => {
                    lease.rest();
                    return Ok(recovering);
                }
                Err(error) if is_lost(&error) && !lease.fresh => lease.replace(&self.tag).await?,
                Err(error) => return Err(lease.session().names.statement(&error, began.elapsed(), READING)),
            }
        }
    }

    /// What the server said when it was opened.
    pub fn info(&self) -> ServerInfo {
        self.info.clone()
    }

    /// A session, as soon as one of those that the grant allows is free.
    pub(crate) async fn lease(&self, limit: Duration) -> Result<Lease, Error> {
        let permit = match tokio::time::timeout(limit, self.permits.clone().acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(Error::Stopped),
            // All are held by streams and transactions of the plugin's own.
            Err(_) => return Err(self.context.over("connections")),
        };
        let taken: Taken = self.endpoint.take(&self.tag).await?;
        Ok(Lease::new(&self.endpoint, taken, Some(permit)))
    }

    /// Writes a refusal down. It names relations and functions, and no value.
    pub(crate) fn deny(&self, refusal: &Refusal) -> Error {
        self.context.deny(&self.label, &refusal.to_string(), &refusal.rule())
    }

    pub(crate) fn terms(&self, options: &Options, usual: Duration) -> Result<Terms, Error> {
        Terms::new(options, &self.granted.grant, &self.context, usual).map_err(|refusal| self.deny(&refusal))
    }

    /// One reading statement, in a transaction that the server holds read-only.
    ///
    /// # Errors
    /// Those of the contract.
    pub async fn query(&self, sql: &str, parameters: &[Parameter], options: &Options) -> Result<RowBatches, Error> {
        let statement = self.granted.query(sql).map_err(|refusal| self.deny(&refusal))?;
        let terms = self.terms(options, READING)?;
        let call = self.context.begin(&self.label, &statement.redacted, "query reads")?;
        match self.read(&statement.text, statement.kind.into(), parameters, &terms).await {
            Ok(rows) => Ok(rows.of(call)),
            Err(error) => Err(call.fail(error)),
        }
    }

    async fn read(
        &self,
        text: &str,
        around: Around,
        parameters: &[Parameter],
        terms: &Terms,
    ) -> Result<RowBatches, Error> {
        let bracket = Bracket { open: read_only(terms), close: "COMMIT".into(), awaited: false };
        let mut lease = self.lease(terms.limit).await?;
        loop {
            let began = Instant::now();
            let started = start(lease.work(), &bracket, &self.endpoint.described, (text, around), parameters);
            let refused = match tokio::time::timeout(terms.patience(), started).await {
                Ok(Ok(started)) => {
                    return Ok(RowBatches::new(started, Holder::Call(Box::new(lease)), &self.context, terms, began));
                }
                Ok(Err(refused)) => refused,
                Err(_) => return Err(Error::TimedOut(milliseconds(terms.limit))),
            };
            if refused.is_lost() && !lease.fresh {
                // A kept session that the server had ended: nothing was read, so a new one reads it.
                lease.replace(&self.tag).await?;
                continue;
            }
            if refused.clean {
                lease.rest();
            }
            return Err(refused.into_error(&lease, began, terms.limit));
        }
    }
}

/// What opens a reading call.
pub(crate) fn read_only(terms: &Terms) -> String {
    let assignments = if terms.is_usual() { String::new() } else { terms.assignments("SET LOCAL") };
    format!("BEGIN READ ONLY{assignments}")
}

impl Refused {
    pub(crate) fn is_lost(&self) -> bool {
        matches!(&self.problem, Problem::Server(error) if is_lost(error))
    }

    pub(crate) fn into_error(self, lease: &Lease, began: Instant, limit: Duration) -> Error {
        match self.problem {
            Problem::Server(error) => lease.session().names.statement(&error, began.elapsed(), limit),
            Problem::Invalid(problem) => Error::Invalid(problem),
        }
    }
}
