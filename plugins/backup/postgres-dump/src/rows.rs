//! How many rows each table has in the snapshot of the dump: what a restored database is compared with.
//!
//! Each table is counted by itself, without those that inherit from it. What pg_dump does not write, or writes as a
//! statement (foreign tables, materialized views, what belongs to an extension), is left out.

use std::cell::Cell;

use hostler_sdk::postgres::{Options, Transaction, options};
use hostler_sdk::prelude::*;
use hostler_sdk::{listed, quote_qualified};
use shared_backups::TableRows;

use crate::Settings;

/// Tables whose rows a dump has. `filtered`: a policy hides rows from the role, so that a count would be wrong.
const TABLES: &str = "\
SELECT n.nspname AS schema, c.relname AS name, pg_table_size(c.oid) AS bytes, row_security_active(c.oid) AS filtered
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND (c.relpersistence = 'p' OR NOT pg_is_in_recovery())
  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2";

/// Why a table's rows are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skipped {
    /// Row-level security hides some.
    Hidden,
    /// It is too large.
    Large,
}

pub(crate) fn skipped(filtered: bool, bytes: u64, below: Option<ByteSize>) -> Option<Skipped> {
    match below {
        _ if filtered => Some(Skipped::Hidden),
        Some(ByteSize(limit)) if bytes >= limit => Some(Skipped::Large),
        _ => None,
    }
}

/// Counts all tables, one after the other, in the transaction that holds the snapshot, until the dump has `failed`.
pub(crate) async fn count(
    transaction: &Transaction,
    target: &str,
    settings: &Settings,
    failed: &Cell<bool>,
) -> Result<Vec<TableRows>, TaskError> {
    let patient = Options { timeout_ms: Some(settings.timeout.as_milliseconds()), ..options() };
    let (mut counted, mut left) = (vec![], vec![]);
    for row in transaction.query(TABLES, &[]).await?.rows().await? {
        if failed.get() {
            break;
        }
        let (schema, name): (String, String) = (row.get("schema")?, row.get("name")?);
        let mut rows = None;
        match skipped(row.get("filtered")?, row.get::<i64>("bytes")?.unsigned_abs(), settings.count_below) {
            Some(_) => left.push(format!("{schema}.{name}")),
            None => {
                let sql = format!("SELECT count(*) AS rows FROM ONLY {}", quote_qualified(&schema, &name));
                let told = transaction.query_with(&sql, &[], patient.clone()).await;
                let told = told.during(format!("counting the rows of {schema}.{name}"))?.one().await?;
                rows = Some(told.get::<i64>("rows")?.unsigned_abs());
            }
        }
        counted.push(TableRows { schema, name, rows });
    }
    if !left.is_empty() {
        let (tables, verb) = (hostler_sdk::counted(left.len(), "table"), agreed(left.len(), "was", "were"));
        finding!(Severity::Ok, "rows-not-counted", target, "{tables} {verb} not counted: {}", listed(&left, 5))
            .detail("A table at or above `count_below`, or one of which row-level security hides rows from the role.")
            .remedy("raise `count_below`, or let the role pass the policies: ALTER ROLE it BYPASSRLS;")
            .report();
    }
    Ok(counted)
}
