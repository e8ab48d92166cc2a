//! Commands against a Redis grant, and addresses of servers.
#![no_main]

#[path = "../../host/policy/tests/properties/checks/redis.rs"]
#[allow(dead_code)]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::redis(data));
