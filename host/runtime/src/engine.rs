//! The engine: one for a host, shared by all its runs.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hostler_capability::Capability;
use hostler_manifest::Manifest;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::{CodeCache, Prepared, RuntimeError};

/// How often the epoch moves: the grain in which processor time is counted.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Makes plugins ready and runs them.
pub struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) capabilities: Vec<Arc<dyn Capability>>,
    pub(crate) scratch: std::path::PathBuf,
    cache: Option<CodeCache>,
    prepared: Mutex<HashMap<String, Arc<Prepared>>>,
}

impl Runtime {
    /// A runtime that links these capabilities. `cache` keeps compiled code, `scratch` the runs' empty directories.
    ///
    /// # Errors
    /// Where the engine cannot be set up on this machine.
    pub fn new(
        capabilities: Vec<Arc<dyn Capability>>,
        cache: Option<CodeCache>,
        scratch: &Path,
    ) -> Result<Self, RuntimeError> {
        let engine = Engine::new(&configuration()).map_err(|error| RuntimeError::Engine(format!("{error:#}")))?;
        start_ticking(&engine)?;
        Ok(Self { engine, capabilities, scratch: scratch.into(), cache, prepared: Mutex::default() })
    }

    /// Makes a plugin ready: compiled, linked to what it requests and to nothing else. Kept by digest.
    ///
    /// # Errors
    /// Where it does not compile, or does not fit the contract.
    pub fn prepare(
        &self,
        digest: &str,
        manifest: &Manifest,
        component: impl FnOnce() -> std::io::Result<Vec<u8>>,
    ) -> Result<Arc<Prepared>, RuntimeError> {
        if let Some(prepared) = self.kept().get(digest) {
            return Ok(prepared.clone());
        }
        let component = match &self.cache {
            Some(cache) => cache.load(&self.engine, digest, component)?,
            None => {
                let bytes = component().map_err(|error| RuntimeError::Compile(error.to_string()))?;
                wasmtime::component::Component::new(&self.engine, bytes)
                    .map_err(|error| RuntimeError::Compile(format!("{error:#}")))?
            }
        };
        let prepared = Arc::new(Prepared::link(self, manifest, &component)?);
        self.kept().insert(digest.to_owned(), prepared.clone());
        Ok(prepared)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Prepared>>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn configuration() -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(64)
        .total_core_instances(512)
        .total_memories(128)
        .total_tables(512)
        .total_stacks(256)
        .max_memory_size(1 << 32)
        .max_unused_warm_slots(8);
    let mut configuration = Config::new();
    configuration
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .epoch_interruption(true)
        .wasm_component_model_async(true);
    configuration
}

/// Moves the epoch until the engine is gone.
fn start_ticking(engine: &Engine) -> Result<(), RuntimeError> {
    let weak = engine.weak();
    std::thread::Builder::new()
        .name("epoch".into())
        .spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })
        .map(drop)
        .map_err(|error| RuntimeError::Engine(error.to_string()))
}
