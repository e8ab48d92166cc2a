//! system-updates with the real apt-get on package databases and repositories of the tests' own.

use std::{
    fs,
    process::{Command, Stdio},
};

use hostler_tests::{Hostler, Output, root};

use crate::{
    apt::{Apt, package},
    forms,
};

const FOREVER: &str = "end_of_life = \"2999-12-31\", ignore_processes = [\"*\"]";
fn host(apt: &Apt, settings: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "{}{}[directory.apt]\npath = \"{}\"\n[tasks.task]\nplugin = \"system-updates\"\n\
         bind.apt-get = \"program.apt-get\"\nbind.apt-cache = \"program.apt-cache\"\nbind.lists = \"directory.apt\"\n\
         bind.machine = \"machine\"\nsettings = {{ {settings} }}\n",
        apt.program("apt-get", &forms("updates", "apt-get")),
        apt.program("apt-cache", &forms("updates", "apt-cache")),
        apt.path("root/var/lib/apt").display()
    ));
    host.install(&["system-updates"]);
    host
}

/// Whether this machine waits for a reboot is not for the test to choose.
fn findings(output: &Output) -> Vec<String> {
    output.findings("task").into_iter().filter(|finding| finding != "warning reboot-required machine").collect()
}

fn run(host: &Hostler) -> Output {
    host.run(&["run", "task", "--format", "json"])
}

fn later(host: &Hostler, days: u32) -> Output {
    let mut command = host.command(&["run", "task", "--format", "json"]);
    command
        .env("LD_PRELOAD", "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
        .env("FAKETIME", format!("+{days}d"));
    let output = command.output().expect("hostler starts");
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn a_security_fix_is_new_then_a_warning_then_critical_and_other_updates_are_none() {
    let apt = Apt::new(&[package("tool", "1.0"), package("plain", "1.0")]);
    let host = host(&apt, &format!("{FOREVER}, lists_age = \"900d\""));
    let healthy = run(&host);
    assert_eq!(
        (findings(&healthy), healthy.task("task")["summary"].as_str()),
        (vec![], Some("0 updates wait, 0 of them security fixes")),
        "{healthy:?}"
    );
    apt.publish("security", &[package("tool", "1.1")]);
    apt.publish("stable", &[package("plain", "1.1")]);
    let fresh = run(&host);
    assert_eq!(findings(&fresh), Vec::<String>::new(), "{fresh:?}");
    assert_eq!(fresh.task("task")["summary"], "2 updates wait, 1 of them a security fix");
    assert_eq!(findings(&later(&host, 6)), Vec::<String>::new());
    assert_eq!(findings(&later(&host, 8)), ["warning security-fix-old security fixes"]);
    // A second fix of the same package does not make the first one younger.
    apt.publish("security", &[package("tool", "1.2")]);
    let old = later(&host, 31);
    assert_eq!(findings(&old), ["critical security-fix-old security fixes"], "{old:?}");
    assert!(old.stdout.contains("apt-get install --only-upgrade tool"), "{old:?}");
    apt.get(&["-y", "-qq", "install", "tool"]);
    let installed = later(&host, 32);
    assert_eq!(findings(&installed), Vec::<String>::new(), "{installed:?}");
    assert_eq!(installed.task("task")["summary"], "1 update waits, 0 of them security fixes");
}

#[test]
fn a_fix_that_waits_at_the_first_run_is_unknown_and_not_new() {
    let apt = Apt::new(&[package("tool", "1.0")]);
    apt.publish("security", &[package("tool", "1.1")]);
    let host = host(&apt, FOREVER);
    let first = run(&host);
    assert_eq!(
        (first.code, findings(&first)),
        (3, vec!["unknown baseline-taken security fixes".to_owned()]),
        "{first:?}"
    );
    let second = run(&host);
    assert_eq!(findings(&second), Vec::<String>::new(), "{second:?}");
    let plan = host.run(&["plan", "task", "--format", "json"]);
    assert_eq!(findings(&plan), Vec::<String>::new(), "{plan:?}");
}

/// A point release with the fix in it hides the fix in what apt-get says it would install.
#[test]
fn a_fix_below_a_newer_version_and_one_that_is_held_are_seen() {
    let apt = Apt::new(&[package("tool", "1.0"), package("held", "1.0")]);
    let host = host(&apt, FOREVER);
    assert_eq!(findings(&run(&host)), Vec::<String>::new());
    apt.publish("security", &[package("tool", "1.1"), package("held", "1.1")]);
    apt.publish("stable", &[package("tool", "1.2")]);
    apt.tool("apt-mark", &["hold", "held"]);
    let simulated = apt.get(&["-s", "dist-upgrade"]);
    assert!(
        simulated.contains("Inst tool [1.0] (1.2 Debian:12/stable") && !simulated.contains("Inst held"),
        "{simulated}"
    );
    let found = run(&host);
    assert_eq!(findings(&found), ["warning security-fix-held held"], "{found:?}");
    assert_eq!(found.task("task")["summary"], "2 updates wait, 2 of them security fixes");
}

#[test]
fn old_lists_are_unknown_and_so_is_a_directory_without_any() {
    let apt = Apt::new(&[package("tool", "1.0")]);
    let host = host(&apt, FOREVER);
    let lists = apt.path("root/var/lib/apt/lists");
    let touch = |when: &str| {
        for entry in fs::read_dir(&lists).expect("lists").flatten() {
            if entry.file_name().to_string_lossy().ends_with("Release") {
                assert!(Command::new("touch").args(["-d", when]).arg(entry.path()).status().expect("touch").success());
            }
        }
    };
    touch("47 hours ago");
    assert_eq!(findings(&run(&host)), Vec::<String>::new());
    touch("49 hours ago");
    let old = run(&host);
    assert_eq!((old.code, findings(&old)), (3, vec!["unknown lists-old package lists".to_owned()]), "{old:?}");
    fs::remove_dir_all(&lists).expect("they are removed");
    let without = run(&host);
    assert!(findings(&without).contains(&"unknown lists-old package lists".to_owned()), "{without:?}");
}

#[test]
fn a_package_database_that_is_not_whole_is_unknown_with_the_command_that_mends_it() {
    let apt = Apt::new(&[package("tool", "1.0")]);
    let host = host(&apt, FOREVER);
    let status = apt.path("root/var/lib/dpkg/status");
    let text = fs::read_to_string(&status).expect("it is there");
    fs::write(&status, text.replace("Architecture: all\n", "Architecture: all\nDepends: absent\n")).expect("written");
    let broken = run(&host);
    assert_eq!((broken.code, findings(&broken)), (3, vec!["unknown not-looked-at updates".to_owned()]), "{broken:?}");
    assert!(broken.stdout.contains("apt-get --fix-broken install"), "{broken:?}");
}

#[test]
fn a_package_that_was_unpacked_and_not_configured_is_critical() {
    let apt = Apt::new(&[package("tool", "1.0")]);
    let host = host(&apt, FOREVER);
    apt.publish("stable", &[package("tool", "1.1")]);
    apt.dpkg(&["--unpack", &apt.path("repository/stable/tool_1.1_all.deb").display().to_string()]);
    let half = run(&host);
    assert_eq!((half.code, findings(&half)), (2, vec!["critical packages-unfinished dpkg".to_owned()]), "{half:?}");
}

#[test]
fn a_program_whose_file_was_replaced_and_a_release_without_support_are_told() {
    let apt = Apt::new(&[package("tool", "1.0")]);
    let host = host(&apt, "end_of_life = \"2026-01-31\"");
    // Not below /tmp, where programs run what they compile.
    let directory = tempfile::tempdir_in(root().join("target")).expect("a directory");
    let program = directory.path().join("old-worker");
    fs::copy("/bin/sleep", &program).expect("a copy");
    let mut child = Command::new(&program).arg("60").stdout(Stdio::null()).spawn().expect("it starts");
    fs::remove_file(&program).expect("it is removed");
    let found = run(&host);
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(found.code, 2, "{found:?}");
    let told = found.stdout.contains("old-worker (");
    assert!(told && found.stdout.contains("\"old-code-running\""), "{found:?}");
    assert!(findings(&found).iter().any(|finding| finding.starts_with("critical end-of-life ")), "{found:?}");
    assert!(!run(&host).stdout.contains("old-worker ("));
}

#[test]
fn what_was_not_granted_is_unknown_and_a_day_that_is_none_is_refused() {
    let apt = Apt::new(&[package("tool", "1.0")]);
    let host = host(&apt, FOREVER);
    let text = fs::read_to_string(host.configuration()).expect("it is there");
    fs::write(host.configuration(), text.replace("\"dist-upgrade\"", "\"upgrade\"")).expect("it is written");
    let refused = run(&host);
    assert_eq!(
        (refused.code, findings(&refused)),
        (3, vec!["unknown not-looked-at updates".to_owned()]),
        "{refused:?}"
    );
    fs::write(host.configuration(), text.replace("2999-12-31", "2999-13-31")).expect("it is written");
    let bad = run(&host);
    assert!(bad.code == 3 && bad.stdout.contains("settings.end_of_life"), "{bad:?}");
}
