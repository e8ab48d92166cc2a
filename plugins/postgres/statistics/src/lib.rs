//! ANALYZE where the planner's statistics are missing or stale. Autovacuum does it for tables that change; it never does
//! it for partitioned parents, nor for tables that were restored or are only read, and it comes too late for those that
//! grow at their end.
//!
//! The statistics are judged last, after what the run did: a verdict is about what is left.

mod need;

use hostler_sdk::postgres::{Database, Execution, Options};
use hostler_sdk::prelude::*;
use hostler_sdk::progress;

use need::{Table as Candidate, Tables};

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    stale: Duration,
    limit: usize,
    exclude: Vec<String>,
    timeout: Duration,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let database = context.postgres("database").await?;
    if database.info().in_recovery {
        return Err(TaskError::new("this is a standby, where nothing can be analysed")
            .remedy("bind the primary: its statistics are replayed here"));
    }
    let _lock = context.lock("database", "statistics").await?;
    let tables = read(&database).await?;
    let due = tables.due(&settings);
    let (permitted, others): (Vec<&Candidate>, Vec<&Candidate>) = due.iter().partition(|table| table.permitted);
    need::report_not_permitted(&others, &tables.role, database.info().version);
    let mut done = 0_usize;
    let mut stopped = None;
    for (place, table) in permitted.iter().take(settings.limit).enumerate() {
        progress(place as u64, Some(permitted.len() as u64), &table.full_name());
        stopped = context.stop_requested();
        if stopped.is_some() {
            break;
        }
        match analyse(&context, &database, table, &settings).await {
            Ok(true) => done += 1,
            Ok(false) => {}
            Err(error) if error.ends_the_run() => {
                tables.report(&settings);
                return Err(error);
            }
            Err(error) => error.during("it was not analysed").finding("analyze-failed", table.full_name()).report(),
        }
    }
    if let Some(reason) = stopped {
        finding!(Severity::Warning, "stopped", "run", "{reason}: {} left", counted(permitted.len() - done, "table"))
            .remedy("run the task again: it goes on with those that are left")
            .report();
    }
    let left = if done > 0 && !context.is_check() { read(&database).await? } else { tables };
    left.report(&settings);
    left.suggest();
    let verb = if context.is_check() { "planned" } else { "analysed" };
    Ok(format!("{} of {} due, {done} {verb}", due.len(), counted(left.len(), "table")))
}

async fn read(database: &Database) -> Result<Tables, TaskError> {
    let version = database.info().version;
    let rows = database.query(&need::tables(version), &[]).await?.rows().await?;
    let columns = database.query(need::CORRELATED, &[]).await?.rows().await?;
    let role = database.query("SELECT quote_ident(current_user) AS role", &[]).await?.one().await?;
    Tables::read(&rows, columns, role.get("role")?)
}

/// Analyses a table; whether it was done or planned. ANALYZE that may not, or finds the table locked, only warns.
async fn analyse(
    context: &Context,
    database: &Database,
    table: &Candidate,
    settings: &Settings,
) -> Result<bool, TaskError> {
    let _step = context.step(&format!("analyse {}: {}", table.full_name(), table.reason(settings)), 1, 1)?;
    let options = Options { settings: vec![], timeout_ms: Some(settings.timeout.as_milliseconds()) };
    match database.execute_with(&format!("ANALYZE (SKIP_LOCKED) {}", table.quoted()), &[], options).await? {
        Execution::Planned => Ok(true),
        Execution::Applied(completion) => {
            let Some(notice) = completion.notices.iter().find(|notice| notice.message.contains("skipping")) else {
                return Ok(true);
            };
            if notice.code == "55P03" {
                let summary = "it was locked by another session, and left for the next run";
                Finding::new(Severity::Warning, "table-busy", table.full_name(), summary)
                    .remedy(format!("ANALYZE {};    -- once nobody changes it", table.quoted()))
                    .report();
                return Ok(false);
            }
            Err(TaskError::new(notice.message.clone()))
        }
    }
}

#[cfg(test)]
mod tests;
