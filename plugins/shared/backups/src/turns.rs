//! One backup after the other. One that fails is told and does not take the others their turn; a run that stops says of
//! each one left that it was not backed up, since a backup that nobody misses is missed when it is needed.

use hostler_sdk::prelude::*;
use hostler_sdk::progress;

/// What is backed up, in words.
#[derive(Debug, Clone, Copy)]
pub struct Turns {
    /// `database`.
    pub one: &'static str,
    /// `databases`.
    pub many: &'static str,
    /// What became of them: `dumped`.
    pub done: &'static str,
}

impl Turns {
    /// Backs up each of these, which returns the bytes written, and sums up.
    ///
    /// # Errors
    /// Where the run ends.
    pub async fn each<T>(
        &self,
        context: &Context,
        all: &[T],
        name: impl Fn(&T) -> &str,
        back_up: impl AsyncFn(&T) -> Result<u64, TaskError>,
    ) -> Result<String, TaskError> {
        let (mut done, mut bytes) = (0, 0);
        for (place, one) in all.iter().enumerate() {
            if let Some(reason) = context.stop_requested() {
                self.not_reached(all[place..].iter().map(&name), reason);
                break;
            }
            progress(place as u64, Some(all.len() as u64), name(one));
            match back_up(one).await {
                Ok(written) => {
                    done += 1;
                    bytes += written;
                }
                Err(error) if error.ends_the_run() => {
                    self.not_reached(all[place..].iter().map(&name), error.message());
                    return Err(error);
                }
                Err(error) => self.failed(name(one), &error).report(),
            }
        }
        let of = if done == all.len() { String::new() } else { format!(" of {}", all.len()) };
        let noun = agreed(all.len(), self.one, self.many);
        Ok(if context.is_check() {
            format!("{done}{of} {noun} would be {}", self.done)
        } else {
            format!("{done}{of} {noun} {}, {}", self.done, ByteSize(bytes))
        })
    }

    /// One that was not backed up.
    pub fn failed(&self, name: &str, error: &TaskError) -> Finding {
        finding!(Severity::Critical, "backup-failed", name, "it was not {}: {}", self.done, error.message())
            .remedy(error.advice().unwrap_or("remove the cause, then run the task again; the older backups are kept"))
    }

    /// Tells of those that had no turn.
    pub fn not_reached<'n>(&self, names: impl Iterator<Item = &'n str>, reason: &str) {
        for name in names {
            finding!(Severity::Unknown, "not-backed-up", name, "the run stopped before it was {}: {reason}", self.done)
                .remedy("run the task again, with more time or a longer window")
                .report();
        }
    }
}
