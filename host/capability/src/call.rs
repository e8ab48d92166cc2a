//! One call of a plugin, from its decision to its end.

use std::{sync::Arc, time::Instant};

use crate::{AuditEntry, Decision, Error, RunContext, context::shortened};

/// A call under way. Dropped without [`Call::finish`] it is recorded as cancelled.
pub struct Call {
    context: Arc<RunContext>,
    number: u64,
    request: String,
    operation: String,
    started: Instant,
    ended: bool,
}

impl Call {
    pub(crate) fn start(context: &Arc<RunContext>, number: u64, request: &str, operation: &str) -> Self {
        Self {
            context: context.clone(),
            number,
            request: request.into(),
            operation: operation.into(),
            started: Instant::now(),
            ended: false,
        }
    }

    /// The run that it belongs to.
    pub fn context(&self) -> &Arc<RunContext> {
        &self.context
    }

    /// It ended well, with so many rows (keys, entries) and bytes.
    pub fn finish(mut self, rows: u64, bytes: u64) {
        self.end(Decision::Done, "", Some(rows), Some(bytes));
    }

    /// It ended with an error, which is handed on.
    pub fn fail(mut self, error: Error) -> Error {
        self.end(Decision::Failed, crate::errors::name(&error), None, None);
        error
    }

    /// Finishes or fails by the result, and hands it on.
    ///
    /// # Errors
    /// The error that was given.
    pub fn settle<T>(self, result: Result<T, Error>, measure: impl FnOnce(&T) -> (u64, u64)) -> Result<T, Error> {
        match result {
            Ok(value) => {
                let (rows, bytes) = measure(&value);
                self.finish(rows, bytes);
                Ok(value)
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    fn end(&mut self, decision: Decision, rule: &str, rows: Option<u64>, bytes: Option<u64>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let duration = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.context.usage.leave();
        let entry = AuditEntry {
            run: &self.context.info.run_id,
            plugin: &self.context.info.plugin_digest,
            call: self.number,
            request: shortened(&self.request),
            operation: shortened(&self.operation),
            decision,
            rule,
            duration_us: Some(duration),
            rows,
            bytes,
        };
        if let Err(error) = self.context.audit.append(&entry) {
            self.context.fail_record(&error);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(Decision::Cancelled, "", None, None);
    }
}
