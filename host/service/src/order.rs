//! The order of a procedure's tasks: side by side where they share no resource, in the order given where they do.

use std::collections::BTreeSet;

/// Which tasks may start now.
#[derive(Debug)]
pub struct Order {
    resources: Vec<BTreeSet<String>>,
    waiting: BTreeSet<usize>,
    running: BTreeSet<usize>,
    parallel: usize,
}

impl Order {
    /// The tasks' resources, in the order given, and how many may run at a time (at least one).
    pub fn new(resources: Vec<BTreeSet<String>>, parallel: usize) -> Self {
        let waiting = (0..resources.len()).collect();
        Self { resources, waiting, running: BTreeSet::new(), parallel: parallel.max(1) }
    }

    /// Takes the next task that may start: one that shares no resource with any that runs or waits before it.
    pub fn take(&mut self) -> Option<usize> {
        if self.running.len() >= self.parallel {
            return None;
        }
        let next = self.waiting.iter().copied().find(|&task| {
            let before = self.waiting.range(..task).chain(&self.running);
            before.into_iter().all(|&other| self.resources[other].is_disjoint(&self.resources[task]))
        })?;
        self.waiting.remove(&next);
        self.running.insert(next);
        Some(next)
    }

    /// A task has ended.
    pub fn done(&mut self, task: usize) {
        self.running.remove(&task);
    }

    /// The tasks that have not started; none starts after this.
    pub fn give_up(&mut self) -> BTreeSet<usize> {
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(resources: &[&[&str]], parallel: usize) -> Order {
        let sets = resources.iter().map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        Order::new(sets.collect(), parallel)
    }

    #[test]
    fn tasks_that_share_wait_for_each_other_in_order() {
        let mut order = order(&[&["a"], &["a", "b"], &["b"], &["c"]], 4);
        assert_eq!(order.take(), Some(0));
        assert_eq!(order.take(), Some(3), "the third shares b with the second, which waits before it");
        assert_eq!(order.take(), None);
        order.done(0);
        assert_eq!(order.take(), Some(1));
        assert_eq!(order.take(), None);
        order.done(1);
        assert_eq!(order.take(), Some(2));
    }

    #[test]
    fn no_more_run_than_the_limit() {
        let mut order = order(&[&[], &[], &[]], 2);
        assert_eq!((order.take(), order.take(), order.take()), (Some(0), Some(1), None));
        order.done(0);
        assert_eq!(order.take(), Some(2));
    }
}
