//! What became of the months, and what is told of it.

use hostler_sdk::prelude::*;

use crate::month::Month;
use crate::work::{Compared, Work};

/// What became of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was right already, and nothing is to be deleted.
    Known,
    Planned {
        rolls_up: bool,
        deletes: bool,
    },
    Done {
        compared: Compared,
        rolled_up: bool,
        deleted: u64,
        overdue: bool,
        dropped: usize,
        remains: bool,
    },
    /// More samples were rolled up than there are.
    Ahead(Compared),
    /// What was written is not what the samples say.
    Differs(Compared),
}

/// What the run did.
#[derive(Default)]
pub struct Done {
    rolled_up: usize,
    deleted_months: usize,
    deleted: u64,
    dropped: usize,
    wrong: usize,
    rows: Vec<[String; 4]>,
}

impl Done {
    pub fn add(&mut self, month: Month, outcome: Outcome) {
        match outcome {
            Outcome::Known => {}
            Outcome::Planned { rolls_up, deletes } => {
                self.rolled_up += usize::from(rolls_up);
                self.deleted_months += usize::from(deletes);
            }
            Outcome::Done { compared, rolled_up, deleted, overdue, dropped, remains } => {
                self.rolled_up += usize::from(rolled_up);
                self.deleted_months += usize::from(overdue);
                self.deleted += deleted;
                self.dropped += dropped;
                let went = match (overdue, dropped) {
                    (false, _) => "kept".to_owned(),
                    (true, 0) => format!("{deleted} deleted"),
                    (true, dropped) => format!("{} dropped, {deleted} deleted", counted(dropped, "partition")),
                };
                self.rows.push([month.to_string(), compared.groups.to_string(), compared.samples.to_string(), went]);
                if remains {
                    finding!(
                        Severity::Warning,
                        "samples-remain",
                        month.to_string(),
                        "of {} past retention {deleted} were deleted",
                        counted(compared.samples, "sample")
                    )
                    .remedy("see which trigger or policy of the table of samples keeps them: \\d+ in psql lists them")
                    .report();
                }
            }
            Outcome::Ahead(compared) => {
                self.wrong += 1;
                finding!(
                    Severity::Critical,
                    "rollup-ahead",
                    month.to_string(),
                    "{} of {} more samples rolled up than there are: nothing of it was changed or deleted",
                    counted(compared.ahead, "group"),
                    agreed(compared.ahead, "has", "have")
                )
                .detail("Samples of the month went in another way than by this task, such as a DELETE by hand.")
                .remedy("restore the samples from a backup and run the task again; or, where the roll-up is right as it is, delete the rest of the month's samples by hand")
                .report();
            }
            Outcome::Differs(compared) => {
                self.wrong += 1;
                finding!(
                    Severity::Critical,
                    "rollup-differs",
                    month.to_string(),
                    "of {} {} missing and {} wrong after they were written: nothing of it was kept or deleted",
                    counted(compared.groups, "group"),
                    compared.missing,
                    compared.different
                )
                .remedy("see which trigger, rule or column type of the table of months changes what is written: \\d+ in psql lists them")
                .report();
            }
        }
    }

    pub fn failed(&mut self, month: Month, error: &TaskError) {
        self.wrong += 1;
        let busy = ["40001", "40P01", "55P03"].iter().any(|code| error.is(code));
        let finding = if busy {
            Finding::new(
                Severity::Warning,
                "month-busy",
                month.to_string(),
                format!("left as it was: {}", error.message()),
            )
            .remedy("run the task again, at a time when nobody works on the month's samples")
        } else {
            let remedy = error.advice().unwrap_or("mend what the message says, then run the task again");
            Finding::new(
                Severity::Critical,
                "month-failed",
                month.to_string(),
                format!("left as it was: {}", error.message()),
            )
            .remedy(remedy)
        };
        finding.report();
    }

    pub fn stopped(&self, reason: &str, left: usize) {
        finding!(Severity::Warning, "stopped", "run", "{reason}: {} left", counted(left, "month"))
            .remedy("run the task again: it goes on with those that are left")
            .report();
    }

    /// Tells what there is to tell, and sums it up.
    pub fn report(&self, work: &Work, months: &[Month], now: Timestamp) -> String {
        let mut table = Table::new("Months", &["month", "groups", "samples", "then"]);
        for [month, series, samples, went] in &self.rows {
            table.row(&[month, series, samples, went]);
        }
        table.report();
        let pending: Vec<&Month> = months.iter().filter(|month| !work.is_verified(**month)).collect();
        let overdue = months.iter().filter(|month| work.is_overdue(**month, now)).count();
        let left = if work.context.is_check() { overdue } else { overdue.saturating_sub(self.deleted_months) };
        Metric::gauge("monitoring_rollup_pending_months", pending.len() as f64).report();
        Metric::gauge("monitoring_rollup_overdue_months", left as f64).report();
        Metric::gauge("monitoring_rollup_deleted_samples", self.deleted as f64).report();
        let this = Month::of(now).map(Month::start);
        if let Some(through) = pending.first().map(|month| month.start()).or(this) {
            let behind = through.until(now);
            let finding = finding!(
                Severity::Ok,
                "rollup-behind",
                work.shape.target.to_string(),
                "all is rolled up to {through}, {behind} ago; {} not",
                match pending.len() {
                    1 => "1 month is".to_owned(),
                    number => format!("{number} months are"),
                }
            )
            .remedy("hostler run TASK, or see the other findings for what keeps the months back");
            Metric::gauge("monitoring_rollup_behind_seconds", behind.as_seconds()).judge(
                &work.settings.behind_warning,
                &work.settings.behind_critical,
                finding,
            );
        }
        let (rolled, deleted) = match work.context.is_check() {
            true => ("to be rolled up", "to be deleted"),
            false => ("rolled up", "deleted"),
        };
        let samples = match work.context.is_check() {
            true => String::new(),
            false => format!(" ({}, {})", counted(self.deleted, "sample"), counted(self.dropped, "partition")),
        };
        format!(
            "{}: {} {rolled}, {} {deleted}{samples}, {} left as they were for what was found",
            counted(months.len(), "closed month"),
            self.rolled_up,
            self.deleted_months,
            self.wrong
        )
    }
}
