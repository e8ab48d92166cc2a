//! Extensions whose files are newer than what the database has of them: after a package was updated, each database goes
//! on with the old definitions until it is told otherwise. The guide writes ALTER EXTENSION into a shell; here each
//! database is looked at, and each update is one statement that stands or falls by itself.
//!
//! PostGIS and its companions are updated together, by PostGIS's own function. Not where one of them is there whose update
//! takes the session's search_path for the database's and writes it there: a task's session has pg_catalog alone.

mod outdated;

use hostler_sdk::postgres::{Database, Execution, Options};
use hostler_sdk::prelude::*;
use hostler_sdk::progress;

use outdated::Outdated;

hostler_sdk::plugin!(Settings, run);

const DATABASES: &str = "
    SELECT datname::text AS name FROM pg_database WHERE datallowconn AND NOT datistemplate
        AND has_database_privilege(oid, 'CONNECT') ORDER BY 1";

/// What is installed, and what the machine has. One whose files are gone has no version there. PostGIS's function is the
/// one that its extension brought: anybody may make another of that name.
const EXTENSIONS: &str = "
    SELECT e.extname::text AS name, e.extversion AS installed, a.default_version AS available,
        pg_has_role(e.extowner, 'USAGE') AS owned, quote_ident(pg_get_userbyid(e.extowner)) AS owner,
        EXISTS (SELECT FROM pg_extension_update_paths(e.extname) p
            WHERE p.source = e.extversion AND p.target = a.default_version AND p.path IS NOT NULL) AS reachable,
        (SELECT n.nspname::text FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace
            JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = f.oid AND d.deptype = 'e'
            JOIN pg_extension g ON d.refclassid = 'pg_extension'::regclass AND g.oid = d.refobjid AND g.extname = 'postgis'
            WHERE f.proname = 'postgis_extensions_upgrade') AS upgrade,
        (SELECT min(s.extname::text) FROM pg_extension s
            WHERE s.extname IN ('postgis_topology', 'postgis_tiger_geocoder')) AS sets_path
    FROM pg_extension e LEFT JOIN pg_available_extensions a ON a.name = e.extname
    WHERE a.default_version IS DISTINCT FROM e.extversion ORDER BY 1";

#[derive(Deserialize)]
struct Settings {
    exclude: Vec<String>,
    timeout: Duration,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let main = context.postgres("database").await?;
    if main.info().in_recovery {
        return Err(TaskError::new("this is a standby, where nothing can be updated").remedy("bind the primary"));
    }
    let _lock = context.lock("database", "extensions").await?;
    let rows = main.query(DATABASES, &[]).await?.rows().await?;
    let names = rows.iter().map(|row| row.get("name")).collect::<Result<Vec<String>, _>>()?;
    drop(main);
    let (mut looked_at, mut updated, mut left) = (0, 0, 0);
    for (place, name) in names.iter().enumerate() {
        progress(place as u64, Some(names.len() as u64), name);
        match one(&context, name, &settings).await {
            Ok((done, not)) => {
                looked_at += 1;
                updated += done;
                left += not;
            }
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.finding("database-not-looked-at", name).report(),
        }
    }
    Metric::gauge("postgres_extensions_outdated", left as f64).report();
    let verb = if context.is_check() { "would be updated" } else { "updated" };
    Ok(format!("{} looked at: {} {verb}, {left} left", counted(looked_at, "database"), counted(updated, "extension")))
}

/// One database: how many extensions were updated, or would be, and how many are left as they are.
async fn one(context: &Context, name: &str, settings: &Settings) -> Result<(usize, usize), TaskError> {
    let database = Database::open("database", None, Some(name)).await?;
    let outdated = look(&database, name).await?;
    let (updates, told) = outdated::choose(&outdated, settings);
    let (mut updated, mut left) = (0, told.len());
    told.into_iter().for_each(Finding::report);
    for update in &updates {
        if let Some(reason) = context.stop_requested() {
            finding!(Severity::Warning, "stopped", name, "{reason}: the rest was left")
                .remedy("run the task again")
                .report();
            break;
        }
        let _step = context.step(&update.title(name), 1, 0)?;
        let options = Options { settings: vec![], timeout_ms: Some(settings.timeout.as_milliseconds()) };
        match database.execute_with(&update.statement, &[], options).await {
            Ok(Execution::Planned) => updated += update.extensions.len(),
            Ok(Execution::Applied(_)) => {
                let now = look(&database, name).await?;
                for extension in &update.extensions {
                    if now.iter().any(|still| still.name == extension.name) {
                        finding!(
                            Severity::Critical,
                            "extension-not-updated",
                            extension.subject(),
                            "the update said nothing, and the version is what it was"
                        )
                        .remedy(format!("{};    -- by hand, and read what it says", update.statement))
                        .report();
                        left += 1;
                    } else {
                        updated += 1;
                    }
                }
            }
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => {
                error.during("it was not updated").finding("extension-not-updated", update.subject(name)).report();
                left += update.extensions.len();
            }
        }
    }
    Ok((updated, left))
}

async fn look(database: &Database, name: &str) -> Result<Vec<Outdated>, TaskError> {
    let rows = database.query(EXTENSIONS, &[]).await?.rows().await?;
    rows.iter().map(|row| Outdated::read(name, &row)).collect()
}

#[cfg(test)]
mod tests;
