//! One run of one task: the engine, the cache of compiled code, the limits.
//!
//! A run has a store of its own that is dropped at its end, because a dropped call does not cancel a guest and a
//! store does. What a plugin does is bounded three ways: epochs count its processor time, a memory limit counts all
//! its memories together, and a clock outside bounds the whole. To add a capability is to add a line in
//! [`Runtime::new`]'s caller; nothing here names one.

mod cache;
mod engine;
mod errors;
mod prepared;
mod run;
mod wasi;

pub use cache::CodeCache;
pub use engine::Runtime;
pub use errors::{RunFailure, RuntimeError};
pub use prepared::Prepared;
pub use run::RunOutcome;
