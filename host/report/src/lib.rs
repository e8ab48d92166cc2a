//! What a run reports, and its log.
//!
//! Everything is kept as it arrives, so that a run which traps still shows what it had found. It arrives from code that
//! nobody trusts and is printed on a terminal, so control characters are taken out here, at the one way in.

mod clean;
mod keep;
mod log;
mod report;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use hostler_capability::Capability;

pub use log::LogCapability;
pub use report::ReportCapability;

/// Both, for a runtime's list.
pub fn capabilities() -> [Arc<dyn Capability>; 2] {
    [Arc::new(ReportCapability), Arc::new(LogCapability)]
}
