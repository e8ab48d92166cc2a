//! What every run has, granted or not: what it is, its plan, its settings, its state.
//!
//! Four interfaces in one crate, since each is a few lines over [`RunContext`](hostler_capability::RunContext) and none
//! has a resource of its own.

mod plan;
mod run_context;
mod settings;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use hostler_capability::Capability;

pub use plan::PlanCapability;
pub use run_context::RunContextCapability;
pub use settings::SettingsCapability;
pub use state::StateCapability;

/// The four, for a runtime's list.
pub fn capabilities() -> [Arc<dyn Capability>; 4] {
    [Arc::new(RunContextCapability), Arc::new(PlanCapability), Arc::new(SettingsCapability), Arc::new(StateCapability)]
}
