//! Values that a PostgreSQL server sends.
//!
//! The sources are the host's own, with the contract's records beside them, so that no engine is built for it.
#![no_main]
#![allow(dead_code)]

extern crate self as hostler_world;

/// The contract's batches, as its bindings have them.
pub mod postgres {
    #[derive(Debug)]
    pub struct Packed {
        pub offsets: Vec<u32>,
        pub data: Vec<u8>,
    }
    #[derive(Debug)]
    pub enum Values {
        Booleans(Vec<bool>),
        Int64s(Vec<i64>),
        Float64s(Vec<f64>),
        Texts(Packed),
        Bytes(Packed),
    }
    #[derive(Debug)]
    pub struct ColumnValues {
        pub values: Values,
        pub nulls: Vec<u8>,
    }
    #[derive(Debug)]
    pub struct Batch {
        pub row_count: u32,
        pub columns: Vec<ColumnValues>,
    }
}

#[path = "../../host/postgres/src/checks.rs"]
mod checks;
#[path = "../../host/postgres/src/columns.rs"]
mod columns;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::values(data));
