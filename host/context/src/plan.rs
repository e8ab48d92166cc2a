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
    begun: u64,
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
        Ok(Box::new(PlanRun { context: context.clone(), steps: Table::new(1), begun: 0 }))
    }
}

impl PlanRun {
    fn begin_step(&mut self, title: &str, bounds: &wit::Bounds) -> Result<Resource<wit::Step>, Error> {
        // A step is kept in the plan, with or without effects.
        if self.begun >= self.context.limits.reported {
            return Err(self.context.over("reported"));
        }
        let title: String = title.chars().filter(printable).take(200).collect();
        self.context.begin_step(&title, bounds.effects, bounds.rows)?;
        self.begun += 1;
        self.steps.push(()).inspect_err(|_| self.context.end_step())
    }
}

/// Neither a control character nor a mark that turns the direction of text: an operator approves what the title says.
fn printable(letter: &char) -> bool {
    !letter.is_control()
        && !matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl wit::Host for PlanRun {}

impl wit::HostStep for PlanRun {
    fn begin(&mut self, title: String, bounds: wit::Bounds) -> wasmtime::Result<Result<Resource<wit::Step>, Error>> {
        Ok(self.begin_step(&title, &bounds))
    }

    fn drop(&mut self, step: Resource<wit::Step>) -> wasmtime::Result<()> {
        self.steps.remove(&step)?;
        self.context.end_step();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hostler_capability::{Limits, Mode};

    use super::*;
    use crate::tests::{Task, change};

    fn plan(task: &Task) -> PlanRun {
        let slot = PlanCapability.prepare(&[], &task.run).expect("it is prepared");
        *slot.downcast().expect("its own part")
    }

    const BOUNDS: wit::Bounds = wit::Bounds { effects: 3, rows: 10 };

    #[test]
    fn effects_belong_to_the_step_that_is_open() {
        let task = Task::new(Mode::Check);
        let mut plan = plan(&task);
        task.run.effect(change("before")).expect("it is planned");
        let step = plan.begin_step("Batches\u{1b}\u{202e}\n of orders", &BOUNDS).expect("none is open");
        task.run.effect(change("within")).expect("it is planned");
        assert!(plan.begin_step("another", &BOUNDS).is_err(), "one at a time");
        wit::HostStep::drop(&mut plan, step).expect("it is open");
        task.run.effect(change("after")).expect("it is planned");
        let steps = task.run.plan().steps;
        let titles: Vec<_> =
            steps.iter().map(|step| (step.title.as_str(), step.effects.len(), step.effects_bound)).collect();
        assert_eq!(titles, [("", 1, 1), ("Batches of orders", 1, 3), ("", 1, 1)]);
    }

    #[test]
    fn steps_without_end_end() {
        let task = Task::limited(Mode::Check, Limits { reported: 2, ..Limits::default() });
        let mut plan = plan(&task);
        for _ in 0..2 {
            let step = plan.begin_step("again", &BOUNDS).expect("there is room");
            wit::HostStep::drop(&mut plan, step).expect("it is open");
        }
        assert!(matches!(plan.begin_step("again", &BOUNDS), Err(Error::Limit(limit)) if limit == "reported"));
        assert_eq!(task.run.plan().steps.len(), 2);
        assert!(!task.run.troubles_and_notes().0.is_empty(), "the run's verdict is at least unknown");
    }
}
