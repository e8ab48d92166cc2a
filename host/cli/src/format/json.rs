//! JSON, whole: what the history keeps, with a schema version that changes when a field changes its meaning.

use std::fmt::Write;

use hostler_service::Outcome;
use serde_json::json;

/// The version of the JSON's shape.
const SCHEMA_VERSION: u32 = 1;

pub(super) fn print(outcome: &Outcome) -> String {
    let document = json!({
        "schema_version": SCHEMA_VERSION,
        "name": outcome.name,
        "verdict": outcome.verdict(),
        "duration_ms": outcome.duration_ms,
        "tasks": outcome.tasks,
    });
    harmless(&format!("{document:#}\n"))
}

/// JSON leaves DEL and the C1 control characters as they are, and some terminals obey those. All other characters of
/// their kind stand within a text there, where they may be escaped.
pub(crate) fn harmless(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter.is_control() && letter != '\n' {
            let _ = write!(text, "\\u{:04x}", u32::from(letter));
        } else {
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::samples::{outcome, task};

    #[test]
    fn it_reads_back_and_holds_no_control_character() {
        let mut evil = task("t");
        evil.summary = "a\u{9b}2J\u{7f}\x1b[31m".into();
        let text = print(&outcome(vec![evil.clone()]));
        assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n'), "{text:?}");
        let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read["tasks"][0]["summary"], evil.summary.as_str());
        assert_eq!(read["schema_version"], 1);
    }
}
