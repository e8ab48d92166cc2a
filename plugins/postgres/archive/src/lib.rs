//! Old rows moved out of a table, and nothing deleted that is not kept elsewhere.
//!
//! `psql -f` runs the DELETE of a script although the copy before it failed. Here the copy, the comparison and the DELETE
//! are one transaction on one snapshot, a batch at a time: a row that changed in between ends the transaction, and what
//! the archive holds is compared with the very rows that the DELETE hands back, so that not one goes that was not
//! counted and hashed on both sides. A table can be emptied by partitions too, each dumped, restored elsewhere and
//! compared before it is dropped.

mod partitions;
mod rows;
mod statements;

use hostler_sdk::postgres::{Database, Options};
use hostler_sdk::prelude::*;
use shared_relations::conditions::{Conditions, Limits};
use shared_relations::partition::text_of;
use shared_relations::table::{Column, Name, TableLook};

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    source: String,
    archive: String,
    time_column: String,
    older_than: Duration,
    method: String,
    batch: u64,
    limit: u64,
    partitions: usize,
    most_lag: ByteSize,
    wait: Duration,
    timeout: Duration,
}

impl Settings {
    /// How a statement on a batch or a partition runs.
    fn options(&self) -> Options {
        let wait = format!("{}ms", self.wait.as_milliseconds());
        Options { settings: vec![("lock_timeout".into(), wait)], timeout_ms: Some(self.timeout.as_milliseconds()) }
    }

    /// A reading statement may take as long.
    fn patient(&self) -> Options {
        Options { settings: vec![], timeout_ms: Some(self.timeout.as_milliseconds()) }
    }
}

/// The run.
struct Run {
    context: Context,
    settings: Settings,
    database: Database,
    source: TableLook,
    /// Microseconds since 1970: what is older is archived.
    cut_off: i64,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let database = context.postgres("database").await?;
    if database.info().in_recovery {
        return Err(TaskError::new("this is a standby, where nothing can be archived").remedy("bind the primary"));
    }
    let source = TableLook::look(&database, "source", &Name::parse("source", &settings.source)?).await?;
    kind(&source, source.column("time_column", &settings.time_column)?)?;
    let _lock = context.lock("database", &format!("archive of {}", source.name)).await?;
    let older = settings.older_than.as_milliseconds();
    let cut_off = i64::try_from(context.planned_at().0.saturating_sub(older)).unwrap_or(i64::MAX / 1000) * 1000;
    let run = Run { context, settings, database, source, cut_off };
    match run.settings.method.as_str() {
        "partitions" => partitions::archive(&run).await,
        _ => rows::archive(&run).await,
    }
}

impl Run {
    /// The cut-off as the column's type has it.
    fn cut_off(&self) -> Result<String, TaskError> {
        let kind = kind(&self.source, self.source.column("time_column", &self.settings.time_column)?)?;
        Ok(match kind {
            "date" => text_of(self.cut_off, false),
            "timestamptz" => text_of(self.cut_off, true) + "+00",
            _ => text_of(self.cut_off, true),
        })
    }

    /// Why the run has to stop here, where it has to.
    async fn stops(&self) -> Result<Option<String>, TaskError> {
        if let Some(reason) = self.context.stop_requested() {
            return Ok(Some(reason.into()));
        }
        let limits = Limits { longest_transaction: self.settings.timeout, most_lag: self.settings.most_lag };
        Ok(Conditions::look(&self.database).await?.forbid(&limits))
    }
}

/// The short name of a time column's type.
fn kind(table: &TableLook, column: &Column) -> Result<&'static str, TaskError> {
    match column.kind.as_str() {
        "timestamp with time zone" => Ok("timestamptz"),
        "timestamp without time zone" => Ok("timestamp"),
        "date" => Ok("date"),
        other => Err(TaskError::new(format!(
            "{}.{} is {other}, and has to be a timestamp or a date",
            table.name, column.name
        ))
        .remedy("set `time_column` to a column that says when a row was made")),
    }
}

#[cfg(test)]
mod tests;
