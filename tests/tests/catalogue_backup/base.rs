//! backup-postgres-base: whole servers copied by the real pg_basebackup of each version, started again from the copy.

use std::{fs, path::Path, process::Command, time::Duration};

use hostler_tests::{Hostler, Postgres, Signal, eventually};

use crate::site::{self, VERSIONS, names, path_of, program, run, server, task, told};

const PLUGIN: &str = "backup-postgres-base";

fn host(server: &Postgres, version: u32, settings: &str) -> Hostler {
    let bound = format!(
        "bind.server = [\"postgres.main\"]\nbind.destination = \"directory.backups\"\nsettings = {{ checkpoint = \"fast\", {settings} }}"
    );
    let verify = "bind.backups = [\"directory.backups\"]\nsettings.every = \"0s\"";
    let freshness = "[tasks.fresh]\nplugin = \"backup-freshness\"\nbind.backups = [\"directory.backups\"]\nsettings.expected = [\"main-base\"]\n";
    let configuration = format!(
        "[postgres.main]\ndsn = {:?}\n{}{}{}",
        server.dsn("copier", "postgres"),
        task("task", PLUGIN, version, &bound),
        task("verify", "backup-verify", version, verify),
        freshness
    );
    server.execute("CREATE ROLE copier LOGIN REPLICATION");
    site::host(&configuration, &[PLUGIN, "backup-verify", "backup-freshness"])
}

fn one(host: &Hostler, of: &str) -> String {
    let found: Vec<String> = names(host).into_iter().filter(|name| name.starts_with(of)).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

/// Unpacks the data of a set, where it is packed.
fn unpacked(host: &Hostler, set: &str, below: &str) -> std::path::PathBuf {
    let to = host.path().join(below);
    fs::create_dir(&to).expect("a directory");
    let archive = host.path().join("backups").join(set).join("data.tar.zst");
    let done =
        Command::new("tar").args(["--zstd", "--strip-components=2", "-xf"]).arg(&archive).arg("-C").arg(&to).status();
    assert!(done.expect("tar").success());
    to.join("data")
}

fn well(host: &Hostler, tasks: &[&str]) {
    for task in tasks {
        let output = host.run(&["run", task, "--format", "json"]);
        let findings = output.task(task)["reported"]["findings"].to_string();
        assert_eq!((output.code, findings.as_str()), (0, "[]"), "{task}");
    }
}

#[test]
fn a_server_is_copied_verified_packed_and_starts_again_on_every_version() {
    for version in VERSIONS {
        let server = server(version, &[]);
        let host = host(&server, version, "incremental = false");
        let plan = host.run(&["plan", "task", "--format", "json"]);
        assert_eq!((plan.code, names(&host).len()), (0, 0), "{version}: {plan:?}");
        well(&host, &["task", "verify", "fresh"]);
        let set = one(&host, "main-base-");
        let manifest = fs::read_to_string(host.path().join("backups").join(&set).join("manifest.json")).expect("it");
        assert!(manifest.contains(&server.value("SELECT system_identifier FROM pg_control_system()")), "{manifest}");
        let again = Postgres::over(version, &unpacked(&host, &set, "unpacked"));
        assert_eq!(again.value("SELECT count(*) FROM orders"), "20000");
        let archive = host.path().join("backups").join(&set).join("data.tar.zst");
        let whole = fs::read(&archive).expect("an archive");
        fs::write(&archive, &whole[..whole.len() / 2]).expect("it is cut");
        assert!(told(&host, "verify").contains("not what was written"), "what happens to it later is found");
        fs::remove_file(host.path().join("backups").join(&set).join("manifest.json")).expect("it is removed");
        assert_eq!(run(&host, "fresh"), (2, vec!["critical no-backup main-base".into()]));
    }
}

#[test]
fn from_17_on_the_second_backup_is_incremental_and_put_together_with_the_first() {
    for version in [17, 18] {
        for compress in [true, false] {
            let server = server(version, &["summarize_wal=on"]);
            let host = host(&server, version, &format!("compress = {compress}"));
            well(&host, &["task"]);
            server.execute("INSERT INTO orders (note) SELECT 'later' FROM generate_series(1, 500)");
            std::thread::sleep(Duration::from_millis(1100));
            let plan = host.run(&["plan", "task"]);
            assert!(plan.code == 0 && plan.stdout.contains("Take an incremental"), "{plan:?}");
            well(&host, &["task", "verify", "fresh"]);
            let (full, increment) = (one(&host, "main-base-"), one(&host, "main-increment-"));
            let backups = host.path().join("backups");
            let data = |set: &str, below: &str| {
                if compress { unpacked(&host, set, below) } else { backups.join(set).join("data") }
            };
            let (full, increment) = (data(&full, "full"), data(&increment, "increment"));
            let combined = host.path().join("combined");
            let text = |path: &Path| path.display().to_string();
            let arguments = ["-o", &text(&combined), &text(&full), &text(&increment)];
            let done = program(version, "pg_combinebackup", &arguments);
            assert!(done.status.success(), "{done:?}");
            let again = Postgres::over(version, &combined);
            assert_eq!(again.value("SELECT count(*) FROM orders"), "20500", "{version} {compress}");
        }
    }
}

#[test]
fn a_server_without_summaries_is_copied_whole_and_told_and_15_misses_nothing() {
    let newer = server(17, &[]);
    let host_of_newer = host(&newer, 17, "");
    assert_eq!(run(&host_of_newer, "task"), (0, vec!["ok incremental-off main".into()]));
    let older = server(15, &[]);
    let host_of_older = host(&older, 15, "");
    assert_eq!(run(&host_of_older, "task"), (0, vec![]));
    assert!(names(&host_of_older)[0].starts_with("main-base-"));
}

#[test]
fn an_incremental_backup_whose_summaries_are_gone_is_told_and_the_next_one_is_full() {
    let server = server(17, &["summarize_wal=on"]);
    let host = host(&server, 17, "");
    assert_eq!(run(&host, "task").0, 0);
    server.execute("CREATE TABLE between AS SELECT 1");
    server.execute("CHECKPOINT");
    let summaries = server.directory().join("data/pg_wal/summaries");
    let end = server.value("SELECT pg_current_wal_lsn()");
    server.execute("CHECKPOINT");
    eventually("what was written is summarized", || {
        server.value(&format!("SELECT coalesce(max(end_lsn) >= '{end}', false) FROM pg_available_wal_summaries()"))
            == "t"
    });
    for entry in fs::read_dir(&summaries).expect("summaries").flatten() {
        fs::remove_file(entry.path()).expect("it is removed");
    }
    std::thread::sleep(Duration::from_millis(1100));
    let findings = told(&host, "task");
    assert!(findings.contains("backup-failed") && findings.contains("summarize_wal = on"), "{findings}");
    assert_eq!(run(&host, "task"), (0, vec![]));
    assert_eq!(names(&host).iter().filter(|name| name.starts_with("main-base-")).count(), 2, "{:?}", names(&host));
}

#[test]
fn full_ones_past_their_retention_go_with_their_incremental_ones() {
    let server = server(17, &["summarize_wal=on"]);
    let host = host(&server, 17, "keep = 1, full_every = \"7d\"");
    for _ in 0..2 {
        assert_eq!(run(&host, "task"), (0, vec![]));
        std::thread::sleep(Duration::from_millis(1100));
    }
    assert_eq!(names(&host).len(), 2, "{:?}", names(&host));
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    host.configure(&text.replace("full_every = \"7d\"", "full_every = \"0s\""));
    assert_eq!(run(&host, "task"), (0, vec![]));
    let left = names(&host);
    assert!(left.len() == 1 && left[0].starts_with("main-base-"), "{left:?}");
}

#[test]
fn what_stops_a_backup_is_critical_with_its_remedy() {
    let server = server(15, &[]);
    let host = host(&server, 15, "");
    server.execute("ALTER ROLE copier NOREPLICATION");
    let findings = told(&host, "task");
    assert!(findings.contains("backup-failed") && findings.contains("REPLICATION"), "{findings}");
    server.execute("ALTER ROLE copier REPLICATION");
    let output = site::on_a_small_disk(&host, "backups", 4, &["run", "task", "--format", "json"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("needs about") && said.contains("lower `keep`"), "{said}");
    // A file that is changed on the server's disk behind its back is copied as it is; one changed on the way is not kept.
    let stand_in = host.path().join("pg_basebackup");
    let real = path_of(15, "pg_basebackup");
    let script = format!(
        "#!/bin/sh\n{real:?} \"$@\" || exit\nfor word; do case \"$word\" in --pgdata=*) printf x >> \"${{word#--pgdata=}}/PG_VERSION\" ;; esac; done\n"
    );
    fs::write(&stand_in, script).expect("a script");
    fs::set_permissions(&stand_in, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("permissions");
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    host.configure(&text.replace(&format!("path = {real:?}"), &format!("path = {stand_in:?}")));
    let findings = told(&host, "task");
    assert!(findings.contains("backup-not-good") && findings.contains("PG_VERSION"), "{findings}");
    assert!(names(&host).iter().all(|name| name.ends_with(".partial")), "{:?}", names(&host));
    host.configure(&text);
    assert_eq!(run(&host, "task"), (0, vec![]));
    assert_eq!(names(&host).len(), 1, "what was left is gone");
}

#[test]
fn a_run_that_is_killed_leaves_no_set_and_the_next_one_clears_up_after_it() {
    let server = server(15, &[]);
    let host = host(&server, 15, "max_rate = \"64KiB\"");
    let running = host.start(&["run", "task"]);
    eventually("it copies", || server.value("SELECT count(*) FROM pg_stat_progress_basebackup") == "1");
    running.signal(Signal::KILL);
    assert_eq!(running.end_within(Duration::from_secs(10)).code, -1);
    assert!(names(&host).iter().all(|name| name.ends_with(".partial")), "{:?}", names(&host));
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    host.configure(&text.replace("64KiB", "1GiB"));
    assert_eq!(run(&host, "task"), (0, vec![]));
    assert!(one(&host, "main-").starts_with("main-base-"));
}

#[test]
fn the_guides_base_backup_says_nothing_of_replication() {
    let server = server(15, &[]);
    let standby = server.standby("one");
    eventually("it streams", || server.value("SELECT count(*) FROM pg_stat_replication") == "1");
    drop(standby);
    eventually("it is gone", || server.value("SELECT count(*) FROM pg_stat_replication") == "0");
    // The guide: pg_basebackup -D backup -P -R -X stream -c fast, to verify replication
    let directory = tempfile::tempdir().expect("a directory");
    let to = directory.path().join("backup").display().to_string();
    let dsn = server.superuser();
    let copied = program(15, "pg_basebackup", &["-D", &to, "-P", "-R", "-X", "stream", "-c", "fast", "-d", &dsn]);
    assert!(copied.status.success(), "it is well while nothing is replicated: {copied:?}");
    // Nor does this one: a backup is all that it makes, and all that it speaks of.
    let host = host(&server, 15, "");
    let output = host.run(&["run", "task", "--format", "json"]);
    assert!(output.code == 0 && !output.stdout.contains("replication is"), "{output:?}");
}
