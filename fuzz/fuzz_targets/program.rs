//! Arguments against the forms of a program.
#![no_main]

#[path = "../../host/policy/tests/properties/checks/program.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::program(data));
