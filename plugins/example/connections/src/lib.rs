//! Counts the connections of a PostgreSQL server: a plugin to learn from. `postgres-connections` is the one to run.

use hostler_sdk::prelude::*;

hostler_sdk::plugin!(Settings, run);

const COUNT: &str = "SELECT sum(numbackends)::int8 AS used, current_setting('max_connections')::int8 AS most
    FROM pg_stat_database";

#[derive(Deserialize)]
struct Settings {
    warning: Range,
    critical: Range,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let database = context.postgres("database").await?;
    let row = database.query(COUNT, &[]).await?.one().await?;
    assess(row.get("used")?, row.get("most")?, &settings)
}

/// What is decided is a plain function, so that `cargo test` tries it without a server.
fn assess(used: i64, most: i64, settings: &Settings) -> Result<String, TaskError> {
    let share = Percent::of(used as f64, most as f64).ok_or("the server allows no connection at all")?;
    let finding = finding!(Severity::Ok, "connections-used", "server", "{used} of {most} connections in use ({share})")
        .remedy("find whose they are: SELECT usename, state, count(*) FROM pg_stat_activity GROUP BY 1, 2;");
    Metric::gauge("connections_used_percent", share.0).judge(&settings.warning, &settings.critical, finding);
    Ok(format!("{used} of {most} connections"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_sdk::testing::{record, refuses, settings};
    use serde_json::json;

    const MANIFEST: &str = include_str!("../plugin.toml");

    #[test]
    fn the_thresholds_hold_at_their_edges() {
        let settings: Settings = settings(MANIFEST, json!({}));
        let worst = |used| record(|| assess(used, 100, &settings)).worst();
        assert_eq!([worst(80), worst(81), worst(91)], [Severity::Ok, Severity::Warning, Severity::Critical]);
        assert!(assess(0, 0, &settings).is_err());
    }

    #[test]
    fn bad_settings_are_refused() {
        for name in ["warning", "critical"] {
            assert!(refuses(MANIFEST, json!({ name: "20:10" })).is_some());
        }
    }
}
