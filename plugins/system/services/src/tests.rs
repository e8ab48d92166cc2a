//! What is told of units as systemctl prints them, and of endpoints.

use hostler_sdk::testing::{Recorded, record, refuses_each, settings};
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
fn a_cause_that_is_left_alone_does_not_hide_what_it_took_down() {
    let given = json!({
        "required": ["shop.service"], "ignore": ["postgresql.service"], "endpoint_units": {"shop": "shop.service"},
    });
    let recorded = tell(given, &[answer("shop", Err("it answers 502"))], &[]);
    let both =
        [("unit-not-running", "shop.service", Severity::Critical), ("endpoint-down", "shop", Severity::Critical)];
    assert_eq!(recorded.told(), both);
    let given = json!({"ignore": ["postgresql.service"], "endpoint_units": {"database": "postgresql.service"}});
    let recorded = tell(given, &[answer("database", Err("connection refused"))], &[]);
    assert_eq!(recorded.told(), [("endpoint-down", "database", Severity::Critical)]);
}

#[test]
fn units_that_need_one_another_do_not_hide_each_other() {
    let failed = |name: &str, needs: &str| {
        format!(
            "Id={name}\nRequires={needs}\nLoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code\n\n"
        )
    };
    let units = units::parse(&(failed("a.service", "b.service") + &failed("b.service", "a.service")));
    let recorded = record(|| report_units(&units, &[], &BTreeMap::new(), &settings(MANIFEST, json!({}))));
    assert_eq!(
        recorded.told(),
        [("unit-failed", "a.service", Severity::Critical), ("unit-failed", "b.service", Severity::Critical)]
    );
}

#[test]
fn a_unit_that_has_to_run_and_does_not_is_critical() {
    let recorded = tell(json!({"required": ["absent.service"], "ignore": ["postgresql*"]}), &[], &[]);
    assert_eq!(recorded.told(), [("unit-not-running", "absent.service", Severity::Critical)]);
    assert_eq!(tell(json!({"required": ["nginx.service"], "ignore": ["post*.service"]}), &[], &[]).told(), []);
}

/// Units of a machine on which ssh.service has an alias, and a unit ends as often as it is started.
const MORE: &str = "Id=ssh.service\nNames=sshd.service ssh.service\nLoadState=loaded\nActiveState=active\nSubState=running\nResult=success\nNRestarts=0\n\nId=worker.service\nNames=worker.service jobs.service\nLoadState=loaded\nActiveState=activating\nSubState=auto-restart\nResult=exit-code\nNRestarts=12\n\nId=dbus-broker.service\nNames=dbus.service dbus-broker.service\nLoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code\nNRestarts=0\n\nRequires=dbus.service\nId=login.service\nNames=login.service\nLoadState=loaded\nActiveState=inactive\nSubState=dead\nResult=dependency\nNRestarts=0\n";

fn tell_more(given: serde_json::Value, answers: &[Answer], earlier: &[(&str, u64)]) -> Recorded {
    let settings: Settings = settings(MANIFEST, given);
    let units = units::parse(MORE);
    let earlier = earlier.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    record(|| {
        report_units(&units, answers, &earlier, &settings);
        report_answers(answers, Some(&units), &settings);
    })
}

#[test]
fn a_unit_is_found_by_each_of_its_names() {
    let quiet = json!({"required": ["sshd.service", "ssh.service"], "ignore": ["jobs.service", "dbus.service"]});
    assert_eq!(tell_more(quiet, &[], &[]).told(), []);
    let given =
        json!({"required": ["login.service"], "ignore": ["worker*"], "endpoint_units": {"bus": "dbus.service"}});
    let recorded = tell_more(given, &[answer("bus", Err("connection refused"))], &[]);
    assert_eq!(recorded.told(), [("unit-failed", "dbus-broker.service", Severity::Critical)], "one cause, told once");
    assert_eq!(recorded.findings[0].detail.as_deref(), Some("Down because of it: login.service, bus"));
}

#[test]
fn a_unit_that_is_started_again_and_again_is_a_warning_and_critical_where_it_has_to_run() {
    let ignore = json!(["dbus*"]);
    let recorded = tell_more(json!({"ignore": ignore}), &[], &[("worker.service", 3)]);
    assert_eq!(recorded.told(), [("unit-restarting", "worker.service", Severity::Warning)]);
    assert_eq!(recorded.findings[0].summary, "it keeps ending (exit-code), and was started again 12 times");
    let recorded = tell_more(json!({"ignore": ignore, "required": ["jobs.service"]}), &[], &[]);
    assert_eq!(recorded.told(), [("unit-not-running", "jobs.service", Severity::Critical)]);
    assert!(recorded.findings[0].summary.contains("12 times, and has to run"), "{:?}", recorded.findings);
    assert!(
        recorded.findings[0].remedy.as_deref().is_some_and(|remedy| remedy.contains("journalctl -u worker.service"))
    );
}

#[test]
fn a_machine_without_systemd_is_unknown_with_the_reason_and_what_to_do() {
    for (said, code, remedy) in [
        (
            "`systemctl` ended with 1: System has not been booted with systemd as init system (PID 1). Can't operate.",
            "systemd-absent",
            "unbound",
        ),
        (
            "`systemctl` ended with 1: Failed to connect to bus: No such file or directory",
            "systemd-unreachable",
            "confine",
        ),
        ("`systemctl` ended with 4: something else", "units-unseen", ""),
    ] {
        let finding = unseen(&TaskError::new(said));
        assert_eq!((finding.severity, finding.code.as_str()), (Severity::Unknown, code));
        assert!(finding.remedy.unwrap_or_default().contains(remedy), "{said}");
    }
}

#[test]
fn restarts_are_counted_since_the_last_run() {
    let told = |before| {
        tell(json!({"ignore": []}), &[], &[("postgresql.service", before)])
            .finding("unit-restarted")
            .map(|finding| finding.summary.clone())
    };
    assert_eq!(told(3), None);
    assert_eq!(told(1).as_deref(), Some("it was restarted 2 times since the last run, warning above 0"));
    assert_eq!(
        told(7).as_deref(),
        Some("it was restarted 3 times since the last run, warning above 0"),
        "its count began anew"
    );
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
    assert_eq!(recorded.findings[0].summary, "it took 2.1 s to answer, warning above 2 s");
    assert!(recorded.findings.iter().all(|finding| finding.remedy.is_some()), "each has a next step");
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
    refuses_each(
        MANIFEST,
        &[
            ("required", json!("nginx.service")),
            ("ignore", json!([1])),
            ("restarts", json!("few")),
            ("timeout", json!("0s")),
            ("slow", json!(2)),
            ("endpoint_units", json!(["shop"])),
        ],
    );
}
