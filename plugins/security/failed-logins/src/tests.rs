//! What is a burst, and what a success after one.

use hostler_sdk::testing::{Recorded, record, refuses_each, settings};
use serde_json::json;

use super::*;
use attempt::Attempt;

const MANIFEST: &str = include_str!("../plugin.toml");

fn attempt(at: i64, address: &str, user: &str, success: bool) -> Attempt {
    Attempt { at, service: "ssh".into(), address: address.into(), user: user.into(), success }
}

fn tell(recent: Vec<Attempt>, attempts: impl IntoIterator<Item = Attempt>) -> Recorded {
    let settings: Settings = settings(MANIFEST, json!({}));
    let mut all = Attempts::after(recent);
    attempts.into_iter().for_each(|attempt| all.add(attempt));
    all.put_in_order();
    record(|| all.report(&settings))
}

fn burst(count: i64, step: i64, address: &str) -> Vec<Attempt> {
    (0..count).map(|number| attempt(number * step, address, "", false)).collect()
}

#[test]
fn many_within_minutes_are_a_burst_and_as_many_over_a_day_are_none() {
    assert_eq!(tell(vec![], burst(19, 1, "10.0.0.1")).told(), []);
    assert_eq!(tell(vec![], burst(20, 1, "10.0.0.1")).told(), [("login-burst", "10.0.0.1", Severity::Warning)]);
    assert_eq!(tell(vec![], burst(200, 60, "10.0.0.1")).told(), []);
    let spread = (0..30).map(|number| attempt(number, &format!("10.0.0.{number}"), "", false));
    assert_eq!(tell(vec![], spread).told(), [("login-burst-network", "10.0.0.0/24", Severity::Warning)]);
}

#[test]
fn a_success_after_failures_is_critical_also_where_a_run_ended_in_between() {
    let failures = burst(5, 1, "10.0.0.1");
    let success = attempt(10, "10.0.0.1", "bob", true);
    let critical = [("success-after-burst", "10.0.0.1", Severity::Critical)];
    assert_eq!(tell(vec![], failures.iter().cloned().chain([success.clone()])).told(), critical);
    assert_eq!(tell(failures.clone(), [success.clone()]).told(), critical);
    assert_eq!(
        tell([failures.clone(), vec![success.clone()]].concat(), []).told(),
        [],
        "it was told by the run before"
    );
    assert_eq!(tell(failures, [attempt(700, "10.0.0.1", "bob", true)]).told(), [], "the window is over");
    assert_eq!(tell(vec![], burst(4, 1, "10.0.0.1").into_iter().chain([success])).told(), []);
}

#[test]
fn a_name_is_shown_only_where_it_has_logged_in() {
    let typed = (0..40).map(|number| attempt(number, "", "hunter2", false));
    assert_eq!(tell(vec![], typed).told(), []);
    let known = (0..40).map(|number| attempt(number, "", "bob", number == 0));
    assert_eq!(tell(vec![], known).told(), [("user-under-attack", "bob", Severity::Warning)]);
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[("files", json!("a")), ("burst", json!(0)), ("before_success", json!(0)), ("window", json!("0s"))],
    );
}
