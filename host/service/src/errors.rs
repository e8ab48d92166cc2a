//! Why a command could not be carried out at all. What happens within a run is in its outcome.

use hostler_configuration::{BindingErrors, ConfigurationErrors};
use hostler_record::RecordError;
use hostler_registry::RegistryError;
use hostler_runtime::RuntimeError;
use thiserror::Error;

/// What went wrong before anything ran.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// The configuration is wrong.
    #[error(transparent)]
    Configuration(#[from] ConfigurationErrors),
    /// A task does not fit its plugin.
    #[error(transparent)]
    Binding(#[from] BindingErrors),
    /// The state directory cannot be used.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A plugin cannot be had from the registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A plugin cannot be made ready.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// No task and no procedure has that name.
    #[error("there is no task and no procedure {name}{}", hint(meant.as_deref(), known))]
    UnknownName {
        /// The name given.
        name: String,
        /// The name that is nearest.
        meant: Option<String>,
        /// What there is.
        known: Vec<String>,
    },
    /// No resource has that name.
    #[error("there is no resource {name}{}", hint(meant.as_deref(), known))]
    UnknownResource {
        /// The name given.
        name: String,
        /// The name that is nearest.
        meant: Option<String>,
        /// What there is.
        known: Vec<String>,
    },
    /// The run that was named is no plan.
    #[error("{0}")]
    NoPlan(String),
    /// The wall of a capability cannot be built.
    #[error("{0}")]
    Capability(String),
}

fn hint(meant: Option<&str>, known: &[String]) -> String {
    match (meant, known) {
        (Some(meant), _) => format!("; did you mean {meant}?"),
        (None, []) => "; the configuration has none".into(),
        (None, known) => format!("; there are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_once() {
        let wrong = ConfigurationErrors(vec![]);
        for error in [ServiceError::from(wrong), BindingErrors(vec![]).into(), ServiceError::NoPlan("x".into())] {
            assert!(
                std::error::Error::source(&error).is_none(),
                "a source of the same words is printed again: {error:?}"
            );
        }
    }
}
