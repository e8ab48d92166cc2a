//! What has to be read whole: how dense an index is (pgstatindex), and whether it agrees with its table (amcheck).
//!
//! Both cost reading, so each index has its turn every so often, those that waited longest first, and a run ends when
//! its time is over.

use std::collections::BTreeMap;

use hostler_sdk::postgres::{Database, Options};
use hostler_sdk::prelude::*;
use hostler_sdk::{listed, quote_identifier, quote_qualified};

use crate::{Settings, size};

pub const EXTENSIONS: &str = "
    SELECT e.extname::text AS name, n.nspname::text AS schema
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname IN ('pgstattuple', 'amcheck')";

/// The width is null where a key column's is not fixed, or is an expression's.
pub const INDEXES: &str = "
    SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name, c.reltuples::float8 AS entries,
        c.relpages::int8 AS pages,
        CASE WHEN i.indexprs IS NULL AND k.fixed THEN k.width END AS width
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_am m ON m.oid = c.relam AND m.amname = 'btree'
    JOIN (SELECT attrelid, every(attlen > 0) AS fixed, sum(attlen)::int8 AS width FROM pg_attribute
        WHERE attnum > 0 GROUP BY attrelid) k ON k.attrelid = c.oid
    WHERE i.indisvalid AND i.indisready AND c.relkind = 'i' AND c.relpersistence = 'p'
        AND n.nspname NOT LIKE 'pg\\_%'
    ORDER BY c.relpages DESC";

/// Where the extensions are, if they are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extensions {
    pgstattuple: Option<String>,
    amcheck: Option<String>,
}

impl Extensions {
    pub fn read(rows: &Rows) -> Result<Self, TaskError> {
        let mut extensions = Self::default();
        for row in rows.iter() {
            let schema = Some(row.get("schema")?);
            match row.get("name")? {
                "pgstattuple" => extensions.pgstattuple = schema,
                _ => extensions.amcheck = schema,
            }
        }
        Ok(extensions)
    }
}

/// A B-tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    pub oid: i64,
    pub schema: String,
    pub name: String,
    pub bytes: f64,
    pub block_size: u64,
    /// What it would have if it were built now, where that is known.
    pub ideal: Option<f64>,
}

impl Index {
    pub fn read(row: &Row, block_size: u64) -> Result<Self, TaskError> {
        let entries: f64 = row.get("entries")?;
        let width: Option<u64> = row.get("width")?;
        // Before the first VACUUM or ANALYZE the server does not know how many there are.
        let ideal = width.filter(|_| entries >= 0.0).map(|width| size::ideal(entries, width, block_size));
        let bytes = row.get::<f64>("pages")? * block_size as f64;
        Ok(Self { oid: row.get("oid")?, schema: row.get("schema")?, name: row.get("name")?, bytes, block_size, ideal })
    }

    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// Whether it wastes too much against a size.
    pub fn wastes(&self, ideal: f64, settings: &Settings) -> bool {
        self.bytes >= ideal * settings.bloat_factor && self.bytes - ideal >= settings.bloat_least.as_f64()
    }

    /// Whether it has to be measured: it may waste too much, as far as is known without reading it.
    pub fn is_suspect(&self, settings: &Settings) -> bool {
        self.wastes(self.ideal.unwrap_or_default(), settings)
    }

    pub fn report_bloat(&self, ideal: f64, how: &str, settings: &Settings) {
        let (bytes, wasted) = (ByteSize::from_f64(self.bytes), ByteSize::from_f64(self.bytes - ideal));
        let (factor, least) = (settings.bloat_factor, settings.bloat_least);
        finding!(
            Severity::Warning,
            "index-bloated",
            self.full_name(),
            "{wasted} of its {bytes} wasted, warning from {factor} × the ideal size and {least} on ({how})"
        )
        .remedy(format!("REINDEX INDEX CONCURRENTLY {};", quote_qualified(&self.schema, &self.name)))
        .report();
    }
}

/// When each index was looked at, by its number.
type Turns = BTreeMap<i64, Timestamp>;

/// Those whose turn it is, those that waited longest first.
pub fn due<'a>(indexes: &[&'a Index], turns: &Turns, now: Timestamp, every: Duration) -> Vec<&'a Index> {
    let last = |index: &Index| turns.get(&index.oid).copied().unwrap_or_default();
    let mut due: Vec<&Index> = indexes.iter().copied().filter(|index| last(index).until(now) >= every).collect();
    due.sort_by_key(|index| last(index));
    due
}

/// What both of the ways to read an index whole need.
pub struct Thorough<'a> {
    pub context: &'a Context,
    pub database: &'a Database,
    pub extensions: &'a Extensions,
    pub indexes: &'a [Index],
    pub settings: &'a Settings,
    pub role: &'a str,
}

/// How many indexes were compared with their tables, and how many wait for their turn.
#[derive(Debug, Default, PartialEq)]
pub struct Verified {
    pub verified: usize,
    pub waiting: usize,
}

impl Thorough<'_> {
    /// Measures the suspects, and returns how many are bloated.
    pub async fn measure(&self) -> Result<usize, TaskError> {
        let Self { context, database, extensions, indexes, settings, role } = *self;
        let suspects: Vec<&Index> = indexes.iter().filter(|index| index.is_suspect(settings)).collect();
        let Some(schema) = &extensions.pgstattuple else {
            return Ok(report_estimates(&suspects, settings));
        };
        let began = Timestamp::now();
        let mut bloated = 0;
        for (place, index) in suspects.iter().enumerate() {
            if began.until(Timestamp::now()) > settings.time || context.stop_requested().is_some() {
                report_not_measured(&suspects[place..]);
                break;
            }
            let sql = format!(
                "SELECT leaf_pages::float8 AS leaf_pages, internal_pages::float8 AS internal_pages,
                CASE WHEN leaf_pages > 0 THEN avg_leaf_density ELSE 0 END::float8 AS density
             FROM {}.pgstatindex({}::regclass)",
                quote_identifier(schema),
                index.oid
            );
            match query(database, &sql, settings).await {
                Ok(row) => {
                    let ideal = size::rebuilt(
                        row.get("leaf_pages")?,
                        row.get("internal_pages")?,
                        row.get("density")?,
                        index.block_size,
                    );
                    if index.wastes(ideal, settings) {
                        index.report_bloat(ideal, "measured by pgstatindex", settings);
                        bloated += 1;
                    }
                }
                Err(error) if error.ends_the_run() => return Err(error),
                Err(error) if error.is("42501") => {
                    let remedy = format!("GRANT pg_stat_scan_tables TO {role};");
                    error
                        .during("measuring indexes")
                        .remedy(remedy)
                        .finding("privilege-missing", "pgstattuple")
                        .report();
                    return Ok(report_estimates(&suspects, settings));
                }
                Err(error) => error.during("measuring it").finding("index-not-measured", index.full_name()).report(),
            }
        }
        Ok(bloated)
    }

    /// Compares indexes with their tables, those that waited longest first.
    pub async fn verify(&self) -> Result<Verified, TaskError> {
        let Self { context, database, extensions, indexes, settings, role } = *self;
        if !settings.verify || indexes.is_empty() {
            return Ok(Verified::default());
        }
        let Some(schema) = &extensions.amcheck else {
            finding!(Severity::Unknown, "extension-missing", "amcheck", "the extension is not there, so whether the indexes agree with their tables is unknown")
            .remedy(format!(
                "CREATE EXTENSION amcheck; GRANT EXECUTE ON FUNCTION bt_index_check(regclass, boolean) TO {role}; -- or verify = false in the task's settings"
            ))
            .report();
            return Ok(Verified::default());
        };
        let began = Timestamp::now();
        let turns: Turns = context.state().get("verified").await?.unwrap_or_default();
        let is_there = |oid: i64| indexes.iter().any(|index| index.oid == oid);
        let mut turns: Turns = turns.into_iter().filter(|(oid, _)| is_there(*oid)).collect();
        let all: Vec<&Index> = indexes.iter().collect();
        let due = due(&all, &turns, began, settings.verify_every);
        let mut verified = 0;
        let so_far = |verified: usize| Verified { verified, waiting: due.len().saturating_sub(verified) };
        for index in &due {
            if began.until(Timestamp::now()) > settings.time || context.stop_requested().is_some() {
                break;
            }
            // In FROM, so that it is called whatever the planner thinks of its result.
            let sql = format!(
                "SELECT 1 AS checked FROM {}.bt_index_check({}::regclass, true)",
                quote_identifier(schema),
                index.oid
            );
            match query(database, &sql, settings).await {
                Ok(_) => verified += 1,
                Err(error) if error.ends_the_run() => return Err(error),
                Err(error) if error.is("42501") => {
                    let remedy = format!(
                        "GRANT EXECUTE ON FUNCTION {}.bt_index_check(regclass, boolean) TO {role};",
                        quote_identifier(schema)
                    );
                    error.during("verifying indexes").remedy(remedy).finding("privilege-missing", "amcheck").report();
                    return Ok(so_far(verified));
                }
                Err(error) if error.is("XX001") || error.is("XX002") => {
                    report_damage(index, &error);
                    verified += 1;
                }
                Err(error) => {
                    error.during("verifying it").finding("index-not-verified", index.full_name()).report();
                    continue;
                }
            }
            turns.insert(index.oid, Timestamp::now());
            context.state().set("verified", &turns).await?;
        }
        Ok(so_far(verified))
    }
}

/// Without pgstattuple an estimate has to do, and where there is none it is unknown.
pub fn report_estimates(suspects: &[&Index], settings: &Settings) -> usize {
    let mut bloated = 0;
    let mut unknown = vec![];
    for index in suspects {
        match index.ideal {
            Some(ideal) => {
                index.report_bloat(ideal, "estimated from the width of its keys", settings);
                bloated += 1;
            }
            None => unknown.push(index.full_name()),
        }
    }
    if !unknown.is_empty() {
        let (count, names) = (counted(unknown.len(), "large index"), listed(&unknown, 5));
        finding!(
            Severity::Unknown,
            "extension-missing",
            "pgstattuple",
            "the extension is not there, so how much {count} {} is unknown: {names}",
            agreed(unknown.len(), "wastes", "waste")
        )
        .detail("The width of their keys is not fixed.")
        .remedy("CREATE EXTENSION pgstattuple;")
        .report();
    }
    bloated
}

fn report_not_measured(rest: &[&Index]) {
    finding!(
        Severity::Unknown,
        "not-measured",
        "time",
        "the run's time was over before {} {} measured",
        counted(rest.len(), "large index"),
        agreed(rest.len(), "was", "were")
    )
    .remedy("raise `time` in the task's settings")
    .report();
}

pub fn report_damage(index: &Index, error: &TaskError) {
    finding!(
        Severity::Critical,
        "index-damaged",
        index.full_name(),
        "it does not agree with its table: {}",
        error.message()
    )
    .detail(
        "Queries through it may miss rows or find wrong ones. Look for a cause: a changed collation, a disk, memory.",
    )
    .remedy(format!("REINDEX INDEX CONCURRENTLY {};", quote_qualified(&index.schema, &index.name)))
    .report();
}

async fn query(database: &Database, sql: &str, settings: &Settings) -> Result<Row, TaskError> {
    let options = Options { settings: vec![], timeout_ms: Some(settings.time.as_milliseconds()) };
    database.query_with(sql, &[], options).await?.one().await
}
