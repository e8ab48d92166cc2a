//! What statements took since the last run.

use std::collections::BTreeMap;

use hostler_sdk::judged_above;
use hostler_sdk::prelude::*;
use serde::Serialize;

use crate::{Settings, redact::redacted};

/// As many statements are kept between runs; pg_stat_statements itself keeps 5000 unless it is told otherwise.
const KEPT: usize = 20_000;

pub(crate) const INFO: &str = "SELECT dealloc::int8 AS dropped, coalesce(extract(epoch FROM stats_reset), 0)::float8::text AS epoch FROM {schema}.pg_stat_statements_info";

/// From PostgreSQL 17 on each statement says since when it is counted: one that was reset alone, or dropped and came back,
/// is another one then.
const STATEMENTS: &str = "
    SELECT s.userid::int8 AS userid, s.dbid::int8 AS dbid, coalesce(s.queryid, 0)::int8 AS queryid, s.toplevel,
        s.calls::float8 AS calls, s.total_exec_time::float8 AS milliseconds, s.rows::float8 AS rows, {since} AS since,
        coalesce(d.datname::text, '') AS database, pg_get_userbyid(s.userid)::text AS role, left(s.query, 4000) AS query
    FROM {schema}.pg_stat_statements s LEFT JOIN pg_database d ON d.oid = s.dbid";

pub(crate) fn statements(schema: &str, version: u32) -> String {
    let since = if version >= 170_000 { "extract(epoch FROM s.stats_since)::float8::text" } else { "''" };
    STATEMENTS.replace("{schema}", schema).replace("{since}", since)
}

/// What is kept of a statement: calls and microseconds, whole, since JSON does not bring every fraction back.
type Figures = (u64, u64);

fn microseconds(milliseconds: f64) -> u64 {
    (milliseconds * 1000.0).round() as u64
}

/// What one run leaves to the next.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// When the statistics began.
    pub epoch: String,
    pub dropped: i64,
    pub at: Timestamp,
    /// By user, database, statement, and whether it was called from within a function.
    pub statements: BTreeMap<String, Figures>,
}

/// A statement as it is counted now.
#[derive(Debug, Clone, Default, PartialEq)]
struct Statement {
    key: String,
    queryid: i64,
    database: String,
    role: String,
    query: String,
    calls: f64,
    milliseconds: f64,
}

/// All statements as they are counted now.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Counted {
    pub epoch: String,
    dropped: i64,
    at: Timestamp,
    statements: Vec<Statement>,
}

impl Counted {
    pub(crate) fn read(info: &Row, rows: &Rows) -> Result<Self, TaskError> {
        let mut statements = vec![];
        for row in rows.iter() {
            let (userid, dbid, queryid): (i64, i64, i64) = (row.get("userid")?, row.get("dbid")?, row.get("queryid")?);
            let mut key = format!("{userid}/{dbid}/{queryid}/{}", row.get::<bool>("toplevel")?);
            let since: &str = row.get("since")?;
            if !since.is_empty() {
                key.push_str(&format!("/{since}"));
            }
            statements.push(Statement {
                key,
                queryid,
                database: row.get("database")?,
                role: row.get("role")?,
                query: redacted(row.get::<Option<&str>>("query")?.unwrap_or_default()),
                calls: row.get("calls")?,
                milliseconds: row.get("milliseconds")?,
            });
        }
        Ok(Self { epoch: info.get("epoch")?, dropped: info.get("dropped")?, at: Timestamp::now(), statements })
    }

    pub(crate) fn kept(&self) -> Kept {
        let mut largest: Vec<&Statement> = self.statements.iter().collect();
        largest.sort_by(|one, other| other.milliseconds.total_cmp(&one.milliseconds));
        let statements = largest
            .iter()
            .take(KEPT)
            .map(|one| (one.key.clone(), (one.calls as u64, microseconds(one.milliseconds))))
            .collect();
        Kept { epoch: self.epoch.clone(), dropped: self.dropped, at: self.at, statements }
    }

    /// Tells what grew, the largest total first, and returns the run's sentence.
    pub(crate) fn report(&self, earlier: &Kept, settings: &Settings) -> String {
        let mut grown: Vec<(&Statement, f64, f64)> = self
            .statements
            .iter()
            .map(|one| {
                let (calls, milliseconds) = grew(one, earlier);
                (one, calls, milliseconds)
            })
            .filter(|(_, calls, _)| *calls > 0.0)
            .collect();
        grown.sort_by(|(_, _, one), (_, _, other)| other.total_cmp(one));
        let total: f64 = grown.iter().map(|(_, _, milliseconds)| milliseconds).sum();
        let mut slow = 0;
        for (one, calls, milliseconds) in &grown {
            slow += usize::from(judge(one, *calls, *milliseconds, settings));
        }
        let mut table = Table::new(
            "statements by their time since the last run",
            &["share", "total", "calls", "mean", "database", "role", "statement"],
        );
        for (one, calls, milliseconds) in grown.iter().take(settings.top) {
            table.row(&[
                &Percent::of(*milliseconds, total).unwrap_or_default(),
                &time(*milliseconds),
                &format!("{calls:.0}"),
                &time(milliseconds / calls),
                &one.database,
                &one.role,
                &one.query,
            ]);
        }
        table.report();
        let dropped = self.dropped - earlier.dropped;
        if dropped > 0 {
            finding!(
                Severity::Warning,
                "statements-dropped",
                "pg_stat_statements",
                "it dropped its least used statements {}: what they took is not counted",
                counted(dropped, "time")
            )
            .remedy("ALTER SYSTEM SET pg_stat_statements.max = 20000;    -- then restart the server")
            .report();
        }
        Metric::gauge("postgres_statements_seconds", total / 1000.0).report();
        Metric::gauge("postgres_statements_slow", slow as f64).report();
        let elapsed = earlier.at.until(self.at);
        format!("{} took {} in {elapsed}, {slow} slow", counted(grown.len(), "statement"), time(total))
    }
}

fn time(milliseconds: f64) -> Duration {
    Duration::from_seconds(milliseconds / 1000.0)
}

/// How much a statement grew; one that was dropped and came back began anew.
fn grew(one: &Statement, earlier: &Kept) -> (f64, f64) {
    let (calls, time) = (one.calls as u64, microseconds(one.milliseconds));
    match earlier.statements.get(&one.key) {
        Some((before, spent)) if *before <= calls && *spent <= time => {
            ((calls - before) as f64, (time - spent) as f64 / 1000.0)
        }
        _ => (one.calls, one.milliseconds),
    }
}

/// Whether a statement is slow; then it is told.
fn judge(one: &Statement, calls: f64, milliseconds: f64, settings: &Settings) -> bool {
    if calls < settings.least_calls {
        return false;
    }
    let mean = milliseconds / calls / 1000.0;
    let (warning, critical) = (settings.mean_warning.as_seconds(), settings.mean_critical.as_seconds());
    let (severity, limit) = judged_above(mean, warning, critical, Measure::Seconds);
    let told = Duration::from_seconds(mean);
    finding!(severity, "statement-slow", format!("{} {}", one.database, one.queryid), "{told} a call, {calls:.0} times{limit}: {}", one.query)
        .detail(format!("Run as {}; {} in all since the last run.", one.role, time(milliseconds)))
        .remedy("EXPLAIN (ANALYZE, BUFFERS) of it, with the values that are slow    -- ANALYZE runs the statement: in a transaction that is rolled back where it changes something")
        .report_unless_ok();
    severity != Severity::Ok
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use hostler_sdk::testing::rows;

    pub(crate) fn counted(epoch: &str, dropped: i64, statements: &[(i64, f64, f64)]) -> Counted {
        let info = rows!(["dropped", "epoch"]; [dropped, epoch]).one().unwrap();
        let mut counted = Counted::read(&info, &Rows::default()).unwrap();
        counted.statements = statements
            .iter()
            .map(|(queryid, calls, milliseconds)| Statement {
                key: format!("10/5/{queryid}/true"),
                queryid: *queryid,
                database: "shop".into(),
                role: "app".into(),
                query: "SELECT ?".into(),
                calls: *calls,
                milliseconds: *milliseconds,
            })
            .collect();
        counted
    }
}
