//! What has to be read whole: how dense an index is (pgstatindex), and whether it agrees with its table (amcheck).
//!
//! Both cost reading, so each index has its turn every so often, those that waited longest first, and a run ends when
//! its time is over.

use std::collections::BTreeMap;

use hostler_sdk::postgres::{Database, Options};
use hostler_sdk::prelude::*;
use hostler_sdk::{listed, quote_identifier, quote_qualified};

use crate::Settings;
use shared_relations::index::{Extensions, Index};

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
        let suspects: Vec<&Index> = indexes.iter().filter(|index| index.is_suspect(&settings.bloat())).collect();
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
            match index.measure(database, schema, settings.time).await {
                Ok(ideal) => {
                    if index.wastes(ideal, &settings.bloat()) {
                        report_bloat(index, ideal, "measured by pgstatindex", settings);
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
            let unique = if extensions.checks_unique { ", true" } else { "" };
            let sql = format!(
                "SELECT 1 AS checked FROM {}.bt_index_check({}::regclass, true{unique})",
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

fn report_bloat(index: &Index, ideal: f64, how: &str, settings: &Settings) {
    let (bytes, wasted) = (ByteSize::from_f64(index.bytes), ByteSize::from_f64(index.bytes - ideal));
    let (factor, least) = (settings.bloat_factor, settings.bloat_least);
    finding!(
        Severity::Warning,
        "index-bloated",
        index.full_name(),
        "{wasted} of its {bytes} wasted, warning from {factor} × the ideal size and {least} on ({how})"
    )
    .remedy(format!("REINDEX INDEX CONCURRENTLY {};", quote_qualified(&index.schema, &index.name)))
    .report();
}

/// Without pgstattuple an estimate has to do, and where there is none it is unknown.
pub fn report_estimates(suspects: &[&Index], settings: &Settings) -> usize {
    let mut bloated = 0;
    let mut unknown = vec![];
    for index in suspects {
        match index.ideal {
            Some(ideal) => {
                report_bloat(index, ideal, "estimated from the width of its keys", settings);
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
