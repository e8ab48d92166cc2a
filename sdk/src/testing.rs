//! Trying a plugin's logic on the machine itself: rows from literals, and what was reported.

use std::cell::RefCell;
use std::rc::Rc;

use crate::bindings::postgres::hostler::plugin::postgres as wit;
use crate::{Attachment, Batch, Finding, Metric, Rows, Severity, Table};

pub use crate::rows;

/// What was reported while [`record`] watched.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// Findings, in order.
    pub findings: Vec<Finding>,
    /// Metrics, in order.
    pub metrics: Vec<Metric>,
    /// Tables, in order.
    pub tables: Vec<Table>,
    /// Attachments, in order.
    pub attachments: Vec<Attachment>,
}

impl Recorded {
    /// The worst finding; ok where there is none.
    #[must_use]
    pub fn worst(&self) -> Severity {
        self.findings.iter().map(|finding| finding.severity).max().unwrap_or_default()
    }

    /// Codes, subjects and severities, to be compared at one glance.
    #[must_use]
    pub fn told(&self) -> Vec<(&str, &str, Severity)> {
        self.findings.iter().map(|one| (one.code.as_str(), one.subject.as_str(), one.severity)).collect()
    }

    /// The first finding with this code.
    #[must_use]
    pub fn finding(&self, code: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.code == code)
    }

    /// The first metric with this name.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value)
    }
}

thread_local! {
    static RECORDED: RefCell<Recorded> = RefCell::default();
}

pub(crate) fn with(add: impl FnOnce(&mut Recorded)) {
    RECORDED.with_borrow_mut(add);
}

/// Runs `work` and returns what it reported.
pub fn record<T>(work: impl FnOnce() -> T) -> Recorded {
    RECORDED.take();
    work();
    RECORDED.take()
}

/// One value of a row that a test makes up.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Null.
    Null,
    /// A flag.
    Boolean(bool),
    /// A whole number.
    Int64(i64),
    /// A number.
    Float64(f64),
    /// Text.
    Text(String),
}

macro_rules! cell {
    ($($kind:ty => $case:ident),*) => {$(
        impl From<$kind> for Cell {
            fn from(value: $kind) -> Self {
                Self::$case(value.into())
            }
        }
    )*};
}

cell!(bool => Boolean, i32 => Int64, i64 => Int64, u32 => Int64, f64 => Float64, &str => Text, String => Text);

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Rows from literals: `rows!(["name", "used"]; ["orders", 3], ["users", None::<i64>])`.
#[macro_export]
macro_rules! rows {
    ([$($column:expr),* $(,)?]; $([$($cell:expr),* $(,)?]),* $(,)?) => {
        $crate::testing::rows_of(&[$($column),*], &[$(::std::vec![$($crate::testing::Cell::from($cell)),*]),*])
    };
}

/// What [`rows!`](crate::rows) calls. A column's type is that of its first value that is not null.
///
/// # Panics
/// Where a row is not as long as the columns, or a column mixes types: the test is wrong.
#[must_use]
pub fn rows_of(columns: &[&str], rows: &[Vec<Cell>]) -> Rows {
    assert!(rows.iter().all(|row| row.len() == columns.len()), "each row has one value for each column");
    let values = (0..columns.len()).map(|place| {
        let cells: Vec<&Cell> = rows.iter().map(|row| &row[place]).collect();
        column(columns[place], &cells)
    });
    let batch = wit::Batch { row_count: rows.len() as u32, columns: values.collect() };
    let columns: Rc<[wit::Column]> =
        columns.iter().map(|name| wit::Column { name: (*name).into(), type_name: "test".into() }).collect();
    Rows(vec![Batch::new(columns, batch)])
}

fn column(name: &str, cells: &[&Cell]) -> wit::ColumnValues {
    let mut nulls = vec![0_u8; cells.len().div_ceil(8)];
    for (place, cell) in cells.iter().enumerate().filter(|(_, cell)| ***cell == Cell::Null) {
        let _ = cell;
        nulls[place / 8] |= 1 << (place % 8);
    }
    macro_rules! each {
        ($case:ident, $values:ident, $default:expr) => {
            wit::Values::$values(
                cells
                    .iter()
                    .map(|cell| match cell {
                        Cell::$case(value) => value.clone(),
                        Cell::Null => $default,
                        other => panic!("the column {name} mixes types: {other:?}"),
                    })
                    .collect(),
            )
        };
    }
    let values = match cells.iter().find(|cell| ***cell != Cell::Null) {
        Some(Cell::Boolean(_)) => each!(Boolean, Booleans, false),
        Some(Cell::Int64(_)) => each!(Int64, Int64s, 0),
        Some(Cell::Float64(_)) => each!(Float64, Float64s, 0.0),
        Some(Cell::Text(_)) | Some(Cell::Null) | None => {
            let mut packed = wit::Packed { offsets: vec![0], data: vec![] };
            for cell in cells {
                match cell {
                    Cell::Text(text) => packed.data.extend_from_slice(text.as_bytes()),
                    Cell::Null => {}
                    other => panic!("the column {name} mixes types: {other:?}"),
                }
                packed.offsets.push(packed.data.len() as u32);
            }
            wit::Values::Texts(packed)
        }
    };
    wit::ColumnValues { values, nulls }
}

#[cfg(feature = "testing")]
pub use with_manifest::{refuses, refuses_each, settings};

#[cfg(feature = "testing")]
mod with_manifest {
    use hostler_manifest::Manifest;
    use serde::de::DeserializeOwned;
    use serde_json::{Map, Value};

    /// The settings as the host would hand them over: defaults of the manifest, and what is given here.
    ///
    /// # Panics
    /// Where the manifest is damaged, or refuses what is given, or the structure does not take it: the test fails.
    #[must_use]
    pub fn settings<S: DeserializeOwned>(manifest: &str, given: Value) -> S {
        match resolve(manifest, given) {
            Ok(resolved) => {
                serde_json::from_value(resolved).unwrap_or_else(|error| panic!("manifest and code disagree: {error}"))
            }
            Err(refusal) => panic!("{refusal}"),
        }
    }

    /// Why the host refuses what is given; nothing where it takes it.
    #[must_use]
    pub fn refuses(manifest: &str, given: Value) -> Option<String> {
        resolve(manifest, given).err()
    }

    /// Tries one bad value after another: the host has to refuse each, and name its setting.
    ///
    /// # Panics
    /// Where one is taken, or the refusal names something else: the test fails.
    pub fn refuses_each(manifest: &str, bad: &[(&str, Value)]) {
        for (name, value) in bad {
            let given = Map::from_iter([((*name).to_owned(), value.clone())]);
            let Some(refusal) = refuses(manifest, given.into()) else { panic!("{name} = {value} is taken") };
            assert!(refusal.starts_with(name), "{name} = {value}: {refusal}");
        }
    }

    fn resolve(manifest: &str, given: Value) -> Result<Value, String> {
        let manifest = Manifest::parse(manifest).unwrap_or_else(|error| panic!("{error}"));
        let given = given.as_object().cloned().unwrap_or_default();
        if let Some(unknown) = given.keys().find(|key| !manifest.settings.contains_key(*key)) {
            return Err(format!("{unknown} is no setting"));
        }
        let mut resolved = Map::new();
        for (name, setting) in &manifest.settings {
            let value = setting.resolve(given.get(name)).map_err(|error| format!("{name} {error}"))?;
            resolved.insert(name.clone(), value);
        }
        Ok(resolved.into())
    }
}
