//! What is chosen, what speaks against it, and what apt-get's words mean.

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::shell::Completed;
use hostler_sdk::testing::{record, refuses_each, settings};
use serde_json::json;
use shared_packages::simulation::Simulation;

use super::*;
use choose::objections;
use outcome::Failure;

const MANIFEST: &str = include_str!("../plugin.toml");

const SIMULATED: &str = "The following packages have been kept back:
  held
4 upgraded, 1 newly installed, 0 to remove and 1 not upgraded.
Inst tool [1] (2 Debian-Security:12/stable-security [all])
Inst postgresql-14 [14.1] (14.2 Debian-Security:12/stable-security [all])
Inst plain [1] (2 Debian:12/stable [all])
Inst below [1] (3 Debian:12/stable [all])
Inst fresh (1 Debian-Security:12/stable-security [all])
";

fn given(value: serde_json::Value) -> Settings {
    settings(MANIFEST, value)
}

fn choose(value: serde_json::Value) -> Choice {
    let simulation = Simulation::parse(SIMULATED).expect("it is one");
    let fixed = BTreeSet::from(["below".to_owned()]);
    let installed =
        ["tool", "postgresql-14", "plain", "below", "held", "current"].map(|name| (name.to_owned(), "1".to_owned()));
    Choice::of(&simulation, &fixed, &BTreeMap::from(installed), &given(value))
}

fn wanted(choice: &Choice) -> Vec<&str> {
    choice.wanted.iter().map(|upgrade| upgrade.name.as_str()).collect()
}

#[test]
fn security_fixes_are_chosen_and_databases_only_by_name() {
    let choice = choose(json!({}));
    assert_eq!(wanted(&choice), ["tool", "below"]);
    assert_eq!(choice.databases, ["postgresql-14"]);
    let told = record(|| choice.report(&given(json!({}))));
    assert_eq!(told.told(), [("database-fix-waits", "postgresql-14", Severity::Warning)]);
    let named = choose(json!({"packages": ["postgresql-14"], "security": false}));
    assert_eq!((wanted(&named), named.databases.len()), (vec!["postgresql-14"], 0));
    assert_eq!(wanted(&choose(json!({"exclude": ["to*"]}))), ["below"]);
    assert_eq!(wanted(&choose(json!({"packages": ["plain"]}))), ["tool", "plain", "below"]);
}

#[test]
fn what_an_earlier_run_has_begun_goes_first() {
    let simulation = Simulation::parse(SIMULATED).expect("it is one");
    let mut choice = choose(json!({}));
    choice.put_first(&simulation, &["postgresql-14".to_owned(), "done".to_owned()]);
    assert_eq!((wanted(&choice), choice.databases.len()), (vec!["postgresql-14", "tool", "below"], 0));
}

#[test]
fn what_is_named_and_held_or_not_installed_is_told_and_what_is_current_is_not() {
    let choice = choose(json!({"packages": ["held", "absent", "current"], "security": false}));
    let told = record(|| choice.report(&given(json!({}))));
    assert_eq!(
        told.told(),
        [("package-held", "held", Severity::Warning), ("package-unknown", "absent", Severity::Unknown)]
    );
}

#[test]
fn more_than_the_limit_is_told() {
    let choice = choose(json!({}));
    let count = |limit: u32| {
        record(|| choice.report(&given(json!({"limit": limit, "databases": []})))).finding("stopped").is_some()
    };
    assert!(!count(2) && count(1));
}

#[test]
fn a_name_that_apt_would_take_for_something_else_is_refused() {
    let check = |name: &str| choose::check_names(&[name.to_owned()]);
    for name in ["postgresql-14", "libc6:amd64", "g++", "libstdc++6", "python3.11", "0ad"] {
        assert_eq!(check(name), Ok(()), "{name}");
    }
    for name in [
        "",
        "-y",
        "tool-",
        "tool+",
        "tool=1.0",
        "tool/stable",
        "to*",
        "two words",
        "Tool",
        "tool:",
        "--",
        "^a",
        "./tool.deb",
        "tool,",
    ] {
        assert!(check(name).is_err(), "{name}");
    }
}

#[test]
fn removals_and_what_is_left_alone_speak_against_an_upgrade() {
    let simulate = |lines: &str| {
        Simulation::parse(&format!("1 upgraded, 0 newly installed, 1 to remove and 0 not upgraded.\n{lines}"))
            .expect("one")
    };
    let tool = "Inst tool [1] (2 Debian:12/stable [all])\n";
    let database = "Inst postgresql-14 [1] (2 Debian:12/stable [all])\n";
    let wanted = simulate(tool).upgrades;
    let against = |lines: &str, value| objections(&simulate(lines), &wanted, &given(value));
    assert!(against(tool, json!({})).is_empty());
    assert!(against(&format!("{tool}Inst lib [1] (2 Debian:12/stable [all])\n"), json!({})).is_empty());
    assert_eq!(against(&format!("Remv old [1]\n{tool}"), json!({})), ["would remove old"]);
    assert_eq!(against(&format!("{tool}{database}"), json!({})), ["would bring along postgresql-14, of a database"]);
    assert!(against(&format!("{tool}{database}"), json!({"packages": ["postgresql-14"]})).is_empty());
    assert_eq!(against(&format!("{tool}{database}"), json!({"databases": [], "exclude": ["post*"]})).len(), 1);
}

fn completed(code: i32, stdout: &str, stderr: &str) -> Completed {
    Completed {
        exit_code: Some(code),
        signal: None,
        stdout: stdout.into(),
        stderr: stderr.into(),
        truncated: false,
        sha256: None,
        duration_ms: 1,
    }
}

#[test]
fn what_apt_get_says_is_told_apart() {
    let kept = "Setting up tool (1.1) ...\n\nConfiguration file '/etc/tool.conf'\n ==> Modified (by you or by a script) since installation.\n ==> Package distributor has shipped an updated version.\n ==> Keeping old config file as default.\n";
    assert_eq!(outcome::judge(&completed(0, kept, "")), Ok(vec!["/etc/tool.conf".to_owned()]));
    assert_eq!(outcome::judge(&completed(0, "Setting up", "")), Ok(vec![]));
    let lock = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt-get)\nE: Unable to acquire the dpkg frontend lock\n";
    assert!(
        matches!(outcome::judge(&completed(100, "", lock)), Err(Failure::Locked(line)) if line.contains("process 7"))
    );
    let failing = "dpkg: error processing archive tool_1.1_all.deb (--unpack):\n new tool package pre-installation script subprocess returned error exit status 3\nE: Sub-process /usr/bin/dpkg returned an error code (1)\n";
    let Err(Failure::Failed(line)) = outcome::judge(&completed(100, "", failing)) else { panic!("it failed") };
    assert!(line.contains("error processing archive") && line.contains("status 3"), "{line}");
    let fetch = outcome::judge(&completed(100, "", "E: Failed to fetch http://x  404  Not Found\n"));
    assert!(matches!(fetch, Err(Failure::Failed(line)) if line.contains("404")));
    let cut = "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem. \n";
    assert_eq!(outcome::judge(&completed(100, "", cut)), Err(Failure::Interrupted));
    let ended = Completed { exit_code: None, signal: Some(9), ..completed(0, "", "") };
    assert!(outcome::judge(&ended).is_err(), "a signal is no success");
}

fn units(units: &[(&str, &str, &str)]) -> Services {
    let blocks = units
        .iter()
        .map(|(id, active, sub)| format!("Id={id}\nNames={id} other-{id}\nActiveState={active}\nSubState={sub}\n\n"));
    Services::parse(&blocks.collect::<String>())
}

#[test]
fn what_ran_before_and_does_not_after_is_down() {
    let before = units(&[
        ("nginx.service", "active", "running"),
        ("once.service", "active", "exited"),
        ("old.service", "failed", "failed"),
        ("user@7.service", "active", "running"),
    ]);
    let after = units(&[
        ("nginx.service", "failed", "failed"),
        ("once.service", "inactive", "dead"),
        ("old.service", "failed", "failed"),
        ("new.service", "failed", "failed"),
    ]);
    let down: Vec<String> = after.down_since(&before, &[]).into_keys().collect();
    assert_eq!(down, ["new.service", "nginx.service"]);
    let down =
        before.down_since(&before, &["old.service".into(), "absent.service".into(), "other-nginx.service".into()]);
    assert_eq!(down.into_values().collect::<Vec<_>>(), ["not loaded", "failed (failed)"]);
    let told = record(|| services::report(&after.down_since(&before, &[])));
    assert_eq!(told.worst(), Severity::Critical);
}

#[test]
fn a_reboot_that_is_due_is_judged_at_the_edges() {
    let worst = |days: f64| record(|| report_reboot(Some(Duration::from_days(days)), &given(json!({})))).worst();
    assert_eq!(
        [worst(7.0), worst(7.01), worst(30.0), worst(30.01)],
        [Severity::Ok, Severity::Warning, Severity::Warning, Severity::Critical]
    );
    assert_eq!(report_reboot(None, &given(json!({}))), "");
}

#[test]
fn each_bad_setting_is_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("packages", json!("tool")),
            ("security", json!("yes")),
            ("security_origins", json!(1)),
            ("databases", json!("postgresql")),
            ("exclude", json!([1])),
            ("limit", json!(0)),
            ("refresh", json!(1)),
            ("lock_wait", json!("2d")),
            ("reserve", json!("x")),
            ("services", json!("nginx")),
            ("settle", json!(-1)),
            ("ignore_processes", json!("x")),
            ("reboot_warning", json!("x")),
            ("reboot_critical", json!(7)),
        ],
    );
}
