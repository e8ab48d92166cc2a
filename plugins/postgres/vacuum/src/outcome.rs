//! What became of each table, before and after.

use std::collections::BTreeMap;

use hostler_sdk::postgres::Notice;
use hostler_sdk::prelude::*;

use crate::need::{Candidate, Work};

/// What became of one table.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one for each table, for a moment")]
pub enum Outcome {
    Planned,
    Applied {
        before: Candidate,
        after: Option<Candidate>,
    },
    Skipped(String),
    /// Somebody else works on it.
    Busy,
    /// Nothing more is to be done in this run.
    Stop(String),
}

/// The notice by which the server says that it did not do it. Warnings have codes of class 01, in every language.
pub fn refusal(notices: &[Notice]) -> Option<&Notice> {
    notices.iter().find(|notice| {
        notice.code.starts_with("01")
            || notice.code == "55P03"
            || notice.code == "42501"
            || notice.message.contains("skipping")
    })
}

/// What a run did.
pub struct Done {
    due: usize,
    limit: usize,
    planned: usize,
    applied: usize,
    after: BTreeMap<i64, Candidate>,
    not_granted: Vec<String>,
    stopped: Option<String>,
    list: Table,
    changes: Vec<(Candidate, Option<Candidate>)>,
}

impl Done {
    pub fn new(due: usize, limit: usize) -> Self {
        Self {
            due,
            limit,
            planned: 0,
            applied: 0,
            after: BTreeMap::new(),
            not_granted: vec![],
            stopped: None,
            list: Table::new("Work list", &["table", "statement", "why", "outcome"]),
            changes: vec![],
        }
    }

    pub fn stop(&mut self, reason: &str) {
        self.stopped = Some(reason.to_owned());
    }

    pub fn failed(&mut self, work: &Work, error: &TaskError) {
        self.told(work, if error.is_denied() { "not granted" } else { "failed" });
        let name = work.candidate.full_name();
        if error.is_denied() {
            self.not_granted.push(name);
        } else {
            error.clone().during(work.title()).finding("vacuum-failed", name).report();
        }
    }

    pub fn add(&mut self, work: &Work, outcome: Outcome) {
        match outcome {
            Outcome::Planned => {
                self.planned += 1;
                self.told(work, "planned");
            }
            Outcome::Applied { before, after } => {
                self.applied += 1;
                self.told(work, "done");
                if let Some(after) = &after {
                    self.after.insert(after.oid, after.clone());
                }
                self.changes.push((before, after));
            }
            Outcome::Skipped(reason) => self.told(work, &format!("left out: {reason}")),
            Outcome::Busy => {
                self.told(work, "busy");
                finding!(
                    Severity::Warning,
                    "table-busy",
                    work.candidate.full_name(),
                    "somebody has it locked, so it was left out: {}",
                    work.reason
                )
                .remedy(format!(
                    "SELECT pid, mode FROM pg_locks WHERE granted AND relation = {}; -- then run the task again",
                    work.candidate.oid
                ))
                .report();
            }
            Outcome::Stop(_) => {}
        }
    }

    fn told(&mut self, work: &Work, outcome: &str) {
        self.list.row(&[&work.candidate.full_name(), &work.statement(), &work.reason, &outcome]);
    }

    /// The tables, those that were worked on as they are now.
    pub fn as_they_are(&self, candidates: &[Candidate]) -> Vec<Candidate> {
        candidates.iter().map(|table| self.after.get(&table.oid).unwrap_or(table).clone()).collect()
    }

    /// Tells it all, and sums it up.
    pub fn report(self, is_check: bool, tables: usize, block_size: u64) -> String {
        let mut table = Table::new("Before and after", &["table", "dead rows", "age", "size"]);
        for (before, after) in &self.changes {
            let after = after.as_ref().unwrap_or(before);
            let size = |candidate: &Candidate| ByteSize(candidate.pages * block_size);
            table.row(&[
                &before.full_name(),
                &format!("{} → {}", before.dead, after.dead),
                &format!("{} → {}", before.age, after.age),
                &format!("{} → {}", size(before), size(after)),
            ]);
            // Half of them still there: something keeps them, and the operator should know.
            if before.dead > 0.0 && after.dead > before.dead / 2.0 {
                finding!(
                    Severity::Warning,
                    "dead-rows-remain",
                    before.full_name(),
                    "{} of {} dead rows are still there",
                    after.dead,
                    before.dead
                )
                .remedy("look at the finding rows-held-back; when its cause is gone, run the task again")
                .report();
            }
        }
        if !self.not_granted.is_empty() {
            let names = self.not_granted.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
            finding!(
                Severity::Ok,
                "not-granted",
                "binding",
                "{} due tables are not the task's to change: {names}",
                self.not_granted.len()
            )
            .detail("Its binding, or the approved plan, leaves them out.")
            .report();
        }
        let left = self.due.saturating_sub(self.list.rows.len());
        if let Some(reason) = &self.stopped {
            finding!(Severity::Warning, "stopped", "run", "{reason}; {left} tables are left for the next run").report();
        }
        Metric::gauge("postgres_tables_due_for_vacuum", self.due as f64).report();
        Metric::gauge("postgres_tables_vacuumed", self.applied as f64).report();
        self.list.report();
        table.report();
        let more = if self.stopped.is_none() && left > 0 {
            format!("; {left} more than the limit of {}", self.limit)
        } else {
            String::new()
        };
        match (is_check, self.due) {
            (_, 0) => format!("none of {tables} tables is due"),
            (true, due) => format!("{due} of {tables} tables are due, {} planned{more}", self.planned),
            (false, due) => format!("{} of {due} due tables done{more}", self.applied),
        }
    }
}
