//! What came back, held against what was there: rows by table, the operator's queries, and amcheck.

use hostler_sdk::postgres::{Database, Options, options};
use hostler_sdk::prelude::*;
use hostler_sdk::{listed, quote_identifier, quote_qualified};
use shared_backups::{Manifest, TableRows};

use crate::Settings;

/// What agreed.
#[derive(Debug, Default)]
pub(crate) struct Agreed {
    pub tables: u64,
    pub rows: u64,
    /// Tables and indexes that amcheck looked through; in words, since it may not be there.
    pub amcheck: String,
    pub queries: usize,
}

/// Nothing where something does not agree, which is told.
pub(crate) async fn compare(
    restored: &Database,
    settings: &Settings,
    set: &str,
    manifest: &Manifest,
) -> Result<Option<Agreed>, TaskError> {
    let patient = Options { timeout_ms: Some(settings.timeout.as_milliseconds()), ..options() };
    let mut agreed = Agreed { queries: settings.queries.len(), ..Agreed::default() };
    let mut differ = vec![];
    for table in manifest.tables.iter().filter(|table| table.rows.is_some()) {
        let sql = format!("SELECT count(*) AS rows FROM ONLY {}", quote_qualified(&table.schema, &table.name));
        let found = match restored.query_with(&sql, &[], patient.clone()).await {
            Ok(rows) => Some(rows.one().await?.get::<i64>("rows")?.unsigned_abs()),
            Err(error) if error.is("42P01") || error.is("3F000") => None,
            Err(error) => return Err(error.during(format!("counting {}.{}", table.schema, table.name))),
        };
        match difference(table, found) {
            Some(difference) => differ.push(difference),
            None => {
                agreed.tables += 1;
                agreed.rows += table.rows.unwrap_or_default();
            }
        }
    }
    let mut good = differ.is_empty();
    if !good {
        let tables = counted(differ.len(), "table");
        finding!(Severity::Critical, "rows-differ", set, "{tables} came back otherwise: {}", listed(&differ, 3))
            .remedy("do not trust the set: make a new dump, and find out what changed it (backup-verify)")
            .report();
    }
    for (what, sql) in &settings.queries {
        if let Err(problem) = ask(restored, sql, &patient).await? {
            good = false;
            finding!(Severity::Critical, "query-failed", set, "\"{what}\" {problem}")
                .remedy("look at what the query asks for in the production database and in the set")
                .report();
        }
    }
    let checked = if settings.amcheck { amcheck(restored, set, &patient).await? } else { Some("off".to_owned()) };
    agreed.amcheck = checked.clone().unwrap_or_default();
    Ok((good && checked.is_some()).then_some(agreed))
}

/// In what a table differs, in words.
pub(crate) fn difference(table: &TableRows, found: Option<u64>) -> Option<String> {
    let name = format!("{}.{}", table.schema, table.name);
    match (table.rows, found) {
        (Some(then), Some(now)) if then != now => Some(format!("{name} has {now} of {then} rows")),
        (Some(then), None) => Some(format!("{name} is not there, and had {}", counted(then, "row"))),
        _ => None,
    }
}

/// What a query of the settings answers; the inner error says why that is not enough.
async fn ask(restored: &Database, sql: &str, patient: &Options) -> Result<Result<(), String>, TaskError> {
    let mut rows = match restored.query_with(sql, &[], patient.clone()).await {
        Ok(rows) => rows,
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) => return Ok(Err(format!("failed: {error}"))),
    };
    let mut answers = vec![];
    while let Some(batch) = rows.next().await? {
        let Some(column) = batch.first() else { break };
        let Some(flags) = column.booleans() else {
            return Ok(Err("does not answer with true or false".into()));
        };
        answers.extend(flags.iter().enumerate().map(|(place, flag)| *flag && !column.is_null(place)));
    }
    Ok(answered(&answers))
}

pub(crate) fn answered(answers: &[bool]) -> Result<(), String> {
    match answers {
        [true] => Ok(()),
        [false] => Err("is not true of it".into()),
        [] => Err("answered with no row".into()),
        many => Err(format!("answered with {} rows instead of one", many.len())),
    }
}

/// How many tables and indexes amcheck found good, in words; nothing where it found damage or may not look.
async fn amcheck(restored: &Database, set: &str, patient: &Options) -> Result<Option<String>, TaskError> {
    const SCHEMA: &str = "SELECT n.nspname AS schema FROM pg_extension e \
                          JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'amcheck'";
    const OBJECTS: &str = "\
        SELECT c.oid::int8 AS oid, c.relkind = 'i' AS index, n.nspname AS schema, c.relname AS name
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am a ON a.oid = c.relam
        WHERE (c.relkind = 'i' AND a.amname = 'btree' OR c.relkind IN ('r', 'm') AND a.amname = 'heap')
          AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND c.relpersistence <> 't'
        ORDER BY 3, 4";
    let Some(row) = restored.query(SCHEMA, &[]).await?.rows().await?.iter().next() else {
        return Ok(Some("it is not there".into()));
    };
    let schema = quote_identifier(&row.get::<String>("schema")?);
    let (mut checked, mut damaged) = (0_usize, vec![]);
    for object in restored.query(OBJECTS, &[]).await?.rows().await? {
        let (oid, is_index): (i64, bool) = (object.get("oid")?, object.get("index")?);
        let name = format!("{}.{}", object.get::<String>("schema")?, object.get::<String>("name")?);
        let sql = if is_index {
            format!("SELECT 0::int8 AS found FROM {schema}.bt_index_check({oid}::regclass, true)")
        } else {
            format!("SELECT count(*) AS found FROM {schema}.verify_heapam({oid}::regclass)")
        };
        let told = match restored.query_with(&sql, &[], patient.clone()).await {
            Ok(rows) => rows.one().await,
            Err(error) => Err(error),
        };
        match told {
            Ok(row) if row.get::<i64>("found")? == 0 => checked += 1,
            Ok(row) => damaged.push(format!("{name} ({} places)", row.get::<i64>("found")?)),
            Err(error) if error.is("XX001") || error.is("XX002") => damaged.push(format!("{name} ({error})")),
            Err(error) if error.is("42501") => {
                error.during("running amcheck").finding("amcheck-not-run", set).report();
                return Ok(None);
            }
            Err(error) => return Err(error.during(format!("running amcheck on {name}"))),
        }
    }
    if damaged.is_empty() {
        return Ok(Some(counted(checked, "table and index")));
    }
    finding!(Severity::Critical, "restored-damaged", set, "amcheck finds damage in {}", listed(&damaged, 3))
        .remedy(
            "look at the scratch server's disk and memory, then at the production server with postgres-index-health",
        )
        .report();
    Ok(None)
}
