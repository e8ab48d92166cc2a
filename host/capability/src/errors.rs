//! The errors that a capability answers with, and those of building one.

use hostler_world::types::{Denial, Error, Failure};
use thiserror::Error;

/// Why a capability could not be made ready for a run. The resource's name replaces its address in every text.
#[derive(Debug, Error)]
pub enum CapabilityError {
    /// The resource's own configuration is wrong.
    #[error("{resource}: {problem}")]
    Resource {
        /// `postgres.main`.
        resource: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The interface could not be linked.
    #[error("the interface {interface} could not be linked: {problem}")]
    Link {
        /// The interface.
        interface: &'static str,
        /// What wasmtime says.
        problem: String,
    },
}

/// A refusal, as the contract words it.
pub fn denied(request: &str, operation: impl Into<String>, rule: impl Into<String>) -> Error {
    Error::Denied(Denial { request: request.into(), operation: operation.into(), rule: rule.into() })
}

/// An error of the resource's own.
pub fn failed(code: impl Into<String>, message: impl Into<String>) -> Error {
    Error::Failed(Failure { code: code.into(), message: message.into(), detail: None, hint: None })
}

/// The error's case, for the audit, which never holds a message of a server's (it may quote values).
pub(crate) fn name(error: &Error) -> &'static str {
    match error {
        Error::Denied(_) => "denied",
        Error::Invalid(_) => "invalid",
        Error::Unavailable(_) => "unavailable",
        Error::Failed(_) => "failed",
        Error::TimedOut(_) => "timed-out",
        Error::Limit(_) => "limit",
        Error::Stopped => "stopped",
    }
}
