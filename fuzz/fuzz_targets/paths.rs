//! Paths as a plugin writes them.
#![no_main]

#[path = "../../host/capability/tests/properties/checks/mod.rs"]
#[allow(dead_code)]
mod checks;
#[path = "../../host/capability/src/guest_path.rs"]
#[allow(dead_code)]
mod guest;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::paths(data));
