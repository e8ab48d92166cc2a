//! What pgBackRest says of its backups.

use hostler_sdk::judged_above;
use hostler_sdk::prelude::*;

use crate::Settings;

#[derive(Deserialize)]
struct Stanza {
    name: String,
    status: Status,
    #[serde(default)]
    backup: Vec<Made>,
}

#[derive(Deserialize)]
struct Status {
    code: i64,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Made {
    label: String,
    timestamp: Times,
    #[serde(default)]
    error: Option<bool>,
}

#[derive(Deserialize)]
struct Times {
    stop: i64,
}

/// How many stanzas there are; nothing where pgBackRest is not bound.
pub(crate) async fn look(context: &Context, settings: &Settings, now: Timestamp) -> Result<Option<usize>, TaskError> {
    let text = match context.program("pgbackrest").arguments(["info", "--output=json"]).output().await {
        Ok(text) => text,
        Err(error) if error.is_unbound() => return Ok(None),
        Err(error) => return Err(error),
    };
    report(&text, settings, now).map(Some)
}

pub(crate) fn report(text: &str, settings: &Settings, now: Timestamp) -> Result<usize, TaskError> {
    let stanzas: Vec<Stanza> = serde_json::from_str(text)
        .map_err(|error| TaskError::new(format!("what pgBackRest printed is not what its `info` prints: {error}")))?;
    if stanzas.is_empty() {
        finding!(Severity::Critical, "no-backup", "pgbackrest", "it knows of no stanza")
            .remedy("pgbackrest --stanza=NAME stanza-create, then pgbackrest --stanza=NAME backup")
            .report();
    }
    for stanza in &stanzas {
        if stanza.status.code != 0 {
            finding!(
                Severity::Critical,
                "pgbackrest-status",
                &stanza.name,
                "its status is {}: {}",
                stanza.status.code,
                stanza.status.message
            )
            .remedy(format!("pgbackrest --stanza={} check", stanza.name))
            .report();
        }
        let whole = stanza.backup.iter().filter(|backup| backup.error != Some(true));
        let Some(newest) = whole.max_by_key(|backup| backup.timestamp.stop) else { continue };
        let age = Timestamp::from_seconds(newest.timestamp.stop).until(now).as_seconds();
        let (warning, critical) = (settings.age_warning.as_seconds(), settings.age_critical.as_seconds());
        let (severity, limit) = judged_above(age, warning, critical, Measure::Seconds);
        Metric::gauge("backup_age_seconds", age).label("set", &stanza.name).report();
        finding!(
            severity,
            "backup-old",
            &stanza.name,
            "the newest backup is {} old{limit}: {}",
            Duration::from_seconds(age),
            newest.label
        )
        .remedy(format!("pgbackrest --stanza={} --type=diff backup", stanza.name))
        .report_unless_ok();
    }
    Ok(stanzas.len())
}
