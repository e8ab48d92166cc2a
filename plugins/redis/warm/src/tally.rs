//! What became of each query's keys, and how that is told.

use hostler_sdk::prelude::*;

use crate::Settings;

/// What became of a query's keys.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub prefix: String,
    pub wanted: u64,
    pub fresh: u64,
    pub planned: u64,
    /// How many rows of the step under way may still be wanted.
    pub left: u64,
    /// Whether the step under way has asked for an effect.
    pub asked: bool,
    pub written: u64,
    /// Keys that the server refused, with its first reason.
    pub refused: Option<(u64, String)>,
    /// A key that does not begin with the prefix.
    pub strange: Option<String>,
    /// Why the rest was left.
    pub stopped: Option<String>,
    pub failed: Option<TaskError>,
}

impl Tally {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into(), ..Self::default() }
    }

    pub(crate) fn refused(&mut self, reason: &str) {
        let (count, _) = self.refused.get_or_insert_with(|| (0, reason.to_owned()));
        *count += 1;
    }

    /// Keys that are in the cache by now.
    fn loaded(&self) -> u64 {
        self.fresh + self.written
    }

    pub(crate) fn report(&self, settings: &Settings, is_check: bool) {
        let subject = self.prefix.as_str();
        if let Some(error) = &self.failed {
            let why = error.message();
            finding!(Severity::Unknown, "query-failed", subject, "the query broke off: {why}")
                .remedy(error.advice().unwrap_or(
                    "try the query in psql as the task's role; it gives the columns key and value, both text",
                ))
                .report();
        }
        if let Some(key) = &self.strange {
            finding!(
                Severity::Warning,
                "strange-key",
                subject,
                "the query gave {key}, which does not begin with {subject}, and was passed over"
            )
            .remedy("let the query put the prefix before its keys: SELECT 'product:' || id AS key, …")
            .report();
        }
        if let Some((count, reason)) = &self.refused {
            finding!(Severity::Unknown, "write-refused", subject, "{} not written: {reason}", counted(*count, "key"))
                .remedy("let the task's ACL user write these keys, or give the server memory")
                .report();
        }
        if let Some(reason) = &self.stopped {
            finding!(Severity::Warning, "stopped", subject, "{reason}: the rest was left")
                .remedy("raise maxmemory, or name fewer keys; a further run goes on with those that are missing")
                .report();
        }
        if is_check {
            return;
        }
        if let Some(share) = Percent::of(self.loaded() as f64, self.wanted as f64) {
            let finding = finding!(
                Severity::Ok,
                "not-loaded",
                subject,
                "{share} of {} are in the cache",
                counted(self.wanted, "wanted key")
            )
            .remedy("the findings beside this one say what kept the others out");
            let metric = Metric::gauge("redis_warm_loaded_percent", share.0).label("prefix", subject);
            metric.judge(&settings.warning, &settings.critical, finding);
        }
        Metric::gauge("redis_warm_written_keys", self.written as f64).label("prefix", subject).report();
    }
}

/// In a line, over all queries.
pub(crate) fn summary(tallies: &[Tally], is_check: bool) -> String {
    let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    let (wanted, fresh) = (sum(|tally| tally.wanted), sum(|tally| tally.fresh));
    let written = if is_check { sum(|tally| tally.planned) } else { sum(|tally| tally.written) };
    let verb = if is_check { "would be written" } else { "written" };
    format!("{}: {fresh} fresh, {written} {verb}", counted(wanted, "wanted key"))
}
