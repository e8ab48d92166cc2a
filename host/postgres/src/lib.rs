//! The PostgreSQL capability: what a plugin does with a database that an operator bound to one of its requests.
//!
//! Linked as the interface `postgres`. What a statement may do is decided by [`hostler_policy::sql`] before anything
//! is sent; what is sent is held read-only by the server, except a change that the grant names; and a change is
//! planned or applied as the run's mode has it.
//!
//! Everything that does the work is plain and knows no WebAssembly: [`Run`] opens a [`Database`], whose calls answer
//! with [`RowBatches`], and `host.rs` puts these into streams. Sessions are kept warm by [`PostgresCapability`], which
//! all runs of a host share; one place, `connect.rs`, opens them.

mod background;
mod change;
#[cfg(test)]
mod checks;
mod columns;
mod connect;
mod copy;
mod database;
mod describe;
mod destination;
mod doctor;
mod environment;
mod errors;
mod expected;
mod grant;
mod held;
mod holder;
mod host;
mod locks;
mod parameter;
mod patience;
mod places;
mod pool;
mod problem;
mod read;
mod remedy;
mod rows;
mod run;
mod session;
mod stream;
mod terms;
mod tls;
mod transaction;
mod wanted;
mod words;

use std::{sync::Arc, time::Duration};

use hostler_capability::{Binding, Capability, CapabilityError, Resource, RunContext, RunState, Slot};
use wasmtime::component::Linker;
#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

pub use copy::CopiedText;
pub use database::Database;
pub use doctor::{Asked, Examination, Lack, beside_grant, examine, left_out};
pub use environment::Environment;
pub use errors::ConnectError;
pub use host::{Postgres, PostgresRun};
pub use locks::key as lock_key;
pub use problem::Problem;
pub use rows::RowBatches;
pub use run::Run;
pub use transaction::{Returned, Transaction};

/// The capability. One serves all runs of a host.
pub struct PostgresCapability {
    pool: Arc<pool::Pool>,
    grants: grant::Grants,
}

impl PostgresCapability {
    /// A capability with no session yet.
    #[must_use]
    pub fn new(environment: Environment) -> Self {
        Self { pool: Arc::new(pool::Pool::new(environment)), grants: grant::Grants::default() }
    }

    /// Waits, at most so long, for what goes on after runs have ended: cancelling, rolling back, letting locks go. A
    /// host that is about to exit calls it.
    pub async fn settle(&self, limit: Duration) {
        self.pool.background.settle(limit).await;
    }
}

impl Default for PostgresCapability {
    fn default() -> Self {
        Self::new(Environment::of_this_process())
    }
}

impl Capability for PostgresCapability {
    fn interface(&self) -> &'static str {
        "postgres"
    }

    fn link(&self, linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
        hostler_world::postgres::add_to_linker::<_, Postgres>(linker, |state: &mut RunState| {
            state.slot::<PostgresRun>()
        })
    }

    fn expect(&self, bindings: &[Binding]) {
        for target in bindings.iter().flat_map(|binding| &binding.targets) {
            if let Resource::Postgres(resource) = &target.resource {
                self.pool.endpoint(&target.name, resource, None).expect();
            }
        }
    }

    fn prepare(&self, bindings: &[Binding], context: &Arc<RunContext>) -> Result<Slot, CapabilityError> {
        Ok(Box::new(PostgresRun::new(Run::new(self, bindings, context)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Capability, Linker, PostgresCapability, RunState};

    #[test]
    fn the_interface_is_linked() {
        let mut configuration = wasmtime::Config::new();
        configuration.wasm_component_model_async(true);
        let engine = wasmtime::Engine::new(&configuration).expect("an engine");
        let mut linker = Linker::<RunState>::new(&engine);
        PostgresCapability::default().link(&mut linker).expect("it is linked");
        assert!(PostgresCapability::default().link(&mut linker).is_err(), "there is something linked already");
    }
}
