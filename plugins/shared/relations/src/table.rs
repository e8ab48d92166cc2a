//! Tables that a setting names, and what the catalogue says of them.
//!
//! A name is written as a grant writes it: a schema, a point, a name, each as it is, or in double quotes where it has a
//! point or a quote in it. Nothing is folded to lower case, so that a setting and the grant beside it mean the same.

use std::fmt;

use hostler_sdk::postgres::{Database, Parameter};
use hostler_sdk::prelude::*;
use hostler_sdk::quote_qualified;

/// What the catalogue says of a table's columns.
pub const COLUMNS: &str = "
    SELECT c.oid::int8 AS oid, c.relkind::text AS kind, quote_ident(pg_get_userbyid(c.relowner)) AS owner,
        a.attname::text AS name, format_type(a.atttypid, NULL) AS type, n2.nspname = 'pg_catalog' AS of_the_catalogue,
        a.attnotnull AS not_null, a.attgenerated::text <> '' AS generated
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid
    JOIN pg_namespace n2 ON n2.oid = t.typnamespace
    WHERE n.nspname = $1::text AND c.relname = $2::text AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY a.attnum";

/// Foreign keys by which deleting rows of a table changes other tables.
pub const CASCADES: &str = "
    SELECT conrelid::regclass::text AS name FROM pg_constraint
    WHERE contype = 'f' AND confdeltype IN ('c', 'n', 'd') AND conparentid = 0 AND confrelid::int8 = $1::int8
    ORDER BY 1";

/// A table's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// Its schema.
    pub schema: String,
    /// Its name in it.
    pub name: String,
}

impl Name {
    /// Reads what a setting has.
    ///
    /// # Errors
    /// Where it is no name with a schema.
    pub fn parse(setting: &str, text: &str) -> Result<Self, TaskError> {
        let wrong = || {
            TaskError::new(format!("{setting} = {text:?} is no table's name with its schema")).remedy(format!(
                "write it as in {setting} = \"public.orders\", or with quotes as in '\"My Schema\".\"t\"'"
            ))
        };
        let (schema, rest) = part(text).ok_or_else(wrong)?;
        let (name, rest) = rest.strip_prefix('.').and_then(part).ok_or_else(wrong)?;
        if rest.is_empty() { Ok(Self { schema, name }) } else { Err(wrong()) }
    }

    /// As SQL has it.
    #[must_use]
    pub fn quoted(&self) -> String {
        quote_qualified(&self.schema, &self.name)
    }

    /// Another name in the same schema.
    #[must_use]
    pub fn beside(&self, name: &str) -> Self {
        Self { schema: self.schema.clone(), name: name.into() }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.schema, self.name)
    }
}

/// One half of a name, and what follows it.
fn part(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find('.').unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        return (!name.is_empty() && !name.contains('"')).then(|| (name.to_owned(), rest));
    };
    let mut name = String::new();
    let mut letters = quoted.char_indices().peekable();
    while let Some((place, letter)) = letters.next() {
        if letter != '"' {
            name.push(letter);
        } else if letters.next_if(|(_, next)| *next == '"').is_some() {
            name.push('"');
        } else {
            return (!name.is_empty()).then(|| (name, &quoted[place + 1..]));
        }
    }
    None
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type without a length, as SQL has it.
    pub kind: String,
    /// Whether the type is one of the server's own.
    pub of_the_catalogue: bool,
    /// Whether it is never null.
    pub not_null: bool,
    /// Whether the server works it out.
    pub generated: bool,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableLook {
    /// Its name.
    pub name: Name,
    /// Its number.
    pub oid: i64,
    /// Whether it is partitioned.
    pub partitioned: bool,
    /// Whose it is, as SQL has it.
    pub owner: String,
    /// Its columns, in order.
    pub columns: Vec<Column>,
}

impl TableLook {
    /// Looks at a table; nothing where there is none of that name.
    ///
    /// # Errors
    /// Where the catalogue cannot be read, or the name is a view's or a foreign table's.
    pub async fn find(database: &Database, name: &Name) -> Result<Option<Self>, TaskError> {
        let parameters = [Parameter::from(name.schema.as_str()), Parameter::from(name.name.as_str())];
        Self::of(name, &database.query(COLUMNS, &parameters).await?.rows().await?)
    }

    /// Looks at a table that has to be there.
    ///
    /// # Errors
    /// Where it is not there, or is no table.
    pub async fn look(database: &Database, setting: &str, name: &Name) -> Result<Self, TaskError> {
        Self::find(database, name).await?.ok_or_else(|| {
            TaskError::new(format!("there is no table {name} in the database {}", database.name())).remedy(format!(
                "set `{setting}` to a table that is there; capitals count: it is written as the catalogue has it"
            ))
        })
    }

    /// What the rows say.
    ///
    /// # Errors
    /// Where a row is not as the statement makes it, or it is no table.
    pub fn of(name: &Name, rows: &Rows) -> Result<Option<Self>, TaskError> {
        let Some(first) = rows.iter().next() else { return Ok(None) };
        let kind: String = first.get("kind")?;
        if !["r", "p"].contains(&kind.as_str()) {
            return Err(TaskError::new(format!("{name} is a view or a foreign table, and has to be a table")));
        }
        let column = |row: Row| -> Result<Column, TaskError> {
            Ok(Column {
                name: row.get("name")?,
                kind: row.get("type")?,
                of_the_catalogue: row.get("of_the_catalogue")?,
                not_null: row.get("not_null")?,
                generated: row.get("generated")?,
            })
        };
        Ok(Some(Self {
            name: name.clone(),
            oid: first.get("oid")?,
            partitioned: kind == "p",
            owner: first.get("owner")?,
            columns: rows.iter().map(column).collect::<Result<_, _>>()?,
        }))
    }

    /// A column by its name.
    ///
    /// # Errors
    /// Where it has none of that name; the error lists those that it has.
    pub fn column(&self, setting: &str, name: &str) -> Result<&Column, TaskError> {
        self.columns.iter().find(|column| column.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
            TaskError::new(format!("{} has no column {name:?}; it has {}", self.name, names.join(", ")))
                .remedy(format!("set `{setting}` to one of these"))
        })
    }

    /// Refuses a table from which rows cannot go without changing others.
    ///
    /// # Errors
    /// Where a foreign key of another table says so, or the catalogue cannot be read.
    pub async fn refuse_cascades(&self, database: &Database) -> Result<(), TaskError> {
        let rows = database.query(CASCADES, &[Parameter::from(self.oid)]).await?.rows().await?;
        let names: Vec<String> = rows.iter().map(|row| row.get("name")).collect::<Result<_, _>>()?;
        if names.is_empty() {
            return Ok(());
        }
        let names = hostler_sdk::listed(&names, 5);
        Err(TaskError::new(format!("rows that go from {} would take or change rows of {names} with them", self.name))
            .remedy("make those foreign keys ON DELETE NO ACTION, or see to those tables first"))
    }
}

#[cfg(test)]
mod tests {
    use hostler_sdk::testing::rows;

    use super::*;

    #[test]
    fn a_name_has_a_schema_and_is_what_it_says() {
        for (text, schema, name) in
            [("public.orders", "public", "orders"), ("a.B c", "a", "B c"), ("\"a.b\".\"c\"\"d\"", "a.b", "c\"d")]
        {
            let read = Name::parse("source", text).unwrap();
            assert_eq!((read.schema.as_str(), read.name.as_str()), (schema, name), "{text}");
        }
        for text in ["", "orders", ".orders", "public.", "a.b.c", "\"a.b", "a.\"b\"c", "\"\".b", "a\"b.c"] {
            assert!(Name::parse("source", text).is_err(), "{text}");
        }
        assert_eq!(Name::parse("s", "\"a\".\"c\"\"d\"").unwrap().quoted(), "\"a\".\"c\"\"d\"");
    }

    #[test]
    fn a_view_is_no_table_and_a_column_that_is_missing_is_told_with_those_that_are_there() {
        let name = Name::parse("source", "public.orders").unwrap();
        let of = |kind: &str| {
            let header = rows!(["oid", "kind", "owner", "name", "type", "of_the_catalogue", "not_null", "generated"];
                [7_i64, kind, "shop", "id", "bigint", true, true, false]);
            TableLook::of(&name, &header)
        };
        let table = of("r").unwrap().unwrap();
        assert!(!table.partitioned && of("p").unwrap().unwrap().partitioned && of("v").is_err());
        assert_eq!(table.column("key", "id").unwrap().kind, "bigint");
        let error = table.column("time_column", "at").unwrap_err().to_string();
        assert!(error.contains("it has id") && error.contains("`time_column`"), "{error}");
    }
}
