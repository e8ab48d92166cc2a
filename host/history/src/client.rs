//! The three calls: asked of the store, narrowed to the grant, counted and recorded.

use std::sync::Arc;

use hostler_capability::{Binding, Call, Error, HistoryRun, HistorySeries, RunContext, ScheduledRun, StoreError};

use crate::HistoryGrant;

/// The history as one run may see it.
#[derive(Clone)]
pub struct History {
    pub(crate) context: Arc<RunContext>,
    grant: Arc<HistoryGrant>,
}

impl History {
    /// For a run with these bindings.
    pub fn new(bindings: &[Binding], context: &Arc<RunContext>) -> Self {
        Self { context: context.clone(), grant: Arc::new(HistoryGrant::new(bindings)) }
    }

    /// Metrics since a time, of the granted tasks among those that the pattern names.
    ///
    /// # Errors
    /// `denied`, or where the store cannot be read.
    pub async fn metrics(
        &self,
        task: &str,
        metric: &str,
        since: u64,
        step_ms: Option<u64>,
    ) -> Result<Vec<HistorySeries>, Error> {
        if step_ms == Some(0) {
            return Err(Error::Invalid("a step of 0 ms holds no point".into()));
        }
        let call = self.begin(task, &format!("metrics {metric} of {task}"))?;
        let series = self.context.history.metrics(task, metric, since, step_ms).await;
        let series = self.narrow(series, |series| &series.task);
        self.settle(call, series, |series| series.points.len().max(1) as u64)
    }

    /// Runs since a time, of the granted tasks among those that the pattern names.
    ///
    /// # Errors
    /// `denied`, or where the store cannot be read.
    pub async fn runs(&self, task: &str, since: u64) -> Result<Vec<HistoryRun>, Error> {
        let call = self.begin(task, &format!("runs of {task}"))?;
        let runs = self.context.history.runs(task, since).await;
        let runs = self.narrow(runs, |run| &run.task);
        self.settle(call, runs, |run| 1 + run.findings.len() as u64)
    }

    /// Runs to come of the granted tasks.
    ///
    /// # Errors
    /// `denied`, `invalid`, or where the store cannot be read.
    pub async fn schedule(&self, since: u64, until: u64) -> Result<Vec<ScheduledRun>, Error> {
        if until < since {
            return Err(Error::Invalid("the schedule ends before it begins".into()));
        }
        let call = self.begin("*", "schedule")?;
        let runs = self.context.history.schedule(since, until).await;
        let runs = self.narrow(runs, |run| &run.task);
        self.settle(call, runs, |_| 1)
    }

    /// A name without a star that no pattern covers is refused; a pattern gets what it may see.
    fn begin(&self, task: &str, operation: &str) -> Result<Call, Error> {
        let operation = &operation[..operation.floor_char_boundary(512)];
        let Some(request) = &self.grant.request else {
            return Err(self.context.deny("history", operation, "no request of kind \"history\" is bound"));
        };
        if !task.contains('*') && !self.grant.covers(task) {
            return Err(self.context.deny(request, operation, &self.grant.rule()));
        }
        self.context.begin(request, operation, &self.grant.rule())
    }

    fn narrow<T>(&self, found: Result<Vec<T>, StoreError>, task: fn(&T) -> &String) -> Result<Vec<T>, Error> {
        let mut found = found.map_err(|error| Error::Unavailable(format!("the history cannot be read: {error}")))?;
        found.retain(|item| self.grant.covers(task(item)));
        Ok(found)
    }

    fn settle<T>(&self, call: Call, found: Result<Vec<T>, Error>, rows: fn(&T) -> u64) -> Result<Vec<T>, Error> {
        let counted = found.and_then(|found| {
            let rows = found.iter().map(rows).sum();
            self.context.take(rows, 0).map(|()| (found, rows))
        });
        call.settle(counted, |(_, rows)| (*rows, 0)).map(|(found, _)| found)
    }
}
