//! Counters that only grow, compared with the last run.
//!
//! A server's counters count since it started, so their value says nothing about today. What was kept by the last run
//! is subtracted; and where the server was restarted or its statistics were reset in between, that is noticed rather
//! than shown as a fall.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Context, Duration, Finding, Severity, TaskError, Timestamp};

/// Counters as they stood at a time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// What changes when they begin anew: a run id, the time of a reset.
    pub epoch: String,
    /// When they were read.
    pub at: Timestamp,
    /// Each by its name.
    pub values: BTreeMap<String, f64>,
}

/// What became of counters since the last run.
#[derive(Debug, Clone, PartialEq)]
pub enum Difference {
    /// There was no last run: the baseline is taken.
    Baseline,
    /// They began anew, for this reason: the baseline is taken again.
    Restarted(String),
    /// They grew.
    Growth(Growth),
}

/// How much counters grew.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Growth {
    /// Since when.
    pub elapsed: Duration,
    /// By how much, by name; those that both runs had.
    pub values: BTreeMap<String, f64>,
}

impl Growth {
    /// By how much one grew; not a number where one of the runs did not have it.
    #[must_use]
    pub fn of(&self, name: &str) -> f64 {
        self.values.get(name).copied().unwrap_or(f64::NAN)
    }

    /// How much it grew a second; not a number where it is not known.
    #[must_use]
    pub fn per_second(&self, name: &str) -> f64 {
        if self.elapsed.as_seconds() > 0.0 { self.of(name) / self.elapsed.as_seconds() } else { f64::NAN }
    }
}

impl Counters {
    /// No counters yet, read now.
    #[must_use]
    pub fn new(epoch: impl Into<String>) -> Self {
        Self { epoch: epoch.into(), at: Timestamp::now(), values: BTreeMap::new() }
    }

    /// Adds one.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: f64) -> Self {
        self.values.insert(name.into(), value);
        self
    }

    /// What became of them since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: Option<&Self>) -> Difference {
        let Some(earlier) = earlier else { return Difference::Baseline };
        if earlier.epoch != self.epoch {
            return Difference::Restarted("the server was restarted, or its statistics were reset".into());
        }
        let mut values = BTreeMap::new();
        for (name, value) in &self.values {
            let Some(before) = earlier.values.get(name) else { continue };
            // JSON brings a fraction back to its last digit but one: that is no fall.
            if *value < before - before.abs() * 1e-12 {
                return Difference::Restarted(format!("`{name}` fell from {before} to {value}: it was reset"));
            }
            values.insert(name.clone(), (value - before).max(0.0));
        }
        Difference::Growth(Growth { elapsed: earlier.at.until(self.at), values })
    }

    /// What became of them since the last run, whose place they take under `key` in the task's state.
    ///
    /// # Errors
    /// Where the state cannot be read or written.
    pub async fn compare(&self, context: &Context, key: &str) -> Result<Difference, TaskError> {
        let earlier: Option<Self> = context.state().get(key).await?;
        let difference = self.since(earlier.as_ref());
        context.state().set(key, self).await?;
        Ok(difference)
    }
}

/// What a task that works on differences says where there is nothing yet to compare with: unknown, never ok.
pub fn baseline_taken(subject: &str, why: &str) -> Finding {
    Finding::new(Severity::Unknown, "baseline-taken", subject, format!("baseline taken: {why}")).remedy(
        "the next `hostler run` of this task judges what happened since; `check` and `plan` keep no baseline unless --keep-state is given",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(epoch: &str, seconds: i64, hits: f64) -> Counters {
        Counters { epoch: epoch.into(), at: Timestamp::from_seconds(seconds), ..Counters::default() }.with("hits", hits)
    }

    #[test]
    fn the_first_run_takes_the_baseline() {
        assert_eq!(counters("a", 0, 5.0).since(None), Difference::Baseline);
    }

    #[test]
    fn growth_is_counted_over_the_time_between() {
        let Difference::Growth(growth) = counters("a", 60, 35.0).since(Some(&counters("a", 0, 5.0))) else {
            panic!("they grew");
        };
        assert_eq!((growth.of("hits"), growth.per_second("hits")), (30.0, 0.5));
        assert!(growth.of("other").is_nan());
    }

    #[test]
    fn a_fraction_that_was_kept_as_json_is_no_reset() {
        let value = 400.964_567_f64;
        let earlier = counters("a", 0, f64::from_bits(value.to_bits() + 1));
        let Difference::Growth(growth) = counters("a", 60, value).since(Some(&earlier)) else { panic!("no reset") };
        assert_eq!(growth.of("hits"), 0.0);
    }

    #[test]
    fn a_restart_and_a_reset_are_noticed() {
        let earlier = counters("a", 0, 5.0);
        assert!(matches!(counters("b", 60, 35.0).since(Some(&earlier)), Difference::Restarted(_)));
        assert!(
            matches!(counters("a", 60, 4.0).since(Some(&earlier)), Difference::Restarted(why) if why.contains("hits"))
        );
    }
}
