//! The plugins that look at the machine and its files.

use std::{
    fs,
    process::{Command, Output},
    time::{Duration, SystemTime},
};

use hostler_tests::{Hostler, Nginx, free_port};

/// What the machine of a test may be short of is none of the test's business.
const LENIENT: &str = "disk_warning = \"0:\", disk_critical = \"0:\", memory_warning = \"0:\", memory_critical = \"0:\", \
    swap_warning = \"100\", swap_critical = \"100\", pressure_warning = \"100\", pressure_critical = \"100\", \
    load_warning = \"1000\", load_critical = \"1000\", full_warning = \"1s\", full_critical = \"1s\"";

fn machine(settings: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[tasks.task]\nplugin = \"system-resources\"\nbind = {{ machine = \"machine\", history = \"history\" }}\n\
         settings = {{ {settings} }}\n"
    ));
    host.install(&["system-resources"]);
    host
}

#[test]
fn a_machine_within_its_limits_is_ok_and_one_outside_of_them_is_told_with_its_figures() {
    let well = machine(LENIENT).run(&["run", "task", "--format", "json"]);
    assert_eq!(well.code, 0, "{well:?}");
    let strict = LENIENT.replace("memory_critical = \"0:\"", "memory_critical = \"100.1:\"");
    let short = machine(&strict).run(&["run", "task", "--format", "json"]);
    assert_eq!(short.code, 2, "{short:?}");
    assert!(short.findings("task").iter().any(|finding| finding.contains("memory")), "{short:?}");
}

/// A script with a small disk of its own, mounted where no other process sees it: `$1`, and the rest is hostler.
fn on_a_small_disk(host: &Hostler, script: &str) -> Output {
    let small = host.path().join("small");
    fs::create_dir_all(&small).expect("a directory");
    let hostler = host.command(&["run", "task", "--format", "json"]);
    let within = |way: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(way).args(["sh", "-c", script, "sh"]).arg(&small).current_dir(host.path());
        command.arg(hostler.get_program()).args(hostler.get_args());
        command.output().expect("unshare of util-linux")
    };
    let output = within(&["--user", "--map-root-user", "--mount"]);
    if output.stdout.is_empty() { within(&["--mount"]) } else { output }
}

#[test]
fn a_full_disk_is_critical_and_named() {
    let host = machine("");
    let output = on_a_small_disk(
        &host,
        "mount -t tmpfs -o size=4m tmpfs \"$1\" || exit 99; head -c 8m /dev/zero > \"$1/full\" 2>/dev/null; shift; exec \"$@\"",
    );
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(told.contains(&host.path().join("small").display().to_string()), "{told}");
}

#[test]
fn a_disk_that_fills_is_told_hours_before_it_is_full() {
    let host = machine(&LENIENT.replace("full_warning = \"1s\", full_critical = \"1s\"", "full_critical = \"4h\""));
    // 8 MB an hour, as the runs of five hours saw it, and 24 MB are left.
    let output = on_a_small_disk(
        &host,
        "mount -t tmpfs -o size=64m tmpfs \"$1\" || exit 99; small=$1; shift; for hours in 5 4 3 2 1; do \
         head -c 8m /dev/zero > \"$small/$hours\"; \
         LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 FAKETIME=-${hours}h FAKETIME_DONT_FAKE_MONOTONIC=1 \
         \"$@\" > /dev/null; done; exec \"$@\"",
    );
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let small = host.path().join("small").display().to_string();
    assert!(told.contains("disk-fills") && told.contains(&small) && told.contains("critical below 4 h"), "{told}");
}

#[test]
fn a_directory_is_archived_whole_and_the_archive_restores() {
    let host = Hostler::new(
        "[directory.source]\npath = \"{directory}/source\"\n[directory.backups]\npath = \"{directory}/backups\"\n\
         [tasks.task]\nplugin = \"backup-files\"\nbind = { source = [\"directory.source\"], destination = \"directory.backups\" }\n",
    );
    host.install(&["backup-files"]);
    let (source, backups) = (host.path().join("source"), host.path().join("backups"));
    fs::create_dir_all(source.join("below")).expect("a directory");
    fs::create_dir_all(&backups).expect("a directory");
    fs::write(source.join("below/file"), "contents".repeat(1000)).expect("a file");
    let plan = host.run(&["plan", "task"]);
    assert_eq!((plan.code, fs::read_dir(&backups).expect("it is there").count()), (0, 0), "{plan:?}");
    let run = host.run(&["run", "task"]);
    assert_eq!(run.code, 0, "{run:?}");
    let names: Vec<_> = fs::read_dir(&backups).expect("it is there").flatten().map(|entry| entry.path()).collect();
    let archive = names.iter().find(|path| path.extension().is_some_and(|end| end == "zst")).expect("an archive");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(archive).expect("an archive").permissions());
    assert_eq!(mode & 0o777, 0o600, "what is in a backup is nobody else's to read");
    let checked = Command::new("sh").args(["-c", "sha256sum --check *.sha256"]).current_dir(&backups).status();
    assert!(checked.expect("sha256sum").success(), "the checksum beside it is its own");
    let restored = host.path().join("restored");
    fs::create_dir_all(&restored).expect("a directory");
    let tar = Command::new("tar").arg("--zstd").arg("-xf").arg(archive).arg("-C").arg(&restored).status().expect("tar");
    assert!(tar.success());
    let found = Command::new("find").arg(&restored).args(["-name", "file", "-size", "+1k"]).output().expect("find");
    assert!(!found.stdout.is_empty(), "the file is in the archive");
    fs::remove_dir_all(&source).expect("it goes");
    let sick = host.run(&["run", "task", "--format", "json"]);
    assert!(sick.code >= 2, "what is not there is not backed up, which is never ok: {sick:?}");
    assert!(archive.exists(), "and the archive that there is stays");
}

#[test]
fn a_certificate_that_expires_tomorrow_is_critical_and_a_fresh_one_is_ok() {
    for (days, code) in [(1, 2), (365, 0)] {
        let host = Hostler::new(
            "[directory.certificates]\npath = \"{directory}/certificates\"\n\
             [tasks.task]\nplugin = \"security-certificates\"\nbind.certificates = [\"directory.certificates\"]\n",
        );
        host.install(&["security-certificates"]);
        let directory = host.path().join("certificates");
        fs::create_dir_all(&directory).expect("a directory");
        let mut parameters = rcgen::CertificateParams::new(vec!["shop.example".to_owned()]).expect("a name");
        parameters.not_before = rcgen::date_time_ymd(2025, 1, 1);
        parameters.not_after = (SystemTime::now() + Duration::from_secs(days * 86_400)).into();
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = parameters.self_signed(&key).expect("a certificate");
        fs::write(directory.join("shop.pem"), certificate.pem()).expect("a file");
        let run = host.run(&["run", "task", "--format", "json"]);
        assert_eq!(run.code, code, "{days} days: {run:?}");
    }
}

#[test]
fn a_keystore_is_looked_into_with_its_password_and_unknown_without() {
    let host = Hostler::new(
        "[directory.certificates]\npath = \"{directory}/certificates\"\n\
         [tasks.task]\nplugin = \"security-certificates\"\nbind.certificates = [\"directory.certificates\"]\n",
    );
    host.install(&["security-certificates"]);
    let directory = host.path().join("certificates");
    fs::create_dir_all(&directory).expect("a directory");
    let made = |days: &str| {
        let script = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=shop.example -days \"$1\" -keyout key -out crt 2>/dev/null && \
                      openssl pkcs12 -export -inkey key -in crt -out certificates/shop.p12 -passout pass:hunter2 && chmod 600 certificates/shop.p12";
        let output =
            Command::new("sh").args(["-c", script, "sh", days]).current_dir(host.path()).status().expect("openssl");
        assert!(output.success());
    };
    made("365");
    let locked = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(
        (locked.code, locked.findings("task")),
        (
            3,
            vec![
                "unknown password-wrong certificates/shop.p12".to_owned(),
                "unknown no-certificates certificates".to_owned()
            ]
        ),
        "{locked:?}"
    );
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    host.configure(&(text + "settings.pkcs12_password = \"hunter2\"\n"));
    let well = host.run(&["run", "task", "--format", "json"]);
    assert_eq!((well.code, well.findings("task")), (0, vec![]), "{well:?}");
    assert!(well.stdout.contains("1 key compared") && !well.stdout.contains("hunter2"), "{well:?}");
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    host.configure(
        &text.replace(
            "pkcs12_password",
            "long_lived = \"0s\"\nsettings.warning_left = \"400d\"\nsettings.pkcs12_password",
        ),
    );
    let soon = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(soon.findings("task"), ["warning expires-soon certificates/shop.p12"], "{soon:?}");
}

/// A certificate for a name and its key, as PEM.
fn issued(name: &str) -> (String, String) {
    let mut parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("a name");
    parameters.not_before = rcgen::date_time_ymd(2025, 1, 1);
    parameters.not_after = (SystemTime::now() + Duration::from_secs(365 * 86_400)).into();
    let key = rcgen::KeyPair::generate().expect("a key");
    (parameters.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
}

#[test]
fn what_a_server_sends_is_held_to_its_name_to_the_roots_and_to_what_lies_on_the_disk() {
    let port = free_port();
    let host = Hostler::new(&format!(
        "[directory.certificates]\npath = \"{{directory}}/certificates\"\n[endpoint.shop]\nurl = \"tls://127.0.0.1:{port}\"\n\
         [tasks.task]\nplugin = \"security-certificates\"\nbind.certificates = [\"directory.certificates\"]\n\
         bind.endpoints = [\"endpoint.shop\"]\nsettings.server_names = {{ shop = \"shop.example\" }}\nsettings.private = [\"shop\"]\n"
    ));
    host.install(&["security-certificates"]);
    let directory = host.path().join("certificates");
    fs::create_dir_all(&directory).expect("a directory");
    let write = |(certificate, key): (String, String)| {
        fs::write(directory.join("shop.pem"), certificate).expect("a certificate");
        fs::write(directory.join("shop.key"), key).expect("a key");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(directory.join("shop.key"), private).expect("permissions");
    };
    write(issued("shop.example"));
    let here = directory.display();
    let nginx = Nginx::start(
        &format!(
            "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {here}/shop.pem; ssl_certificate_key {here}/shop.key; }}"
        ),
        "",
    );
    let found = || {
        let run = host.run(&["run", "task", "--format", "json"]);
        (run.code, run.findings("task"))
    };
    assert_eq!(found(), (0, vec![]));
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    host.configure(&text.replace("settings.private = [\"shop\"]\n", ""));
    assert_eq!(found(), (2, vec!["critical not-trusted endpoint shop".to_owned()]), "nobody knows who signed it");
    host.configure(&text.replace("shop.example", "other.example"));
    assert_eq!(found(), (2, vec!["critical name-mismatch endpoint shop".to_owned()]));
    host.configure(&text);
    // Renewed on the disk, and never loaded.
    write(issued("shop.example"));
    assert_eq!(found(), (1, vec!["warning not-reloaded endpoint shop".to_owned()]));
    fs::write(directory.join("shop.key"), issued("shop.example").1).expect("another's key");
    let (code, findings) = found();
    assert!(code == 2 && findings.contains(&"critical key-mismatch certificates/shop.pem".to_owned()), "{findings:?}");
    drop(nginx);
    assert!(found().1.contains(&"unknown endpoint-not-reached shop".to_owned()));
}
