//! What holds for every value that a server sends: for the tests here, and for the fuzz target `postgres`.

use hostler_world::postgres::Values;
use tokio_postgres::types::Type;

use crate::columns::{Filling, Kind};

const TYPES: [Type; 12] = [
    Type::BOOL,
    Type::INT2,
    Type::INT4,
    Type::INT8,
    Type::OID,
    Type::FLOAT4,
    Type::FLOAT8,
    Type::BYTEA,
    Type::TEXT,
    Type::NAME,
    Type::CHAR,
    Type::VOID,
];

/// The bytes as values of each type, cut where a byte is 255 and null where nothing is left; a column is as long as
/// its rows, whatever they hold.
pub(crate) fn values(data: &[u8]) {
    for of in TYPES {
        let kind = Kind::native(&of).expect("it arrives as it is");
        let mut column = Filling::new(kind, 0, 0);
        let mut rows = 0;
        for piece in data.split(|byte| *byte == 255) {
            let raw = (!piece.is_empty()).then_some(piece);
            if column.push(raw, rows).is_none() {
                break;
            }
            rows += 1;
            if raw.is_none() {
                let row = rows - 1;
                assert!(column.nulls[(row / 8) as usize] >> (row % 8) & 1 == 1);
            }
            let length = match &column.values {
                Values::Booleans(values) => values.len(),
                Values::Int64s(values) => values.len(),
                Values::Float64s(values) => values.len(),
                Values::Texts(packed) | Values::Bytes(packed) => {
                    assert!(packed.offsets.is_sorted());
                    assert_eq!(packed.offsets.last().map(|end| *end as usize), Some(packed.data.len()));
                    packed.offsets.len() - 1
                }
            };
            assert_eq!(length, rows as usize, "{of}");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    use crate::replay::replay;

    #[test]
    fn kept_inputs_are_fine() {
        replay("postgres", values);
    }

    proptest! {
        #[test]
        fn a_column_is_as_long_as_its_rows(data in proptest::collection::vec(prop_oneof![Just(255), Just(0), any::<u8>()], 0..200)) {
            values(&data);
        }

    }
}
