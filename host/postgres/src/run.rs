//! One run's part of the capability: its requests, what is bound to them, and what is granted.

use std::sync::Arc;

use hostler_capability::{Binding, CapabilityError, Error, Grant, Resource, RunContext};
use hostler_configuration::PostgresResource;
use hostler_world::postgres::ServerInfo;
use tokio::sync::Semaphore;

use crate::{
    PostgresCapability,
    database::Database,
    grant::Granted,
    locks::DatabaseLocks,
    pool::{Pool, Tag},
};

/// One request.
struct Bound {
    request: String,
    many: bool,
    targets: Vec<(String, PostgresResource)>,
    granted: Arc<Granted>,
    permits: Arc<Semaphore>,
}

/// The databases that a run may open.
pub struct Run {
    context: Arc<RunContext>,
    pool: Arc<Pool>,
    tag: Arc<Tag>,
    bound: Vec<Bound>,
}

impl Run {
    /// Reads the bindings, and offers the locks of each request's server. Connects to nothing.
    ///
    /// # Errors
    /// Where a resource's own configuration is wrong.
    pub fn new(
        capability: &PostgresCapability,
        bindings: &[Binding],
        context: &Arc<RunContext>,
    ) -> Result<Self, CapabilityError> {
        let tag = Arc::new(Tag::of(&context.info));
        let pool = capability.pool.clone();
        let mut bound = Vec::new();
        for binding in bindings {
            let Grant::Postgres(grant) = &binding.grant else { continue };
            let mut targets = Vec::new();
            for target in &binding.targets {
                let Resource::Postgres(resource) = &target.resource else { continue };
                let endpoint = pool.endpoint(&target.name, resource, None);
                endpoint.destination().map_err(|error| CapabilityError::Resource {
                    resource: endpoint.name.clone(),
                    problem: match error {
                        crate::ConnectError::Configuration { problem, .. } => problem.to_string(),
                        other => other.to_string(),
                    },
                })?;
                let alone = resource.connections.is_some_and(|most| most.get() == 1);
                if targets.is_empty() && !alone {
                    let locks = DatabaseLocks::new(endpoint, tag.clone(), context);
                    context.offer_locks(&binding.request, Arc::new(locks));
                }
                targets.push((target.name.clone(), resource.clone()));
            }
            let connections = usize::try_from(grant.connections.max(1)).unwrap_or(1);
            bound.push(Bound {
                request: binding.request.clone(),
                many: binding.many,
                targets,
                granted: capability.grants.of(grant),
                permits: Arc::new(Semaphore::new(connections)),
            });
        }
        Ok(Self { context: context.clone(), pool, tag, bound })
    }

    /// The run.
    pub fn context(&self) -> &Arc<RunContext> {
        &self.context
    }

    /// The names of the resources that are bound to a request.
    pub fn targets(&self, request: &str) -> Vec<String> {
        let bound = self.bound.iter().find(|bound| bound.request == request);
        bound.into_iter().flat_map(|bound| &bound.targets).map(|(name, _)| name.clone()).collect()
    }

    /// Opens a database: looks whether it is granted, and whether the server can be reached.
    ///
    /// # Errors
    /// Those of the contract.
    pub async fn open(
        &self,
        request: &str,
        target: Option<&str>,
        database: Option<&str>,
    ) -> Result<Arc<Database>, Error> {
        let Some(bound) = self.bound.iter().find(|bound| bound.request == request) else {
            return Err(self.context.deny(request, "open a database", &format!("bind.{request} names none")));
        };
        let (name, resource) = match (target, bound.targets.as_slice()) {
            (None, [only]) => only,
            (None, _) => return Err(Error::Invalid(format!("{request} has several targets: name one"))),
            (Some(target), targets) => match targets.iter().find(|(name, _)| name == target) {
                Some(found) => found,
                None => return Err(Error::Invalid(format!("{request} has no target {target:?}"))),
            },
        };
        let label = if bound.many { format!("{request}/{name}") } else { request.to_owned() };
        let own = self.pool.endpoint(name, resource, None);
        let other = match database {
            Some(database) if own.destination()?.database != database => Some(database),
            _ => None,
        };
        let (endpoint, operation, rule) = match other {
            None => (own, "open".to_owned(), format!("bind.{request}")),
            Some(database) => {
                let rule = format!("databases = [{database:?}]");
                let operation = format!("open database {database:?}");
                if !bound.granted.covers_database(database) {
                    return Err(self.context.deny(&label, &operation, &rule));
                }
                (self.pool.endpoint(name, resource, Some(database)), operation, rule)
            }
        };
        let call = self.context.begin(&label, &operation, &rule)?;
        let database = Database {
            context: self.context.clone(),
            label,
            other: other.map(Into::into),
            granted: bound.granted.clone(),
            endpoint,
            permits: bound.permits.clone(),
            tag: self.tag.clone(),
            info: ServerInfo {
                version: 0,
                database: String::new(),
                in_recovery: false,
                system_identifier: String::new(),
            },
        };
        call.settle(database.opened().await.map(Arc::new), |_| (0, 0))
    }
}
