//! backup-freshness on backups that backup-files made and on a server whose archiving fails. pgBackRest does not run where
//! the tests do: a script stands in for it at the program's boundary, and prints what its `info` prints.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use hostler_tests::{Hostler, Postgres, eventually};

fn run(host: &Hostler) -> (i32, Vec<String>) {
    let run = host.run(&["run", "task", "--format", "json"]);
    (run.code, run.findings("task"))
}

fn aged(path: &Path, hours: u32) {
    let touched = Command::new("touch").arg("-d").arg(format!("{hours} hours ago")).arg(path).status().expect("touch");
    assert!(touched.success());
}

fn site() -> Hostler {
    let host = Hostler::new(
        "[directory.backups]\npath = \"{directory}/backups\"\n[directory.shop]\npath = \"{directory}/shop\"\n\
         [tasks.backup]\nplugin = \"backup-files\"\nbind.source = [\"directory.shop\"]\nbind.destination = \"directory.backups\"\n\
         [tasks.task]\nplugin = \"backup-freshness\"\nbind.backups = [\"directory.backups\"]\nsettings.expected = [\"shop\"]\n",
    );
    for name in ["shop", "backups"] {
        fs::create_dir(host.path().join(name)).expect("a directory");
    }
    fs::write(host.path().join("shop/orders"), "an order\n".repeat(1000)).expect("a file");
    host.install(&["backup-files", "backup-freshness"]);
    host
}

#[test]
fn a_backup_is_looked_at_where_it_lies_whatever_its_job_said() {
    let host = site();
    assert_eq!(run(&host), (2, vec!["critical no-backup backups".into(), "critical set-missing shop".into()]));
    assert_eq!(host.run(&["run", "backup"]).code, 0);
    assert_eq!(run(&host), (0, vec![]));
    let backups = host.path().join("backups");
    let files =
        || fs::read_dir(&backups).expect("backups").map(|entry| entry.expect("a file").path()).collect::<Vec<_>>();
    files().iter().for_each(|file| aged(file, 30));
    assert_eq!(run(&host), (1, vec!["warning backup-old shop".into()]));
    files().iter().for_each(|file| aged(file, 60));
    assert_eq!(run(&host), (2, vec!["critical backup-old shop".into()]));
    // A newer archive without its checksum was cut off, and does not make the old one fresh.
    let cut = backups.join("shop-20990101T000000Z.tar.zst");
    fs::write(&cut, "half of it").expect("a file");
    aged(&cut, 1);
    assert_eq!(run(&host), (2, vec!["critical backup-old shop".into(), "warning backup-incomplete shop".into()]));
}

#[test]
fn a_directory_that_is_gone_is_unknown_and_nothing_bound_is_no_health() {
    let host = site();
    fs::remove_dir(host.path().join("backups")).expect("it is removed");
    let (code, findings) = run(&host);
    assert!(code == 2 && findings.contains(&"unknown backups-unreadable backups".to_owned()), "{findings:?}");
    host.configure("[tasks.task]\nplugin = \"backup-freshness\"\n");
    let nothing = host.run(&["run", "task"]);
    assert!(nothing.code == 3 && nothing.stdout.contains("nothing is bound that tells of backups"), "{nothing:?}");
}

#[test]
fn a_server_whose_archiving_fails_is_critical_until_it_succeeds() {
    let server = Postgres::start_with(&["archive_mode=on", "archive_command=false"]);
    server.execute("CREATE ROLE hostler LOGIN IN ROLE pg_monitor");
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = {:?}\n[tasks.task]\nplugin = \"backup-freshness\"\nbind.database = [\"postgres.main\"]\n",
        server.dsn("hostler", "postgres")
    ));
    host.install(&["backup-freshness"]);
    assert_eq!(run(&host), (0, vec![]), "nothing was to be archived yet");
    server.execute("CREATE TABLE a AS SELECT 1");
    server.execute("SELECT pg_switch_wal()");
    eventually("archiving fails", || server.value("SELECT failed_count > 0 FROM pg_stat_archiver") == "t");
    assert_eq!(run(&host), (2, vec!["critical archiving-fails main".into()]));
    server.execute("ALTER SYSTEM SET archive_command = 'true'");
    // What the command line sets goes before ALTER SYSTEM: the server would have to be started anew to forget it.
    assert_eq!(server.value("SELECT source FROM pg_settings WHERE name = 'archive_command'"), "command line");
    assert_eq!(run(&host).0, 2, "it still fails");
}

#[test]
fn pgbackrest_is_asked_for_what_it_has() {
    let host = Hostler::new(
        "[program.pgbackrest]\npath = \"{directory}/pgbackrest\"\nallow = [{ arguments = [\"info\", \"--output=json\"], effect = \"reads\" }]\n\
         [tasks.task]\nplugin = \"backup-freshness\"\nbind.pgbackrest = \"program.pgbackrest\"\n",
    );
    host.install(&["backup-freshness"]);
    let script = host.path().join("pgbackrest");
    let write = |body: &str| {
        fs::write(&script, format!("#!/bin/sh\n{body}\n")).expect("a script");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("permissions");
    };
    let info = |age: u32, code: u32| {
        format!(
            "stop=$(( $(date +%s) - {age} * 3600 ))\necho '[{{\"name\":\"main\",\"status\":{{\"code\":{code},\"message\":\"x\"}},\"backup\":[{{\"label\":\"1F\",\"error\":false,\"timestamp\":{{\"start\":1,\"stop\":'$stop'}}}}]}}]'"
        )
    };
    write(&info(2, 0));
    assert_eq!(run(&host), (0, vec![]));
    write(&info(60, 2));
    assert_eq!(run(&host), (2, vec!["critical pgbackrest-status main".into(), "critical backup-old main".into()]));
    write("echo 'ERROR: [037]: no configuration' >&2; exit 37");
    assert_eq!(run(&host), (3, vec!["unknown pgbackrest-unknown pgbackrest".into()]));
}

#[test]
fn a_dump_is_a_backup_with_its_manifest_and_none_without() {
    let server = crate::site::server(15, &[]);
    let bound = "bind.database = [\"postgres.shop\"]\nbind.destination = \"directory.backups\"";
    let host = crate::site::host(
        &format!(
            "[postgres.shop]\ndsn = {:?}\n{}[tasks.task]\nplugin = \"backup-freshness\"\nbind.backups = [\"directory.backups\"]\nsettings.expected = [\"shop\"]\n",
            server.dsn("hostler", "postgres"),
            crate::site::task("dump", "backup-postgres-dump", 15, bound)
        ),
        &["backup-postgres-dump", "backup-freshness"],
    );
    assert_eq!(host.run(&["run", "dump"]).code, 0);
    assert_eq!(run(&host), (0, vec![]));
    let set = host.path().join("backups").join(&crate::site::names(&host)[0]);
    fs::remove_file(set.join("manifest.json")).expect("it is removed");
    assert_eq!(run(&host), (2, vec!["critical no-backup shop".into()]));
}
