//! What can be wrong with a configuration, each with its file, line and key, and with what was meant.
//!
//! No variant carries a value of the file except names and the words of a schedule: a value may be a secret.

use std::{fmt, path::PathBuf};

use hostler_manifest::SettingError;
use thiserror::Error;

use crate::Place;

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigurationError {
    /// There is no such file.
    #[error(
        "{path}: there is no such file; `hostler init` writes a first one, with every section explained; --config names another"
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is there and cannot be read.
    #[error("{path}: cannot be read: {problem}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// The file is not TOML.
    #[error("{place}: this is not TOML: {problem}")]
    Syntax {
        /// Where.
        place: Place,
        /// What the parser says, without the file's text.
        problem: String,
    },
    /// A key that nobody reads.
    #[error("{place}: `{key}` is not known{}", hint(meant.as_deref(), known))]
    UnknownKey {
        /// Where.
        place: Place,
        /// The key, dotted.
        key: String,
        /// The known key that is nearest.
        meant: Option<String>,
        /// The keys that are known there.
        known: Vec<String>,
    },
    /// A value of another type.
    #[error("{place}: `{key}` has to be {expected}, and is {found}")]
    WrongType {
        /// Where.
        place: Place,
        /// The key, dotted.
        key: String,
        /// What is expected, in words.
        expected: String,
        /// The type that was found, in words; never the value.
        found: String,
    },
    /// A key that has to be there.
    #[error("{place}: `{key}` is missing")]
    MissingKey {
        /// Where its table begins.
        place: Place,
        /// The key, dotted.
        key: String,
    },
    /// A value that is out of place.
    #[error("{place}: `{key}` {problem}")]
    Value {
        /// Where.
        place: Place,
        /// The key, dotted.
        key: String,
        /// What is wrong, as the end of a sentence.
        problem: String,
    },
    /// Two tables or keys of one name.
    #[error("{second}: `{key}` is defined twice, first at {first}; give one of them another name, or remove it")]
    Twice {
        /// The name, dotted.
        key: String,
        /// The first definition.
        first: Place,
        /// The second.
        second: Place,
    },
    /// A procedure names a task that is not there.
    #[error("{place}: `{key}` names the task `{task}`, which does not exist{}", hint(meant.as_deref(), known))]
    UnknownTask {
        /// Where.
        place: Place,
        /// The key, dotted.
        key: String,
        /// The name given.
        task: String,
        /// The task that is nearest.
        meant: Option<String>,
        /// The tasks that are there.
        known: Vec<String>,
    },
    /// A task is bound to a resource that is not there.
    #[error("{place}: `{key}` names the resource `{resource}`, which does not exist{}", hint(meant.as_deref(), known))]
    UnknownResource {
        /// Where.
        place: Place,
        /// The key, dotted.
        key: String,
        /// The name given.
        resource: String,
        /// The resource that is nearest.
        meant: Option<String>,
        /// The resources that are there.
        known: Vec<String>,
    },
}

impl ConfigurationError {
    /// Where it is, where a line can be named.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Missing { .. } | Self::Unreadable { .. } => None,
            Self::Syntax { place, .. }
            | Self::UnknownKey { place, .. }
            | Self::WrongType { place, .. }
            | Self::MissingKey { place, .. }
            | Self::Value { place, .. }
            | Self::UnknownTask { place, .. }
            | Self::UnknownResource { place, .. } => Some(place),
            Self::Twice { second, .. } => Some(second),
        }
    }
}

/// Everything that is wrong with a configuration, in the order of the files' lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationErrors(pub Vec<ConfigurationError>);

impl fmt::Display for ConfigurationErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        lines(formatter, &self.0)
    }
}

impl std::error::Error for ConfigurationErrors {}

/// Something that holds, and that an operator might not have meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub place: Place,
    /// The key, dotted.
    pub key: String,
    /// What is noticed, as the end of a sentence.
    pub notice: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: `{}` {}", self.place, self.key, self.notice)
    }
}

/// Why a task's bindings or settings do not fit its plugin.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BindingError {
    /// A request that the plugin cannot work without has no resource.
    #[error(
        "{}`{key}` is missing: the plugin asks for a resource of kind {kind}, to {reason}{}",
        at(place),
        candidates(known, kind)
    )]
    NotBound {
        /// Where the task is.
        place: Option<Place>,
        /// The key to write.
        key: String,
        /// The kind of resource.
        kind: &'static str,
        /// Why the plugin asks for it.
        reason: String,
        /// The resources of that kind.
        known: Vec<String>,
    },
    /// The plugin has no such request.
    #[error("{}`{key}` is not a request of this plugin{}", at(place), hint(meant.as_deref(), known))]
    UnknownRequest {
        /// Where.
        place: Option<Place>,
        /// The key.
        key: String,
        /// The request that is nearest.
        meant: Option<String>,
        /// The requests that it has.
        known: Vec<String>,
    },
    /// The resource is of another kind.
    #[error("{}`{key}` has to be of kind {wanted}, and `{resource}` is of kind {found}", at(place))]
    Kind {
        /// Where.
        place: Option<Place>,
        /// The key.
        key: String,
        /// The resource's name.
        resource: String,
        /// The kind of the request.
        wanted: &'static str,
        /// The kind of the resource.
        found: &'static str,
    },
    /// Several resources for a request that takes one.
    #[error("{}`{key}` takes one resource, and {count} are bound to it", at(place))]
    OnlyOne {
        /// Where.
        place: Option<Place>,
        /// The key.
        key: String,
        /// How many.
        count: usize,
    },
    /// The binding allows more than the plugin asks for.
    #[error("{}`{key}.{field}` is wider than the plugin's request: {problem}", at(place))]
    Wider {
        /// Where.
        place: Option<Place>,
        /// The key of the binding.
        key: String,
        /// The field.
        field: &'static str,
        /// Which entry, and what the request has.
        problem: String,
    },
    /// The request itself cannot be granted.
    #[error("{}`{key}` cannot be granted: {problem}", at(place))]
    Ungrantable {
        /// Where.
        place: Option<Place>,
        /// The key.
        key: String,
        /// Why.
        problem: String,
    },
    /// The plugin has no such setting.
    #[error("{}`{key}` is not a setting of this plugin{}", at(place), hint(meant.as_deref(), known))]
    UnknownSetting {
        /// Where.
        place: Option<Place>,
        /// The key.
        key: String,
        /// The setting that is nearest.
        meant: Option<String>,
        /// The settings that it has.
        known: Vec<String>,
    },
    /// A setting of a wrong type, or out of range, or missing.
    #[error("{}`{key}` {problem}", at(place))]
    Setting {
        /// Where.
        place: Option<Place>,
        /// The key.
        key: String,
        /// What is wrong.
        problem: SettingError,
    },
    /// What was given at the command line is not a resource.
    #[error("`{key}` {problem}")]
    Given {
        /// The option.
        key: String,
        /// What is wrong, as the end of a sentence; never with a password.
        problem: String,
    },
}

/// Everything that is wrong with a task's bindings and settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingErrors(pub Vec<BindingError>);

impl fmt::Display for BindingErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        lines(formatter, &self.0)
    }
}

impl std::error::Error for BindingErrors {}

fn lines<T: fmt::Display>(formatter: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            writeln!(formatter)?;
        }
        write!(formatter, "{item}")?;
    }
    Ok(())
}

fn at(place: &Option<Place>) -> String {
    place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default()
}

fn hint(meant: Option<&str>, known: &[String]) -> String {
    match (meant, known) {
        (Some(meant), _) => format!("; did you mean `{meant}`?"),
        (None, []) => "; there is none".into(),
        (None, known) if known.len() <= 12 => format!("; known are {}", known.join(", ")),
        (None, known) => format!("; known are {} and {} more", known[..12].join(", "), known.len() - 12),
    }
}

fn candidates(known: &[String], kind: &str) -> String {
    match known {
        [] if kind == "machine" || kind == "history" => format!("; bind it to \"{kind}\""),
        [] => format!("; the configuration has none, so write a section [{kind}.NAME] first"),
        known => format!("; there {} {}", if known.len() == 1 { "is" } else { "are" }, known.join(", ")),
    }
}
