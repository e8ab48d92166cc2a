//! What grew since the last run, and what runs now.

use hostler_sdk::testing::{record, refuses_each, rows, settings};
use serde_json::json;

use super::*;
use growth::samples::counted;

const MANIFEST: &str = include_str!("../plugin.toml");

#[test]
fn only_what_grew_since_the_last_run_is_judged_by_its_mean() {
    let settings: Settings = settings(MANIFEST, json!({}));
    let earlier = counted("1", 0, &[(1, 10.0, 90_000.0), (2, 10.0, 100.0), (3, 5.0, 5.0)]).kept();
    let now = counted("1", 0, &[(1, 12.0, 90_100.0), (2, 12.0, 2_102.0), (3, 5.0, 5.0), (4, 2.0, 10_002.0)]);
    let recorded = record(|| assert!(now.report(&earlier, &settings).starts_with("3 statements took 12.1 s in ")));
    assert_eq!(
        recorded.told(),
        [("statement-slow", "shop 4", Severity::Critical), ("statement-slow", "shop 2", Severity::Warning)]
    );
    assert_eq!(recorded.metric("postgres_statements_slow"), Some(2.0));
    assert_eq!(recorded.tables[0].rows.len(), 3, "the one that was not called is not there");
    assert_eq!(recorded.tables[0].rows[0][2], "2");
}

#[test]
fn a_statement_that_came_back_began_anew_and_dropped_ones_are_told() {
    let settings: Settings = settings(MANIFEST, json!({"least_calls": 2}));
    let earlier = counted("1", 3, &[(1, 100.0, 900_000.0)]).kept();
    let now = counted("1", 5, &[(1, 1.0, 60_000.0)]);
    let recorded = record(|| now.report(&earlier, &settings));
    assert_eq!(
        recorded.told(),
        [("statements-dropped", "pg_stat_statements", Severity::Warning)],
        "one call is not judged"
    );
}

#[test]
fn what_runs_now_is_judged_at_its_edges_and_backups_may_take_their_time() {
    let settings: Settings = settings(MANIFEST, json!({}));
    let tell = |seconds: f64, application: &str| {
        let rows = rows!(["pid", "database", "role", "application", "query", "seconds", "waits", "blockers"];
            [7, "shop", "app", application, "SELECT 'secret'", seconds, "", 1]);
        record(|| assert!(running::report(&rows, &settings).is_ok()))
    };
    let worst = [120.0, 120.1, 300.1].map(|seconds| tell(seconds, "psql").worst());
    assert_eq!(worst, [Severity::Ok, Severity::Warning, Severity::Critical]);
    assert_eq!(tell(9999.0, "pg_dump").told(), []);
    let told = tell(400.0, "psql");
    assert!(told.findings[0].summary.ends_with("SELECT ?") && !format!("{told:?}").contains("secret"));
    assert!(told.findings[0].detail.as_deref().is_some_and(|detail| detail.contains("waits for 1 other session")));
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("mean_warning", json!("0s")),
            ("running_critical", json!("x")),
            ("least_calls", json!(0)),
            ("top", json!(0)),
            ("ignore_applications", json!("a")),
        ],
    );
}
