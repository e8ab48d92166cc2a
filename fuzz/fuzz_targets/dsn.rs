//! Connection strings.
#![no_main]

#[path = "../../host/configuration/tests/properties/checks/mod.rs"]
#[allow(dead_code)]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::dsn(data));
