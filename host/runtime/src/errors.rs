//! Why a plugin could not be made ready, and why a run failed.

use hostler_capability::{CapabilityError, StopReason};
use thiserror::Error;

/// A plugin could not be made ready.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// The engine could not be set up on this machine.
    #[error("the WebAssembly engine could not be set up: {0}")]
    Engine(String),
    /// The directory of compiled code cannot be used.
    #[error("the directory of compiled code {directory}: {problem}")]
    Cache {
        /// The directory.
        directory: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The component does not compile.
    #[error("the plugin does not compile: {0}")]
    Compile(String),
    /// An import or export does not fit the contract.
    #[error("the plugin does not fit this host: {0}")]
    Link(String),
}

/// Why a run did not end with a verdict of its own.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RunFailure {
    /// The plugin returned an error.
    #[error("{0}")]
    Task(String),
    /// The plugin trapped.
    #[error("the plugin trapped: {0}")]
    Trap(String),
    /// Its processor time is used up.
    #[error("the plugin used up its {0} s of processor time (limits.cpu_seconds)")]
    ProcessorTime(u64),
    /// Its memory is used up.
    #[error("the plugin used up its {0} bytes of memory (limits.memory_bytes)")]
    Memory(u64),
    /// Its time is used up.
    #[error("the run took longer than its {0} s (limits.wall_seconds)")]
    Time(u64),
    /// It was asked to stop, and did not within the time that it had.
    #[error("the run was stopped: {}", words(*.0))]
    Stopped(StopReason),
    /// A capability could not be made ready.
    #[error("{0}")]
    Capability(String),
}

fn words(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Interrupted => "it was interrupted",
        StopReason::WindowClosed => "its maintenance window closed",
        StopReason::TimeLimit => "its time is used up",
    }
}

impl From<CapabilityError> for RunFailure {
    fn from(error: CapabilityError) -> Self {
        Self::Capability(error.to_string())
    }
}
