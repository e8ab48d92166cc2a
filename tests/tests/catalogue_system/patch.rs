//! system-patch with the real apt-get and dpkg, which upgrade real packages in a root of the tests' own. systemd is not
//! process 1 where tests run: a script stands in for systemctl, with what the real one prints.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use hostler_tests::{Hostler, Output, Signal, eventually};
use rustix::fs::{FlockOperation, fcntl_lock};

use crate::{
    apt::{Apt, Package, package},
    forms,
};

const ENVIRONMENT: &str = "environment = [\"PATH\", \"DEBIAN_FRONTEND\", \"NEEDRESTART_SUSPEND\", \"UCF_FORCE_CONFFOLD\", \"APT_LISTCHANGES_FRONTEND\"]\n";

fn script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}")).expect("a script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("permissions");
}

fn host(apt: &Apt, settings: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "{}{ENVIRONMENT}{}\
         [program.dpkg]\npath = \"{{directory}}/dpkg\"\nconfine = \"off\"\n{ENVIRONMENT}\
         allow = [{}]\n\
         [program.systemctl]\npath = \"{{directory}}/systemctl\"\nconfine = \"off\"\n\
         allow = [{}]\n\
         [tasks.task]\nplugin = \"system-patch\"\n\
         bind.simulate = \"program.apt-get\"\nbind.upgrade = \"program.apt-get\"\nbind.apt-cache = \"program.apt-cache\"\n\
         bind.dpkg = \"program.dpkg\"\nbind.systemctl = \"program.systemctl\"\nbind.machine = \"machine\"\n\
         settings = {{ ignore_processes = [\"*\"], settle = \"1s\", lock_wait = \"1s\", {settings} }}\n",
        apt.program("apt-get", &(forms("patch", "simulate") + &forms("patch", "upgrade"))),
        apt.program("apt-cache", &forms("patch", "apt-cache")),
        forms("patch", "dpkg"),
        forms("patch", "systemctl"),
    ));
    host.install(&["system-patch"]);
    let root = apt.path("root").display().to_string();
    script(&host.path().join("dpkg"), &format!("exec dpkg --root={root} --force-not-root \"$@\"\n"));
    systemctl(&host, "echo active; echo running");
    host
}

/// The stand-in's one unit is in the two lines that this prints: ActiveState and SubState.
fn systemctl(host: &Hostler, state: &str) {
    script(
        &host.path().join("systemctl"),
        &format!(
            "[ \"$1 $2\" = 'show --no-pager' ] || exit 64\n{{ {state}; }} | {{ read a; read s\n\
             printf 'Id=tool.service\\nNames=tool.service\\nLoadState=loaded\\nActiveState=%s\\nSubState=%s\\nResult=success\\n\\n' $a $s; }}\n"
        ),
    );
}

fn run(host: &Hostler, command: &str) -> Output {
    host.run(&[command, "task", "--format", "json"])
}

/// Everything below the root, its names and contents, aside from what apt keeps for its own speed and diagnosis of each
/// simulation.
fn contents(apt: &Apt) -> Vec<(String, Vec<u8>)> {
    let (mut found, mut left) = (vec![], vec![apt.path("root")]);
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).expect("a directory").flatten() {
            let path = entry.path();
            let name = path.display().to_string();
            if path.is_dir() {
                left.push(path);
            } else if !name.ends_with("cache.bin") && !name.ends_with("/eipp.log.xz") && !name.ends_with("/lock") {
                found.push((name, fs::read(&path).unwrap_or_default()));
            }
        }
    }
    found.sort();
    found
}

fn configured(name: &str) -> Package<'_> {
    Package { configuration: true, ..package(name, "1.0") }
}

/// `apt-get upgrade postgresql-14`, as the guide has it, upgrades everything that there is.
#[test]
fn the_guides_command_upgrades_every_package_and_the_task_the_named_one_alone() {
    let apt = Apt::new(&[package("postgresql-14", "14.1"), package("plain", "1.0"), package("tool", "1.0")]);
    apt.publish("stable", &[package("postgresql-14", "14.2"), package("plain", "1.1")]);
    apt.publish("security", &[package("tool", "1.1")]);
    let guide = apt.get(&["-s", "upgrade", "postgresql-14"]);
    assert_eq!(guide.lines().filter(|line| line.starts_with("Inst ")).count(), 3, "{guide}");

    let host = host(&apt, "packages = [\"postgresql-14\"], security = false");
    let before = contents(&apt);
    let plan = run(&host, "plan");
    assert_eq!(plan.task("task")["summary"], "1 package to be upgraded", "{plan:?}");
    assert!(contents(&apt) == before, "a plan changes nothing");
    let applied = run(&host, "run");
    assert_eq!((applied.code, applied.findings("task")), (0, vec![]), "{applied:?}");
    assert_eq!(applied.task("task")["summary"], "1 package upgraded, 0 left");
    assert_eq!(
        ["postgresql-14", "plain", "tool"].map(|name| apt.installed(name)),
        ["14.2 installed", "1.0 installed", "1.0 installed"]
    );
    let again = run(&host, "run");
    assert_eq!((again.code, &again.task("task")["summary"]), (0, &"0 packages upgraded, 0 left".into()), "{again:?}");
}

#[test]
fn security_fixes_are_installed_a_database_is_left_and_a_changed_configuration_is_kept_and_told() {
    let apt = Apt::new(&[
        configured("tool"),
        package("plain", "1.0"),
        package("postgresql-14", "14.1"),
        package("lib", "1.0"),
    ]);
    apt.publish(
        "security",
        &[
            Package { configuration: true, ..package("tool", "1.1") },
            package("postgresql-14", "14.2"),
            package("lib", "1.1"),
        ],
    );
    apt.publish("stable", &[package("plain", "1.1")]);
    let own = apt.path("root/etc/tool.conf");
    fs::write(&own, "of = ours\n").expect("it is written");
    let host = host(&apt, "");
    let applied = run(&host, "run");
    let mut findings = applied.findings("task");
    findings.sort();
    assert_eq!(
        findings,
        ["warning configuration-kept /etc/tool.conf", "warning database-fix-waits postgresql-14"],
        "{applied:?}"
    );
    assert_eq!(applied.task("task")["summary"], "2 packages upgraded, 0 left");
    assert_eq!(
        ["tool", "lib", "plain", "postgresql-14"].map(|name| apt.installed(name)),
        ["1.1 installed", "1.1 installed", "1.0 installed", "14.1 installed"]
    );
    assert_eq!(fs::read_to_string(&own).expect("it is there"), "of = ours\n");
    assert!(apt.path("root/etc/tool.conf.dpkg-dist").exists());
    assert_eq!(run(&host, "run").task("task")["summary"], "0 packages upgraded, 0 left");
}

fn held_lock(apt: &Apt) -> File {
    let path = apt.path("root/var/lib/dpkg/lock-frontend");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).expect("the lock's file");
    fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).expect("the lock");
    file
}

#[test]
fn a_lock_that_another_holds_is_waited_for_then_told_and_nothing_is_changed() {
    let apt = Apt::new(&[package("tool", "1.0")]);
    apt.publish("security", &[package("tool", "1.1")]);
    let host = host(&apt, "");
    let lock = held_lock(&apt);
    let locked = run(&host, "run");
    assert_eq!((locked.code, locked.findings("task")), (1, vec!["warning lock-held dpkg".to_owned()]), "{locked:?}");
    assert_eq!(locked.task("task")["summary"], "0 packages upgraded, 1 left");
    assert_eq!(apt.installed("tool"), "1.0 installed");
    drop(lock);
    assert_eq!(run(&host, "run").code, 0);
    assert_eq!(apt.installed("tool"), "1.1 installed");
}

#[test]
fn a_run_that_was_killed_while_it_waited_is_made_good_by_the_next() {
    let apt = Apt::new(&[package("tool", "1.0")]);
    apt.publish("security", &[package("tool", "1.1")]);
    let host = host(&apt, "");
    let text = fs::read_to_string(host.configuration())
        .expect("it is there")
        .replace("lock_wait = \"1s\"", "lock_wait = \"1h\"");
    fs::write(host.configuration(), text).expect("it is written");
    let lock = held_lock(&apt);
    let running = host.start(&["run", "task"]);
    eventually("apt-get waits for the lock", || apt_waits(&apt));
    running.signal(Signal::KILL);
    drop(running);
    drop(lock);
    eventually("apt-get has ended", || !apt_waits(&apt));
    assert_eq!(run(&host, "run").code, 0);
    assert_eq!(apt.installed("tool"), "1.1 installed");
}

/// The host dies while dpkg unpacks, and dpkg with it: the package is then neither old nor new.
#[test]
fn a_run_that_was_killed_in_the_middle_of_a_package_is_made_good_by_the_next() {
    let apt = Apt::new(&[package("big", "1.0"), package("tool", "1.0")]);
    apt.publish("security", &[Package { mebibytes: 150, ..package("big", "1.1") }, package("tool", "1.1")]);
    let host = host(&apt, "");
    let running = host.start(&["run", "task"]);
    let share = apt.path("root/usr/share/big");
    let unpacks = || fs::read_dir(&share).is_ok_and(|files| files.flatten().count() > 3);
    eventually("dpkg unpacks", unpacks);
    running.signal(Signal::KILL);
    drop(running);
    let root = format!("--root={}", apt.path("root").display());
    eventually("dpkg has ended", || hostler_tests::processes_with(&root).is_empty());
    assert_eq!(apt.installed("tool"), "1.0 installed");
    let state = apt.installed("big");
    assert_eq!(state, "1.0 half-installed");
    let next = run(&host, "run");
    assert_eq!((next.code, next.findings("task")), (0, vec![]), "{state}: {next:?}");
    assert_eq!(["big", "tool"].map(|name| apt.installed(name)), ["1.1 installed", "1.1 installed"]);
    assert_eq!(run(&host, "run").task("task")["summary"], "0 packages upgraded, 0 left");
}

/// Whether an apt-get with this root's configuration runs.
fn apt_waits(apt: &Apt) -> bool {
    let named = format!("APT_CONFIG={}", apt.configuration().display());
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    processes.into_iter().any(|entry| {
        let read = |file: &str| fs::read(entry.path().join(file)).unwrap_or_default();
        String::from_utf8_lossy(&read("environ")).contains(&named)
            && String::from_utf8_lossy(&read("cmdline")).contains("DPkg::Lock::Timeout=3600")
    })
}

#[test]
fn a_package_that_fails_is_critical_and_nothing_is_upgraded_after_it() {
    let apt = Apt::new(&[package("a-tool", "1.0"), package("b-tool", "1.0"), package("c-tool", "1.0")]);
    let failing = Package { preinst: "#!/no/such/shell\n", ..package("b-tool", "1.1") };
    apt.publish("security", &[package("a-tool", "1.1"), failing, package("c-tool", "1.1")]);
    let host = host(&apt, "");
    let failed = run(&host, "run");
    assert_eq!(
        (failed.code, failed.findings("task")),
        (2, vec!["critical upgrade-failed b-tool".to_owned()]),
        "{failed:?}"
    );
    assert!(failed.stdout.contains("dpkg: error processing archive"), "{failed:?}");
    assert_eq!(failed.task("task")["summary"], "1 package upgraded, 2 left");
    assert_eq!(
        ["a-tool", "b-tool", "c-tool"].map(|name| apt.installed(name)),
        ["1.1 installed", "1.0 installed", "1.0 installed"]
    );
}

#[test]
fn what_would_remove_a_package_or_bring_a_database_along_is_refused_and_the_rest_is_upgraded() {
    let names = ["rival", "greedy", "client", "postgresql-14", "tool"];
    let apt = Apt::new(&names.map(|name| package(name, "1.0")));
    apt.publish(
        "security",
        &[
            Package { fields: "Conflicts: rival\n", ..package("greedy", "1.1") },
            Package { fields: "Depends: postgresql-14 (>= 1.1)\n", ..package("client", "1.1") },
            package("tool", "1.1"),
        ],
    );
    apt.publish("stable", &[package("postgresql-14", "1.1")]);
    let simulated = apt.get(&["-s", "install", "greedy"]);
    assert!(simulated.contains("Remv rival"), "{simulated}");
    let host = host(&apt, "");
    for command in ["plan", "run"] {
        let refused = run(&host, command);
        let mut findings = refused.findings("task");
        findings.sort();
        assert_eq!(findings, ["warning upgrade-refused client", "warning upgrade-refused greedy"], "{refused:?}");
        assert!(
            refused.stdout.contains("would remove rival") && refused.stdout.contains("postgresql-14, of a database")
        );
    }
    assert_eq!(
        names.map(|name| apt.installed(name)),
        ["1.0", "1.0", "1.0", "1.0", "1.1"].map(|version| format!("{version} installed"))
    );
}

#[test]
fn packages_that_need_one_another_are_upgraded_together() {
    let with = |name, fields| Package { fields, ..package(name, "1.0") };
    let apt = Apt::new(&[with("lib", ""), with("tool", "Depends: lib (= 1.0)\n")]);
    let newer = Package { fields: "Depends: lib (= 1.1)\n", ..package("tool", "1.1") };
    apt.publish("security", &[package("lib", "1.1"), newer]);
    let host = host(&apt, "");
    let applied = run(&host, "run");
    assert_eq!(
        (applied.code, &applied.task("task")["summary"]),
        (0, &"2 packages upgraded, 0 left".into()),
        "{applied:?}"
    );
    assert_eq!(["lib", "tool"].map(|name| apt.installed(name)), ["1.1 installed", "1.1 installed"]);
}

/// What dpkg leaves where the machine went down between unpacking and configuring.
#[test]
fn an_upgrade_that_was_cut_off_is_finished_first() {
    let apt = Apt::new(&[package("tool", "1.0"), package("lib", "1.0")]);
    apt.publish("security", &[package("tool", "1.1"), package("lib", "1.1")]);
    let host = host(&apt, "");
    let archive = apt.path("repository/security/tool_1.1_all.deb").display().to_string();
    apt.dpkg(&["--unpack", &archive]);
    assert_eq!(apt.installed("tool"), "1.1 unpacked");
    let plan = run(&host, "plan");
    assert_eq!(
        (plan.code, plan.findings("task")),
        (2, vec!["critical packages-unfinished dpkg".to_owned()]),
        "{plan:?}"
    );
    assert_eq!(apt.installed("tool"), "1.1 unpacked");
    let applied = run(&host, "run");
    assert_eq!((applied.code, applied.findings("task")), (0, vec![]), "{applied:?}");
    assert_eq!(["tool", "lib"].map(|name| apt.installed(name)), ["1.1 installed", "1.1 installed"]);
}

#[test]
fn lists_that_cannot_be_fetched_are_unknown_and_nothing_is_upgraded() {
    let apt = Apt::new(&[package("tool", "1.0")]);
    apt.publish("security", &[package("tool", "1.1")]);
    let host = host(&apt, "");
    fs::rename(apt.path("repository/stable/Packages"), apt.path("away")).expect("it is renamed");
    fs::remove_file(apt.path("repository/stable/Release")).expect("it is removed");
    let unknown = run(&host, "run");
    assert_eq!(
        (unknown.code, unknown.findings("task")),
        (3, vec!["unknown lists-not-refreshed package lists".to_owned()]),
        "{unknown:?}"
    );
    assert_eq!(apt.installed("tool"), "1.0 installed");
}

#[test]
fn a_service_that_does_not_run_after_the_upgrade_is_critical() {
    let apt = Apt::new(&[package("tool", "1.0")]);
    apt.publish("security", &[package("tool", "1.1")]);
    let host = host(&apt, "");
    let version = apt.path("root/usr/share/tool/version").display().to_string();
    systemctl(
        &host,
        &format!("if grep -q 1.1 {version}; then echo failed; echo failed; else echo active; echo running; fi"),
    );
    let down = run(&host, "run");
    assert_eq!(
        (down.code, down.findings("task")),
        (2, vec!["critical service-down tool.service".to_owned()]),
        "{down:?}"
    );
    script(
        &host.path().join("systemctl"),
        "echo 'System has not been booted with systemd as init system (PID 1). Can\\'t operate.' >&2; exit 1\n",
    );
    let without = run(&host, "run");
    assert_eq!(
        (without.code, without.findings("task")),
        (3, vec!["unknown services-not-looked-at systemctl".to_owned()]),
        "{without:?}"
    );
}

#[test]
fn a_name_that_is_none_and_one_that_is_not_installed_are_told() {
    let apt = Apt::new(&[package("tool", "1.0")]);
    let host = host(&apt, "packages = [\"absent\"]");
    let unknown = run(&host, "run");
    assert_eq!(
        (unknown.code, unknown.findings("task")),
        (3, vec!["unknown package-unknown absent".to_owned()]),
        "{unknown:?}"
    );
    let text = fs::read_to_string(host.configuration()).expect("it is there");
    fs::write(host.configuration(), text.replace("\"absent\"", "\"tool-\"")).expect("it is written");
    let refused = run(&host, "run");
    assert!(refused.code == 3 && refused.stdout.contains("no package's name"), "{refused:?}");
    assert_eq!(apt.installed("tool"), "1.0 installed");
}
