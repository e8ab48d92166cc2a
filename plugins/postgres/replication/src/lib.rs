//! Replication, as the primary sees it: standbys, slots, the archiver; and as each standby that is bound sees itself.

use std::collections::BTreeMap;

use hostler_sdk::postgres::{Database, needs_monitor};
use hostler_sdk::prelude::*;
use hostler_sdk::{Counters, Difference, judged_above, quote_literal};

hostler_sdk::plugin!(Settings, run);

const SERVER: &str = "
    SELECT quote_ident(current_user) AS role, pg_has_role('pg_monitor', 'USAGE') AS sees_all,
        current_setting('synchronous_standby_names') <> '' AS synchronous,
        current_setting('archive_mode') <> 'off' AS archives";

/// Distances from where this server stands: the end of its own WAL, or what it received where it is a standby itself.
const STANDBYS: &str = "
    SELECT application_name AS name, coalesce(state, 'unknown') AS state, coalesce(sync_state, '') AS sync_state,
        pg_wal_lsn_diff(here, sent_lsn)::float8 AS sent, pg_wal_lsn_diff(here, flush_lsn)::float8 AS flushed,
        pg_wal_lsn_diff(here, replay_lsn)::float8 AS replayed, extract(epoch FROM replay_lag)::float8 AS seconds
    FROM pg_stat_replication, (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
        ELSE pg_current_wal_lsn() END AS here) w
    WHERE state IS DISTINCT FROM 'backup' ORDER BY 1";

/// From PostgreSQL 17 on a slot tells since when nobody has read it, and why it is of no use any more. One that a standby
/// copies from its primary has no consumer there, and need not have.
const SLOTS: &str = "
    SELECT slot_name::text AS name, slot_type AS kind, {active} AS active, coalesce(wal_status, '') AS wal_status,
        pg_wal_lsn_diff(here, restart_lsn)::float8 AS kept, {inactive} AS inactive, {reason} AS reason
    FROM pg_replication_slots, (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
        ELSE pg_current_wal_lsn() END AS here) w
    WHERE NOT temporary ORDER BY 1";

const ARCHIVER: &str = "
    SELECT archived_count::float8 AS archived, failed_count::float8 AS failed, coalesce(last_failed_wal, '') AS last_failed,
        coalesce(last_failed_time > last_archived_time, last_failed_time IS NOT NULL) AS failing,
        extract(epoch FROM clock_timestamp() - coalesce(last_archived_time, stats_reset))::float8 AS since,
        coalesce(stats_reset::text, '') AS epoch
    FROM pg_stat_archiver";

/// WAL that is ready and not archived. The counters do not move while no archive_command is set, or while it hangs.
const WAITING: &str = "
    SELECT count(*) AS files, extract(epoch FROM clock_timestamp() - min(modification))::float8 AS seconds
    FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'";

/// On an idle primary the last replayed transaction is old and nothing is behind: only where the positions differ does
/// its time say something.
const REPLAY: &str = "
    SELECT quote_ident(current_user) AS role, pg_has_role('pg_monitor', 'USAGE') AS sees_all,
        pg_is_in_recovery() AS in_recovery, CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() ELSE false END AS paused,
        EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'walreceiver') AS receiving,
        coalesce(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), 0)::float8 AS distance,
        CASE WHEN pg_last_wal_receive_lsn() IS DISTINCT FROM pg_last_wal_replay_lsn()
            THEN extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 END AS seconds";

#[derive(Deserialize)]
struct Settings {
    lag_warning: Duration,
    lag_critical: Duration,
    distance_warning: ByteSize,
    distance_critical: ByteSize,
    slot_inactive: Duration,
    archive_warning: Duration,
    archive_critical: Duration,
    expected: Vec<String>,
}

impl Settings {
    fn lag(&self, seconds: f64) -> (Severity, String) {
        judged_above(seconds, self.lag_warning.as_seconds(), self.lag_critical.as_seconds(), Measure::Seconds)
    }

    fn distance(&self, bytes: f64) -> (Severity, String) {
        judged_above(bytes, self.distance_warning.as_f64(), self.distance_critical.as_f64(), Measure::Bytes)
    }

    fn archive(&self, seconds: f64) -> (Severity, String) {
        judged_above(seconds, self.archive_warning.as_seconds(), self.archive_critical.as_seconds(), Measure::Seconds)
    }
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let database = context.postgres("database").await?;
    let server = database.query(SERVER, &[]).await?.one().await?;
    let sees_all: bool = server.get("sees_all")?;
    if !sees_all {
        needs_monitor(server.get("role")?, "server", "how far the standbys are").report();
    }
    let standbys = database.query(STANDBYS, &[]).await?.rows().await?;
    let summary = report_standbys(&standbys, server.get::<bool>("synchronous")? && sees_all, &settings)?;
    let slots = database.query(&slots(database.info().version), &[]).await?.rows().await?;
    let seen: BTreeMap<String, Timestamp> = context.state().get("inactive-slots").await?.unwrap_or_default();
    let seen = report_slots(&slots, &seen, Timestamp::now(), &settings)?;
    context.state().set("inactive-slots", &seen).await?;
    if server.get("archives")? {
        let archiver = database.query(ARCHIVER, &[]).await?.one().await?;
        let counters = Counters::new(archiver.get::<String>("epoch")?).with("failed", archiver.get("failed")?);
        let failing = report_archiver(&archiver, &counters.compare(&context, "archiver").await?, &settings)?;
        if sees_all && !failing {
            report_waiting(&database.query(WAITING, &[]).await?.one().await?, &settings)?;
        }
    }
    let targets = context.postgres_targets("standbys");
    for target in &targets {
        match replay(target).await {
            Ok(row) => report_replay(target, &row, &settings)?,
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.finding("standby-unseen", target.clone()).report(),
        }
    }
    Ok(summary)
}

/// The statement that lists slots, for the server's version.
fn slots(version: u32) -> String {
    let [active, inactive, reason] = match version {
        170_000.. => [
            "active OR synced AND pg_is_in_recovery()",
            "extract(epoch FROM clock_timestamp() - inactive_since)::float8",
            "invalidation_reason",
        ],
        160_000.. => ["active", "NULL::float8", "CASE WHEN conflicting THEN 'a conflict with recovery' END"],
        _ => ["active", "NULL::float8", "NULL::text"],
    };
    SLOTS.replace("{active}", active).replace("{inactive}", inactive).replace("{reason}", reason)
}

async fn replay(target: &str) -> Result<Row, TaskError> {
    let standby = Database::open("standbys", Some(target), None).await?;
    standby.query(REPLAY, &[]).await?.one().await
}

fn report_standbys(standbys: &Rows, synchronous: bool, settings: &Settings) -> Result<String, TaskError> {
    let mut table =
        Table::new("Standbys", &["name", "state", "sync", "not sent", "not flushed", "not replayed", "lag"]);
    let (mut names, mut holds, mut worst) = (vec![], false, None::<f64>);
    for row in standbys.iter() {
        let (name, state, sync): (String, &str, &str) = (row.get("name")?, row.get("state")?, row.get("sync_state")?);
        holds |= ["sync", "quorum"].contains(&sync);
        let distances: [Option<f64>; 3] = [row.get("sent")?, row.get("flushed")?, row.get("replayed")?];
        let seconds: Option<f64> = row.get("seconds")?;
        let [sent, flushed, replayed] =
            distances.map(|bytes| bytes.map_or("unknown".into(), |bytes| ByteSize::from_f64(bytes).to_string()));
        // No lag is told while a standby is idle and has everything, and none to a role that may not see it.
        let lag = match (seconds, distances[2]) {
            (Some(seconds), _) => Duration::from_seconds(seconds).to_string(),
            (None, Some(0.0)) => "idle".into(),
            (None, _) => "unknown".into(),
        };
        table.row(&[&name, &state, &sync, &sent, &flushed, &replayed, &lag]);
        for (place, bytes) in ["sent", "flushed", "replayed"].iter().zip(distances) {
            let Some(bytes) = bytes else { continue };
            Metric::gauge("postgres_replication_distance_bytes", bytes)
                .label("standby", &name)
                .label("position", *place)
                .report();
        }
        // What only receives WAL (pg_receivewal) replays none, and is judged by what it has on its disk.
        let (verb, behind) = match distances {
            [_, Some(bytes), None] => ("flushed", Some(bytes)),
            [_, _, replayed] => ("replayed", replayed),
        };
        if let Some(bytes) = behind {
            worst = Some(worst.unwrap_or_default().max(bytes));
            Metric::gauge("postgres_replication_lag_seconds", seconds.unwrap_or_default())
                .label("standby", &name)
                .report();
        }
        let (late, lag_limit) = seconds.map_or_else(Default::default, |seconds| settings.lag(seconds));
        let Some(bytes) = behind else {
            finding!(Severity::Unknown, "standby-unseen", name.clone(), "how far it is behind cannot be seen")
                .remedy("let the task's role be in pg_monitor; where it is, the standby has just connected: run the task again")
                .report();
            names.push(name);
            continue;
        };
        let (far, distance_limit) = settings.distance(bytes);
        finding!(late.max(far), "standby-behind", name.clone(), "it has not {verb} {}{distance_limit} (lag {lag}{lag_limit}; state {state})", ByteSize::from_f64(bytes))
            .detail(format!("not sent {sent}, not flushed {flushed}"))
            .remedy("see which of the three grows: not sent is the network, not flushed the standby's disk, not replayed a query there that conflicts, or its processor")
            .report_unless_ok();
        names.push(name);
    }
    for missing in settings.expected.iter().filter(|expected| !names.contains(expected)) {
        finding!(Severity::Critical, "standby-missing", missing.clone(), "this standby is not connected")
            .remedy("look into its log; it says why its walreceiver stopped")
            .report();
    }
    if synchronous && !holds {
        finding!(
            Severity::Critical,
            "no-synchronous-standby",
            "server",
            "commits wait for a synchronous standby, and none is connected"
        )
        .remedy("ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf(); -- until one is back")
        .report();
    }
    table.report();
    Metric::gauge("postgres_standbys", names.len() as f64).report();
    Ok(match (names.len(), worst) {
        (0, _) if settings.expected.is_empty() => "no standby is connected, and none was expected".into(),
        (0, _) => "no standby is connected".into(),
        (count, Some(worst)) => {
            format!("{}, at most {} behind", counted(count, "standby"), ByteSize::from_f64(worst))
        }
        (count, None) => format!("{}, how far behind is unknown", counted(count, "standby")),
    })
}

/// Returns since when each slot has had no consumer: before PostgreSQL 17 only looking again tells.
fn report_slots(
    slots: &Rows,
    seen: &BTreeMap<String, Timestamp>,
    now: Timestamp,
    settings: &Settings,
) -> Result<BTreeMap<String, Timestamp>, TaskError> {
    let mut inactive = BTreeMap::new();
    for row in slots.iter() {
        let (name, status): (String, &str) = (row.get("name")?, row.get("wal_status")?);
        let kept = row.get::<Option<f64>>("kept")?.unwrap_or_default();
        Metric::gauge("postgres_replication_slot_kept_bytes", kept).label("slot", &name).report();
        let size = ByteSize::from_f64(kept);
        let drop = format!("SELECT pg_drop_replication_slot({}); -- if nobody needs it", quote_literal(&name));
        let reason = row.get::<Option<&str>>("reason")?;
        if status == "lost" || reason.is_some() {
            finding!(Severity::Critical, "slot-lost", name.clone(), "{}", lost(reason))
                .remedy(format!("build the consumer anew; {drop}"))
                .report();
            // It keeps nothing, and nobody can read it.
            continue;
        }
        if status == "unreserved" {
            finding!(
                Severity::Warning,
                "slot-unreserved",
                name.clone(),
                "the next checkpoint may remove WAL that its consumer needs ({size} kept)"
            )
            .remedy("let its consumer catch up now, or raise max_slot_wal_keep_size")
            .report();
        }
        if row.get::<bool>("active")? {
            let (far, limit) = settings.distance(kept);
            finding!(far, "slot-behind", name.clone(), "its consumer is connected and leaves {size} of WAL to be kept{limit}")
                .detail("WAL is kept until the disk is full, or up to max_slot_wal_keep_size.")
                .remedy("look what its consumer waits for: a long transaction that is decoded, a full disk, or a subscription whose apply fails")
                .report_unless_ok();
            continue;
        }
        let first = *seen.get(&name).unwrap_or(&now);
        let since = row.get::<Option<f64>>("inactive")?.map_or(first.until(now), Duration::from_seconds);
        let (late, late_limit) = match settings.slot_inactive {
            limit if since > limit => (Severity::Warning, format!(", warning above {limit}")),
            _ => (Severity::Ok, String::new()),
        };
        let (far, limit) = settings.distance(kept);
        finding!(
            late.max(far),
            "slot-inactive",
            name.clone(),
            "nobody has read it for at least {since}{late_limit}; it keeps {size} of WAL{limit}"
        )
        .detail("WAL is kept until the disk is full, or up to max_slot_wal_keep_size.")
        .remedy(drop)
        .report_unless_ok();
        inactive.insert(name, first);
    }
    Ok(inactive)
}

/// Why nobody can read a slot any more, by the server's own word for it.
fn lost(reason: Option<&str>) -> String {
    match reason {
        None | Some("wal_removed") => "the WAL that its consumer needs is gone".into(),
        Some("rows_removed") => "rows of the catalogue that its consumer needs were removed".into(),
        Some("wal_level_insufficient") => "the primary no longer writes what its consumer needs (wal_level)".into(),
        Some("idle_timeout") => {
            "nobody read it for longer than idle_replication_slot_timeout, and it was given up".into()
        }
        Some(other) => format!("nobody can read it any more: {other}"),
    }
}

/// Whether it fails now.
fn report_archiver(row: &Row, difference: &Difference, settings: &Settings) -> Result<bool, TaskError> {
    let (failing, since): (bool, f64) = (row.get("failing")?, row.get("since")?);
    Metric::counter("postgres_archive_failed_total", row.get("failed")?).report();
    Metric::counter("postgres_archive_archived_total", row.get("archived")?).report();
    let (severity, limit) = settings.archive(since);
    let failed = match difference {
        Difference::Growth(growth) => growth.of("failed"),
        Difference::Baseline | Difference::Restarted(_) => 0.0,
    };
    if failing {
        let wal: &str = row.get("last_failed")?;
        finding!(
            severity,
            "archive-failing",
            "archiver",
            "archiving {wal} fails, and nothing was archived for {}{limit}",
            Duration::from_seconds(since)
        )
        .detail("WAL stays in pg_wal until it is archived, and point-in-time recovery ends where the archive does.")
        .remedy("run the archive_command by hand as the server's user; its error is in the server's log")
        .report_unless_ok();
    } else if failed > 0.0 {
        finding!(
            Severity::Warning,
            "archive-failed",
            "archiver",
            "archiving failed {} since the last run, and works again",
            counted(failed, "time")
        )
        .remedy("look into the server's log for what the archive_command wrote")
        .report();
    }
    Ok(failing)
}

fn report_waiting(row: &Row, settings: &Settings) -> Result<(), TaskError> {
    let (files, seconds): (i64, Option<f64>) = (row.get("files")?, row.get("seconds")?);
    Metric::gauge("postgres_archive_waiting_files", files as f64).report();
    let Some(seconds) = seconds else { return Ok(()) };
    let ((severity, limit), oldest) = (settings.archive(seconds), Duration::from_seconds(seconds));
    let (files, verb) = (counted(files, "WAL file"), agreed(files, "waits", "wait"));
    finding!(severity, "archive-waiting", "archiver", "{files} {verb} to be archived, the oldest for {oldest}{limit}")
        .detail(
            "No attempt failed: no archive_command is set, or it is slow, or it hangs. WAL stays in pg_wal meanwhile.",
        )
        .remedy("SHOW archive_command; -- and whether it runs: ps -ef | grep archiver")
        .report_unless_ok();
    Ok(())
}

fn report_replay(target: &str, row: &Row, settings: &Settings) -> Result<(), TaskError> {
    if !row.get::<bool>("in_recovery")? {
        finding!(
            Severity::Critical,
            "not-a-standby",
            target,
            "it is not in recovery: it was promoted, and takes writes of its own"
        )
        .remedy("make sure that only one server takes writes; then rebuild the other with pg_rewind")
        .report();
        return Ok(());
    }
    let (distance, seconds): (f64, Option<f64>) = (row.get("distance")?, row.get("seconds")?);
    Metric::gauge("postgres_replay_distance_bytes", distance).label("standby", target).report();
    Metric::gauge("postgres_replay_lag_seconds", seconds.unwrap_or_default()).label("standby", target).report();
    let (far, limit) = settings.distance(distance);
    let (late, lag) = seconds.map_or_else(Default::default, |seconds| {
        let (late, limit) = settings.lag(seconds);
        (late, format!("; {} behind{limit}", Duration::from_seconds(seconds)))
    });
    finding!(
        far.max(late),
        "replay-behind",
        target,
        "{} of received WAL not replayed{limit}{lag}",
        ByteSize::from_f64(distance)
    )
    .remedy("see pg_stat_database_conflicts there, and max_standby_streaming_delay")
    .report_unless_ok();
    if row.get("paused")? {
        finding!(Severity::Warning, "replay-paused", target, "replay is paused")
            .remedy("SELECT pg_wal_replay_resume();")
            .report();
    }
    if !row.get::<bool>("sees_all")? {
        needs_monitor(row.get("role")?, target, "whether it receives from the primary").report();
    } else if !row.get::<bool>("receiving")? {
        finding!(Severity::Critical, "not-receiving", target, "no walreceiver runs: nothing arrives from the primary")
            .remedy(format!("look into the server's log of {target}; it says why its walreceiver stopped"))
            .report();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
