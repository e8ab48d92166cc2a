//! Effects: the changes that a plugin asks for, planned or applied, and held to an approved plan.
//!
//! An effect is compared on its request, its operation with the parameters taken out, and its object. Within a step
//! the same effect may happen as often as the step's bounds say; outside a step it may happen as often as it was
//! planned.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A change that a plugin asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Effect {
    /// The request, with the target where it has many: `database` or `standbys/a`.
    pub request: String,
    /// What is to be done, with parameters and literals taken out: `VACUUM (ANALYZE) public.orders`.
    pub operation: String,
    /// What it acts on: a table, a key pattern, a path.
    pub object: String,
}

/// An effect of a plan, and what became of it in a run that applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedEffect {
    /// The effect.
    #[serde(flatten)]
    pub effect: Effect,
    /// What became of it: `planned`, `applied`, `failed: …`, or `unknown` where the run ended in the middle.
    pub outcome: String,
    /// Rows it changed, where that is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rows: Option<u64>,
}

/// Effects that belong together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStep {
    /// The plugin's words; empty for effects outside a step.
    pub title: String,
    /// How many effects it may have when it is applied.
    pub effects_bound: u64,
    /// How many rows it may change when it is applied.
    pub rows_bound: u64,
    /// The effects.
    pub effects: Vec<PlannedEffect>,
}

/// What a run means to do (in check mode), or did (in apply mode).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Milliseconds since the Unix epoch: times and names derive from it.
    pub planned_at: u64,
    /// The steps in order.
    pub steps: Vec<PlanStep>,
}

impl Plan {
    /// How many effects it has in all.
    pub fn effects(&self) -> impl Iterator<Item = &PlannedEffect> {
        self.steps.iter().flat_map(|step| &step.effects)
    }
}

/// What the host decided about an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was written into the plan; answer `planned`.
    Plan,
    /// Apply it, and say what became of it under this number.
    Apply(usize),
}

/// A plan that an operator approved, and how much of it is used.
#[derive(Debug, Clone)]
pub struct ApprovedPlan {
    steps: Vec<Approved>,
}

#[derive(Debug, Clone)]
struct Approved {
    title: String,
    left: BTreeMap<Effect, u64>,
    effects_left: u64,
    rows_bound: u64,
    rows: u64,
}

impl Approved {
    /// A bound of no rows at all is one for effects that have none, such as those on files.
    fn out_of_rows(&self) -> bool {
        self.rows > self.rows_bound || (self.rows_bound > 0 && self.rows == self.rows_bound)
    }
}

impl ApprovedPlan {
    /// The plan to hold a run to.
    pub fn new(plan: &Plan) -> Self {
        let steps = plan.steps.iter().map(|step| {
            let mut left = BTreeMap::new();
            for planned in &step.effects {
                *left.entry(planned.effect.clone()).or_insert(0) += 1;
            }
            let counted = step.title.is_empty();
            Approved {
                title: step.title.clone(),
                effects_left: if counted { step.effects.len() as u64 } else { step.effects_bound },
                rows_bound: if counted { u64::MAX } else { step.rows_bound },
                rows: 0,
                left,
            }
        });
        Self { steps: steps.collect() }
    }

    /// Uses one effect of a step up.
    ///
    /// # Errors
    /// The rule that it breaks.
    fn take(&mut self, step: &str, effect: &Effect) -> Result<(), String> {
        let covered = self.steps.iter_mut().find(|approved| {
            approved.title == step && approved.left.get(effect).is_some_and(|left| !step.is_empty() || *left > 0)
        });
        let Some(approved) = covered else {
            return Err("the approved plan has no such effect".into());
        };
        if approved.effects_left == 0 || approved.out_of_rows() {
            return Err(format!("the approved plan's bounds for the step {step:?} are used up"));
        }
        approved.effects_left -= 1;
        if let Some(left) = approved.left.get_mut(effect) {
            *left = left.saturating_sub(1);
        }
        Ok(())
    }

    fn changed_rows(&mut self, step: &str, rows: u64) {
        for approved in self.steps.iter_mut().filter(|approved| approved.title == step) {
            approved.rows = approved.rows.saturating_add(rows);
        }
    }
}

/// Keeps the plan of a run as its plugin asks for effects.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    plan: Plan,
    open: Option<usize>,
    places: Vec<(usize, usize)>,
    approved: Option<ApprovedPlan>,
}

impl Recorder {
    pub(crate) fn new(planned_at: u64, approved: Option<ApprovedPlan>) -> Self {
        Self { plan: Plan { planned_at, steps: vec![] }, approved, ..Self::default() }
    }

    /// Opens a step; one is open at a time.
    pub(crate) fn begin(&mut self, title: &str, effects: u64, rows: u64) -> Result<(), &'static str> {
        if self.open.is_some() {
            return Err("a step is open already; drop it first");
        }
        if title.trim().is_empty() {
            return Err("a step has to have a title");
        }
        let step = PlanStep { title: title.into(), effects_bound: effects, rows_bound: rows, effects: vec![] };
        self.open = Some(self.plan.steps.len());
        self.plan.steps.push(step);
        Ok(())
    }

    pub(crate) fn end(&mut self) {
        self.open = None;
    }

    pub(crate) fn add(&mut self, effect: Effect, applies: bool) -> Result<usize, String> {
        let title = self.open.map(|index| self.plan.steps[index].title.clone()).unwrap_or_default();
        if let (true, Some(approved)) = (applies, &mut self.approved) {
            approved.take(&title, &effect)?;
        }
        let index = self.open.unwrap_or_else(|| {
            if self.plan.steps.last().is_none_or(|step| !step.title.is_empty()) {
                self.plan.steps.push(PlanStep::default());
            }
            self.plan.steps.len() - 1
        });
        let outcome = if applies { "unknown" } else { "planned" };
        let step = &mut self.plan.steps[index];
        step.effects.push(PlannedEffect { effect, outcome: outcome.into(), rows: None });
        if step.title.is_empty() {
            step.effects_bound = step.effects.len() as u64;
        }
        self.places.push((index, step.effects.len() - 1));
        Ok(self.places.len() - 1)
    }

    /// Says of the effect that was added last how many rows it would change.
    pub(crate) fn planned_rows(&mut self, rows: u64) {
        if let Some(&(step, effect)) = self.places.last() {
            self.plan.steps[step].effects[effect].rows = Some(rows);
        }
    }

    pub(crate) fn outcome(&mut self, number: usize, outcome: String, rows: Option<u64>) {
        let Some(&(step, effect)) = self.places.get(number) else { return };
        let title = self.plan.steps[step].title.clone();
        let planned = &mut self.plan.steps[step].effects[effect];
        planned.outcome = outcome;
        planned.rows = rows;
        if let (Some(approved), Some(rows)) = (&mut self.approved, rows) {
            approved.changed_rows(&title, rows);
        }
    }

    /// How many effects it has so far.
    pub(crate) fn count(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn plan(&self) -> Plan {
        self.plan.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vacuum(object: &str) -> Effect {
        Effect { request: "database".into(), operation: "VACUUM".into(), object: object.into() }
    }

    fn planned(steps: &[(&str, u64, &[&str])]) -> Plan {
        let mut recorder = Recorder::new(1, None);
        for (title, bound, objects) in steps {
            if !title.is_empty() {
                recorder.begin(title, *bound, 10).expect("no step is open");
            }
            for object in *objects {
                recorder.add(vacuum(object), false).expect("a check plans all");
            }
            recorder.end();
        }
        recorder.plan()
    }

    #[test]
    fn what_was_planned_may_happen_as_often_as_planned() {
        let plan = planned(&[("", 0, &["a", "a", "b"])]);
        let mut recorder = Recorder::new(1, Some(ApprovedPlan::new(&plan)));
        for object in ["a", "b", "a"] {
            recorder.add(vacuum(object), true).expect("it was planned");
        }
        assert!(recorder.add(vacuum("a"), true).is_err());
        assert!(recorder.add(vacuum("c"), true).is_err());
    }

    #[test]
    fn a_step_holds_its_bounds_of_effects_and_of_rows() {
        let plan = planned(&[("batches", 3, &["a"])]);
        let mut recorder = Recorder::new(1, Some(ApprovedPlan::new(&plan)));
        assert!(recorder.add(vacuum("a"), true).is_err(), "outside its step it was not planned");
        recorder.begin("batches", 1_000_000, 1_000_000).expect("no step is open");
        let first = recorder.add(vacuum("a"), true).expect("within the bounds");
        recorder.outcome(first, "applied".into(), Some(10));
        assert!(recorder.add(vacuum("a"), true).is_err(), "the rows are used up");
    }

    #[test]
    fn a_step_without_rows_is_held_by_its_effects_alone() {
        let mut recorder = Recorder::new(1, None);
        recorder.begin("files", 2, 0).expect("no step is open");
        recorder.add(vacuum("a"), false).expect("a check plans all");
        let mut held = Recorder::new(1, Some(ApprovedPlan::new(&recorder.plan())));
        held.begin("files", 2, 0).expect("no step is open");
        assert!(held.add(vacuum("a"), true).is_ok() && held.add(vacuum("a"), true).is_ok());
        assert!(held.add(vacuum("a"), true).is_err());
    }

    #[test]
    fn an_effect_that_never_came_back_is_unknown() {
        let mut recorder = Recorder::new(1, None);
        recorder.add(vacuum("a"), true).expect("nothing holds it");
        assert_eq!(recorder.plan().steps[0].effects[0].outcome, "unknown");
    }
}
