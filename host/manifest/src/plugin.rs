//! The manifest as a whole, and the rules that hold between its parts.

use std::collections::BTreeMap;

use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ManifestError, Request, Setting};

/// Whether a plugin only looks, or changes something too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It only looks. No binding gives it a right to change.
    Check,
    /// It changes something in apply mode, and plans it in check mode.
    Apply,
}

/// What a plugin is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plugin {
    /// `AREA-TASK`, in lower-case letters, digits and hyphens.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// One sentence.
    pub summary: String,
    /// An SPDX expression.
    pub license: String,
    /// Whether it changes something.
    pub mode: Mode,
    /// The items of the maintenance guide that it carries out.
    #[serde(default)]
    pub guide: Vec<String>,
    /// Where its source is.
    #[serde(default)]
    pub homepage: Option<String>,
}

/// What stands in the custom section `hostler:manifest`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What the plugin is.
    pub plugin: Plugin,
    /// What it asks for, by the name that it uses.
    #[serde(default)]
    pub requests: BTreeMap<String, Request>,
    /// Its settings.
    #[serde(default)]
    pub settings: BTreeMap<String, Setting>,
    /// What it can find, by the code of the finding.
    #[serde(default)]
    pub findings: BTreeMap<String, FindingKind>,
    /// What it measures: the metric's name, and what it counts.
    #[serde(default)]
    pub metrics: BTreeMap<String, String>,
}

/// One kind of finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingKind {
    /// What is so where it is told, and how bad that is.
    pub summary: String,
    /// What an operator does then.
    pub remedy: String,
}

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// Names the line or the key that is wrong, and what was meant.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text).map_err(|error| ManifestError::Damaged(error.to_string()))?;
        manifest.check()?;
        Ok(manifest)
    }

    /// An operator decides by what the manifest says: no text of it may move the cursor, or hide a part of itself.
    fn check_texts(&self) -> Result<(), ManifestError> {
        let whole = serde_json::to_value(self).map_err(|error| ManifestError::Damaged(error.to_string()))?;
        match misleading("", &whole) {
            Some(key) => Err(wrong(&key, "has a line break, a control character, or one that hides or reorders text")),
            None => Ok(()),
        }
    }

    fn check(&self) -> Result<(), ManifestError> {
        let plugin = &self.plugin;
        self.check_texts()?;
        if !is_name(&plugin.name) {
            return Err(wrong("plugin.name", "is not made of lower-case letters, digits and single hyphens"));
        }
        for (key, text) in [("plugin.summary", &plugin.summary), ("plugin.license", &plugin.license)] {
            if text.trim().is_empty() {
                return Err(wrong(key, "is empty"));
            }
        }
        for (name, request) in &self.requests {
            if !is_name(name) {
                return Err(wrong(
                    &format!("requests.{name}"),
                    "is not a name of lower-case letters, digits and hyphens",
                ));
            }
            if request.reason().trim().is_empty() {
                return Err(wrong(&format!("requests.{name}.reason"), "is missing: an operator has to know why"));
            }
            if plugin.mode == Mode::Check && request.changes() {
                return Err(wrong(
                    &format!("requests.{name}"),
                    "asks to change something, and plugin.mode is \"check\"; write mode = \"apply\"",
                ));
            }
        }
        for (name, setting) in &self.settings {
            if !is_name(name) {
                return Err(wrong(
                    &format!("settings.{name:?}"),
                    "is not a name of lower-case letters, digits and underscores",
                ));
            }
            setting.check_declaration().map_err(|problem| wrong(&format!("settings.{name}"), &problem))?;
        }
        self.check_reports()
    }

    /// What it says of its findings and metrics.
    fn check_reports(&self) -> Result<(), ManifestError> {
        for (code, finding) in &self.findings {
            if !is_name(code) {
                return Err(wrong(
                    &format!("findings.{code:?}"),
                    "is not a name of lower-case letters, digits and hyphens",
                ));
            }
            for (key, text) in [("summary", &finding.summary), ("remedy", &finding.remedy)] {
                if text.trim().is_empty() {
                    return Err(wrong(&format!("findings.{code}.{key}"), "is empty"));
                }
            }
        }
        for (name, summary) in &self.metrics {
            if !is_name(name) || name.contains('-') {
                return Err(wrong(
                    &format!("metrics.{name:?}"),
                    "is not a name of lower-case letters, digits and underscores",
                ));
            }
            if summary.trim().is_empty() {
                return Err(wrong(&format!("metrics.{name}"), "is empty: say what it counts"));
            }
        }
        Ok(())
    }
}

/// The first text below `value` that could show an operator something else than what it says.
fn misleading(key: &str, value: &Value) -> Option<String> {
    let below = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
    match value {
        Value::String(text) => text.contains(is_misleading).then(|| key.to_owned()),
        Value::Array(items) => items.iter().find_map(|item| misleading(key, item)),
        Value::Object(fields) => fields.iter().find_map(|(name, field)| {
            if name.contains(is_misleading) { Some(key.to_owned()) } else { misleading(&below(name), field) }
        }),
        _ => None,
    }
}

/// Control characters, which move a terminal's cursor, and those that hide or reorder text.
pub(crate) fn is_misleading(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn wrong(key: &str, problem: &str) -> ManifestError {
    ManifestError::Value { key: key.into(), problem: problem.into() }
}

/// Lower-case letters, digits and single hyphens (or underscores), beginning with a letter; at most 64 characters.
fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && !name.contains("--")
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
        [plugin]
        name = "postgres-vacuum"
        version = "0.1.0"
        summary = "Vacuums"
        license = "Apache-2.0"
        mode = "apply"
        [requests.database]
        kind = "postgres"
        reason = "vacuum"
        statements = ["VACUUM"]
        write = ["*.*"]
    "#;

    #[test]
    fn a_small_manifest_is_read() {
        let manifest = Manifest::parse(SMALL).expect("it is whole");
        assert_eq!(manifest.plugin.name, "postgres-vacuum");
        assert_eq!(manifest.requests["database"].kind(), "postgres");
    }

    #[test]
    fn a_plugin_that_only_looks_cannot_ask_to_change() {
        let error = Manifest::parse(&SMALL.replace("\"apply\"", "\"check\"")).unwrap_err();
        assert!(error.to_string().contains("requests.database"), "{error}");
    }

    #[test]
    fn an_unknown_key_an_empty_reason_and_a_bad_name_are_refused() {
        for (from, to) in [("write =", "wirte ="), ("\"vacuum\"", "\" \""), ("postgres-vacuum", "Postgres/Vacuum")] {
            assert!(Manifest::parse(&SMALL.replace(from, to)).is_err(), "{to}");
        }
    }

    #[test]
    fn findings_and_metrics_say_what_they_are() {
        let told = "[findings]\nnot-done = { summary = \"it was left\", remedy = \"run it again\" }\n\
                    [metrics]\npostgres_tables = \"tables that are due\"\n";
        let manifest = Manifest::parse(&format!("{SMALL}\n{told}")).expect("it is whole");
        assert_eq!(manifest.findings["not-done"].remedy, "run it again");
        assert_eq!(manifest.metrics["postgres_tables"], "tables that are due");
        for (from, to, key) in [
            ("\"run it again\"", "\" \"", "findings.not-done.remedy"),
            ("not-done", "Not_Done", "findings"),
            ("postgres_tables", "postgres-tables", "metrics"),
            ("\"tables that are due\"", "\"\"", "metrics.postgres_tables"),
            ("remedy =", "cure =", "cure"),
        ] {
            let error = Manifest::parse(&format!("{SMALL}\n{}", told.replace(from, to))).unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = Manifest::parse(&text);
        }
    }
}
