//! Connections: how many of the usable ones are taken and by whom, and the few that hold the others up.

use std::collections::BTreeMap;

use hostler_sdk::{judged_above, listed, postgres::needs_monitor, prelude::*};

hostler_sdk::plugin!(Settings, run);

/// Slots that only superusers and `pg_use_reserved_connections` may take are not usable. Without pg_read_all_stats the
/// server does not tell which sessions are clients', so each session of a database counts.
const SERVER: &str = "
    SELECT quote_ident(current_user) AS role, pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
        current_setting('max_connections')::int8 - current_setting('superuser_reserved_connections')::int8
            - coalesce(current_setting('reserved_connections', true)::int8, 0) AS usable,
        count(*) FILTER (WHERE backend_type = 'client backend' OR backend_type IS NULL AND datid IS NOT NULL) AS used
    FROM pg_stat_activity";

const SESSIONS: &str = "
    SELECT a.pid::int8 AS pid, coalesce(a.datname, '')::text AS database, coalesce(a.usename, '')::text AS user_name,
        coalesce(a.application_name, '') AS application, coalesce(a.state, 'unknown') AS state,
        extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS in_state,
        greatest(age(a.backend_xmin), age(a.backend_xid))::int8 AS xmin_age, extract(epoch FROM clock_timestamp() - w.since)::float8 AS waiting,
        CASE WHEN w.pid IS NOT NULL THEN array_to_string(pg_blocking_pids(a.pid), ', ') END AS blockers
    FROM pg_stat_activity a
    LEFT JOIN (SELECT pid, min(waitstart) AS since FROM pg_locks WHERE NOT granted GROUP BY pid) w ON w.pid = a.pid
    WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()";

const PREPARED: &str = "
    SELECT gid, database::text AS database, owner::text AS owner,
        extract(epoch FROM clock_timestamp() - prepared)::float8 AS seconds, age(transaction)::int8 AS xmin_age
    FROM pg_prepared_xacts";

/// Whoever keeps rows from being removed that died since, the oldest first: beside sessions also standbys that send what
/// they read (hot_standby_feedback), prepared transactions, and slots.
const OLDEST: &str = "
    SELECT * FROM (
        SELECT backend_type AS kind, 'pid ' || pid::text AS holder, coalesce(usename, '')::text AS user_name,
            coalesce(application_name, '') AS application, greatest(age(backend_xmin), age(backend_xid))::int8 AS xmin_age,
            extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds
        FROM pg_stat_activity
        WHERE (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND pid <> pg_backend_pid()
        UNION ALL SELECT 'prepared transaction', gid, owner::text, '', age(transaction)::int8,
            extract(epoch FROM clock_timestamp() - prepared)::float8 FROM pg_prepared_xacts
        UNION ALL SELECT 'replication slot', slot_name::text, '', '', greatest(age(xmin), age(catalog_xmin))::int8, NULL
        FROM pg_replication_slots WHERE xmin IS NOT NULL OR catalog_xmin IS NOT NULL
    ) holders ORDER BY xmin_age DESC NULLS LAST LIMIT 10";

#[derive(Deserialize)]
struct Settings {
    warning: Range,
    critical: Range,
    idle_warning: Duration,
    idle_critical: Duration,
    wait_warning: Duration,
    wait_critical: Duration,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let database = context.postgres("database").await?;
    let server = database.query(SERVER, &[]).await?.one().await?;
    let sessions = database.query(SESSIONS, &[]).await?.rows().await?;
    let prepared = database.query(PREPARED, &[]).await?.rows().await?;
    held_up(&sessions, &prepared, &settings)?;
    oldest(&database.query(OLDEST, &[]).await?.rows().await?)?;
    count(&server, &sessions, &settings)
}

/// How many connections there are, of how many.
fn count(server: &Row, sessions: &Rows, settings: &Settings) -> Result<String, TaskError> {
    let (used, usable): (i64, i64) = (server.get("used")?, server.get("usable")?);
    let share = Percent::of(used as f64, usable as f64).unwrap_or(Percent(100.0));
    let summary = format!("{used} of {usable} usable connections in use ({share})");
    Metric::gauge("postgres_connections_usable", usable as f64).report();
    Metric::gauge("postgres_connections_used_percent", share.0).judge(
        &settings.warning,
        &settings.critical,
        finding!(Severity::Ok, "connections-used", "server", "{summary}").remedy(
            "find whose they are in the table `Sessions` (--verbose shows it); pool them (PgBouncer), or raise max_connections and restart",
        ),
    );
    if !server.get::<bool>("sees_all")? {
        needs_monitor(server.get("role")?, "server", "what other sessions do").report();
    }
    let mut groups: BTreeMap<[String; 4], u64> = BTreeMap::new();
    for row in sessions.iter() {
        let group = [row.get("database")?, row.get("user_name")?, row.get("application")?, row.get("state")?];
        *groups.entry(group).or_default() += 1;
    }
    let mut table = Table::new("Sessions", &["database", "user", "application", "state", "count"]);
    let mut metrics: BTreeMap<[&String; 3], u64> = BTreeMap::new();
    for ([database, user, application, state], count) in &groups {
        table.row(&[database, user, application, state, count]);
        *metrics.entry([database, user, state]).or_default() += count;
    }
    for ([database, user, state], count) in metrics {
        let metric = Metric::gauge("postgres_connections", count as f64).label("database", database);
        metric.label("user", user).label("state", state).report();
    }
    table.report();
    Ok(summary)
}

/// The oldest snapshots, and whose they are.
fn oldest(rows: &Rows) -> Result<(), TaskError> {
    let mut table = Table::new("Oldest snapshots", &["kind", "holder", "user", "application", "transactions", "for"]);
    let mut oldest = 0_i64;
    for row in rows.iter() {
        let age = row.get::<Option<i64>>("xmin_age")?.unwrap_or_default();
        oldest = oldest.max(age);
        let [kind, holder, user, application]: [&str; 4] =
            [row.get("kind")?, row.get("holder")?, row.get("user_name")?, row.get("application")?];
        let time =
            row.get::<Option<f64>>("seconds")?.map_or_else(String::new, |it| Duration::from_seconds(it).to_string());
        table.row(&[&kind, &holder, &user, &application, &age, &time]);
    }
    Metric::gauge("postgres_oldest_xmin_age_transactions", oldest as f64).report();
    table.report();
    Ok(())
}

/// Transactions that sit idle or prepared, and sessions that wait for locks.
fn held_up(sessions: &Rows, prepared: &Rows, settings: &Settings) -> Result<(), TaskError> {
    let limits = |warning: Duration, critical: Duration| {
        move |seconds: f64| judged_above(seconds, warning.as_seconds(), critical.as_seconds(), Measure::Seconds)
    };
    let idles = limits(settings.idle_warning, settings.idle_critical);
    let waits = limits(settings.wait_warning, settings.wait_critical);
    let named = names(sessions)?;
    let mut longest = 0.0_f64;
    let mut idle = BTreeMap::<String, (f64, Vec<i64>)>::new();
    for row in sessions.iter() {
        let pid: i64 = row.get("pid")?;
        let subject = subject(&row)?;
        let seconds = row.get::<Option<f64>>("in_state")?.unwrap_or_default();
        if row.get::<&str>("state")?.starts_with("idle in transaction") && idles(seconds).0 != Severity::Ok {
            let (worst, pids) = idle.entry(subject.clone()).or_default();
            *worst = worst.max(seconds);
            pids.push(pid);
        }
        let Some(seconds) = row.get::<Option<f64>>("waiting")? else { continue };
        longest = longest.max(seconds);
        let blockers = row.get::<Option<&str>>("blockers")?.unwrap_or_default();
        wait(pid, subject, seconds, blockers, &named, waits(seconds)).report_unless_ok();
    }
    Metric::gauge("postgres_longest_lock_wait_seconds", longest).report();
    for (subject, (seconds, pids)) in idle {
        let pids: Vec<String> = pids.iter().map(i64::to_string).collect();
        let ((severity, limit), list) = (idles(seconds), pids.join(", "));
        finding!(severity, "idle-in-transaction", subject, "{} idle in a transaction, the longest for {}{limit}: pid {}", counted(pids.len(), "session"), Duration::from_seconds(seconds), listed(&pids, 10))
            .detail("It keeps its locks, and keeps VACUUM from removing rows that died since it began.")
            .remedy(format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid IN ({list}) AND state LIKE 'idle in transaction%';"))
            .report();
    }
    for row in prepared.iter() {
        let (gid, seconds): (&str, f64) = (row.get("gid")?, row.get("seconds")?);
        let (database, owner): (&str, &str) = (row.get("database")?, row.get("owner")?);
        let (severity, limit) = idles(seconds);
        finding!(
            severity,
            "prepared-transaction",
            database,
            "{owner} prepared {gid:?} {} ago, and nobody ended it{limit}",
            Duration::from_seconds(seconds)
        )
        .remedy(format!("ROLLBACK PREPARED {};", hostler_sdk::quote_literal(gid)))
        .report_unless_ok();
    }
    Ok(())
}

/// Whose session it is.
fn subject(row: &Row) -> Result<String, TaskError> {
    let [database, user, application]: [&str; 3] =
        [row.get("database")?, row.get("user_name")?, row.get("application")?];
    Ok(match application {
        "" => format!("{database}/{user}"),
        application => format!("{database}/{user}/{application}"),
    })
}

/// Whose each session is and what it does, by its number.
fn names(sessions: &Rows) -> Result<BTreeMap<String, String>, TaskError> {
    let mut names = BTreeMap::new();
    for row in sessions.iter() {
        let time = row
            .get::<Option<f64>>("in_state")?
            .map_or_else(String::new, |seconds| format!(" for {}", Duration::from_seconds(seconds)));
        let name = format!("{}, {}{time}", subject(&row)?, row.get::<&str>("state")?);
        names.insert(row.get::<i64>("pid")?.to_string(), name);
    }
    Ok(names)
}

/// A session that waits for a lock. The holder may be gone by now; a prepared transaction has no session, and is 0.
fn wait(
    pid: i64,
    subject: String,
    seconds: f64,
    blockers: &str,
    named: &BTreeMap<String, String>,
    (severity, limit): (Severity, String),
) -> Finding {
    let held = if blockers.is_empty() { String::new() } else { format!(" held by pid {blockers}") };
    let time = Duration::from_seconds(seconds);
    let who: Vec<String> = blockers
        .split(", ")
        .filter_map(|blocker| named.get(blocker).map(|name| format!("pid {blocker} is {name}")))
        .collect();
    let finding = finding!(severity, "lock-wait", subject, "pid {pid} has waited {time} for a lock{held}{limit}")
        .detail(listed(&who, 5));
    if blockers.split(", ").any(|blocker| blocker == "0") {
        return finding.remedy("SELECT gid, owner, prepared FROM pg_prepared_xacts; -- pid 0 is one of these: COMMIT PREPARED or ROLLBACK PREPARED");
    }
    finding.remedy(match blockers {
        "" => "SELECT pid, pg_blocking_pids(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock';".into(),
        pids => format!("SELECT pid, state, usename, application_name FROM pg_stat_activity WHERE pid IN ({pids}); -- then: SELECT pg_terminate_backend(…);"),
    })
}

#[cfg(test)]
mod tests;
