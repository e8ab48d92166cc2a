//! The plugins that look at the machine and its files.

use std::{
    fs,
    process::Command,
    time::{Duration, SystemTime},
};

use hostler_tests::Hostler;

#[test]
fn the_machine_is_looked_at() {
    let host = Hostler::new(
        "[tasks.task]\nplugin = \"system-resources\"\nbind = { machine = \"machine\", history = \"history\" }\n",
    );
    host.install(&["system-resources"]);
    let run = host.run(&["run", "task", "--format", "prometheus"]);
    assert!(run.code <= 3 && run.stdout.contains("hostler_task_worked{"), "{run:?}");
    assert!(run.stdout.contains("memory"), "{run:?}");
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
    let restored = host.path().join("restored");
    fs::create_dir_all(&restored).expect("a directory");
    let tar = Command::new("tar").arg("--zstd").arg("-xf").arg(archive).arg("-C").arg(&restored).status().expect("tar");
    assert!(tar.success());
    let found = Command::new("find").arg(&restored).args(["-name", "file", "-size", "+1k"]).output().expect("find");
    assert!(!found.stdout.is_empty(), "the file is in the archive");
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
