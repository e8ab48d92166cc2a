//! Samples rolled up by month, and deleted once that is checked.
//!
//! A month is one transaction on one snapshot: its roll-up, the comparison with the samples, and, where the month is
//! past retention, the DELETE of exactly the samples that were compared. So no kill leaves a month half done, a sample
//! that comes late is never deleted unseen, and nothing has to be remembered for the work to be right: what the task
//! remembers only spares it looking at old months again. By batches within a month none of this would hold.
//!
//! Partitions go in another way, since no transaction can take one off beside the traffic: they are taken off first,
//! which is remembered before it is done, and what was taken off counts as samples until it is dropped in the
//! transaction that compares.

mod month;
mod outcome;
mod shape;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::prelude::*;
use hostler_sdk::progress;
use serde::Serialize;
use shared_relations::table::Name;

use month::Month;
use outcome::Done;
use shape::Shape;
use work::Work;

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    source: String,
    target: String,
    time_column: String,
    name_column: String,
    labels_column: String,
    value_column: String,
    month_column: String,
    count_column: String,
    sum_column: String,
    minimum_column: String,
    maximum_column: String,
    retention: Duration,
    delete: bool,
    remove: String,
    grace: Duration,
    recheck: usize,
    behind_warning: Range,
    behind_critical: Range,
    wait: Duration,
    timeout: Duration,
}

/// What the task remembers, by the two tables that it is about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Memory {
    /// Months that were compared and found right.
    verified: BTreeSet<String>,
    /// Partitions that are being taken off, by month, each as schema and name.
    detached: BTreeMap<String, Vec<(String, String)>>,
}

impl Memory {
    fn detached(&self, month: Month) -> Vec<Name> {
        let kept = self.detached.get(&month.to_string()).into_iter().flatten();
        kept.map(|(schema, name)| Name { schema: schema.clone(), name: name.clone() }).collect()
    }
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let database = context.postgres("database").await?;
    if database.info().in_recovery {
        return Err(TaskError::new("this is a standby, where nothing can be rolled up").remedy("bind the primary"));
    }
    let shape = Shape::look(&database, &settings).await?;
    let _lock = context.lock("database", &format!("roll-up of {}", shape.source)).await?;
    let key = format!("months of {} in {}", shape.source, shape.target);
    let memory: Memory = context.state().get(&key).await?.unwrap_or_default();
    let now = context.planned_at();
    let mut work = Work { context, database, shape, settings, key, memory };
    let months = work.months(now).await?;
    work.forget(&months);
    let mut done = Done::default();
    for (place, month) in months.iter().enumerate() {
        progress(place as u64, Some(months.len() as u64), &month.to_string());
        if let Some(reason) = context.stop_requested() {
            done.stopped(reason, months.len() - place);
            break;
        }
        let recent = months.len() - place <= work.settings.recheck;
        match work.month(*month, recent, now).await {
            Ok(outcome) => done.add(*month, outcome),
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => done.failed(*month, &error),
        }
    }
    Ok(done.report(&work, &months, now))
}

#[cfg(test)]
mod tests;
