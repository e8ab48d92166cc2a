//! B-trees, and how much of them is waste: by an estimate that reads nothing, or by pgstatindex, which reads all.

use hostler_sdk::postgres::{Database, Options};
use hostler_sdk::prelude::*;
use hostler_sdk::quote_identifier;

use crate::size;

/// From when on an index is bloated: both have to be reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bloat {
    /// How many times its ideal size it has.
    pub factor: f64,
    /// How many bytes it wastes.
    pub least: ByteSize,
}

/// Where the extensions are. From PostgreSQL 17 on amcheck can also tell whether a unique index holds a key twice.
pub const EXTENSIONS: &str = "
    SELECT e.extname::text AS name, n.nspname::text AS schema,
        EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = n.oid AND p.proname = 'bt_index_check' AND p.pronargs = 3
            AND has_function_privilege(p.oid, 'EXECUTE')) AS checks_unique
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
    /// The schema of pgstattuple.
    pub pgstattuple: Option<String>,
    /// The schema of amcheck.
    pub amcheck: Option<String>,
    /// Whether the role may have amcheck look for keys that are there twice.
    pub checks_unique: bool,
}

impl Extensions {
    /// Looks at the database.
    ///
    /// # Errors
    /// Where it cannot be looked at.
    pub async fn look(database: &Database) -> Result<Self, TaskError> {
        let rows = database.query(EXTENSIONS, &[]).await?.rows().await?;
        let mut extensions = Self::default();
        for row in rows.iter() {
            let schema = Some(row.get("schema")?);
            match row.get("name")? {
                "pgstattuple" => extensions.pgstattuple = schema,
                _ => {
                    extensions.amcheck = schema;
                    extensions.checks_unique = row.get("checks_unique")?;
                }
            }
        }
        Ok(extensions)
    }
}

/// A B-tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// Its number.
    pub oid: i64,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: f64,
    /// Bytes of a page.
    pub block_size: u64,
    /// What it would have if it were built now, where that is known.
    pub ideal: Option<f64>,
}

impl Index {
    /// All valid ones of the database, the largest first.
    ///
    /// # Errors
    /// Where they cannot be looked at.
    pub async fn all(database: &Database, block_size: u64) -> Result<Vec<Self>, TaskError> {
        let rows = database.query(INDEXES, &[]).await?.rows().await?;
        rows.iter().map(|row| Self::read(&row, block_size)).collect()
    }

    fn read(row: &Row, block_size: u64) -> Result<Self, TaskError> {
        let entries: f64 = row.get("entries")?;
        let width: Option<u64> = row.get("width")?;
        // Before the first VACUUM or ANALYZE the server does not know how many there are.
        let ideal = width.filter(|_| entries >= 0.0).map(|width| size::ideal(entries, width, block_size));
        let bytes = row.get::<f64>("pages")? * block_size as f64;
        Ok(Self { oid: row.get("oid")?, schema: row.get("schema")?, name: row.get("name")?, bytes, block_size, ideal })
    }

    /// Schema and name.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// Whether it wastes too much against a size.
    #[must_use]
    pub fn wastes(&self, ideal: f64, bloat: &Bloat) -> bool {
        self.bytes >= ideal * bloat.factor && self.bytes - ideal >= bloat.least.as_f64()
    }

    /// Whether it has to be measured: it may waste too much, as far as is known without reading it.
    #[must_use]
    pub fn is_suspect(&self, bloat: &Bloat) -> bool {
        self.wastes(self.ideal.unwrap_or_default(), bloat)
    }

    /// What it would have if it were built now, as pgstatindex of this schema measures it by reading it whole.
    ///
    /// # Errors
    /// The server's; SQLSTATE 42501 where the role may not.
    pub async fn measure(&self, database: &Database, schema: &str, time: Duration) -> Result<f64, TaskError> {
        let sql = format!(
            "SELECT leaf_pages::float8 AS leaf_pages, internal_pages::float8 AS internal_pages,
                CASE WHEN leaf_pages > 0 THEN avg_leaf_density ELSE 0 END::float8 AS density
             FROM {}.pgstatindex({}::regclass)",
            quote_identifier(schema),
            self.oid
        );
        let options = Options { settings: vec![], timeout_ms: Some(time.as_milliseconds()) };
        let row = database.query_with(&sql, &[], options).await?.one().await?;
        let (leaves, internal) = (row.get("leaf_pages")?, row.get("internal_pages")?);
        Ok(size::rebuilt(leaves, internal, row.get("density")?, self.block_size))
    }
}
