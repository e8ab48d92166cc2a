//! Slow statements, since the last run and now. `pg_stat_statements` counts from its last reset, which may be a year ago:
//! its means say what was slow then. So each run keeps what was counted, and the next one looks at the growth; the
//! counters are never reset, since others read them too.

mod growth;
mod redact;
mod running;

use hostler_sdk::postgres::{Database, needs_monitor};
use hostler_sdk::prelude::*;
use hostler_sdk::{baseline_taken, quote_identifier};

use growth::Kept;

hostler_sdk::plugin!(Settings, run);

const SERVER: &str = "
    SELECT quote_ident(current_user) AS role, pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
        (SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
            WHERE e.extname = 'pg_stat_statements') AS schema";

#[derive(Deserialize)]
struct Settings {
    mean_warning: Duration,
    mean_critical: Duration,
    running_warning: Duration,
    running_critical: Duration,
    least_calls: f64,
    top: usize,
    ignore_applications: Vec<String>,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let database = context.postgres("database").await?;
    let server = database.query(SERVER, &[]).await?.one().await?;
    if !server.get::<bool>("sees_all")? {
        needs_monitor(server.get("role")?, database.name(), "the statements of other users").report();
    }
    let running = running::report(&database.query(running::RUNNING, &[]).await?.rows().await?, &settings)?;
    let Some(schema) = server.get::<Option<&str>>("schema")? else {
        report_missing(database.name());
        return Ok(format!("{running} long now; past statements are not counted here"));
    };
    let now = match read(&database, schema).await {
        Ok(now) => now,
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) => {
            let advice =
                "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements';    -- then restart the server";
            let remedy = if error.is("55000") { advice } else { error.advice().unwrap_or(advice) };
            error.clone().remedy(remedy).finding("statements-unreadable", database.name()).report();
            return Ok(format!("{running} long now; past statements could not be read"));
        }
    };
    let earlier: Option<Kept> = context.state().get("statements").await?;
    context.state().set("statements", &now.kept()).await?;
    Ok(match earlier {
        None => baseline(database.name(), "this is the first run"),
        Some(earlier) if earlier.epoch != now.epoch => {
            baseline(database.name(), "the statistics of statements were reset since the last run")
        }
        Some(earlier) => now.report(&earlier, &settings),
    })
}

fn baseline(subject: &str, why: &str) -> String {
    let finding = baseline_taken(subject, why);
    let summary = finding.summary.clone();
    finding.report();
    summary
}

fn report_missing(database: &str) {
    finding!(Severity::Unknown, "extension-missing", database, "pg_stat_statements is not in this database: past statements are not counted")
        .remedy("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements';    -- restart the server, then: CREATE EXTENSION pg_stat_statements;")
        .report();
}

async fn read(database: &Database, schema: &str) -> Result<growth::Counted, TaskError> {
    let schema = quote_identifier(schema);
    let info = database.query(&growth::INFO.replace("{schema}", &schema), &[]).await?.one().await?;
    let rows = database.query(&growth::statements(&schema, database.info().version), &[]).await?.rows().await?;
    growth::Counted::read(&info, &rows)
}

#[cfg(test)]
mod tests;
