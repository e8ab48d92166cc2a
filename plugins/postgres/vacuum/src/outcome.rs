//! What became of each table, before and after.

use std::collections::BTreeMap;

use hostler_sdk::postgres::Notice;
use hostler_sdk::{listed, prelude::*};

use crate::need::{Candidate, Work};

/// What became of one table.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one for each table, for a moment")]
pub enum Outcome {
    Planned,
    /// Done, on a table that was found so.
    Applied(Candidate),
    Skipped(String),
    /// Somebody, in words, keeps its dead rows where they are.
    Held(String),
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
    not_permitted: usize,
    limit: usize,
    planned: usize,
    applied: usize,
    not_granted: Vec<String>,
    held: Vec<String>,
    holder: String,
    stopped: Option<String>,
    list: Table,
    changes: Vec<(Candidate, Option<Candidate>)>,
}

impl Done {
    /// `due` is how many tables needed it when the run began, of those that the role may work on; `not_permitted` how
    /// many others did.
    pub fn new(due: usize, not_permitted: usize, limit: usize) -> Self {
        Self {
            due,
            not_permitted,
            limit,
            planned: 0,
            applied: 0,
            not_granted: vec![],
            held: vec![],
            holder: String::new(),
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
            Outcome::Applied(before) => {
                self.applied += 1;
                self.told(work, "done");
                self.changes.push((before, None));
            }
            Outcome::Skipped(reason) => self.told(work, &format!("left out: {reason}")),
            Outcome::Held(holder) => {
                self.told(work, &format!("left out: {holder} keeps its dead rows from being removed"));
                self.held.push(work.candidate.full_name());
                self.holder = holder;
            }
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

    /// Takes over how the changed tables stand now.
    pub fn compare(&mut self, now: &[Candidate]) {
        let now: BTreeMap<i64, &Candidate> = now.iter().map(|candidate| (candidate.oid, candidate)).collect();
        for (before, after) in &mut self.changes {
            *after = now.get(&before.oid).map(|candidate| (*candidate).clone());
        }
    }

    /// Whether something is no longer as it was found.
    pub fn changed(&self) -> bool {
        self.applied > 0
    }

    /// Tells it all, and sums it up.
    /// `due` is how many tables need it still.
    pub fn report(self, is_check: bool, due: usize, tables: usize, block_size: u64) -> String {
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
                    "{} of {} {} still there",
                    after.dead,
                    counted(before.dead, "dead row"),
                    agreed(after.dead, "is", "are")
                )
                .remedy("look at the finding rows-held-back; when its cause is gone, run the task again")
                .report();
            }
        }
        if !self.not_granted.is_empty() {
            let (count, names) = (self.not_granted.len(), listed(&self.not_granted, 10));
            finding!(
                Severity::Ok,
                "not-granted",
                "binding",
                "{} {} not the task's to change: {names}",
                counted(count, "due table"),
                agreed(count, "is", "are")
            )
            .detail("Its binding, or the approved plan, leaves them out.")
            .report();
        }
        if !self.held.is_empty() {
            let (tables, verb) = (counted(self.held.len(), "table"), agreed(self.held.len(), "was", "were"));
            finding!(
                Severity::Warning,
                "tables-held-back",
                "run",
                "{tables} {verb} left out, since {} keeps dead rows from being removed: {}",
                self.holder,
                listed(&self.held, 10)
            )
            .remedy("run the task again when it is gone; `hostler plan` of the task says how to end it")
            .report();
        }
        let left = self.due.saturating_sub(self.list.rows.len());
        if let Some(reason) = &self.stopped {
            let (tables, verb) = (counted(left, "table"), agreed(left, "is", "are"));
            finding!(Severity::Warning, "stopped", "run", "{reason}; {tables} {verb} left for the next run")
                .remedy("run the task again; it goes on with those that need it most")
                .report();
        }
        Metric::gauge("postgres_tables_due_for_vacuum", due as f64).report();
        Metric::gauge("postgres_tables_vacuumed", self.applied as f64).report();
        self.list.report();
        table.report();
        let more = if self.stopped.is_none() && left > 0 {
            format!("; {left} more than the limit of {}", self.limit)
        } else {
            String::new()
        };
        let of = counted(tables, "table");
        let summary = match (is_check, self.due) {
            (_, 0) if self.not_permitted > 0 => {
                let verb = agreed(self.not_permitted, "is", "are");
                return format!("{} of {of} {verb} due, and the role may vacuum none of them", self.not_permitted);
            }
            (_, 0) => format!("none of {of} is due"),
            (true, count) => {
                format!("{count} of {of} {} due, {} planned{more}", agreed(count, "is", "are"), self.planned)
            }
            (false, count) => {
                let still = if due > 0 { format!(", {due} still due") } else { String::new() };
                format!("{} of {} done{still}{more}", self.applied, counted(count, "due table"))
            }
        };
        match self.not_permitted {
            0 => summary,
            others => format!("{summary}; {others} more that the role may not vacuum"),
        }
    }
}
