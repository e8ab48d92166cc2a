//! The two tables, and the statements on them. Names and types are looked at before anything is sent, so that a setting
//! that does not fit is told as such, and not as the server's complaint about a statement that nobody has seen.

use hostler_sdk::postgres::{Database, Parameter};
use hostler_sdk::prelude::*;
use hostler_sdk::quote_identifier;
use shared_relations::table::{Column, Name, TableLook};

use crate::Settings;
use crate::month::Month;

/// The columns of each unique index that an INSERT can go by, sorted.
pub const KEYS: &str = "
    SELECT string_agg(a.attname::text, chr(10) ORDER BY a.attname) AS columns
    FROM pg_index i
    JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k(number, place) ON k.place <= i.indnkeyatts
    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
    WHERE i.indrelid::int8 = $1::int8 AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL
        AND i.indexprs IS NULL
    GROUP BY i.indexrelid";

/// Whether a B-tree begins with a column.
pub const INDEXED: &str = "
    SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid::int8 = $1::int8 AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree'
            AND a.attname = $2::text) AS indexed";

const TEXTS: [&str; 4] = ["text", "character varying", "character", "name"];
const NUMBERS: [&str; 6] = ["smallint", "integer", "bigint", "numeric", "real", "double precision"];

/// What is settled about the two tables.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    pub source: Name,
    pub target: Name,
    time: String,
    time_type: &'static str,
    month_type: &'static str,
    /// Column and expression of the name, and of the labels where there are any.
    keys: Vec<(String, String)>,
    value: String,
    /// Month, count, sum, minimum, maximum.
    targets: [String; 5],
    pub indexed: bool,
}

impl Shape {
    /// Looks at both tables.
    pub async fn look(database: &Database, settings: &Settings) -> Result<Self, TaskError> {
        let source = Name::parse("source", &settings.source)?;
        let target = Name::parse("target", &settings.target)?;
        if source == target {
            return Err(TaskError::new("`source` and `target` are the same table"));
        }
        let source = TableLook::look(database, "source", &source).await?;
        let target = match TableLook::find(database, &target).await? {
            Some(target) => target,
            None => return Err(Self::missing(&source, &target, settings)),
        };
        let mut shape = Self::of(&source, &target, settings)?;
        let rows = database.query(KEYS, &[Parameter::from(target.oid)]).await?.rows().await?;
        let keys: Vec<Option<String>> = rows.iter().map(|row| row.get("columns")).collect::<Result<_, _>>()?;
        let mut wanted = vec![settings.month_column.as_str(), settings.name_column.as_str()];
        wanted.extend(Some(settings.labels_column.as_str()).filter(|labels| !labels.is_empty()));
        wanted.sort_unstable();
        let wanted = wanted.join("\n");
        if !keys.iter().flatten().any(|columns| *columns == wanted) {
            let columns = shape.key_columns().join(", ");
            return Err(TaskError::new(format!("{} has no unique index on ({columns}) alone", target.name)).remedy(
                format!(
                    "CREATE UNIQUE INDEX ON {} ({columns}); -- a row for each month and series",
                    target.name.quoted()
                ),
            ));
        }
        if settings.delete {
            source.refuse_cascades(database).await?;
        }
        let parameters = [Parameter::from(source.oid), Parameter::from(settings.time_column.as_str())];
        shape.indexed = database.query(INDEXED, &parameters).await?.one().await?.get("indexed")?;
        Ok(shape)
    }

    fn missing(source: &TableLook, target: &Name, settings: &Settings) -> TaskError {
        let kind = |name: &str| source.columns.iter().find(|column| column.name == name);
        let mut keys = vec![];
        for name in [&settings.name_column, &settings.labels_column] {
            if let Some(column) = kind(name) {
                keys.push((quote_identifier(name), column.kind.clone()));
            }
        }
        let columns: Vec<String> = keys.iter().map(|(name, kind)| format!("{name} {kind} NOT NULL")).collect();
        let names: Vec<&str> = keys.iter().map(|(name, _)| name.as_str()).collect();
        let value = kind(&settings.value_column).map_or("double precision", |column| column.kind.as_str());
        let sum = if ["real", "double precision"].contains(&value) { "double precision" } else { "numeric" };
        TaskError::new(format!("there is no table {target} to roll the months up into")).remedy(format!(
            "CREATE TABLE {} ({} date NOT NULL, {}, {} bigint NOT NULL, {} {sum}, {} {value}, {} {value}, \
             PRIMARY KEY ({}, {}));",
            target.quoted(),
            quote_identifier(&settings.month_column),
            columns.join(", "),
            quote_identifier(&settings.count_column),
            quote_identifier(&settings.sum_column),
            quote_identifier(&settings.minimum_column),
            quote_identifier(&settings.maximum_column),
            quote_identifier(&settings.month_column),
            names.join(", ")
        ))
    }

    /// Holds the columns of both tables together.
    pub fn of(source: &TableLook, target: &TableLook, settings: &Settings) -> Result<Self, TaskError> {
        let time = source.column("time_column", &settings.time_column)?;
        let value = source.column("value_column", &settings.value_column)?;
        if !NUMBERS.contains(&value.kind.as_str()) {
            return Err(TaskError::new(format!(
                "the values of {} are {}, and have to be numbers",
                source.name, value.kind
            )));
        }
        let mut keys = vec![key(source, target, "name_column", &settings.name_column)?];
        if !settings.labels_column.is_empty() {
            keys.push(key(source, target, "labels_column", &settings.labels_column)?);
        }
        let own = |setting, name: &str, kinds: &[&str]| -> Result<String, TaskError> {
            let column = target.column(setting, name)?;
            if !kinds.contains(&column.kind.as_str()) {
                return Err(TaskError::new(format!(
                    "{}.{name} is {}, and has to be {}",
                    target.name,
                    column.kind,
                    kinds.join(" or ")
                )));
            }
            Ok(quote_identifier(name))
        };
        let month = target.column("month_column", &settings.month_column)?;
        Ok(Self {
            source: source.name.clone(),
            target: target.name.clone(),
            time: quote_identifier(&time.name),
            time_type: moment(source, time)?,
            month_type: moment(target, month)?,
            keys,
            // The sum of a million of four bytes each loses what comes late.
            value: match value.kind.as_str() {
                "real" => format!("{}::float8", quote_identifier(&value.name)),
                _ => quote_identifier(&value.name),
            },
            targets: [
                quote_identifier(&month.name),
                own("count_column", &settings.count_column, &["bigint", "integer", "numeric"])?,
                own("sum_column", &settings.sum_column, &["numeric", "double precision"])?,
                own("minimum_column", &settings.minimum_column, &NUMBERS)?,
                own("maximum_column", &settings.maximum_column, &NUMBERS)?,
            ],
            indexed: false,
        })
    }

    fn key_columns(&self) -> Vec<String> {
        std::iter::once(self.targets[0].clone()).chain(self.keys.iter().map(|(column, _)| column.clone())).collect()
    }

    /// That a sample lies in a month: a range, so that an index or the partitions narrow it.
    fn within(&self, month: Month) -> String {
        let (time, kind) = (&self.time, self.time_type);
        format!("{time} >= {} AND {time} < {}", literal(month, kind), literal(month.next(), kind))
    }

    /// The samples, those of partitions among them that were taken off to be dropped.
    fn samples(&self, also: &[Name]) -> String {
        if also.is_empty() {
            return self.source.quoted();
        }
        let keys: Vec<&str> = self.keys.iter().map(|(column, _)| column.as_str()).collect();
        let value = self.value.trim_end_matches("::float8");
        let part = |name: &Name| format!("SELECT {}, {}, {value} FROM {}", self.time, keys.join(", "), name.quoted());
        let parts: Vec<String> = std::iter::once(&self.source).chain(also).map(part).collect();
        format!("({}) u", parts.join(" UNION ALL "))
    }

    /// Each series of a month: its keys, n, s, a, b.
    fn series(&self, month: Month, also: &[Name]) -> String {
        let mut keys: Vec<String> = vec![];
        for (number, (_, expression)) in self.keys.iter().enumerate() {
            keys.push(format!("{expression} AS k{number}"));
        }
        let groups: Vec<String> = (1..=self.keys.len()).map(|number| number.to_string()).collect();
        format!(
            "SELECT {}, count(*) AS n, sum({v}) AS s, min({v}) AS a, max({v}) AS b FROM {} WHERE {} AND {v} IS NOT NULL GROUP BY {}",
            keys.join(", "),
            self.samples(also),
            self.within(month),
            groups.join(", "),
            v = self.value
        )
    }

    /// Rolls a month up. What is there already with more samples than there are now stays as it is: samples that went
    /// never shrink a month.
    pub fn roll_up(&self, month: Month, also: &[Name]) -> String {
        let [_, count, sum, minimum, maximum] = &self.targets;
        let numbers: Vec<String> = (0..self.keys.len()).map(|number| format!("k{number}")).collect();
        let columns = self.key_columns().join(", ");
        format!(
            "INSERT INTO {target} AS t ({columns}, {count}, {sum}, {minimum}, {maximum}) \
             SELECT {first}, {}, n, s, a, b FROM ({}) q \
             ON CONFLICT ({columns}) DO UPDATE SET {count} = excluded.{count}, {sum} = excluded.{sum}, \
             {minimum} = excluded.{minimum}, {maximum} = excluded.{maximum} \
             WHERE t.{count} < excluded.{count} OR (t.{count} = excluded.{count} AND (t.{sum}, t.{minimum}, t.{maximum}) \
             IS DISTINCT FROM (excluded.{sum}, excluded.{minimum}, excluded.{maximum}))",
            numbers.join(", "),
            self.series(month, also),
            target = self.target.quoted(),
            first = literal(month, self.month_type),
        )
    }

    /// What differs between the samples of a month and its rows: groups, samples, missing, ahead, different. A sum of
    /// floats depends on the order in which it is summed, so it may differ by what that explains.
    pub fn compare(&self, month: Month, also: &[Name]) -> String {
        let [first, count, sum, minimum, maximum] = &self.targets;
        let (mut columns, mut joined) = (vec![], vec![]);
        for (number, (column, _)) in self.keys.iter().enumerate() {
            columns.push(format!("{column} AS k{number}"));
            joined.push(format!("t.k{number} = s.k{number}"));
        }
        format!(
            "SELECT count(s.n)::int8 AS groups, coalesce(sum(s.n), 0)::int8 AS samples, \
             count(*) FILTER (WHERE t.n IS NULL)::int8 AS missing, \
             count(*) FILTER (WHERE t.n > coalesce(s.n, 0))::int8 AS ahead, \
             count(*) FILTER (WHERE t.n < s.n OR (t.n = s.n AND (t.a IS DISTINCT FROM s.a OR t.b IS DISTINCT FROM s.b \
             OR NOT coalesce(t.s = s.s OR abs(t.s - s.s) <= 1e-9 * s.n * greatest(abs(s.a::float8), abs(s.b::float8)), false))))::int8 AS different \
             FROM ({}) s FULL JOIN (SELECT {}, {count} AS n, {sum} AS s, {minimum} AS a, {maximum} AS b FROM {} WHERE {first} = {}) t \
             ON {}",
            self.series(month, also),
            columns.join(", "),
            self.target.quoted(),
            literal(month, self.month_type),
            joined.join(" AND ")
        )
    }

    pub fn has_rows(&self, month: Month) -> String {
        format!(
            "SELECT EXISTS (SELECT FROM {} WHERE {} = {}) AS found",
            self.target.quoted(),
            self.targets[0],
            literal(month, self.month_type)
        )
    }

    pub fn count(&self, month: Month) -> String {
        format!("SELECT count(*)::int8 AS rows FROM {} WHERE {}", self.source.quoted(), self.within(month))
    }

    pub fn delete(&self, month: Month) -> String {
        format!("DELETE FROM {} WHERE {}", self.source.quoted(), self.within(month))
    }

    /// The months before `open` in which there are samples. With an index each is found by one look into it; without
    /// one all samples are read once.
    pub fn months(&self, open: Month) -> String {
        let (time, source) = (&self.time, self.source.quoted());
        let in_utc = |moment: &str| match self.time_type {
            "timestamptz" => format!("({moment} AT TIME ZONE 'UTC')"),
            _ => format!("({moment})::timestamp"),
        };
        let before =
            format!("{time} >= '0001-01-01'::{} AND {time} < {}", self.time_type, literal(open, self.time_type));
        let truncated = |moment: &str| format!("date_trunc('month', {})", in_utc(moment));
        if !self.indexed {
            return format!(
                "SELECT to_char(m, 'YYYY-MM') AS month FROM (SELECT {} AS m FROM {source} WHERE {before} GROUP BY 1) q ORDER BY m",
                truncated(time)
            );
        }
        let next = match self.time_type {
            "timestamptz" => "((m + interval '1 month') AT TIME ZONE 'UTC')".to_owned(),
            kind => format!("(m + interval '1 month')::{kind}"),
        };
        let first = truncated(&format!("min({time})"));
        format!(
            "WITH RECURSIVE found AS (SELECT {first} AS m FROM {source} WHERE {before} \
             UNION ALL SELECT (SELECT {first} FROM {source} WHERE {before} AND {time} >= {next}) FROM found WHERE m IS NOT NULL) \
             SELECT to_char(m, 'YYYY-MM') AS month FROM found WHERE m IS NOT NULL ORDER BY m"
        )
    }
}

/// The first moment of a month.
fn literal(month: Month, kind: &str) -> String {
    match kind {
        "timestamptz" => format!("'{month}-01 00:00:00+00'::timestamptz"),
        kind => format!("'{month}-01'::{kind}"),
    }
}

fn moment(table: &TableLook, column: &Column) -> Result<&'static str, TaskError> {
    match column.kind.as_str() {
        "timestamp with time zone" => Ok("timestamptz"),
        "timestamp without time zone" => Ok("timestamp"),
        "date" => Ok("date"),
        kind => Err(TaskError::new(format!(
            "{}.{} is {kind}, and has to be a timestamp or a date",
            table.name, column.name
        ))),
    }
}

/// A column of the key, and the expression by which samples are grouped: never null, since nulls are no equals of each
/// other, and each run would add them again.
fn key(source: &TableLook, target: &TableLook, setting: &str, name: &str) -> Result<(String, String), TaskError> {
    let (own, theirs) = (source.column(setting, name)?, target.column(setting, name)?);
    let quoted = quote_identifier(name);
    let texts = |kind: &str| TEXTS.contains(&kind);
    if own.kind != theirs.kind && !(texts(&own.kind) && texts(&theirs.kind)) {
        return Err(TaskError::new(format!(
            "{name} is {} in {} and {} in {}: they cannot be compared",
            own.kind, source.name, theirs.kind, target.name
        )));
    }
    if own.kind == "json" {
        return Err(TaskError::new(format!("{name} is json, which has no equality: samples cannot be grouped by it"))
            .remedy(format!("ALTER TABLE {} ALTER COLUMN {quoted} TYPE jsonb;", source.name.quoted())));
    }
    let expression = match own.kind.as_str() {
        _ if own.not_null => quoted.clone(),
        "jsonb" => format!("coalesce({quoted}, '{{}}'::jsonb)"),
        kind if texts(kind) => format!("coalesce({quoted}, '')"),
        kind => {
            return Err(TaskError::new(format!("{name} of {} is {kind} and may be null", source.name))
                .remedy(format!("ALTER TABLE {} ALTER COLUMN {quoted} SET NOT NULL;", source.name.quoted())));
        }
    };
    Ok((quoted, expression))
}
