//! Steps of the plan.

use std::sync::Arc;

use hostler_capability::{Binding, Capability, CapabilityError, Error, RunContext, RunState, Slot, Table};
use hostler_world::plan as wit;
use wasmtime::component::{HasData, Linker, Resource};

/// Links `plan`.
pub struct PlanCapability;

/// Its part of one run.
pub struct PlanRun {
    context: Arc<RunContext>,
    steps: Table<wit::Step, ()>,
}

impl HasData for PlanCapability {
    type Data<'a> = &'a mut PlanRun;
}

impl Capability for PlanCapability {
    fn interface(&self) -> &'static str {
        "plan"
    }

    fn link(&self, linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
        wit::add_to_linker::<_, Self>(linker, |state| state.slot::<PlanRun>())
    }

    fn prepare(&self, _: &[Binding], context: &Arc<RunContext>) -> Result<Slot, CapabilityError> {
        Ok(Box::new(PlanRun { context: context.clone(), steps: Table::new(1) }))
    }
}

impl wit::Host for PlanRun {}

impl wit::HostStep for PlanRun {
    fn begin(&mut self, title: String, bounds: wit::Bounds) -> wasmtime::Result<Result<Resource<wit::Step>, Error>> {
        let title: String = title.chars().filter(|letter| !letter.is_control()).take(200).collect();
        Ok(self.context.begin_step(&title, bounds.effects, bounds.rows).and_then(|()| self.steps.push(())))
    }

    fn drop(&mut self, step: Resource<wit::Step>) -> wasmtime::Result<()> {
        self.steps.remove(&step)?;
        self.context.end_step();
        Ok(())
    }
}
