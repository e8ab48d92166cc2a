//! The statements on a batch. They are the same for every batch, so that an approved plan covers each of them: where a
//! batch begins and ends is in their parameters.
//!
//! A batch is a range in the order of an index. Where an index begins with the time, it is the time's and the key's;
//! else the key's, so that one look through the key's index finds all batches.

use hostler_sdk::postgres::{Database, Parameter};
use hostler_sdk::prelude::*;
use hostler_sdk::quote_identifier;
use shared_relations::table::{Column, TableLook};

use crate::kind;

/// The columns of each unique index that holds for every row, the primary key's first.
pub const KEYS: &str = "
    SELECT i.indexrelid::int8 AS oid, a.attname::text AS name
    FROM pg_index i
    JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k(number, place) ON k.place <= i.indnkeyatts
    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number AND a.attnotnull
    WHERE i.indrelid::int8 = $1::int8 AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL
        AND i.indexprs IS NULL
    ORDER BY i.indisprimary DESC, i.indexrelid, k.place";

/// Whether a B-tree begins with a column.
pub const INDEXED: &str = "
    SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid::int8 = $1::int8 AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree'
            AND a.attname = $2::text) AS indexed";

/// What the statements are made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Statements {
    source: String,
    archive: String,
    time: String,
    time_type: &'static str,
    /// Name and type of what batches are ordered by.
    pub order: Vec<(String, String)>,
    columns: Vec<String>,
    /// Those that are written: the server works the others out.
    written: Vec<String>,
}

impl Statements {
    /// Looks at the source's indexes.
    pub async fn look(
        database: &Database,
        source: &TableLook,
        archive: &TableLook,
        time: &str,
    ) -> Result<Self, TaskError> {
        let rows = database.query(KEYS, &[Parameter::from(source.oid)]).await?.rows().await?;
        let key = key(&rows)?.ok_or_else(|| {
            TaskError::new(format!(
                "{} has no primary key, and no unique index on columns that are never null",
                source.name
            ))
            .remedy(format!(
                "ALTER TABLE {} ADD PRIMARY KEY (…); -- rows are deleted by their key",
                source.name.quoted()
            ))
        })?;
        let indexed =
            database.query(INDEXED, &[Parameter::from(source.oid), Parameter::from(time)]).await?.one().await?;
        Self::of(source, archive, time, &key, indexed.get("indexed")?)
    }

    /// From what was looked at.
    pub fn of(
        source: &TableLook,
        archive: &TableLook,
        time: &str,
        key: &[String],
        indexed: bool,
    ) -> Result<Self, TaskError> {
        let mut order: Vec<(String, String)> = vec![];
        let leading = indexed.then_some(time).into_iter();
        for name in leading.chain(key.iter().map(String::as_str)) {
            let column = source.column("source", name)?;
            if !column.of_the_catalogue {
                return Err(TaskError::new(format!(
                    "the key {}.{name} is of the type {}, which is none of the server's own",
                    source.name, column.kind
                )));
            }
            let entry = (quote_identifier(name), column.kind.clone());
            if !order.contains(&entry) {
                order.push(entry);
            }
        }
        let lacking: Vec<String> = source
            .columns
            .iter()
            .filter(|column| !has(archive, column))
            .map(|column| quote_identifier(&column.name))
            .collect();
        if !lacking.is_empty() {
            return Err(TaskError::new(format!(
                "{} lacks columns of {}: {}",
                archive.name,
                source.name,
                lacking.join(", ")
            ))
            .remedy(format!("ALTER TABLE {} ADD COLUMN …, for each", archive.name.quoted())));
        }
        let generated = |name: &str| archive.columns.iter().any(|column| column.name == name && column.generated);
        let names = || source.columns.iter().map(|column| column.name.as_str());
        Ok(Self {
            source: source.name.quoted(),
            archive: archive.name.quoted(),
            time: quote_identifier(time),
            time_type: kind(source, source.column("time_column", time)?)?,
            order,
            columns: names().map(quote_identifier).collect(),
            written: names().filter(|name| !generated(name)).map(quote_identifier).collect(),
        })
    }

    /// A range of the order behind `$first` and the following, or all, and up to or behind them.
    fn range(&self, comparison: &str, first: usize) -> String {
        let names: Vec<&str> = self.order.iter().map(|(name, _)| name.as_str()).collect();
        let values: Vec<String> =
            self.order.iter().enumerate().map(|(place, (_, kind))| value(first + place, kind)).collect();
        format!("(${first}::text IS NULL OR ({}) {comparison} ({}))", names.join(", "), values.join(", "))
    }

    /// The rows of a batch: $1 the cut-off, then where it begins, then where it ends.
    fn batch(&self) -> String {
        let count = self.order.len();
        format!("{} AND {} AND {}", self.old(), self.range(">", 2), self.range("<=", 2 + count))
    }

    fn old(&self) -> String {
        format!("{} < {}", self.time, value(1, self.time_type))
    }

    fn row(&self) -> String {
        format!("ROW({})::text", self.columns.join(", "))
    }

    /// How many rows are due.
    pub fn due(&self) -> String {
        format!("SELECT count(*)::int8 AS rows FROM {} WHERE {}", self.source, self.old())
    }

    /// The last row of a batch of so many.
    pub fn end(&self, batch: u64) -> String {
        let names: Vec<String> = self.order.iter().map(|(name, _)| name.clone()).collect();
        let texts: Vec<String> =
            names.iter().enumerate().map(|(place, name)| format!("{name}::text AS o{place}")).collect();
        format!(
            "SELECT {} FROM {} WHERE {} AND {} ORDER BY {} LIMIT 1 OFFSET {}",
            texts.join(", "),
            self.source,
            self.old(),
            self.range(">", 2),
            names.join(", "),
            batch - 1
        )
    }

    /// Whether a row is left behind the place where a batch begins.
    pub fn rest(&self) -> String {
        format!("SELECT EXISTS (SELECT FROM {} WHERE {} AND {}) AS more", self.source, self.old(), self.range(">", 2))
    }

    /// Copies a batch, and says between which places of the archive it lies.
    pub fn copy(&self) -> String {
        let written = self.written.join(", ");
        format!(
            "WITH copied AS (INSERT INTO {} ({written}) OVERRIDING SYSTEM VALUE SELECT {written} FROM {} WHERE {} RETURNING ctid AS place) \
             SELECT min(place)::text AS first, max(place)::text AS last FROM copied",
            self.archive,
            self.source,
            self.batch()
        )
    }

    /// What the archive has of this transaction: how many rows, and their hash, which no order changes.
    pub fn archived(&self) -> String {
        format!(
            "SELECT count(*)::int8 AS rows, coalesce(sum(hashtextextended({}, 0)), 0)::text AS hash FROM {} \
             WHERE ctid >= $1::text::tid AND ctid <= $2::text::tid AND xmin = pg_current_xact_id_if_assigned()::xid",
            self.row(),
            self.archive
        )
    }

    /// Deletes a batch, and says the same of the rows that went.
    pub fn delete(&self) -> String {
        format!(
            "WITH gone AS (DELETE FROM {} WHERE {} RETURNING {} AS line) \
             SELECT count(*)::int8 AS rows, coalesce(sum(hashtextextended(line, 0)), 0)::text AS hash FROM gone",
            self.source,
            self.batch(),
            self.row()
        )
    }
}

/// A parameter as a type. The server reads a time's text anew for every row that it is held against, since what it
/// means depends on the session, and only once where it stands in a query of its own.
fn value(number: usize, kind: &str) -> String {
    const FIXED: [&str; 8] =
        ["smallint", "integer", "bigint", "numeric", "text", "character varying", "uuid", "boolean"];
    let value = format!("${number}::text::{kind}");
    if FIXED.contains(&kind) { value } else { format!("(SELECT {value})") }
}

fn has(archive: &TableLook, column: &Column) -> bool {
    archive.columns.iter().any(|other| other.name == column.name)
}

/// The first index all of whose columns are never null.
pub fn key(rows: &Rows) -> Result<Option<Vec<String>>, TaskError> {
    let mut keys: Vec<(i64, Vec<Option<String>>)> = vec![];
    for row in rows.iter() {
        let (oid, name) = (row.get("oid")?, row.get("name")?);
        match keys.last_mut().filter(|(last, _)| *last == oid) {
            Some((_, names)) => names.push(name),
            None => keys.push((oid, vec![name])),
        }
    }
    Ok(keys.into_iter().find_map(|(_, names)| names.into_iter().collect()))
}
