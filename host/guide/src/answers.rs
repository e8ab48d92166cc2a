//! How each plugin is put to work, as `answers.toml` beside this file has it: what the manifest cannot say, because it
//! is about machines and not about the plugin. Which procedure it belongs to where its items are of a chapter alone,
//! where its directories usually are, and what an operator has to decide before it may change anything.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{GuideError, Rhythm};

const TABLE: &str = include_str!("answers.toml");

/// How a plugin is put to work.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Answer {
    /// The procedure, where the plugin's items stand in none.
    pub procedure: Option<Rhythm>,
    /// What the operator has to decide first; then the stanza is written as a comment.
    pub decide: Option<String>,
    /// What requests are bound to, where their kind does not say it.
    pub bind: BTreeMap<String, Bound>,
    /// Optional requests of which one has to be bound all the same.
    pub one_of: Vec<String>,
    /// Settings that are the first of these directories that is there, where the PostgreSQL server is this machine's.
    pub data: BTreeMap<String, Vec<String>>,
    /// Settings, as TOML.
    pub settings: BTreeMap<String, toml::Value>,
    /// Seconds or words such as `2h`, where the host's limit is too short.
    pub timeout: Option<String>,
}

/// What a request is bound to.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Bound {
    /// Directories, those that are there; the first one where the request takes one.
    pub directories: Vec<String>,
    /// A directory that is made for it, such as `backups`.
    pub own: Option<String>,
    /// `http` or `tls`: the web servers that answer.
    pub endpoints: Option<String>,
    /// How far a program is confined, where the strict walls would hide what it is for.
    pub confine: Option<String>,
    /// Whether a program needs the network.
    pub network: bool,
    /// Why it is not bound; then it is left to the operator.
    pub left: Option<String>,
}

/// All of them, by the plugin's name.
pub(crate) fn answers() -> Result<BTreeMap<String, Answer>, GuideError> {
    toml::from_str(TABLE).map_err(|error| GuideError::Table { table: "answers.toml", problem: error.to_string() })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_is_whole() {
        let answers = super::answers().expect("it is TOML");
        for (plugin, answer) in &answers {
            for (request, bound) in &answer.bind {
                let kinds = usize::from(!bound.directories.is_empty())
                    + usize::from(bound.own.is_some())
                    + usize::from(bound.endpoints.is_some())
                    + usize::from(bound.left.is_some());
                assert!(kinds <= 1, "{plugin}.{request} is bound to several things");
                assert!(
                    bound.confine.as_deref().is_none_or(|word| ["off", "best-effort"].contains(&word)),
                    "{plugin}.{request}"
                );
            }
        }
    }
}
