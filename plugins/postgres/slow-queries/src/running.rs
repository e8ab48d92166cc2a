//! What runs too long now.

use hostler_sdk::prelude::*;
use hostler_sdk::{judged_above, matches_pattern};

use crate::{Settings, redact::redacted};

/// What clients run, the oldest first. Of others the role may see that they run and since when, not what.
pub(crate) const RUNNING: &str = "
    SELECT pid::int8 AS pid, coalesce(datname::text, '') AS database, coalesce(usename::text, '') AS role,
        coalesce(application_name, '') AS application, left(query, 4000) AS query,
        extract(epoch FROM clock_timestamp() - query_start)::float8 AS seconds,
        coalesce(wait_event_type, '') AS waits, cardinality(pg_blocking_pids(pid))::int8 AS blockers
    FROM pg_stat_activity
    WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND query_start IS NOT NULL
    ORDER BY query_start";

/// Tells them, and returns how many they are.
pub(crate) fn report(rows: &Rows, settings: &Settings) -> Result<usize, TaskError> {
    let (warning, critical) = (settings.running_warning.as_seconds(), settings.running_critical.as_seconds());
    let (mut long, mut longest) = (0, 0.0_f64);
    for row in rows.iter() {
        let (pid, seconds, application): (i64, f64, &str) =
            (row.get("pid")?, row.get("seconds")?, row.get("application")?);
        if settings.ignore_applications.iter().any(|pattern| matches_pattern(pattern, application)) {
            continue;
        }
        longest = longest.max(seconds);
        let (severity, limit) = judged_above(seconds, warning, critical, Measure::Seconds);
        long += usize::from(severity != Severity::Ok);
        let (database, role): (&str, &str) = (row.get("database")?, row.get("role")?);
        let waits = match row.get::<i64>("blockers")? {
            0 => String::new(),
            blockers => {
                format!(" It waits for {}, which postgres-connections names.", counted(blockers, "other session"))
            }
        };
        let text = redacted(row.get::<Option<&str>>("query")?.unwrap_or_default());
        finding!(
            severity,
            "statement-runs",
            format!("pid {pid}"),
            "it has run for {}{limit}: {text}",
            Duration::from_seconds(seconds)
        )
        .detail(format!("In {database}, as {role}, from {application:?}.{waits}"))
        .remedy(format!("SELECT pg_cancel_backend({pid});    -- ends the statement, not the session"))
        .report_unless_ok();
    }
    Metric::gauge("postgres_longest_statement_seconds", longest).report();
    Ok(long)
}
