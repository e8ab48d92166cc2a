//! The data of a store, and the trait that fills it.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::Arc,
};

use hostler_configuration::Binding;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::{CapabilityError, RunContext};

/// A capability's part of one run.
pub type Slot = Box<dyn Any + Send>;

/// One capability: shared by all runs of a host, so that it can keep connections warm between them.
pub trait Capability: Send + Sync {
    /// The interface of the contract, such as `postgres`.
    fn interface(&self) -> &'static str;

    /// Links the interface. Called once an engine; where a run's part is found is decided by its type.
    ///
    /// # Errors
    /// What wasmtime says.
    fn link(&self, linker: &mut Linker<RunState>) -> wasmtime::Result<()>;

    /// A run with these bindings is about to be made ready: what takes a while may begin beside it. What goes wrong is
    /// told when the run asks for it.
    fn expect(&self, bindings: &[Binding]) {
        let _ = bindings;
    }

    /// Makes the part of one run, from the bindings of its kind. Opens nothing yet: a run that never calls costs
    /// nothing.
    ///
    /// # Errors
    /// Where a resource's own configuration is wrong.
    fn prepare(&self, bindings: &[Binding], context: &Arc<RunContext>) -> Result<Slot, CapabilityError>;
}

/// The data of a run's store.
pub struct RunState {
    /// The run.
    pub context: Arc<RunContext>,
    /// Holds all memories of the run together to its limit.
    pub memory: crate::MemoryLimit,
    wasi: WasiCtx,
    table: ResourceTable,
    slots: HashMap<TypeId, Slot>,
}

impl RunState {
    /// A run's data, still without capabilities.
    pub fn new(context: Arc<RunContext>, wasi: WasiCtx) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(usize::try_from(context.limits.handles).unwrap_or(usize::MAX).saturating_mul(16));
        let memory = crate::MemoryLimit::new(context.limits.memory_bytes);
        Self { context, memory, wasi, table, slots: HashMap::new() }
    }

    /// Adds a capability's part.
    pub fn insert(&mut self, slot: Slot) {
        self.slots.insert((*slot).type_id(), slot);
    }

    /// A capability's part.
    ///
    /// # Panics
    /// Where the runtime linked an interface and did not prepare it, which it does in one place.
    pub fn slot<T: 'static>(&mut self) -> &mut T {
        self.slots
            .get_mut(&TypeId::of::<T>())
            .and_then(|slot| slot.downcast_mut())
            .expect("the runtime prepares each capability that it links")
    }
}

impl WasiView for RunState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
