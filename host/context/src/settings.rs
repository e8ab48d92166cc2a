//! The task's settings, which the host checked before the run began.

use std::sync::Arc;

use hostler_capability::{Binding, Capability, CapabilityError, RunContext, RunState, Slot};
use hostler_world::settings as wit;
use wasmtime::component::{HasData, Linker};

/// Links `settings`.
pub struct SettingsCapability;

/// Its part of one run.
pub struct SettingsRun(Arc<RunContext>);

impl HasData for SettingsCapability {
    type Data<'a> = &'a mut SettingsRun;
}

impl Capability for SettingsCapability {
    fn interface(&self) -> &'static str {
        "settings"
    }

    fn link(&self, linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
        wit::add_to_linker::<_, Self>(linker, |state| state.slot::<SettingsRun>())
    }

    fn prepare(&self, _: &[Binding], context: &Arc<RunContext>) -> Result<Slot, CapabilityError> {
        Ok(Box::new(SettingsRun(context.clone())))
    }
}

impl wit::Host for SettingsRun {
    fn get(&mut self) -> wasmtime::Result<String> {
        Ok(self.0.settings.clone())
    }
}
