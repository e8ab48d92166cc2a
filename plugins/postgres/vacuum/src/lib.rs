//! VACUUM and ANALYZE of the tables that need it most: the work list first, then one table after the other, each by a
//! look that is not older than a second or so: thousands of small tables are not asked for one by one.
//!
//! The ages of databases and tables are judged last, and read again where something was changed: a verdict is about what
//! the run left.

mod ages;
mod need;
mod outcome;
mod progress;

use std::collections::BTreeMap;
use std::time::Instant;

use hostler_sdk::postgres::{Database, Execution, Notice, Options, needs_monitor};
use hostler_sdk::prelude::*;

use ages::DATABASES;
use need::{Candidate, Server, Work};
use outcome::{Done, Outcome};
use progress::Place;
use shared_relations::conditions::{Conditions, Limits};

hostler_sdk::plugin!(Settings, run);

/// How autovacuum is set, and who asks. A setting that the version does not have is null.
const SERVER: &str = "
    SELECT quote_ident(current_user) AS role, pg_has_role('pg_monitor', 'USAGE') AS sees_all,
        current_setting('track_counts')::bool AS counts,
        current_setting('autovacuum_vacuum_threshold')::float8 AS vacuum_base,
        current_setting('autovacuum_vacuum_scale_factor')::float8 AS vacuum_scale,
        current_setting('autovacuum_vacuum_max_threshold', true)::float8 AS vacuum_most,
        current_setting('autovacuum_vacuum_insert_threshold', true)::float8 AS insert_base,
        current_setting('autovacuum_vacuum_insert_scale_factor', true)::float8 AS insert_scale,
        current_setting('autovacuum_analyze_threshold')::float8 AS analyze_base,
        current_setting('autovacuum_analyze_scale_factor')::float8 AS analyze_scale,
        current_setting('autovacuum_freeze_max_age')::float8 AS freeze_age,
        current_setting('autovacuum_multixact_freeze_max_age')::float8 AS multixact_age,
        current_setting('block_size')::int8 AS block_size";

/// Sizes are the catalogue's own: pg_relation_size would wait for whoever has a table locked.
const TABLES: &str = "
    SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name,
        quote_ident(pg_get_userbyid(c.relowner)) AS owner,
        (SELECT rolsuper FROM pg_roles WHERE oid = c.relowner) AS owned_by_superuser, c.reltuples::float8 AS tuples,
        (c.relpages::int8 + coalesce(t.relpages, 0)) AS pages, {frozen} AS frozen,
        pg_stat_get_dead_tuples(c.oid)::float8 AS dead, pg_stat_get_ins_since_vacuum(c.oid)::float8 AS inserted,
        pg_stat_get_mod_since_analyze(c.oid)::float8 AS modified,
        greatest(age(c.relfrozenxid), age(t.relfrozenxid))::float8 AS age,
        greatest(mxid_age(c.relminmxid), mxid_age(t.relminmxid))::float8 AS multixact_age,
        o.vacuum_base, o.vacuum_scale, o.vacuum_most, o.insert_base, o.insert_scale, o.analyze_base, o.analyze_scale,
        o.freeze_age, o.multixact_freeze_age, l.relation IS NOT NULL AS busy,
        pg_has_role(c.relowner, 'USAGE') OR {maintain}
            OR (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database())
            OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS permitted
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
    LEFT JOIN (SELECT DISTINCT relation FROM pg_locks WHERE granted AND pid <> pg_backend_pid()
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                'AccessExclusiveLock')) l ON l.relation = c.oid
    LEFT JOIN LATERAL (SELECT
            max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_threshold')::float8 AS vacuum_base,
            max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_scale_factor')::float8 AS vacuum_scale,
            max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_max_threshold')::float8 AS vacuum_most,
            max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_insert_threshold')::float8 AS insert_base,
            max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_insert_scale_factor')::float8 AS insert_scale,
            max(option_value) FILTER (WHERE option_name = 'autovacuum_analyze_threshold')::float8 AS analyze_base,
            max(option_value) FILTER (WHERE option_name = 'autovacuum_analyze_scale_factor')::float8 AS analyze_scale,
            max(option_value) FILTER (WHERE option_name = 'autovacuum_freeze_max_age')::float8 AS freeze_age,
            max(option_value) FILTER (WHERE option_name = 'autovacuum_multixact_freeze_max_age')::float8
                AS multixact_freeze_age
        FROM pg_options_to_table(c.reloptions)) o ON true
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
        AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'";

#[derive(Deserialize)]
struct Settings {
    freeze_warning: Percent,
    freeze_critical: Percent,
    age_warning: Range,
    age_critical: Range,
    longest_transaction: Duration,
    most_lag: ByteSize,
    limit: usize,
    exclude: Vec<String>,
    timeout: Duration,
    parallel: Option<u32>,
}

/// The statement that lists tables, for the server's version.
fn tables(version: u32) -> String {
    let frozen = if version >= 180_000 { "c.relallfrozen::float8 / nullif(c.relpages, 0)" } else { "NULL::float8" };
    let maintain = if version >= 170_000 { "has_table_privilege(c.oid, 'MAINTAIN')" } else { "false" };
    TABLES.replace("{frozen}", frozen).replace("{maintain}", maintain)
}

impl Settings {
    fn limits(&self) -> Limits {
        Limits { longest_transaction: self.longest_transaction, most_lag: self.most_lag }
    }
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let database = context.postgres("database").await?;
    let version = database.info().version;
    if database.info().in_recovery {
        return Err(TaskError::new("this is a standby, where nothing can be vacuumed")
            .remedy("bind the primary: what it vacuums is replayed here"));
    }
    let _lock = context.lock("database", "vacuum").await?;
    let row = database.query(SERVER, &[]).await?.one().await?;
    let server = Server::read(&row)?;
    if !row.get::<bool>("sees_all")? {
        needs_monitor(row.get("role")?, database.name(), "what keeps dead rows from being removed").report();
    }
    Conditions::look(&database).await?.report(&settings.limits());
    let mut found = Found::read(&database).await?;
    let chosen = need::choose(&found.candidates, &server, &settings);
    need::report_not_permitted(&chosen, row.get("role")?, version);
    let all = chosen.len();
    let permitted: Vec<Work> = chosen.into_iter().filter(|work| work.candidate.permitted).collect();
    let mut done = Done::new(permitted.len(), all - permitted.len(), settings.limit);
    let mut last: Option<Look> = None;
    for (place, work) in permitted.iter().take(settings.limit).enumerate() {
        hostler_sdk::progress(place as u64, Some(permitted.len() as u64), &work.title());
        if let Some(reason) = context.stop_requested() {
            done.stop(reason);
            break;
        }
        let _step = context.step(&work.title(), 1, 1)?;
        let outcome = if context.is_check() {
            execute(&database, work, &settings, &Place::default()).await
        } else {
            let place = Place { done: place, of: permitted.len().min(settings.limit), block_size: server.block_size };
            apply(&database, work, &server, &settings, &place, &mut last).await
        };
        match outcome {
            Err(error) if error.ends_the_run() => {
                // Nothing more can be read: what was found before stands.
                found.report(&server, &settings)?;
                return Err(error);
            }
            Err(error) => done.failed(work, &error),
            Ok(Outcome::Stop(reason)) => {
                done.stop(&reason);
                break;
            }
            Ok(outcome) => done.add(work, outcome),
        }
    }
    if done.changed() {
        found = Found::read(&database).await.during("looking at the tables after the change")?;
        done.compare(&found.candidates);
    }
    found.report(&server, &settings)?;
    let left = need::choose(&found.candidates, &server, &settings);
    let left = left.iter().filter(|work| work.candidate.permitted).count();
    Ok(done.report(context.is_check(), left, found.candidates.len(), server.block_size))
}

/// The tables, and the ages of the databases, as one look found them.
struct Found {
    candidates: Vec<Candidate>,
    databases: Rows,
}

impl Found {
    async fn read(database: &Database) -> Result<Self, TaskError> {
        let databases = database.query(DATABASES, &[]).await?.rows().await?;
        Ok(Self { candidates: Self::candidates(database).await?, databases })
    }

    async fn candidates(database: &Database) -> Result<Vec<Candidate>, TaskError> {
        let rows = database.query(&tables(database.info().version), &[]).await?.rows().await?;
        rows.iter().map(|row| Candidate::read(&row)).collect()
    }

    fn report(&self, server: &Server, settings: &Settings) -> Result<(), TaskError> {
        ages::report_ages(&self.databases, settings)?;
        need::report_ages(&self.candidates, server, settings);
        Ok(())
    }
}

/// A look at the tables and at who holds them up, taken anew where it is old.
struct Look {
    at: Instant,
    /// How long it took: of a database with very many tables the next is taken the later.
    took: std::time::Duration,
    conditions: Conditions,
    candidates: BTreeMap<i64, Candidate>,
}

impl Look {
    /// How old it may be.
    const FRESH: std::time::Duration = std::time::Duration::from_secs(1);

    async fn take(database: &Database) -> Result<Self, TaskError> {
        let began = Instant::now();
        let conditions = Conditions::look(database).await?;
        let candidates = Found::candidates(database).await?;
        let candidates = candidates.into_iter().map(|candidate| (candidate.oid, candidate)).collect();
        Ok(Self { at: Instant::now(), took: began.elapsed(), conditions, candidates })
    }

    fn is_fresh(&self) -> bool {
        self.at.elapsed() < Self::FRESH.max(self.took * 10)
    }
}

/// One table in earnest: its conditions and its need are looked at again first.
async fn apply(
    database: &Database,
    work: &Work,
    server: &Server,
    settings: &Settings,
    place: &Place,
    last: &mut Option<Look>,
) -> Result<Outcome, TaskError> {
    let look = match last.take().filter(Look::is_fresh) {
        Some(look) => last.insert(look),
        None => last.insert(Look::take(database).await?),
    };
    let limits = settings.limits();
    if let Some(reason) = look.conditions.forbid(&limits) {
        return Ok(Outcome::Stop(reason));
    }
    if let (Some(holder), false) = (look.conditions.holder(&limits), work.goes_on_when_held()) {
        return Ok(Outcome::Held(holder));
    }
    let Some(before) = look.candidates.remove(&work.candidate.oid) else {
        return Ok(Outcome::Skipped("the table is gone".into()));
    };
    if need::of(&before, server, settings).is_none() {
        return Ok(Outcome::Skipped("it was done by somebody else in the meantime".into()));
    }
    if before.busy {
        return Ok(Outcome::Busy);
    }
    Ok(match execute(database, work, settings, place).await? {
        Outcome::Applied(_) => Outcome::Applied(before),
        other => other,
    })
}

/// Sends the statement. VACUUM only warns where it does not do its work.
async fn execute(database: &Database, work: &Work, settings: &Settings, place: &Place) -> Result<Outcome, TaskError> {
    let options = Options { settings: vec![], timeout_ms: Some(settings.timeout.as_milliseconds()) };
    let statement = work.statement();
    let executed = database.execute_with(&statement, &[], options);
    let executed = if work.is_watched(place.block_size) {
        progress::watching(executed, database, work, settings, place).await
    } else {
        executed.await
    };
    Ok(match executed? {
        Execution::Planned => Outcome::Planned,
        Execution::Applied(completion) => match outcome::refusal(&completion.notices) {
            Some(Notice { code, .. }) if code == "55P03" => Outcome::Busy,
            Some(notice) => return Err(TaskError::new(notice.message.clone())),
            None => Outcome::Applied(work.candidate.clone()),
        },
    })
}

#[cfg(test)]
mod tests;
