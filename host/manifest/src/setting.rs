//! Settings: their declaration in the manifest, and the check of what an operator wrote.
//!
//! The host checks and normalises every value before the plugin starts, so that a plugin's typed structure never
//! meets a wrong one: durations arrive as seconds, sizes as bytes, percentages as numbers.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;

/// The type of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingKind {
    /// true or false.
    Boolean,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A number from 0 to 100.
    Percent,
    /// Text.
    Text,
    /// `90s`, `5min`, `2h`, `30d`; arrives as seconds.
    Duration,
    /// `10MB`, `1GiB`; arrives as bytes. k, M, G and T are 1000; Ki, Mi, Gi and Ti are 1024.
    Bytes,
    /// An alert range in the Monitoring Plugins syntax, `[@][start:][end]`.
    Range,
    /// A list of texts.
    Texts,
    /// A table of names and texts.
    Table,
}

/// The declaration of one setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: SettingKind,
    /// What it means, with its unit.
    pub summary: String,
    /// What holds where the operator says nothing. Without one the setting is null then.
    #[serde(default)]
    pub default: Option<Value>,
    /// Whether the operator has to give it.
    #[serde(default)]
    pub required: bool,
    /// The least value, in the unit that arrives.
    #[serde(default)]
    pub minimum: Option<f64>,
    /// The greatest value, in the unit that arrives.
    #[serde(default)]
    pub maximum: Option<f64>,
    /// The only texts allowed.
    #[serde(default)]
    pub choices: Vec<String>,
    /// Whether its value is never shown.
    #[serde(default)]
    pub secret: bool,
}

/// Why a value does not fit. The end of a sentence that begins with the key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingError {
    /// Another type was given.
    #[error("has to be {expected}, and is {found}")]
    Type {
        /// What is expected, in words.
        expected: &'static str,
        /// What was given, in words; never a secret's value.
        found: String,
    },
    /// It is too small or too large.
    #[error("is {value}, and has to be {bounds}")]
    Bounds {
        /// What was given.
        value: String,
        /// What holds.
        bounds: String,
    },
    /// It is none of the choices.
    #[error("is none of {0}")]
    Choice(String),
    /// It is required and not given.
    #[error("is required: {0}")]
    Missing(String),
}

impl Setting {
    /// The value to hand to the plugin, for what the operator wrote (or did not).
    ///
    /// # Errors
    /// Where the value is of another type, or out of bounds.
    pub fn resolve(&self, given: Option<&Value>) -> Result<Value, SettingError> {
        match given.or(self.default.as_ref()) {
            Some(value) => self.normalise(value),
            None if self.required => Err(SettingError::Missing(self.summary.clone())),
            None => Ok(Value::Null),
        }
    }

    pub(crate) fn check_declaration(&self) -> Result<(), String> {
        if self.summary.trim().is_empty() {
            return Err("has no summary".into());
        }
        match &self.default {
            Some(default) => self.normalise(default).map(drop).map_err(|error| format!(".default {error}")),
            None => Ok(()),
        }
    }

    fn normalise(&self, value: &Value) -> Result<Value, SettingError> {
        use SettingKind as Kind;
        let wrong = |expected| SettingError::Type { expected, found: self.describe(value) };
        match self.kind {
            Kind::Boolean => value.as_bool().map(Value::Bool).ok_or_else(|| wrong("true or false")),
            Kind::Integer => {
                let number = value.as_i64().ok_or_else(|| wrong("a whole number"))?;
                self.hold(number as f64)?;
                Ok(json!(number))
            }
            Kind::Number => self.number(value.as_f64().ok_or_else(|| wrong("a number"))?),
            Kind::Percent => {
                let number = value.as_f64().ok_or_else(|| wrong("a number from 0 to 100"))?;
                if !(0.0..=100.0).contains(&number) {
                    return Err(SettingError::Bounds { value: number.to_string(), bounds: "from 0 to 100".into() });
                }
                self.number(number)
            }
            Kind::Duration => {
                let expected = "a duration such as \"90s\", \"5min\", \"2h\" or \"30d\"";
                let text = value.as_str().ok_or_else(|| wrong(expected))?;
                self.number(seconds(text).ok_or_else(|| wrong(expected))?)
            }
            Kind::Bytes => {
                let expected = "a size such as \"10MB\" or \"1GiB\"";
                let size = match value {
                    Value::Number(number) => number.as_u64().map(|size| size as f64),
                    Value::String(text) => bytes(text),
                    _ => None,
                };
                let size = size.ok_or_else(|| wrong(expected))?;
                self.hold(size)?;
                Ok(json!(size as u64))
            }
            Kind::Text => {
                let text = value.as_str().ok_or_else(|| wrong("text"))?;
                if !self.choices.is_empty() && !self.choices.iter().any(|choice| choice == text) {
                    return Err(SettingError::Choice(self.choices.join(", ")));
                }
                Ok(json!(text))
            }
            Kind::Range => {
                let text = match value {
                    Value::Number(number) => number.to_string(),
                    Value::String(text) => text.clone(),
                    _ => return Err(wrong("an alert range such as \"80\" or \"10:\"")),
                };
                if is_range(&text) { Ok(json!(text)) } else { Err(wrong("an alert range such as \"80\" or \"10:\"")) }
            }
            Kind::Texts => match value.as_array() {
                Some(items) if items.iter().all(Value::is_string) => Ok(value.clone()),
                _ => Err(wrong("a list of texts")),
            },
            Kind::Table => match value.as_object() {
                Some(items) if items.values().all(Value::is_string) => Ok(value.clone()),
                _ => Err(wrong("a table of texts")),
            },
        }
    }

    fn number(&self, number: f64) -> Result<Value, SettingError> {
        self.hold(number)?;
        Ok(json!(number))
    }

    fn hold(&self, number: f64) -> Result<(), SettingError> {
        let low = self.minimum.is_some_and(|minimum| number < minimum);
        let high = self.maximum.is_some_and(|maximum| number > maximum);
        if !low && !high && number.is_finite() {
            return Ok(());
        }
        let bounds = match (self.minimum, self.maximum) {
            (Some(minimum), Some(maximum)) => format!("from {minimum} to {maximum}"),
            (Some(minimum), None) => format!("at least {minimum}"),
            (None, Some(maximum)) => format!("at most {maximum}"),
            (None, None) => "finite".into(),
        };
        Err(SettingError::Bounds { value: number.to_string(), bounds })
    }

    fn describe(&self, value: &Value) -> String {
        if self.secret {
            return "something else (not shown)".into();
        }
        match value {
            Value::String(text) => format!("the text {text:?}"),
            Value::Array(_) => "a list".into(),
            Value::Object(_) => "a table".into(),
            other => other.to_string(),
        }
    }
}

const DURATIONS: &[(&str, f64)] =
    &[("ms", 0.001), ("s", 1.0), ("min", 60.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0), ("w", 604_800.0)];

const SIZES: &[(&str, f64)] = &[
    ("B", 1.0),
    ("kB", 1e3),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
];

/// The seconds that `90s`, `5min`, `2h` or `30d` stands for; nothing where it is no duration.
pub fn seconds(text: &str) -> Option<f64> {
    with_unit(text, DURATIONS)
}

/// The bytes that `10MB` or `1GiB` stands for; nothing where it is no size.
pub fn bytes(text: &str) -> Option<f64> {
    with_unit(text, SIZES)
}

fn with_unit(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let text = text.trim();
    let split = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
    let (number, unit) = text.split_at(split);
    let factor = units.iter().find(|(name, _)| *name == unit.trim())?.1;
    number.parse::<f64>().ok().map(|number| number * factor)
}

/// `[@][start:][end]` with start at most end; `~` for minus infinity.
fn is_range(text: &str) -> bool {
    let text = text.strip_prefix('@').unwrap_or(text);
    let bound = |part: &str| part.parse::<f64>().ok().filter(|number| number.is_finite());
    match text.split_once(':') {
        None => bound(text).is_some_and(|end| end >= 0.0),
        Some((start, end)) => {
            let start = if start == "~" { Some(f64::NEG_INFINITY) } else { bound(start) };
            let end = if end.is_empty() { Some(f64::INFINITY) } else { bound(end) };
            matches!((start, end), (Some(start), Some(end)) if start <= end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(kind: SettingKind) -> Setting {
        Setting {
            kind,
            summary: "for a test".into(),
            default: None,
            required: false,
            minimum: None,
            maximum: None,
            choices: vec![],
            secret: false,
        }
    }

    #[test]
    fn units_arrive_as_seconds_and_bytes() {
        assert_eq!(setting(SettingKind::Duration).resolve(Some(&json!("5min"))), Ok(json!(300.0)));
        assert_eq!(setting(SettingKind::Bytes).resolve(Some(&json!("1GiB"))), Ok(json!(1_073_741_824_u64)));
        assert_eq!(setting(SettingKind::Bytes).resolve(Some(&json!(4096))), Ok(json!(4096)));
    }

    #[test]
    fn a_wrong_type_and_a_value_out_of_bounds_are_refused() {
        let percent = setting(SettingKind::Percent);
        assert!(matches!(percent.resolve(Some(&json!("90"))), Err(SettingError::Type { .. })));
        assert!(matches!(percent.resolve(Some(&json!(101))), Err(SettingError::Bounds { .. })));
        let range = setting(SettingKind::Range);
        assert!(range.resolve(Some(&json!("10:"))).is_ok());
        for bad in ["20:10", "x", "", "@", "1:2:3"] {
            assert!(range.resolve(Some(&json!(bad))).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_not_echoed() {
        let secret = Setting { secret: true, ..setting(SettingKind::Boolean) };
        assert!(!secret.resolve(Some(&json!("hunter2"))).unwrap_err().to_string().contains("hunter2"));
    }
}
