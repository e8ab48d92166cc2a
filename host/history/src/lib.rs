//! What earlier runs left: metrics, verdicts, and the runs to come.
//!
//! It serves the interface `history`, thinly over the run's [`hostler_capability::HistoryReader`]. What a plugin asks
//! for is a pattern, and what it gets is narrowed to the tasks that its grant names: the reader answers the pattern,
//! and each task in the answer is looked at again.

mod client;
mod grant;
mod host;

pub use client::History;
pub use grant::HistoryGrant;
pub use host::HistoryCapability;
