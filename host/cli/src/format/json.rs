//! JSON, whole: what the history keeps, with a schema version that changes when a field changes its meaning.

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
    format!("{document:#}\n")
}
