//! Statements against a PostgreSQL grant.
#![no_main]

#[path = "../../host/policy/tests/properties/checks/sql.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::sql(data));
