//! What the catalogue and the statistics say of indexes.

use std::collections::BTreeMap;

use hostler_sdk::postgres::Database;
use hostler_sdk::prelude::*;
use hostler_sdk::quote_qualified;

use crate::Settings;

/// From PostgreSQL 16 on the server says when an index was last used.
const INDEXES: &str = "
    SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name, t.oid::int8 AS table_oid,
        t.relname::text AS table_name, m.amname::text AS method, pg_get_indexdef(c.oid) AS definition,
        c.relpages::float8 * current_setting('block_size')::float8 AS bytes,
        coalesce(pg_stat_get_numscans(c.oid), 0)::float8 AS scans, {last_used} AS last_used,
        i.indisunique OR i.indisprimary OR i.indisexclusion OR i.indisreplident OR i.indisclustered
            OR EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid) AS needed,
        i.indkey::text AS columns, i.indnkeyatts::int8 AS keys,
        i.indclass::text || '/' || i.indcollation::text || '/' || i.indoption::text AS kinds,
        coalesce(pg_get_expr(i.indexprs, i.indrelid), '') || '/' || coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS condition,
        i.indisunique AS is_unique
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am m ON m.oid = c.relam
    WHERE i.indisvalid AND c.relkind = 'i' AND c.relpersistence <> 't' AND n.nspname NOT LIKE 'pg\\_%'
        AND n.nspname <> 'information_schema' AND NOT c.relispartition
    ORDER BY 2, 3";

const SINCE: &str = "
    SELECT extract(epoch FROM stats_reset)::float8 AS since FROM pg_stat_database WHERE datname = current_database()";

/// Foreign keys whose columns no index begins with: each delete of a row that they refer to reads the whole table.
const FOREIGN_KEYS: &str = "
    SELECT n.nspname::text AS schema, t.relname::text AS table_name, k.conname::text AS name, t.reltuples::float8 AS rows,
        (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY o.place) FROM unnest(k.conkey) WITH ORDINALITY o(attnum, place)
            JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = o.attnum) AS columns
    FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE k.contype = 'f' AND n.nspname NOT LIKE 'pg\\_%' AND t.reltuples >= $1
        AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indpred IS NULL
            AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)
    ORDER BY t.reltuples DESC";

/// An index as it stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Index {
    pub oid: i64,
    pub schema: String,
    pub name: String,
    pub table_oid: i64,
    pub table: String,
    pub method: String,
    pub definition: String,
    pub bytes: f64,
    pub scans: f64,
    /// Seconds since the Unix epoch.
    pub last_used: Option<i64>,
    /// It holds a constraint, or rows are told apart or kept in order by it.
    pub needed: bool,
    pub unique: bool,
    /// Numbers of its columns, and how many of them are keys.
    pub columns: Vec<String>,
    pub keys: usize,
    /// Operator classes, collations and order.
    pub kinds: String,
    /// Expressions and predicate.
    pub condition: String,
}

impl Index {
    pub(crate) fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// What drops it, and what makes it again.
    pub(crate) fn remedy(&self) -> String {
        let undo = self.definition.replacen("INDEX", "INDEX CONCURRENTLY", 1);
        format!("DROP INDEX CONCURRENTLY {};\n-- to undo: {undo};", quote_qualified(&self.schema, &self.name))
    }
}

pub(crate) async fn read(database: &Database) -> Result<Vec<Index>, TaskError> {
    let last_used = if database.info().version >= 160_000 {
        "extract(epoch FROM pg_stat_get_lastscan(c.oid))::int8"
    } else {
        "NULL::int8"
    };
    let rows = database.query(&INDEXES.replace("{last_used}", last_used), &[]).await?.rows().await?;
    rows.iter()
        .map(|row| {
            Ok(Index {
                oid: row.get("oid")?,
                schema: row.get("schema")?,
                name: row.get("name")?,
                table_oid: row.get("table_oid")?,
                table: row.get("table_name")?,
                method: row.get("method")?,
                definition: row.get("definition")?,
                bytes: row.get("bytes")?,
                scans: row.get("scans")?,
                last_used: row.get("last_used")?,
                needed: row.get("needed")?,
                unique: row.get("is_unique")?,
                columns: row.get::<&str>("columns")?.split(' ').map(str::to_owned).collect(),
                keys: usize::try_from(row.get::<i64>("keys")?).unwrap_or_default(),
                kinds: row.get("kinds")?,
                condition: row.get("condition")?,
            })
        })
        .collect()
}

/// Since when a server counts. One that never reset its statistics does not say: then since this task first looked.
pub(crate) async fn since(
    database: &Database,
    name: &str,
    seen: &mut BTreeMap<String, Timestamp>,
) -> Result<Timestamp, TaskError> {
    let row = database.query(SINCE, &[]).await?.one().await?;
    let first = *seen.entry(name.to_owned()).or_insert_with(Timestamp::now);
    Ok(match row.get::<Option<f64>>("since")? {
        Some(since) => Timestamp::from_seconds(since as i64),
        None => first,
    })
}

pub(crate) async fn report_foreign_keys(database: &Database, settings: &Settings) -> Result<usize, TaskError> {
    let rows = database.query(FOREIGN_KEYS, &[settings.least_rows.into()]).await?.rows().await?;
    let mut count = 0;
    for row in rows.iter() {
        count += 1;
        if count > settings.top {
            continue;
        }
        let (schema, table, columns): (&str, &str, &str) =
            (row.get("schema")?, row.get("table_name")?, row.get("columns")?);
        let rows: f64 = row.get("rows")?;
        finding!(Severity::Warning, "foreign-key-without-index", format!("{schema}.{table}"), "no index begins with {columns}, which its foreign key {} refers by", row.get::<&str>("name")?)
            .detail(format!("Each delete or change of a row that is referred to reads all of its {rows:.0} rows, and keeps them locked for as long."))
            .remedy(format!("CREATE INDEX CONCURRENTLY ON {} ({columns});", quote_qualified(schema, table)))
            .report();
    }
    Ok(count)
}
