//! Time and run identifiers.

use std::hash::{BuildHasher, RandomState};

use jiff::Timestamp;

/// Milliseconds since the Unix epoch, now.
pub(crate) fn now_ms() -> u64 {
    milliseconds(Timestamp::now())
}

/// Milliseconds since the Unix epoch.
pub(crate) fn milliseconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

/// A run's identifier: its time in UTC, which sorts, and eight random digits.
pub(crate) fn run_id(at: Timestamp) -> String {
    let random = RandomState::new().hash_one(at.as_nanosecond());
    format!("{}-{:08x}", at.strftime("%Y%m%dT%H%M%S"), random & 0xffff_ffff)
}
