//! URLs, paths, methods, headers and addresses.
#![no_main]

#[path = "../../host/policy/tests/properties/checks/endpoint.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::endpoint(data));
