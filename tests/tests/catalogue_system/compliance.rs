//! system-compliance on real files, a real PostgreSQL, the real sshd's own words and the real dpkg-query. systemd is not
//! process 1 where tests run: a script stands in for systemctl, with what the real one prints.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use hostler_tests::{Hostler, Output, Postgres};

use crate::forms;

const LIST: &str = r#"
[[control]]
id = "key-mode"
summary = "only its owner reads the key"
kind = "file"
path = "etc/server.key"
mode = "0600"

[[control]]
id = "no-trust"
summary = "no host is trusted by its name"
kind = "file"
path = "etc/hosts.equiv"
state = "absent"

[[control]]
id = "umask"
summary = "new files are not for everybody"
kind = "line"
path = "etc/login.defs"
line = "UMASK 027"

[[control]]
id = "password-encryption"
summary = "passwords are kept as SCRAM"
kind = "postgres"
setting = "password_encryption"
equals = "scram-sha-256"

[[control]]
id = "connections"
summary = "there is room for connections"
kind = "postgres"
setting = "max_connections"
at_least = 10

[[control]]
id = "ssh-root"
summary = "root does not log in by SSH with a password"
kind = "sshd"
setting = "PermitRootLogin"
one_of = ["no", "prohibit-password", "without-password"]

[[control]]
id = "dpkg"
summary = "there is a package manager"
kind = "package"
name = "dpkg"
state = "present"

[[control]]
id = "no-telnet"
summary = "there is no telnet server"
kind = "package"
name = "telnetd"
state = "absent"

[[control]]
id = "no-printing"
summary = "nobody prints here"
kind = "service"
name = "cups.service"
state = "off"
"#;

struct Machine {
    host: Hostler,
    server: Postgres,
}

fn script(host: &Hostler, name: &str, text: &str) {
    let path = host.path().join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}")).expect("a script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("permissions");
}

fn write(host: &Hostler, name: &str, text: &str, mode: u32) {
    let path = host.path().join(name);
    fs::write(&path, text).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
}

/// As systemctl shows a unit that is there and one that is not.
fn systemctl(host: &Hostler, load: &str, active: &str, file: &str) {
    script(
        host,
        "systemctl",
        &format!(
            "[ \"$1 $2 $4\" = 'show --no-pager cups.service' ] || exit 64\n\
             printf 'Id=cups.service\\nNames=cups.service\\nLoadState={load}\\nActiveState={active}\\nUnitFileState={file}\\n'\n"
        ),
    );
}

/// A machine on which each control of the list holds.
fn machine() -> Machine {
    let server = Postgres::start();
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = \"{}\"\n\
         [directory.controls]\npath = \"{{directory}}/controls\"\n[directory.etc]\npath = \"{{directory}}/etc\"\n\
         [program.systemctl]\npath = \"{{directory}}/systemctl\"\nconfine = \"off\"\n\
         allow = [{}]\n\
         [program.dpkg-query]\npath = \"/usr/bin/dpkg-query\"\nconfine = \"off\"\n\
         allow = [{}]\n\
         [program.sshd]\npath = \"{{directory}}/sshd\"\nconfine = \"off\"\nallow = [{}]\n\
         [tasks.task]\nplugin = \"system-compliance\"\nbind.controls = \"directory.controls\"\nbind.files = [\"directory.etc\"]\n\
         bind.database = [\"postgres.main\"]\nbind.systemctl = \"program.systemctl\"\nbind.dpkg-query = \"program.dpkg-query\"\n\
         bind.sshd = \"program.sshd\"\n",
        server.superuser(),
        forms("compliance", "systemctl"),
        forms("compliance", "dpkg-query"),
        forms("compliance", "sshd")
    ));
    host.install(&["system-compliance"]);
    for directory in ["controls", "etc"] {
        fs::create_dir(host.path().join(directory)).expect("a directory");
    }
    write(&host, "controls/controls.toml", LIST, 0o644);
    write(&host, "etc/server.key", "secret", 0o600);
    write(&host, "etc/login.defs", "# UMASK 022\nUMASK\t\t027\n", 0o644);
    let key = host.path().join("host-key").display().to_string();
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &key]).status().expect("ssh-keygen");
    assert!(made.success());
    write(&host, "sshd_config", &format!("HostKey {key}\nPermitRootLogin no\n"), 0o600);
    // Its unit makes /run/sshd; without it sshd says nothing.
    let configuration = host.path().join("sshd_config").display().to_string();
    script(&host, "sshd", &format!("mkdir -p /run/sshd 2>/dev/null\nexec /usr/sbin/sshd -f {configuration} \"$@\"\n"));
    systemctl(&host, "not-found", "inactive", "");
    Machine { host, server }
}

impl Machine {
    fn run(&self) -> Output {
        self.host.run(&["run", "task", "--format", "json"])
    }

    fn list(&self, from: &str, to: &str) {
        let path = self.host.path().join("controls/controls.toml");
        let text = fs::read_to_string(&path).expect("it is there");
        assert!(text.contains(from), "{from}");
        fs::write(path, text.replacen(from, to, 1)).expect("it is written");
    }

    fn waive(&self, control: &str, days: i64) {
        let until = jiff::Zoned::now().checked_add(jiff::Span::new().days(days)).expect("a day");
        let path = self.host.path().join("controls/controls.toml");
        let waiver = format!(
            "\n[[waiver]]\ncontrol = \"{control}\"\nowner = \"Ada\"\nreason = \"it is being moved\"\nuntil = {}\n",
            until.strftime("%Y-%m-%d")
        );
        let text =
            fs::read_to_string(&path).expect("it is there").split("\n[[waiver]]").next().unwrap_or_default().to_owned();
        fs::write(path, text + &waiver).expect("it is written");
    }
}

fn findings(output: &Output) -> Vec<String> {
    let mut found = output.findings("task");
    found.sort();
    found
}

#[test]
fn a_machine_that_holds_passes_and_each_control_that_breaks_fails_with_evidence() {
    let machine = machine();
    let healthy = machine.run();
    assert_eq!((healthy.code, findings(&healthy)), (0, vec![]), "{healthy:?}");
    assert_eq!(healthy.task("task")["summary"], "9 controls: 9 pass, 0 fail, 0 waived, 0 unknown");
    let table = healthy.task("task")["reported"]["tables"][0]["rows"].as_array().map(Vec::len);
    assert_eq!(table, Some(9), "each is in the table");

    let host = &machine.host;
    write(host, "etc/server.key", "secret", 0o640);
    write(host, "etc/hosts.equiv", "+\n", 0o600);
    write(host, "etc/login.defs", "UMASK 022\n", 0o644);
    machine.server.execute("ALTER SYSTEM SET password_encryption = 'md5'");
    machine.server.execute("SELECT pg_reload_conf()");
    let configuration = fs::read_to_string(host.path().join("sshd_config")).expect("it is there");
    fs::write(host.path().join("sshd_config"), configuration.replace("Login no", "Login yes")).expect("it is written");
    systemctl(host, "loaded", "inactive", "enabled");
    hostler_tests::eventually("the server has read its configuration", || {
        machine.server.value("SHOW password_encryption") == "md5"
    });
    let sick = machine.run();
    assert_eq!(
        findings(&sick),
        [
            "critical control-failed key-mode",
            "critical control-failed no-printing",
            "critical control-failed no-trust",
            "critical control-failed password-encryption",
            "critical control-failed ssh-root",
            "critical control-failed umask",
            "warning compliance-dropped controls",
        ],
        "{sick:?}"
    );
    for evidence in [
        "etc/server.key is 0640",
        "main: password_encryption = md5",
        "sshd: permitrootlogin yes",
        "cups.service is inactive and enabled",
    ] {
        assert!(sick.stdout.contains(evidence), "{evidence}: {sick:?}");
    }
    let again = machine.run();
    assert!(!again.stdout.contains("compliance-dropped") && again.code == 2, "a drop is told once: {again:?}");
}

#[test]
fn a_waiver_holds_until_its_day_and_names_who_gave_it() {
    let machine = machine();
    write(&machine.host, "etc/server.key", "secret", 0o644);
    assert_eq!(findings(&machine.run()), ["critical control-failed key-mode"]);
    machine.waive("key-mode", 60);
    let waived = machine.run();
    assert_eq!((waived.code, findings(&waived)), (0, vec![]), "{waived:?}");
    assert!(waived.stdout.contains("waived by Ada until"), "{waived:?}");
    machine.waive("key-mode", 5);
    assert_eq!(findings(&machine.run()), ["warning waiver-expires key-mode"]);
    machine.waive("key-mode", -2);
    let expired = machine.run();
    assert_eq!(findings(&expired), ["critical control-failed key-mode", "warning compliance-dropped controls"]);
    assert!(expired.stdout.contains("the waiver by Ada ended on"), "{expired:?}");
    machine.waive("umask", 60);
    write(&machine.host, "etc/server.key", "secret", 0o600);
    assert_eq!(findings(&machine.run()), ["warning waiver-idle umask"]);
}

#[test]
fn a_control_that_leaves_the_list_is_told() {
    let machine = machine();
    assert_eq!(machine.run().code, 0);
    machine.list("id = \"no-telnet\"", "id = \"no-telnet-server\"");
    let removed = machine.run();
    assert_eq!(findings(&removed), ["warning control-removed controls"], "{removed:?}");
    assert_eq!(machine.run().code, 0, "it is told once");
}

#[test]
fn a_mistake_in_the_list_is_told_with_file_line_and_key_and_nothing_passes() {
    let machine = machine();
    for (from, to, told) in [
        ("mode = \"0600\"", "mod = \"0600\"", "controls.toml:2: control `key-mode`: mode is missing"),
        ("mod = \"0600\"", "mode = \"0600\"\nmod = 1", "controls.toml:8: control `key-mode`: mod means nothing"),
        ("\nmod = 1", "\nowner = 1", "controls.toml:8: control `key-mode`: owner has to be text"),
        ("\nowner = 1", "\nowner = ", "controls.toml:8: "),
    ] {
        machine.list(from, to);
        let refused = machine.run();
        assert!(refused.code == 3 && refused.stdout.contains(told), "{told}: {refused:?}");
        assert!(!refused.stdout.contains("\"pass\""), "{refused:?}");
    }
    fs::remove_file(machine.host.path().join("controls/controls.toml")).expect("it is removed");
    let missing = machine.run();
    assert!(missing.code == 3 && missing.stdout.contains("the list controls.toml"), "{missing:?}");
}

#[test]
fn what_was_not_looked_at_is_unknown_and_never_passes() {
    let machine = machine();
    let host = &machine.host;
    let text = fs::read_to_string(host.configuration()).expect("it is there");
    let text = text
        .replace("bind.dpkg-query = \"program.dpkg-query\"\n", "")
        .replace("bind.files = [\"directory.etc\"]\n", "");
    fs::write(host.configuration(), text.replace("bind.database = [\"postgres.main\"]\n", "")).expect("it is written");
    script(
        host,
        "systemctl",
        "echo \"System has not been booted with systemd as init system (PID 1). Can't operate.\" >&2; exit 1\n",
    );
    script(host, "sshd", "echo 'Missing privilege separation directory: /run/sshd' >&2; exit 255\n");
    let unknown = machine.run();
    assert_eq!(
        (unknown.code, &unknown.task("task")["summary"]),
        (3, &"9 controls: 0 pass, 0 fail, 0 waived, 9 unknown".into()),
        "{unknown:?}"
    );
    assert!(
        findings(&unknown).iter().all(|finding| finding.starts_with("unknown control-not-looked-at ")),
        "{unknown:?}"
    );
}

#[test]
fn a_setting_that_the_role_may_not_see_is_unknown_and_a_secret_one_is_not_shown() {
    let machine = machine();
    machine.server.execute("ALTER SYSTEM SET primary_conninfo = 'password=hunter2'");
    machine.server.execute("SELECT pg_reload_conf()");
    machine.server.execute("CREATE ROLE auditor LOGIN");
    machine
        .list("setting = \"max_connections\"\nat_least = 10", "setting = \"primary_conninfo\"\nequals = \"\\u0078\"");
    hostler_tests::eventually("the server has read its configuration", || {
        machine.server.value("SHOW primary_conninfo").contains("hunter2")
    });
    let shown = machine.run();
    assert_eq!(findings(&shown), ["critical control-failed connections"], "{shown:?}");
    assert!(shown.stdout.contains("(not shown)") && !shown.stdout.contains("hunter2"), "{shown:?}");
    let text = fs::read_to_string(machine.host.configuration()).expect("it is there");
    let text = text.replace(&machine.server.superuser(), &machine.server.dsn("auditor", "postgres"));
    fs::write(machine.host.configuration(), text).expect("it is written");
    let hidden = machine.run();
    assert!(findings(&hidden).contains(&"unknown control-not-looked-at connections".to_owned()), "{hidden:?}");
    assert!(hidden.stdout.contains("pg_read_all_settings"), "{hidden:?}");
}
