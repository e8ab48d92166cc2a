//! A kill at any moment, a full disk and a directory that cannot be written: old or new, and nothing between.

mod support;

use std::{
    env, fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use hostler_manifest::CONTRACT;
use hostler_registry::{Candidate, Consent, Registry, RegistryError, examine};
use support::{DATABASE, component, manifest};

const REGISTRY: &str = "HOSTLER_TEST_REGISTRY";

/// Large enough that writing it takes a while.
fn version(number: u8) -> Candidate {
    let manifest = manifest("looker", &format!("{number}.0.0"), "check", DATABASE);
    let padding = char::from(b'a' + number).to_string().repeat(2 << 20);
    examine(component(&[], CONTRACT, Some(&manifest), &padding)).unwrap_or_else(|error| panic!("{error}"))
}

/// This test program again, as a process of its own that runs one of the functions below.
fn child(program: &Path, function: &str, registry: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["--exact", function, "--ignored", "--nocapture"]).env(REGISTRY, registry);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn wait(mut child: Child, limit: Duration) -> String {
    let since = Instant::now();
    while child.try_wait().expect("it is ours").is_none() {
        assert!(since.elapsed() < limit, "the child does not end");
        thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().expect("it has ended");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
#[ignore = "the child of another test"]
fn installs_for_ever() {
    let Some(directory) = env::var_os(REGISTRY) else { return };
    let registry = Registry::open(Path::new(&directory)).expect("it is there");
    let versions = [version(1), version(2)];
    loop {
        for version in &versions {
            registry.install(version, &Consent::to(version).allowing_downgrade()).expect("it is installed");
        }
    }
}

#[test]
#[ignore = "the child of another test"]
fn installs_once() {
    let Some(directory) = env::var_os(REGISTRY) else { return };
    let two = version(2);
    let result = Registry::open(Path::new(&directory)).and_then(|registry| registry.install(&two, &Consent::to(&two)));
    match result {
        Ok(_) => eprintln!("outcome: installed"),
        Err(error) => eprintln!("outcome: {error}"),
    }
}

#[test]
fn a_kill_at_any_moment_leaves_the_old_one_or_the_new_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let registry = Registry::open(&directory.path().join("registry")).expect("it is empty");
    let versions = [version(1), version(2)];
    registry.install(&versions[0], &Consent::to(&versions[0])).expect("it is installed");
    let program = env::current_exe().expect("it has a path");
    let (mut seen, mut left) = ([0, 0], 0);
    for round in 0..40_u64 {
        let mut child = child(&program, "installs_for_ever", registry.directory()).spawn().expect("it starts");
        // It examines its plugins first; then the moments spread over some installations.
        thread::sleep(Duration::from_millis(120 + round * 37 % 160));
        child.kill().expect("it is ours");
        let status = child.wait().expect("it has ended");
        assert!(status.code().is_none(), "it ended by itself: {status}");
        let (bytes, installed) = registry.load("looker").unwrap_or_else(|error| panic!("round {round}: {error}"));
        let which = versions.iter().position(|version| version.digest == installed.digest).expect("it is one of them");
        assert!(bytes == versions[which].bytes());
        seen[which] += 1;
        let findings = registry.verify();
        assert!(findings.iter().all(|finding| !finding.is_serious()), "round {round}: {findings:?}");
        left += usize::from(!findings.is_empty());
    }
    // The kernel let the lock go with each of them, and what they left is swept up.
    registry
        .clone()
        .with_patience(Duration::ZERO)
        .install(&versions[1], &Consent::to(&versions[1]))
        .expect("it is free");
    assert!(registry.verify().is_empty(), "{:?}", registry.verify());
    eprintln!("killed before and after the turn {seen:?} times, in the middle {left} times");
    assert!(seen[0] + left > 0 && seen[1] + left > 0, "the kills hit nothing: {seen:?}, {left}");
}

#[test]
fn a_full_disk_leaves_the_old_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let registry = Registry::open(&directory.path().join("registry")).expect("it is empty");
    let one = version(1);
    registry.install(&one, &Consent::to(&one)).expect("it is installed");
    // A limit on the size of files stands in for the disk: bash ignores the signal, so that writing fails.
    let child = child(&env::current_exe().expect("it has a path"), "installs_once", registry.directory());
    let mut limited = Command::new("bash");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$@\"", "bash"])
        .arg(child.get_program())
        .args(child.get_args());
    limited.env(REGISTRY, registry.directory()).stdout(Stdio::null()).stderr(Stdio::piped());
    let said = wait(limited.spawn().expect("bash is there"), Duration::from_secs(60));
    assert!(said.contains("outcome: ") && said.contains("cannot be written"), "{said}");
    assert_eq!(registry.get("looker").expect("the old one stays").digest, one.digest);
    assert!(registry.verify().is_empty(), "{:?}", registry.verify());
}

#[test]
fn a_registry_that_cannot_be_written_is_named_and_stays_readable() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("registry");
    let registry = Registry::open(&path).expect("it is empty");
    let one = version(1);
    registry.install(&one, &Consent::to(&one)).expect("it is installed");
    let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode is changed");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("its mode is changed");
    for (name, mode) in [("hostler.lock", 0o644), (".installing", 0o644), ("plugins", 0o555)] {
        fs::set_permissions(path.join(name), fs::Permissions::from_mode(mode)).expect("its mode is changed");
    }
    mode(0o555);
    let program = directory.path().join("program");
    fs::copy(env::current_exe().expect("it has a path"), &program).expect("it is copied");
    let mut child = child(&program, "installs_once", &path);
    if rustix::process::geteuid().is_root() {
        // No mode stops root, so another user tries it.
        child.uid(65534).gid(65534);
    }
    let said = wait(child.spawn().expect("it starts"), Duration::from_secs(60));
    assert!(said.contains("outcome: ") && said.contains("Permission denied"), "{said}");
    assert!(said.contains("run hostler as the user that owns it"), "{said}");
    assert_eq!(registry.get("looker").expect("it is readable").digest, one.digest);
    mode(0o700);
    fs::set_permissions(path.join("plugins"), fs::Permissions::from_mode(0o700)).expect("its mode is changed");
    assert!(matches!(Registry::open(&path.join("hostler.lock")), Err(RegistryError::Io { .. })));
}
