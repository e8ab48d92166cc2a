//! Tables, and how much of them is waste: measured by pgstattuple_approx, which skips pages that are all visible. An
//! estimate from the planner's statistics is not made: it calls many a healthy table bloated, and rewriting one is dear.

use hostler_sdk::postgres::{Database, Options};
use hostler_sdk::prelude::*;
use hostler_sdk::quote_identifier;

use crate::table::Name;

/// Tables of at least so many bytes, TOAST included, the largest first; [`heaps`] makes it fit a version.
const HEAPS: &str = "
    SELECT n.nspname::text AS schema, c.relname::text AS name, c.oid::int8 AS oid, coalesce(t.oid, 0)::int8 AS toast,
        pg_relation_size(c.oid)::float8 AS bytes, coalesce(pg_relation_size(t.oid), 0)::float8 AS toast_bytes,
        pg_total_relation_size(c.oid)::float8 AS total, quote_ident(pg_get_userbyid(c.relowner)) AS owner,
        pg_has_role(c.relowner, 'USAGE') OR {maintain} OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS permitted,
        coalesce((SELECT max(option_value) FROM pg_options_to_table(c.reloptions) WHERE option_name = 'fillfactor')::float8, 100)
            AS fill,
        EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
            AND i.indexprs IS NULL AND i.indimmediate AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
                AND a.attnum = ANY (i.indkey::int2[]) AND NOT a.attnotnull)) AS has_key
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND n.nspname NOT LIKE 'pg\\_%'
        AND n.nspname NOT IN ('information_schema', 'repack')
        AND pg_relation_size(c.oid) + coalesce(pg_relation_size(t.oid), 0) >= $1::int8
    ORDER BY 5 DESC";

/// The statement that lists tables, for the server's version: from 17 on MAINTAIN lets a role rewrite what it does not own.
#[must_use]
pub fn heaps(version: u32) -> String {
    HEAPS.replace("{maintain}", if version >= 170_000 { "has_table_privilege(c.oid, 'MAINTAIN')" } else { "false" })
}

/// A table with what it has on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Heap {
    /// Its name.
    pub name: Name,
    /// Its number.
    pub oid: i64,
    toast: i64,
    /// Its bytes without indexes, TOAST included.
    pub bytes: f64,
    toast_bytes: f64,
    /// With its indexes.
    pub total: f64,
    /// Whose it is, as SQL has it.
    pub owner: String,
    /// Whether the role may rewrite it.
    pub permitted: bool,
    fill: f64,
    /// Whether it has a unique key that is never null.
    pub has_key: bool,
}

impl Heap {
    /// Tables of at least so many bytes.
    ///
    /// # Errors
    /// Where they cannot be looked at.
    pub async fn all(database: &Database, least: ByteSize) -> Result<Vec<Self>, TaskError> {
        let least = i64::try_from(least.0).unwrap_or(i64::MAX);
        Self::of(&database.query(&heaps(database.info().version), &[least.into()]).await?.rows().await?)
    }

    /// What the rows say.
    ///
    /// # Errors
    /// Where a row is not as the statement makes it.
    pub fn of(rows: &Rows) -> Result<Vec<Self>, TaskError> {
        let heap = |row: Row| -> Result<Self, TaskError> {
            let toast_bytes: f64 = row.get("toast_bytes")?;
            Ok(Self {
                name: Name { schema: row.get("schema")?, name: row.get("name")? },
                oid: row.get("oid")?,
                toast: row.get("toast")?,
                bytes: row.get::<f64>("bytes")? + toast_bytes,
                toast_bytes,
                total: row.get("total")?,
                owner: row.get("owner")?,
                permitted: row.get("permitted")?,
                fill: row.get("fill")?,
                has_key: row.get("has_key")?,
            })
        };
        rows.iter().map(heap).collect()
    }

    /// How many bytes a rewrite would give back, as pgstattuple_approx of this schema measures it.
    ///
    /// # Errors
    /// The server's; SQLSTATE 42501 where the role may not.
    pub async fn wasted(&self, database: &Database, schema: &str, time: Duration) -> Result<f64, TaskError> {
        let own = measure(database, schema, self.oid, time).await?;
        let main = self.bytes - self.toast_bytes;
        let mut wasted = waste(main, own, self.fill);
        if self.toast > 0 && self.toast_bytes > 0.0 {
            wasted += waste(self.toast_bytes, measure(database, schema, self.toast, time).await?, 100.0);
        }
        Ok(wasted)
    }
}

/// The bytes that live rows have, and those that are free or dead.
async fn measure(database: &Database, schema: &str, oid: i64, time: Duration) -> Result<f64, TaskError> {
    let sql = format!(
        "SELECT (approx_free_space + dead_tuple_len)::float8 AS free FROM {}.pgstattuple_approx({oid}::regclass)",
        quote_identifier(schema)
    );
    let options = Options { settings: vec![], timeout_ms: Some(time.as_milliseconds()) };
    database.query_with(&sql, &[], options).await?.one().await?.get("free")
}

/// What is free beyond what the table is told to keep free.
#[must_use]
pub fn waste(bytes: f64, free: f64, fill: f64) -> f64 {
    let kept = (bytes - free).max(0.0) * (100.0 / fill.clamp(10.0, 100.0) - 1.0);
    (free - kept).clamp(0.0, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_fill_factor_keeps_free_is_no_waste() {
        assert_eq!(waste(1000.0, 400.0, 100.0), 400.0);
        assert_eq!(waste(1000.0, 200.0, 80.0), 0.0);
        assert_eq!(waste(1000.0, 600.0, 50.0), 200.0);
        assert_eq!(waste(1000.0, 2000.0, 100.0), 1000.0);
    }
}
