use hostler_sdk::testing::{Recorded, record, refuses, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");

/// As systemd 252 prints it.
const SHOWN: &str = "Requires=system.slice sysinit.target\nRequisite=\nBindsTo=\nId=nginx.service\nLoadState=loaded\nActiveState=active\nSubState=running\nResult=success\nNRestarts=0\n\nRequires=postgresql.service system.slice\nRequisite=\nBindsTo=\nId=shop.service\nLoadState=loaded\nActiveState=inactive\nSubState=dead\nResult=dependency\nNRestarts=0\n\nRequires=system.slice\nBindsTo=\nId=postgresql.service\nLoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code\nNRestarts=3\n\nId=-.mount\nLoadState=loaded\nActiveState=active\nSubState=mounted\nResult=success\n";

fn tell(given: serde_json::Value, answers: &[Answer], earlier: &[(&str, u64)]) -> Recorded {
    let settings: Settings = settings(MANIFEST, given);
    let units = units::parse(SHOWN);
    let earlier = earlier.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    record(|| {
        report_units(&units, answers, &earlier, &settings);
        report_answers(answers, Some(&units), &settings);
    })
}

fn answer(name: &str, outcome: Result<f64, &str>) -> Answer {
    Answer { name: name.into(), outcome: outcome.map(Duration::from_seconds).map_err(str::to_owned) }
}

#[test]
fn units_are_read_as_systemctl_prints_them() {
    let units = units::parse(SHOWN);
    assert_eq!(units.len(), 4);
    assert!(units[0].is_active() && units[2].has_failed());
    assert_eq!((units[2].restarts, units[3].name.as_str()), (3, "-.mount"));
    assert_eq!(units[1].needs, ["postgresql.service", "system.slice"]);
}

#[test]
fn one_cause_is_told_once_with_what_it_took_down() {
    let given = json!({"required": ["shop.service", "nginx.service"], "endpoint_units": {"shop": "shop.service"}});
    let recorded = tell(given, &[answer("shop", Err("it answers 502"))], &[]);
    assert_eq!(recorded.told(), [("unit-failed", "postgresql.service", Severity::Critical)]);
    assert_eq!(recorded.findings[0].detail.as_deref(), Some("Down because of it: shop.service, shop"));
}

#[test]
fn a_unit_that_has_to_run_and_does_not_is_critical() {
    let recorded = tell(json!({"required": ["absent.service"], "ignore": ["postgresql*"]}), &[], &[]);
    assert_eq!(recorded.told(), [("unit-not-running", "absent.service", Severity::Critical)]);
    assert_eq!(tell(json!({"required": ["nginx.service"], "ignore": ["post*.service"]}), &[], &[]).told(), []);
}

#[test]
fn restarts_are_counted_since_the_last_run() {
    let told = |before| {
        tell(json!({"ignore": []}), &[], &[("postgresql.service", before)])
            .finding("unit-restarted")
            .map(|finding| finding.summary.clone())
    };
    assert_eq!(told(3), None);
    assert_eq!(told(1).as_deref(), Some("it was restarted 2 times since the last run"));
    assert_eq!(told(7).as_deref(), Some("it was restarted 3 times since the last run"), "its count began anew");
    assert!(tell(json!({}), &[], &[]).finding("unit-restarted").is_none(), "a first run has nothing to compare with");
}

#[test]
fn endpoints_are_up_slow_or_down() {
    let answers = [answer("a", Ok(2.0)), answer("b", Ok(2.1)), answer("c", Err("it answers 500"))];
    let recorded = tell(json!({"ignore": ["*"]}), &answers, &[]);
    assert_eq!(
        recorded.told(),
        [("endpoint-slow", "b", Severity::Warning), ("endpoint-down", "c", Severity::Critical)]
    );
}

#[test]
fn the_form_in_the_manifest_is_the_one_that_is_called() {
    let manifest: String = MANIFEST.into();
    assert!(
        manifest.contains(&format!("arguments = [[{}]]", SHOW.map(|argument| format!("\"{argument}\"")).join(", ")))
    );
}

#[test]
fn each_bad_setting_is_refused() {
    for (name, value) in [
        ("required", json!("nginx.service")),
        ("ignore", json!([1])),
        ("restarts", json!("few")),
        ("timeout", json!("0s")),
        ("slow", json!(2)),
        ("endpoint_units", json!(["shop"])),
    ] {
        let refusal = refuses(MANIFEST, json!({ name: value })).expect(name);
        assert!(refusal.contains(name), "{refusal}");
    }
}
