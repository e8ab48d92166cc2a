//! Rows, which cross the sandbox by column and are read by row.
//!
//! A row is a batch and a place in it, so that reading one copies nothing. Where a million of them are counted, a
//! batch's columns are there as slices.

use std::rc::Rc;
use std::vec::IntoIter;

use crate::bindings::postgres::hostler::plugin::postgres as wit;
use crate::{FromValue, TaskError, Value};

/// Some rows, by column.
#[derive(Debug, Clone)]
pub struct Batch(Rc<Parts>);

#[derive(Debug)]
struct Parts {
    columns: Rc<[wit::Column]>,
    batch: wit::Batch,
}

impl Batch {
    pub(crate) fn new(columns: Rc<[wit::Column]>, batch: wit::Batch) -> Self {
        Self(Rc::new(Parts { columns, batch }))
    }

    /// How many rows it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.batch.row_count as usize
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its rows.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        let batch = self.clone();
        (0..self.len()).map(move |index| Row { batch: batch.clone(), index })
    }

    /// The first column as a whole; nothing where the result has none.
    #[must_use]
    pub fn first(&self) -> Option<ColumnValues<'_>> {
        self.0.batch.columns.first().map(ColumnValues)
    }

    /// A column as a whole.
    ///
    /// # Errors
    /// Where the result has no such column.
    pub fn column(&self, name: &str) -> Result<ColumnValues<'_>, TaskError> {
        let Parts { columns, batch } = &*self.0;
        let place = columns.iter().position(|column| column.name == name);
        place.and_then(|place| batch.columns.get(place)).map(ColumnValues).ok_or_else(|| {
            let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            TaskError::new(format!("the result has no column `{name}`; it has {}", names.join(", ")))
        })
    }
}

/// A column of a batch.
#[derive(Debug, Clone, Copy)]
pub struct ColumnValues<'a>(&'a wit::ColumnValues);

impl<'a> ColumnValues<'a> {
    /// Whether row `index` is null here; the slices hold nothing of use there then.
    #[must_use]
    pub fn is_null(self, index: usize) -> bool {
        self.0.nulls.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    }

    /// The whole numbers, where it is a column of them.
    #[must_use]
    pub fn int64s(self) -> Option<&'a [i64]> {
        match &self.0.values {
            wit::Values::Int64s(values) => Some(values),
            _ => None,
        }
    }

    /// The numbers, where it is a column of them.
    #[must_use]
    pub fn float64s(self) -> Option<&'a [f64]> {
        match &self.0.values {
            wit::Values::Float64s(values) => Some(values),
            _ => None,
        }
    }

    /// The flags, where it is a column of them.
    #[must_use]
    pub fn booleans(self) -> Option<&'a [bool]> {
        match &self.0.values {
            wit::Values::Booleans(values) => Some(values),
            _ => None,
        }
    }

    /// The texts or bytes, where it is a column of them.
    pub fn slices(self) -> impl Iterator<Item = &'a [u8]> {
        let packed = match &self.0.values {
            wit::Values::Texts(packed) | wit::Values::Bytes(packed) => Some(packed),
            _ => None,
        };
        packed.into_iter().flat_map(|packed| {
            packed
                .offsets
                .windows(2)
                .map(|ends| packed.data.get(ends[0] as usize..ends[1] as usize).unwrap_or_default())
        })
    }

    /// One value.
    #[must_use]
    pub fn value(self, index: usize) -> Value<'a> {
        if self.is_null(index) {
            return Value::Null;
        }
        let slice = |packed: &'a wit::Packed| {
            let start = *packed.offsets.get(index)?;
            let end = *packed.offsets.get(index + 1)?;
            packed.data.get(start as usize..end as usize)
        };
        let value = match &self.0.values {
            wit::Values::Booleans(values) => values.get(index).copied().map(Value::Boolean),
            wit::Values::Int64s(values) => values.get(index).copied().map(Value::Int64),
            wit::Values::Float64s(values) => values.get(index).copied().map(Value::Float64),
            wit::Values::Texts(packed) => {
                slice(packed).map(|bytes| std::str::from_utf8(bytes).map_or(Value::Bytes(bytes), Value::Text))
            }
            wit::Values::Bytes(packed) => slice(packed).map(Value::Bytes),
        };
        value.unwrap_or(Value::Null)
    }
}

/// One row.
#[derive(Debug, Clone)]
pub struct Row {
    batch: Batch,
    index: usize,
}

impl Row {
    /// A value by its column's name, as the type that is asked for; `Option` where it may be null.
    ///
    /// # Errors
    /// Names the column, what it holds and what was expected.
    pub fn get<'a, T: FromValue<'a>>(&'a self, name: &str) -> Result<T, TaskError> {
        let value = self.batch.column(name)?.value(self.index);
        T::from_value(value).ok_or_else(|| {
            let columns = &self.batch.0.columns;
            let server = columns.iter().find(|column| column.name == name).map_or("", |column| &column.type_name);
            let found = match value {
                Value::Null => "is null; ask for an Option where it may be".to_owned(),
                Value::Int64(number) => format!("is {number}"),
                other => format!("is {} (the server's type {server})", other.describe()),
            };
            TaskError::new(format!("the column `{name}` has to be {}, and {found}", T::EXPECTED))
        })
    }
}

/// All rows of a result.
#[derive(Debug, Clone, Default)]
pub struct Rows(pub(crate) Vec<Batch>);

impl Rows {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(Batch::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each row.
    pub fn iter(&self) -> impl Iterator<Item = Row> {
        self.0.iter().flat_map(Batch::rows)
    }

    /// The only row.
    ///
    /// # Errors
    /// Where there are none, or several.
    pub fn one(&self) -> Result<Row, TaskError> {
        match (self.iter().next(), self.len()) {
            (Some(row), 1) => Ok(row),
            (_, count) => Err(TaskError::new(format!("one row was expected, and there are {count}"))),
        }
    }
}

impl IntoIterator for Rows {
    type Item = Row;
    type IntoIter = IntoIter<Row>;

    fn into_iter(self) -> IntoIter<Row> {
        self.iter().collect::<Vec<_>>().into_iter()
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::rows;

    #[test]
    fn values_come_by_name_and_type() {
        let rows = rows!(["name", "used", "share", "flag", "none"]; ["orders", 3, 0.5, true, None::<i64>]);
        let row = rows.one().expect("it is one");
        assert_eq!(row.get::<String>("name").as_deref(), Ok("orders"));
        assert_eq!(row.get::<i64>("used"), Ok(3));
        assert_eq!(row.get::<f64>("used"), Ok(3.0));
        assert_eq!(row.get::<f64>("share"), Ok(0.5));
        assert_eq!(row.get::<bool>("flag"), Ok(true));
        assert_eq!(row.get::<Option<i64>>("none"), Ok(None));
        assert_eq!(row.get::<Option<i64>>("used"), Ok(Some(3)));
    }

    #[test]
    fn a_wrong_type_a_null_and_a_missing_column_say_what_is_wrong() {
        let rows = rows!(["name", "used", "none"]; ["orders", -3, None::<i64>]);
        let row = rows.one().expect("it is one");
        for (error, parts) in [
            (row.get::<i64>("name").unwrap_err(), ["`name`", "a whole number", "text"]),
            (row.get::<u64>("used").unwrap_err(), ["`used`", "u64", "-3"]),
            (row.get::<i64>("none").unwrap_err(), ["`none`", "null", "Option"]),
            (row.get::<i64>("usde").unwrap_err(), ["`usde`", "no column", "name, used, none"]),
        ] {
            for part in parts {
                assert!(error.to_string().contains(part), "{error} lacks {part}");
            }
        }
    }

    #[test]
    fn many_rows_keep_their_nulls_in_place() {
        let rows = rows!(["n"]; [0], [1], [2], [3], [4], [5], [6], [7], [None::<i64>], [9]);
        let values: Vec<Option<i64>> = rows.iter().map(|row| row.get("n").expect("a number or null")).collect();
        assert_eq!(values.len(), 10);
        assert_eq!((values[7], values[8], values[9]), (Some(7), None, Some(9)));
        assert!(rows.one().is_err());
    }
}
