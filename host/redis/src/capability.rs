//! The capability, shared by all runs, and its part of one run.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hostler_capability::{Binding, CapabilityError, Error, Grant, Resource, RunContext, Table};
use hostler_configuration::RedisResource;
use hostler_policy::redis::RedisGrant;
use hostler_world::redis::Server;

use crate::{Session, pool::Pool};

/// How long the host waits for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, with TLS, password and command table.
    pub connect: Duration,
    /// For a call, with a connection where none is open.
    pub command: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), command: Duration::from_secs(30) }
    }
}

/// The capability of Redis servers. It keeps connections, and what servers say of their commands, between runs.
#[derive(Default)]
pub struct RedisCapability {
    timeouts: Timeouts,
    pools: Mutex<Vec<Arc<Pool>>>,
}

impl RedisCapability {
    /// With other time limits than the usual ones.
    pub fn new(timeouts: Timeouts) -> Self {
        Self { timeouts, pools: Mutex::default() }
    }

    /// The part of one run. Opens nothing.
    ///
    /// # Errors
    /// Where an address, a user or a grant is wrong.
    pub fn run(&self, bindings: &[Binding], context: &Arc<RunContext>) -> Result<RedisRun, CapabilityError> {
        let requests = bindings.iter().filter_map(|binding| match &binding.grant {
            Grant::Redis(words) => Some(self.request(binding, words)),
            _ => None,
        });
        Ok(RedisRun {
            context: context.clone(),
            requests: Arc::new(requests.collect::<Result<_, _>>()?),
            servers: Table::new(context.limits.handles),
        })
    }

    fn request(&self, binding: &Binding, words: &[String]) -> Result<Request, CapabilityError> {
        let wrong = |resource: String, problem: String| CapabilityError::Resource { resource, problem };
        let grant = RedisGrant::parse(words)
            .map_err(|error| wrong(format!("the grant of {}", binding.request), error.to_string()))?;
        let targets = binding.targets.iter().filter_map(|target| match &target.resource {
            Resource::Redis(resource) => Some(
                self.pool(&target.name, resource)
                    .map(|pool| (target.name.clone(), pool))
                    .map_err(|problem| wrong(format!("redis.{}", target.name), problem)),
            ),
            _ => None,
        });
        Ok(Request {
            name: binding.request.clone(),
            many: binding.many,
            grant: Arc::new(grant),
            targets: targets.collect::<Result<_, _>>()?,
        })
    }

    fn pool(&self, name: &str, resource: &RedisResource) -> Result<Arc<Pool>, String> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.iter().find(|pool| pool.is_for(name, resource)) {
            return Ok(pool.clone());
        }
        let pool = Arc::new(Pool::new(name, resource, self.timeouts)?);
        pools.push(pool.clone());
        Ok(pool)
    }
}

/// A request, and what is bound to it.
struct Request {
    name: String,
    many: bool,
    grant: Arc<RedisGrant>,
    targets: Vec<(String, Arc<Pool>)>,
}

/// The servers of one run.
pub struct RedisRun {
    context: Arc<RunContext>,
    requests: Arc<Vec<Request>>,
    pub(crate) servers: Table<Server, Arc<Session>>,
}

impl RedisRun {
    /// The targets of a request, by name; none of a request that is not bound.
    pub fn targets(&self, request: &str) -> Vec<String> {
        let bound = self.requests.iter().find(|bound| bound.name == request);
        bound.map(|bound| bound.targets.iter().map(|(name, _)| name.clone()).collect()).unwrap_or_default()
    }

    /// Opens a server of a request. The future holds nothing of the run's store.
    ///
    /// # Errors
    /// `denied` where it is not bound, `invalid` where the target has to be named, and what the server says.
    pub fn open(
        &self,
        request: String,
        target: Option<String>,
    ) -> impl Future<Output = Result<Session, Error>> + Send + 'static + use<> {
        let context = self.context.clone();
        let requests = self.requests.clone();
        async move {
            let Some(bound) = requests.iter().find(|bound| bound.name == request) else {
                return Err(context.deny(&request, "open", "no Redis server is bound to a request of that name"));
            };
            let chosen = match (&target, bound.targets.as_slice()) {
                (Some(target), targets) => targets.iter().find(|(name, _)| name == target),
                (None, [only]) => Some(only),
                (None, _) => {
                    return Err(Error::Invalid(format!("{request} has several targets; open one of them by its name")));
                }
            };
            let Some((name, pool)) = chosen else {
                return Err(context.deny(&request, "open", "the target is not one that is bound"));
            };
            let label = if bound.many { format!("{request}/{name}") } else { request };
            Session::open(context, pool.clone(), bound.grant.clone(), label).await
        }
    }

    pub(crate) fn context(&self) -> Arc<RunContext> {
        self.context.clone()
    }
}
