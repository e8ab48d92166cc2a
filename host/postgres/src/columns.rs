//! Rows by column: from the bytes that the server sent straight into a batch of the contract.

use hostler_world::postgres::{Batch, ColumnValues, Packed, Values};
use tokio_postgres::{
    Row,
    types::{FromSql, Type},
};

/// A batch is handed over at so many rows, or so many bytes.
const ROWS: u32 = 4096;
const BYTES: usize = 1 << 20;

/// How the values of a column arrive, and where they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Bytes,
    Text,
    /// `"char"`: one byte, which need not be a letter.
    Letter,
    /// A function without a result.
    Void,
}

impl Kind {
    /// How a type arrives in the binary form; `None` where the server has to be asked for its text.
    pub(crate) fn native(of: &Type) -> Option<Self> {
        Some(match *of {
            Type::BOOL => Self::Boolean,
            Type::INT2 => Self::Int2,
            Type::INT4 => Self::Int4,
            Type::INT8 => Self::Int8,
            Type::OID => Self::Oid,
            Type::FLOAT4 => Self::Float4,
            Type::FLOAT8 => Self::Float8,
            Type::BYTEA => Self::Bytes,
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::JSON | Type::XML | Type::UNKNOWN => {
                Self::Text
            }
            Type::CHAR => Self::Letter,
            Type::VOID => Self::Void,
            _ => return None,
        })
    }
}

/// The bytes of one value, whatever its type.
struct Raw<'a>(Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// One column under way.
pub(crate) struct Filling {
    kind: Kind,
    pub(crate) values: Values,
    pub(crate) nulls: Vec<u8>,
}

impl Filling {
    pub(crate) fn new(kind: Kind, rows: usize, bytes: usize) -> Self {
        let packed = || {
            let mut offsets = Vec::with_capacity(rows + 1);
            offsets.push(0);
            Packed { offsets, data: Vec::with_capacity(bytes) }
        };
        let values = match kind {
            Kind::Boolean => Values::Booleans(Vec::with_capacity(rows)),
            Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Oid => Values::Int64s(Vec::with_capacity(rows)),
            Kind::Float4 | Kind::Float8 => Values::Float64s(Vec::with_capacity(rows)),
            Kind::Bytes => Values::Bytes(packed()),
            Kind::Text | Kind::Letter | Kind::Void => Values::Texts(packed()),
        };
        Self { kind, values, nulls: Vec::new() }
    }

    pub(crate) fn push(&mut self, raw: Option<&[u8]>, row: u32) -> Option<()> {
        if raw.is_none() {
            let byte = (row / 8) as usize;
            if self.nulls.len() <= byte {
                self.nulls.resize(byte + 1, 0);
            }
            self.nulls[byte] |= 1 << (row % 8);
        }
        match &mut self.values {
            Values::Booleans(values) => values.push(raw.is_some_and(|raw| raw.first().is_some_and(|byte| *byte != 0))),
            Values::Int64s(values) => values.push(match raw {
                None => 0,
                Some(raw) => match self.kind {
                    Kind::Int2 => i16::from_be_bytes(raw.try_into().ok()?).into(),
                    Kind::Int4 => i32::from_be_bytes(raw.try_into().ok()?).into(),
                    Kind::Oid => u32::from_be_bytes(raw.try_into().ok()?).into(),
                    _ => i64::from_be_bytes(raw.try_into().ok()?),
                },
            }),
            Values::Float64s(values) => values.push(match raw {
                None => 0.0,
                Some(raw) if self.kind == Kind::Float4 => f32::from_be_bytes(raw.try_into().ok()?).into(),
                Some(raw) => f64::from_be_bytes(raw.try_into().ok()?),
            }),
            Values::Bytes(packed) => add(packed, raw.unwrap_or_default())?,
            Values::Texts(packed) => match (self.kind, raw.unwrap_or_default()) {
                (Kind::Letter, [0]) => add(packed, &[])?,
                (Kind::Letter, [byte]) if !byte.is_ascii() => add(packed, format!("\\{byte:o}").as_bytes())?,
                (_, raw) => add(packed, raw)?,
            },
        }
        Some(())
    }
}

fn add(packed: &mut Packed, bytes: &[u8]) -> Option<()> {
    packed.data.extend_from_slice(bytes);
    packed.offsets.push(u32::try_from(packed.data.len()).ok()?);
    Some(())
}

/// Gathers rows.
pub(crate) struct Builder {
    kinds: Vec<Kind>,
    columns: Vec<Filling>,
    rows: u32,
    bytes: usize,
}

impl Builder {
    pub(crate) fn new(kinds: Vec<Kind>) -> Self {
        let columns = kinds.iter().map(|kind| Filling::new(*kind, 0, 0)).collect();
        Self { kinds, columns, rows: 0, bytes: 0 }
    }

    /// Adds a row. `None` where the server sent what its own description does not allow.
    pub(crate) fn push(&mut self, row: &Row) -> Option<()> {
        for (index, column) in self.columns.iter_mut().enumerate() {
            let Raw(raw) = row.try_get(index).ok()?;
            column.push(raw, self.rows)?;
        }
        self.rows += 1;
        self.bytes += row.raw_size_bytes();
        Some(())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.rows >= ROWS || self.bytes >= BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Rows that are not handed over yet.
    pub(crate) fn rows(&self) -> u32 {
        self.rows
    }

    /// Their bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// The batch so far, with its bytes. The next one is expected to be as large.
    pub(crate) fn take(&mut self) -> (Batch, u64) {
        let rows = self.rows as usize;
        let next = self.kinds.iter().zip(&self.columns).map(|(kind, column)| {
            let bytes = match &column.values {
                Values::Texts(packed) | Values::Bytes(packed) => packed.data.len(),
                _ => 0,
            };
            Filling::new(*kind, rows, bytes + bytes / 8)
        });
        let next = next.collect();
        let columns = std::mem::replace(&mut self.columns, next).into_iter();
        let columns = columns.map(|column| ColumnValues { values: column.values, nulls: column.nulls }).collect();
        let batch = Batch { row_count: std::mem::take(&mut self.rows), columns };
        (batch, std::mem::take(&mut self.bytes) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::{Filling, Kind, Values};

    fn texts(kind: Kind, values: &[Option<&[u8]>]) -> (Vec<u32>, String, Vec<u8>) {
        let mut column = Filling::new(kind, 0, 0);
        for (row, value) in (0..).zip(values) {
            column.push(*value, row).expect("it fits");
        }
        let Values::Texts(packed) = column.values else { panic!("{kind:?} is text") };
        (packed.offsets, String::from_utf8(packed.data).expect("it is UTF-8"), column.nulls)
    }

    #[test]
    fn nulls_take_no_byte_until_there_is_one() {
        assert_eq!(texts(Kind::Text, &[Some(b"a"), Some(b"bc")]), (vec![0, 1, 3], "abc".into(), vec![]));
        let mut values = vec![Some(&b"x"[..]); 9];
        values.push(None);
        assert_eq!(texts(Kind::Text, &values).2, [0, 2]);
    }

    #[test]
    fn a_byte_that_is_no_letter_does_not_pass_as_text() {
        assert_eq!(texts(Kind::Letter, &[Some(b"\0"), Some(b"r"), Some(b"\xff")]).1, "r\\377");
    }

    #[test]
    fn a_value_of_a_wrong_length_is_refused() {
        assert_eq!(Filling::new(Kind::Int8, 0, 0).push(Some(&[1, 2]), 0), None);
        assert_eq!(Filling::new(Kind::Float4, 0, 0).push(Some(&[]), 0), None);
    }
}
