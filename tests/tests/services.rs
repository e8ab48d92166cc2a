//! Services. Whether a machine has systemd, and which of its units failed, is no test's to choose: a script stands in for
//! systemctl, at the program's boundary, with what the real one prints. All the rest is real: the grant, the walls, the
//! program's own process.

use std::{fs, os::unix::fs::PermissionsExt};

use hostler_tests::{Hostler, Nginx, Output, free_port};

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

/// A host whose endpoints are those of a real nginx, and a port where nobody listens.
fn site(nginx: &Nginx, dead: u16, settings: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[program.systemctl]\npath = \"{{directory}}/systemctl\"\n\
         allow = [{{ arguments = [\"show\", \"--no-pager\", \"--property={{text}}\", \"*\"], effect = \"reads\" }}]\n\
         [endpoint.home]\nurl = \"http://127.0.0.1:{0}/\"\n[endpoint.health]\nurl = \"http://127.0.0.1:{0}/health\"\n\
         [endpoint.port]\nurl = \"tcp://127.0.0.1:{0}\"\n[endpoint.queue]\nurl = \"tcp://127.0.0.1:{dead}\"\n\
         [tasks.task]\nplugin = \"system-services\"\nbind.systemctl = \"program.systemctl\"\n\
         bind.endpoints = [\"endpoint.home\", \"endpoint.health\", \"endpoint.port\", \"endpoint.queue\"]\n\
         settings = {{ {settings} }}\n",
        nginx.port
    ));
    host.install(&["system-services"]);
    host
}

#[test]
fn endpoints_are_asked_by_http_and_by_a_connection_alone() {
    let nginx = Nginx::start("", "location /health { return 503; }");
    let dead = free_port();
    let host = site(&nginx, dead, "");
    systemctl(&host, &unit("nginx.service", "active", "running", "success", ""), 0);
    let sick = run(&host);
    assert_eq!(sick.code, 2, "{sick:?}");
    assert_eq!(sick.findings("task"), ["critical endpoint-down health", "critical endpoint-down queue"], "{sick:?}");
    assert!(sick.stdout.contains("it answers 503") && sick.stdout.contains("2 of 4 endpoints answer"), "{sick:?}");
    let listener = std::net::TcpListener::bind(("127.0.0.1", dead)).expect("the port is free");
    assert_eq!(run(&host).findings("task"), ["critical endpoint-down health"], "a connection is all that is asked");
    drop(listener);
}

#[test]
fn what_is_down_because_of_one_failure_is_one_finding_endpoints_among_it() {
    let nginx = Nginx::start("", "location /health { return 502; }");
    let settings = "required = [\"shop.service\", \"queue.service\"], \
        endpoint_units = { health = \"shop.service\", queue = \"queue.service\" }";
    let host = site(&nginx, free_port(), settings);
    let database = unit("postgresql.service", "failed", "failed", "exit-code", "");
    let pool = unit("pgbouncer.service", "inactive", "dead", "success", "BindsTo=postgresql.service\n");
    let shop = unit("shop.service", "failed", "failed", "dependency", "Requires=pgbouncer.service\n");
    let queue = unit("queue.service", "inactive", "dead", "dependency", "Requisite=shop.service\n");
    systemctl(&host, &[database, pool, shop, queue].join("\n"), 0);
    let sick = run(&host);
    assert_eq!(
        (sick.code, sick.findings("task")),
        (2, vec!["critical unit-failed postgresql.service".to_owned()]),
        "{sick:?}"
    );
    assert!(
        sick.stdout.contains("Down because of it: queue.service, shop.service, health, queue"),
        "two units and two endpoints, and one cause: {sick:?}"
    );
}
