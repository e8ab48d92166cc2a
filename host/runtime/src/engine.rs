//! The engine: one for a host, shared by all its runs.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use hostler_capability::Capability;
use hostler_manifest::Manifest;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::{CodeCache, Prepared, RuntimeError};

/// How often the epoch moves: the grain in which processor time is counted.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// The most runs that have an instance at a time.
const MOST_PARALLEL: u32 = 64;

/// Makes plugins ready and runs them.
pub struct Runtime {
    /// One permit a run that has an instance: what does not fit into the pool waits instead of failing.
    pub(crate) places: tokio::sync::Semaphore,
    parallel: u32,
    engine: OnceLock<Engine>,
    pub(crate) capabilities: Vec<Arc<dyn Capability>>,
    cache: Option<CodeCache>,
    prepared: Mutex<HashMap<String, Arc<Prepared>>>,
}

impl Runtime {
    /// A runtime that links these capabilities. `cache` keeps compiled code; at
    /// most `parallel` runs have an instance at a time, and further ones wait. The engine is set up for the first
    /// plugin.
    pub fn new(capabilities: Vec<Arc<dyn Capability>>, cache: Option<CodeCache>, parallel: u32) -> Self {
        let parallel = parallel.clamp(1, MOST_PARALLEL);
        Self {
            places: tokio::sync::Semaphore::new(parallel as usize),
            parallel,
            engine: OnceLock::new(),
            capabilities,
            cache,
            prepared: Mutex::default(),
        }
    }

    /// Makes a plugin ready: compiled, linked to what it requests and to nothing else. Kept by digest.
    ///
    /// # Errors
    /// Where it does not compile, does not fit the contract, or the engine cannot be set up on this machine.
    pub fn prepare(
        &self,
        digest: &str,
        manifest: &Manifest,
        component: impl FnOnce() -> std::io::Result<Vec<u8>>,
    ) -> Result<Arc<Prepared>, RuntimeError> {
        let mut kept = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(prepared) = kept.get(digest) {
            return Ok(prepared.clone());
        }
        let engine = match self.engine.get() {
            Some(engine) => engine,
            None => {
                let made = engine(self.parallel)?;
                self.engine.get_or_init(|| made)
            }
        };
        let component = match &self.cache {
            Some(cache) => cache.load(engine, digest, component)?,
            None => {
                let bytes = component().map_err(|error| RuntimeError::Compile(error.to_string()))?;
                wasmtime::component::Component::new(engine, bytes)
                    .map_err(|error| RuntimeError::Compile(format!("{error:#}")))?
            }
        };
        let prepared = Arc::new(Prepared::link(engine, &self.capabilities, manifest, &component)?);
        kept.insert(digest.to_owned(), prepared.clone());
        Ok(prepared)
    }
}

fn engine(parallel: u32) -> Result<Engine, RuntimeError> {
    let engine = Engine::new(&configuration(parallel)).map_err(|error| RuntimeError::Engine(format!("{error:#}")))?;
    start_ticking(&engine)?;
    Ok(engine)
}

/// The pool is as large as the runs that are side by side need it: each stack and memory in it costs a system call when
/// the engine starts, and most commands run one plugin.
fn configuration(parallel: u32) -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(parallel)
        .total_core_instances(64 * parallel)
        .max_core_instances_per_component(64)
        .total_memories(4 * parallel)
        .max_memories_per_component(4)
        .total_tables(32 * parallel)
        .max_tables_per_component(32)
        .total_stacks(8 * parallel)
        .max_memory_size(1 << 32)
        .max_unused_warm_slots(parallel);
    let mut configuration = Config::new();
    configuration
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .epoch_interruption(true)
        // A trap is told by its cause: places in the plugin's code would double the size of what is compiled.
        .generate_address_map(false)
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
