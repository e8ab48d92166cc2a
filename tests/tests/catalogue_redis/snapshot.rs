//! redis-snapshot: a real server's snapshot, copied, read through by the real redis-check-rdb, and loaded again.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use hostler_tests::{Hostler, RedisServer, eventually};

struct Site {
    host: Hostler,
    server: RedisServer,
}

fn site(settings: &str) -> Site {
    let directory = tempfile::Builder::new().prefix("hostler-data-").tempdir().expect("a directory").keep();
    let server = RedisServer::start_with(&["--dir", &directory.display().to_string()]);
    let keys = redis::cmd("MSET").arg(&["a", "1", "b", "2"]).query::<()>(&mut server.connection());
    keys.expect("keys");
    let host = Hostler::new(&format!(
        "[redis.main]\nurl = {:?}\n[directory.data]\npath = {:?}\n[directory.copies]\npath = \"{{directory}}/copies\"\n\
         [program.check]\npath = \"/usr/bin/redis-check-rdb\"\nallow = [{{ arguments = [\"{{path}}\"], effect = \"reads\" }}]\n\
         [tasks.task]\nplugin = \"redis-snapshot\"\nbind = {{ server = \"redis.main\", data = \"directory.data\", \
         destination = \"directory.copies\", check = \"program.check\", machine = \"machine\" }}\nsettings = {{ {settings} }}\n",
        server.url(),
        directory
    ));
    host.install(&["redis-snapshot"]);
    fs::create_dir(host.path().join("copies")).expect("a directory");
    Site { host, server }
}

impl Site {
    fn copies(&self) -> Vec<String> {
        let entries = fs::read_dir(self.host.path().join("copies")).expect("it is there").flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn data(&self) -> String {
        let pair: (String, String) =
            redis::cmd("CONFIG").arg(&["GET", "dir"]).query(&mut self.server.connection()).expect("an answer");
        pair.1
    }

    fn stand_in(&self, script: &str) {
        let path = self.host.path().join("check");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
        self.replace("/usr/bin/redis-check-rdb", &path.display().to_string());
    }

    fn replace(&self, old: &str, new: &str) {
        let text = fs::read_to_string(self.host.configuration()).expect("a configuration");
        assert!(text.contains(old), "{text}");
        self.host.configure(&text.replace(old, new));
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.data());
    }
}

#[test]
fn a_snapshot_is_copied_once_with_its_checksum_and_a_server_loads_it() {
    let site = site("");
    let plan = site.host.run(&["plan", "task", "--format", "json"]);
    assert_eq!(plan.findings("task"), ["unknown no-snapshot destination"], "{plan:?}");
    assert!(site.copies().is_empty() && !Path::new(&site.data()).join("dump.rdb").exists(), "a plan writes nothing");
    let run = site.host.run(&["run", "task", "--format", "json"]);
    assert_eq!((run.code, run.findings("task").len()), (0, 0), "{run:?}");
    let copies = site.copies();
    assert_eq!(copies.len(), 2, "{copies:?}");
    let copy = site.host.path().join("copies").join(&copies[0]);
    assert_eq!(fs::metadata(&copy).expect("it is there").permissions().mode() & 0o777, 0o600);
    let sum = std::process::Command::new("sha256sum")
        .args(["-c", &copies[1]])
        .current_dir(site.host.path().join("copies"))
        .output()
        .expect("sha256sum");
    assert!(sum.status.success(), "{sum:?}");
    let restored = tempfile::tempdir().expect("a directory");
    fs::copy(&copy, restored.path().join("dump.rdb")).expect("a copy");
    let other = RedisServer::start_with(&["--dir", &restored.path().display().to_string()]);
    eventually("the copy is loaded", || {
        redis::cmd("DBSIZE").query::<u64>(&mut other.connection()).is_ok_and(|keys| keys == 2)
    });
    let again = site.host.run(&["run", "task", "--format", "json"]);
    assert!(again.code == 0 && again.stdout.contains("no other is taken"), "{again:?}");
    assert_eq!(site.copies(), copies);
    let check = site.host.run(&["plan", "task", "--format", "json"]);
    assert_eq!((check.code, check.findings("task").len()), (0, 0), "a young copy is well: {check:?}");
}

#[test]
fn a_copy_that_the_program_finds_damaged_is_critical_and_gets_no_checksum() {
    let site = site("interval = \"0s\"");
    // The real program reads what is cut short: a stand-in at its place hands it all but the last bytes.
    site.stand_in("head -c -12 \"$1\" | /usr/bin/redis-check-rdb /dev/stdin");
    let run = site.host.run(&["run", "task", "--format", "json"]);
    assert!(run.code == 2 && run.findings("task")[0].starts_with("critical snapshot-damaged redis-"), "{run:?}");
    assert_eq!(site.copies().len(), 1, "no checksum beside it");
    let check = site.host.run(&["plan", "task", "--format", "json"]);
    assert_eq!(check.findings("task"), ["unknown no-snapshot destination"], "{check:?}");
}

#[test]
fn a_server_that_cannot_write_its_snapshot_is_critical() {
    let site = site("");
    // Its directory has a directory where the file belongs, so that the rename at the end fails, also for root.
    let place = Path::new(&site.data()).join("dump.rdb");
    fs::create_dir_all(place.join("full")).expect("a directory");
    let run = site.host.run(&["run", "task", "--format", "json"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.findings("task").contains(&"critical snapshot-failed server".to_owned()), "{run:?}");
    assert!(site.copies().is_empty());
}

#[test]
fn without_room_for_the_fork_or_with_another_directory_nothing_is_copied() {
    let site = site("fork_share = 1000000");
    let narrow = site.host.run(&["run", "task", "--format", "json"]);
    assert!(narrow.code == 3 && narrow.stdout.contains("available: pages written"), "{narrow:?}");
    assert!(!Path::new(&site.data()).join("dump.rdb").exists(), "no snapshot was begun");
    site.replace("fork_share = 1000000", "");
    site.replace(&site.data(), &format!("{}/elsewhere", site.host.path().display()));
    fs::create_dir(site.host.path().join("elsewhere")).expect("a directory");
    let strange = site.host.run(&["run", "task", "--format", "json"]);
    assert!(strange.code == 3 && strange.stdout.contains("CONFIG GET dir"), "{strange:?}");
    assert!(site.copies().is_empty());
}
