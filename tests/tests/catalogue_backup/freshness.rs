//! backup-freshness on backups that backup-files made, on a server whose archiving fails, and on a real pgBackRest with a
//! repository of its own.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
};

use hostler_tests::{Hostler, Postgres, eventually, servers};

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

/// pgBackRest as it is told by a file of its own where a server's data and its repository are.
struct Repository {
    server: Postgres,
    program: PathBuf,
}

impl Repository {
    /// Of the oldest server that there is: the distribution's, which its pgBackRest knows.
    fn new() -> Self {
        let server = Postgres::of_with(servers()[0], &["archive_mode=on"]);
        let directory = server.directory();
        let (here, program, file) =
            (directory.display(), directory.join("pgbackrest"), directory.join("pgbackrest.conf"));
        let configuration = format!(
            "[global]\nrepo1-path={here}/repository\nlock-path={here}/lock\nlog-level-file=off\nstart-fast=y\n\
             [main]\npg1-path={here}/data\npg1-port={}\npg1-socket-path={here}\npg1-user=postgres\n",
            server.port
        );
        fs::write(&file, configuration).expect("a configuration");
        let script = format!("#!/bin/sh\nexec /usr/bin/pgbackrest --config={} \"$@\"\n", file.display());
        fs::write(&program, script).expect("a script");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("permissions");
        server.execute(&format!(
            "ALTER SYSTEM SET archive_command = '{} --stanza=main archive-push %p'",
            program.display()
        ));
        server.execute("SELECT pg_reload_conf()");
        Self { server, program }
    }

    /// Runs it as the user whose data it is.
    fn run(&self, arguments: &[&str]) {
        let owner = fs::metadata(self.server.directory().join("data")).expect("the data");
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.server.directory());
        if rustix::process::geteuid().is_root() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let output = command.output().expect("pgbackrest starts");
        assert!(output.status.success(), "{output:?}");
    }

    fn host(&self) -> Hostler {
        let host = Hostler::new(&format!(
            "[program.pgbackrest]\npath = {:?}\nconfine = \"off\"\nallow = [{{ arguments = [\"info\", \"--output=json\"], effect = \"reads\" }}]\n\
             [tasks.task]\nplugin = \"backup-freshness\"\nbind.pgbackrest = \"program.pgbackrest\"\n",
            self.program.display().to_string()
        ));
        host.install(&["backup-freshness"]);
        host
    }
}

#[test]
fn pgbackrest_is_asked_for_what_it_has() {
    let repository = Repository::new();
    let host = repository.host();
    assert_eq!(run(&host), (2, vec!["critical no-backup pgbackrest".into()]), "nothing is there yet");
    repository.run(&["--stanza=main", "stanza-create"]);
    assert_eq!(run(&host), (2, vec!["critical pgbackrest-status main".into()]), "a stanza is no backup");
    repository.run(&["--stanza=main", "--type=full", "backup"]);
    assert_eq!(run(&host), (0, vec![]));
    for (later, found) in [("+30h", (1, "warning backup-old main")), ("+60h", (2, "critical backup-old main"))] {
        let mut command = host.command(&["run", "task", "--format", "json"]);
        command
            .env("LD_PRELOAD", "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
            .env("FAKETIME", later)
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let output = command.output().expect("hostler starts");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(found.0), "{later}: {output:?}");
        let (severity, code) = (found.1.split(' ').next().unwrap_or_default(), "\"code\": \"backup-old\"");
        assert!(told.contains(code) && told.contains(&format!("\"severity\": \"{severity}\"")), "{later}: {told}");
    }
    let copies = repository.server.directory().join("repository/backup/main");
    for name in ["backup.info", "backup.info.copy"] {
        fs::remove_file(copies.join(name)).expect("it is removed");
    }
    assert_eq!(run(&host), (2, vec!["critical pgbackrest-status main".into()]), "its own list of backups is gone");
    fs::write(repository.server.directory().join("pgbackrest.conf"), "[global\n").expect("a damaged configuration");
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
