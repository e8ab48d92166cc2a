//! The generated traits, each method one call of [`Machine`].

use std::sync::Arc;

use hostler_capability::{Binding, Capability, CapabilityError, Error, RunContext, RunState, Slot};
use hostler_world::machine::{
    self, Host, HostWithStore, ListeningSocket, Load, Memory, Mount, OperatingSystem, Process,
};
use wasmtime::component::{Accessor, HasData, Linker};

use crate::{Machine, mounts::Waiting};

/// The capability of the machine's own figures.
#[derive(Default)]
pub struct MachineCapability {
    /// Shared by all runs: a mount that hangs is asked once, whoever asks.
    waiting: Waiting,
}

impl HasData for MachineCapability {
    type Data<'a> = &'a mut Machine;
}

impl Capability for MachineCapability {
    fn interface(&self) -> &'static str {
        "machine"
    }

    fn link(&self, linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
        machine::add_to_linker::<_, Self>(linker, |state: &mut RunState| state.slot::<Machine>())
    }

    fn prepare(&self, bindings: &[Binding], context: &Arc<RunContext>) -> Result<Slot, CapabilityError> {
        Ok(Box::new(Machine::waiting(bindings, context, &self.waiting)))
    }
}

type Answer<T> = wasmtime::Result<Result<T, Error>>;

fn of<T>(accessor: &Accessor<T, MachineCapability>) -> Machine {
    accessor.with(|mut access| access.get().clone())
}

impl Host for &mut Machine {}

impl<T: 'static> HostWithStore<T> for MachineCapability {
    async fn list_processes(accessor: &Accessor<T, Self>) -> Answer<Vec<Process>> {
        Ok(of(accessor).list_processes().await)
    }

    async fn read_memory(accessor: &Accessor<T, Self>) -> Answer<Memory> {
        Ok(of(accessor).read_memory().await)
    }

    async fn read_load(accessor: &Accessor<T, Self>) -> Answer<Load> {
        Ok(of(accessor).read_load().await)
    }

    async fn list_mounts(accessor: &Accessor<T, Self>) -> Answer<Vec<Mount>> {
        Ok(of(accessor).list_mounts().await)
    }

    async fn list_listening_sockets(accessor: &Accessor<T, Self>) -> Answer<Vec<ListeningSocket>> {
        Ok(of(accessor).list_listening_sockets().await)
    }

    async fn read_operating_system(accessor: &Accessor<T, Self>) -> Answer<OperatingSystem> {
        Ok(of(accessor).read_operating_system().await)
    }

    async fn list_open_paths(accessor: &Accessor<T, Self>, directory: String) -> Answer<Vec<String>> {
        Ok(of(accessor).list_open_paths(&directory).await)
    }
}
