//! Services. Whether a machine has systemd, and which of its units failed, is no test's to choose: a script stands in for
//! systemctl, at the program's boundary, with what the real one prints. All the rest is real: the grant, the walls, the
//! program's own process.

use std::{fs, os::unix::fs::PermissionsExt};

use hostler_tests::{Hostler, Output};

/// A unit as `systemctl show` prints it.
fn unit(name: &str, active: &str, sub: &str, result: &str, more: &str) -> String {
    let restarts = if more.contains("NRestarts=") { "" } else { "NRestarts=0\n" };
    format!(
        "Id={name}\nNames={name}\nLoadState=loaded\nActiveState={active}\nSubState={sub}\nResult={result}\n{restarts}{more}\n"
    )
}

fn host(settings: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[program.systemctl]\npath = \"{{directory}}/systemctl\"\n\
         allow = [{{ arguments = [\"show\", \"--no-pager\", \"--property={{text}}\", \"*\"], effect = \"reads\" }}]\n\
         [tasks.task]\nplugin = \"system-services\"\nbind.systemctl = \"program.systemctl\"\nsettings = {{ {settings} }}\n"
    ));
    host.install(&["system-services"]);
    host
}

/// The stand-in answers `systemctl show` so, and nothing else.
fn systemctl(host: &Hostler, answer: &str, code: i32) {
    let script = format!(
        "#!/bin/sh\n[ \"$1 $2 $4\" = 'show --no-pager *' ] || {{ echo \"unexpected: $*\" >&2; exit 64; }}\n\
         cat <<'END'\n{answer}\nEND\nexit {code}\n"
    );
    let path = host.path().join("systemctl");
    fs::write(&path, script).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
}

fn run(host: &Hostler) -> Output {
    host.run(&["run", "task", "--format", "json"])
}

#[test]
fn units_that_run_are_healthy_and_a_failed_one_is_critical_with_what_to_look_at() {
    let host = host("required = [\"nginx.service\"]");
    let nginx = unit("nginx.service", "active", "running", "success", "");
    systemctl(&host, &format!("{nginx}\n{}", unit("cron.service", "active", "running", "success", "")), 0);
    let healthy = run(&host);
    assert_eq!(healthy.code, 0, "{healthy:?}");
    assert_eq!(healthy.task("task")["summary"], "2 units, 0 failed");
    let backup = unit("backup.service", "failed", "failed", "exit-code", "");
    systemctl(&host, &format!("{nginx}\n{backup}"), 0);
    let sick = run(&host);
    assert_eq!(sick.code, 2, "{sick:?}");
    assert_eq!(sick.findings("task"), ["critical unit-failed backup.service"]);
    assert!(sick.stdout.contains("journalctl -u backup.service"), "{sick:?}");
}

#[test]
fn a_required_unit_that_does_not_run_is_critical_and_one_cause_is_told_once() {
    let host = host("required = [\"shop.service\", \"nowhere.service\"]");
    let database = unit("postgresql.service", "failed", "failed", "exit-code", "");
    let shop = unit("shop.service", "inactive", "dead", "success", "Requires=postgresql.service\n");
    systemctl(&host, &format!("{database}\n{shop}"), 0);
    let sick = run(&host);
    assert_eq!(sick.code, 2, "{sick:?}");
    let mut findings = sick.findings("task");
    findings.sort();
    assert_eq!(findings, ["critical unit-failed postgresql.service", "critical unit-not-running nowhere.service"]);
    assert!(sick.stdout.contains("Down because of it: shop.service"), "{sick:?}");
}

#[test]
fn a_unit_that_was_restarted_since_the_last_run_is_a_warning() {
    let host = host("");
    let restarted = |times: u32| unit("shop.service", "active", "running", "success", &format!("NRestarts={times}\n"));
    for (times, code) in [(3, 0), (3, 0), (7, 1), (7, 0)] {
        systemctl(&host, &restarted(times), 0);
        let found = run(&host);
        assert_eq!(found.code, code, "{times} restarts: {found:?}");
    }
}

#[test]
fn what_cannot_be_looked_at_is_unknown() {
    let host = host("");
    systemctl(&host, "System has not been booted with systemd as init system (PID 1). Can't operate.", 1);
    let without = run(&host);
    assert_eq!((without.code, &without.task("task")["verdict"]), (3, &"unknown".into()), "{without:?}");
    fs::remove_file(host.path().join("systemctl")).expect("it is there");
    let missing = run(&host);
    assert_eq!(missing.code, 3, "{missing:?}");
    // A form that the operator did not write is refused, and the plugin gets no unit to see.
    let text = fs::read_to_string(host.configuration()).expect("it is there").replace("\"--no-pager\", ", "");
    fs::write(host.configuration(), text).expect("it is written");
    systemctl(&host, "", 0);
    let refused = run(&host);
    assert!(refused.code == 3 && refused.stdout.contains("was refused on the request `systemctl`"), "{refused:?}");
}

#[test]
fn an_answer_without_a_unit_is_never_ok() {
    let host = host("");
    systemctl(&host, "", 0);
    let silent = run(&host);
    assert_eq!(silent.code, 3, "{silent:?}");
    assert!(silent.stdout.contains("named no unit"), "{silent:?}");
}
