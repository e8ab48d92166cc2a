//! Whether a server archives its WAL: without it a base backup ends with itself.

use hostler_sdk::Counters;
use hostler_sdk::postgres::Database;
use hostler_sdk::prelude::*;

const ARCHIVER: &str = "
    SELECT current_setting('archive_mode') AS mode, archived_count::float8 AS archived, failed_count::float8 AS failed,
        coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) AS fails_now,
        coalesce(last_failed_wal, '') AS last_failed,
        extract(epoch FROM clock_timestamp() - last_archived_time)::float8 AS age,
        coalesce(extract(epoch FROM stats_reset), 0)::float8::text AS epoch
    FROM pg_stat_archiver";

pub(crate) async fn look(context: &Context, target: &str) -> Result<(), TaskError> {
    let database = Database::open("database", Some(target), None).await?;
    let row = database.query(ARCHIVER, &[]).await?.one().await?;
    if row.get::<&str>("mode")? == "off" {
        return Ok(());
    }
    let counters = Counters::new(row.get::<&str>("epoch")?).with("failed", row.get("failed")?);
    let difference = counters.compare(context, &format!("archiver-{target}")).await?;
    let grown = match &difference {
        hostler_sdk::Difference::Growth(growth) => growth.of("failed"),
        _ => 0.0,
    };
    Metric::counter("postgres_wal_archive_failures_total", row.get("failed")?).label("server", target).report();
    if row.get::<bool>("fails_now")? {
        let age = row
            .get::<Option<f64>>("age")?
            .map(|age| format!(", the last success was {} ago", Duration::from_seconds(age)));
        finding!(Severity::Critical, "archiving-fails", target, "archiving {} fails{}", row.get::<&str>("last_failed")?, age.unwrap_or_default())
            .detail("WAL that is not archived stays in pg_wal until the disk is full, and no base backup can be rolled forward past it.")
            .remedy("the server's log says what archive_command answered; mend it, and the server tries again by itself")
            .report();
    } else if grown > 0.0 {
        finding!(
            Severity::Warning,
            "archiving-failed",
            target,
            "archiving failed {} since the last run, and succeeded again",
            counted(grown, "time")
        )
        .remedy("the server's log says what archive_command answered")
        .report();
    }
    Ok(())
}
