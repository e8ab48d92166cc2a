//! PostgreSQL's temporary files: what queries spilled since the last run, and what a crash left. They are the server's
//! own: it clears them away where a query ends and where it starts, so they are told here, and never removed.

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::postgres::{Database, needs_monitor};
use hostler_sdk::prelude::*;
use hostler_sdk::{Counters, Difference, baseline_taken, listed};

use crate::Settings;

const SPILLED: &str = "
    SELECT datname::text AS database, temp_bytes::float8 AS bytes, temp_files::float8 AS files,
        coalesce(extract(epoch FROM stats_reset), 0)::float8::text AS epoch
    FROM pg_stat_database WHERE datname IS NOT NULL ORDER BY datname";

const FILES: &str = "
    SELECT name, size::float8 AS bytes, extract(epoch FROM clock_timestamp() - modification)::float8 AS age
    FROM pg_ls_tmpdir() ORDER BY name";

/// A file is named after the session that wrote it.
const SESSIONS: &str = "SELECT pid::int8 AS pid FROM pg_stat_activity";
const PREFIX: &str = "pgsql_tmp";
const STATE: &str = "temporary";

/// Each database's counters, by its name.
pub(crate) type Spilled = BTreeMap<String, Counters>;

pub(crate) async fn look(context: &Context, settings: &Settings) -> Result<(), TaskError> {
    let database = Database::open("database", None, None).await?;
    let now = read(&database.query(SPILLED, &[]).await?.rows().await?)?;
    let earlier: Option<Spilled> = context.state().get(STATE).await?;
    report(&now, earlier.as_ref(), settings);
    context.state().set(STATE, &now).await?;
    let files = match database.query(FILES, &[]).await {
        Ok(files) => files.rows().await,
        Err(error) => Err(error),
    };
    match files {
        Ok(files) => {
            let sessions = database.query(SESSIONS, &[]).await?.rows().await?;
            let sessions = sessions.iter().map(|row| row.get("pid")).collect::<Result<BTreeSet<i64>, _>>()?;
            report_left(&files, &sessions, settings)
        }
        Err(error) if error.is("42501") => {
            let role = database.query("SELECT quote_ident(current_user) AS role", &[]).await?.one().await?;
            needs_monitor(role.get("role")?, "pgsql_tmp", "which temporary files are there").report();
            Ok(())
        }
        Err(error) => Err(error),
    }
}

pub(crate) fn read(rows: &Rows) -> Result<Spilled, TaskError> {
    let each = rows.iter().map(|row| {
        let counters =
            Counters::new(row.get::<&str>("epoch")?).with("bytes", row.get("bytes")?).with("files", row.get("files")?);
        Ok((row.get("database")?, counters))
    });
    each.collect()
}

/// What was spilled since the last run, by database.
pub(crate) fn report(now: &Spilled, earlier: Option<&Spilled>, settings: &Settings) {
    let mut anew = vec![];
    let mut table = Table::new("temporary files of PostgreSQL since the last run", &["database", "files", "bytes"]);
    for (database, counters) in now {
        let bytes = counters.values.get("bytes").copied().unwrap_or_default();
        Metric::counter("postgres_temporary_bytes_total", bytes).label("database", database).report();
        match counters.since(earlier.and_then(|earlier| earlier.get(database))) {
            Difference::Growth(growth) => {
                let (bytes, files) = (growth.of("bytes"), growth.of("files"));
                table.row(&[database, &files, &ByteSize::from_f64(bytes)]);
                let (severity, limit) = judged(bytes, &settings.spilled, &settings.spilled, Measure::Bytes);
                // One range for one severity: what is spilled is slow, and breaks nothing.
                let limit = limit.replace(", critical", ", warning");
                finding!(
                    if severity == Severity::Critical { Severity::Warning } else { severity },
                    "queries-spill",
                    database,
                    "its queries wrote {} into {} in {}{limit}",
                    ByteSize::from_f64(bytes),
                    counted(files, "temporary file"),
                    growth.elapsed
                )
                .detail("A sort or hash that does not fit into work_mem goes to the disk.")
                .remedy("ALTER SYSTEM SET log_temp_files = '100MB'; SELECT pg_reload_conf(); -- the log then names the queries; raise work_mem for those alone, or give them an index")
                .report_unless_ok();
            }
            Difference::Baseline | Difference::Restarted(_) => anew.push(database.as_str()),
        }
    }
    table.report();
    if !anew.is_empty() {
        baseline_taken("PostgreSQL", &format!("there is nothing yet to compare {} with", listed(&anew, 5))).report();
    }
}

/// Files of sessions that are gone: a crash left them where `remove_temp_files_after_crash` is off.
pub(crate) fn report_left(files: &Rows, sessions: &BTreeSet<i64>, settings: &Settings) -> Result<(), TaskError> {
    let (mut now, mut left, mut names) = (0.0, 0.0, vec![]);
    for row in files.iter() {
        let (name, bytes): (&str, f64) = (row.get("name")?, row.get("bytes")?);
        now += bytes;
        let session = name.strip_prefix(PREFIX).and_then(|rest| rest.split('.').next()?.parse::<i64>().ok());
        let gone = session.is_some_and(|session| !sessions.contains(&session));
        if gone && row.get::<f64>("age")? >= settings.age.as_seconds() {
            left += bytes;
            names.push(name.to_owned());
        }
    }
    Metric::gauge("postgres_temporary_files_bytes", now).report();
    if !names.is_empty() {
        finding!(
            Severity::Warning,
            "temporary-files-left",
            "pgsql_tmp",
            "{} of {} are of sessions that are gone, and older than {}: {}",
            ByteSize::from_f64(left),
            counted(names.len(), "temporary file"),
            settings.age,
            listed(&names, 3)
        )
        .detail("A crash left them. The server removes them when it starts, and nobody else is to.")
        .remedy("restart the server in a window; ALTER SYSTEM SET remove_temp_files_after_crash = on; keeps it from coming again")
        .report();
    }
    Ok(())
}
