//! What was found: rights, which somebody has to have and an operator decides on, and faults, which are better put right
//! and told from the first run on. Each is a line, by which it is approved.

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::matches_pattern;
use hostler_sdk::prelude::*;
use shared_baseline::{Baseline, Origin, one_line};

/// How much a right is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Something that is watched.
    Some,
    /// Everything, or the way to it.
    Everything,
}

/// A right that somebody has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Right {
    pub(crate) level: Level,
    pub(crate) area: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    /// What it means, in words that go on after "it".
    pub(crate) means: String,
    pub(crate) remedy: String,
}

/// What is better put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) line: String,
    pub(crate) finding: Finding,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    rights: BTreeMap<String, Right>,
    faults: Vec<Fault>,
    /// Areas that were looked at to their end.
    whole: BTreeSet<&'static str>,
    missed: bool,
}

impl Right {
    fn line(&self) -> String {
        one_line(&format!("{} {} {}", self.area, self.kind, self.name))
    }
}

impl Found {
    pub(crate) fn right(&mut self, right: Right) {
        self.rights.insert(right.line(), right);
    }

    /// A fault, with the line by which an operator who wants it so approves it.
    pub(crate) fn fault(&mut self, line: impl AsRef<str>, finding: Finding) {
        self.faults.push(Fault { line: one_line(line.as_ref()), finding });
    }

    /// Everything of an area was seen.
    pub(crate) fn whole(&mut self, area: &'static str) {
        self.whole.insert(area);
    }

    /// Something could not be looked at, and may hold rights.
    pub(crate) fn missed(&mut self) {
        self.missed = true;
    }

    pub(crate) fn is_whole(&self) -> bool {
        !self.missed
    }

    /// Leaves out what the operator does not want to hear of.
    pub(crate) fn leave_out(&mut self, patterns: &[String]) {
        let ignored = |line: &str| patterns.iter().any(|pattern| matches_pattern(pattern, line));
        self.rights.retain(|line, _| !ignored(line));
        self.faults.retain(|fault| !ignored(&fault.line));
    }

    pub(crate) fn lines(&self) -> BTreeSet<String> {
        self.rights.keys().cloned().collect()
    }

    fn fault_lines(&self) -> BTreeSet<String> {
        self.faults.iter().map(|fault| fault.line.clone()).collect()
    }

    /// Tells what is not approved; what it says is a count.
    pub(crate) fn report(&self, baseline: &Baseline) -> String {
        let lines = self.lines();
        let mut not_approved = 0;
        let mut table = Table::new("Rights", &["right", "state"]);
        let known = if baseline.origin() == Origin::Approved { "approved" } else { "there since the first run" };
        for (line, right) in &self.rights {
            let is_new = baseline.is_new(line);
            let state = match (is_new, baseline.has(line)) {
                (true, _) => "new",
                (false, true) => known,
                (false, false) => "proposed",
            };
            table.row(&[line, &state]);
            if is_new {
                not_approved += 1;
                right.tell(line, baseline);
            }
        }
        for fault in &self.faults {
            let approved = baseline.is_approved(&fault.line);
            table.row(&[&fault.line, &if approved { "approved" } else { "a fault" }]);
            if !approved {
                not_approved += 1;
                fault.finding.clone().report();
            }
        }
        let all: BTreeSet<String> = lines.union(&self.fault_lines()).cloned().collect();
        let looked_at = |line: &str| self.whole.contains(line.split(' ').next().unwrap_or_default());
        let gone: Vec<&str> = baseline.gone(&all, looked_at).collect();
        for line in &gone {
            table.row(&[line, &"gone: take it out of the baseline, so that it does not come back unseen"]);
        }
        baseline.report("rights", &lines, &self.fault_lines());
        if baseline.origin() == Origin::Approved && lines.iter().any(|line| baseline.is_new(line)) {
            baseline.attach(&lines, &self.fault_lines());
        }
        table.report();
        self.measure(not_approved);
        let faults = counted(self.faults.len(), "fault");
        format!(
            "{} and {faults}, {not_approved} not approved{}",
            counted(self.rights.len(), "right"),
            if gone.is_empty() { String::new() } else { format!(", {} approved and gone", gone.len()) }
        )
    }

    fn measure(&self, not_approved: usize) {
        let mut kinds: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for right in self.rights.values() {
            *kinds.entry((right.area, right.kind)).or_default() += 1;
        }
        for ((area, kind), count) in kinds {
            Metric::gauge("permissions_rights", count as f64).label("area", area).label("kind", kind).report();
        }
        Metric::gauge("permissions_not_approved", not_approved as f64).report();
    }
}

impl Right {
    fn tell(&self, line: &str, baseline: &Baseline) {
        let (severity, code) = match self.level {
            Level::Everything => (Severity::Critical, "superuser-not-approved"),
            Level::Some => (Severity::Warning, "right-not-approved"),
        };
        let beside = match baseline.origin() {
            Origin::Approved => "nobody approved that",
            _ => "that is new since the first run",
        };
        finding!(severity, code, self.name.as_str(), "it {}, and {beside}", self.means)
            .detail(format!("Its line: {line}"))
            .remedy(format!("{}; or where it should be, approve its line", self.remedy))
            .report();
    }
}
