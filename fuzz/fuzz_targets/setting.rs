//! Settings and their values.
#![no_main]

#[path = "../../host/manifest/tests/properties/checks/mod.rs"]
#[allow(dead_code)]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::setting(data));
