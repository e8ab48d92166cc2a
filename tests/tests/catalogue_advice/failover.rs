//! postgres-failover: a real primary with a real standby, on every major version; and the rehearsal for real, on clones
//! that are copied, promoted, written to and removed while production goes on untouched.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use hostler_tests::{Hostler, Output, Postgres, Signal, eventually, processes_with, programs, servers};

/// A primary that pg_rewind could bring back, and its standby, which streams.
fn pair(version: u32, settings: &[&str]) -> (Postgres, Postgres) {
    let primary = Postgres::of_with(version, &[settings, &["wal_log_hints=on"]].concat());
    primary.execute("CREATE ROLE hostler LOGIN REPLICATION IN ROLE pg_monitor");
    let standby = primary.standby("one");
    eventually("the standby streams, and has all", || {
        primary.value(
            "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn >= pg_current_wal_lsn()",
        ) == "1"
    });
    (primary, standby)
}

fn servers_of(primary: &Postgres, standby: &Postgres) -> String {
    format!(
        "[postgres.main]\ndsn = {:?}\n[postgres.one]\ndsn = {:?}\n",
        primary.dsn("hostler", "postgres"),
        standby.dsn("hostler", "postgres")
    )
}

/// A host that looks at the readiness alone.
fn looking(primary: &Postgres, standby: &Postgres) -> Hostler {
    let host = Hostler::new(&format!(
        "{}[tasks.task]\nplugin = \"postgres-failover\"\n\
         bind = {{ database = \"postgres.main\", standbys = [\"postgres.one\"] }}\nsettings = {{ drill = false }}\n",
        servers_of(primary, standby)
    ));
    host.install(&["postgres-failover"]);
    host
}

fn run(host: &Hostler) -> Output {
    host.run(&["run", "task", "--format", "json"])
}

/// The versions whose clients can copy a server of the same version.
fn drilled() -> Vec<u32> {
    servers().into_iter().filter(|version| programs(*version).join("pg_basebackup").is_file()).collect()
}

/// The plugin's own proposal of a program's forms, as an operator copies it.
fn forms(request: &str) -> String {
    let path = hostler_tests::root().join("plugins/postgres/failover/plugin.toml");
    let manifest: toml::Table = toml::from_str(&fs::read_to_string(path).expect("a manifest")).expect("TOML");
    let forms = manifest["requests"][request]["arguments"].as_array().expect("forms").clone();
    let effect = manifest["requests"][request]["effect"].as_str().expect("an effect").to_owned();
    let forms: Vec<String> = forms
        .iter()
        .map(|form| {
            let words: Vec<String> = form
                .as_array()
                .expect("words")
                .iter()
                .map(|word| format!("{:?}", word.as_str().expect("text")))
                .collect();
            format!("{{ arguments = [{}], effect = {effect:?} }}", words.join(", "))
        })
        .collect();
    format!("allow = [{}]\n", forms.join(", "))
}

/// A program as the user whom PostgreSQL's files belong to: it does not start as root. An operator whose host runs as
/// that user binds the program itself.
fn program(directory: &Path, version: u32, name: &str) -> PathBuf {
    let real = programs(version).join(name);
    let is_root = fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0).unwrap_or(false);
    if !is_root || !["postgres", "pg_ctl"].contains(&name) {
        return real;
    }
    let own = if name == "postgres" { "chown -R postgres:postgres \"$2\"\n" } else { "" };
    let path = directory.join(name);
    let script = format!(
        "#!/bin/sh\n{own}exec setpriv --reuid=postgres --regid=postgres --clear-groups {} \"$@\"\n",
        real.display()
    );
    fs::write(&path, script).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
    path
}

/// A host that rehearses.
fn rehearsing(primary: &Postgres, standby: &Postgres, settings: &str) -> Hostler {
    let host = Hostler::new("");
    let directory = host.path().to_owned();
    // The clone's user has to get to it.
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("permissions");
    fs::create_dir(directory.join("clones")).expect("a directory");
    let mut text = servers_of(primary, standby) + "[directory.clones]\npath = \"{directory}/clones\"\n";
    for (request, name) in [
        ("pg-basebackup", "pg_basebackup"),
        ("postgres", "postgres"),
        ("pg-ctl", "pg_ctl"),
        ("psql", "psql"),
        ("psql-write", "psql"),
    ] {
        let path = program(&directory, primary.version, name);
        // Behind walls there are the system's libraries, and not those of a package elsewhere.
        let confine = if request == "pg-basebackup" && path.starts_with("/usr") { "strict" } else { "off" };
        text.push_str(&format!("[program.{request}]\npath = {path:?}\nconfine = {confine:?}\n{}", forms(request)));
        if request == "pg-basebackup" {
            text.push_str("network = true\n");
        }
    }
    text.push_str(&format!(
        "[tasks.task]\nplugin = \"postgres-failover\"\nbind = {{ database = \"postgres.main\", standbys = [\"postgres.one\"], \
         clones = \"directory.clones\", pg-basebackup = \"program.pg-basebackup\", postgres = \"program.postgres\", \
         pg-ctl = \"program.pg-ctl\", psql = \"program.psql\", psql-write = \"program.psql-write\" }}\nsettings = {{ {settings} }}\n"
    ));
    host.configure(&text);
    host.install(&["postgres-failover"]);
    host
}

fn clones(host: &Hostler) -> Vec<String> {
    let entries = fs::read_dir(host.path().join("clones")).expect("it is there").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// The clone's server, by its directory.
fn running(host: &Hostler) -> usize {
    processes_with(&host.path().join("clones/drill").display().to_string()).len()
}

fn metric(output: &Output, name: &str) -> Option<f64> {
    let metrics = output.task("task")["reported"]["metrics"].as_array().cloned().unwrap_or_default();
    metrics.iter().find(|metric| metric["name"] == name).and_then(|metric| metric["value"].as_f64())
}

fn untouched(primary: &Postgres, standby: &Postgres) {
    assert_eq!(primary.value("SELECT timeline_id FROM pg_control_checkpoint()"), "1");
    assert_eq!(standby.value("SELECT pg_is_in_recovery()"), "t");
    assert_eq!(primary.value("SELECT to_regclass('hostler_drill') IS NULL"), "t");
    assert_eq!(primary.value("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"), "1");
    assert_eq!(primary.value("SELECT string_agg(slot_name, ',') FROM pg_replication_slots"), "one");
    assert_eq!(standby.value("SELECT count(*) FROM pg_replication_slots"), "0");
}

#[test]
fn a_standby_that_follows_is_ready_on_every_version() {
    for version in servers() {
        let (primary, standby) = pair(version, &[]);
        let host = looking(&primary, &standby);
        let well = run(&host);
        assert_eq!((well.code, well.findings("task")), (0, vec![]), "{version}: {well:?}");
        assert_eq!(metric(&well, "postgres_failover_standbys_ready"), Some(1.0), "{well:?}");
        standby.execute("SELECT pg_wal_replay_pause()");
        eventually("its replay is paused", || standby.value("SELECT pg_is_wal_replay_paused()") == "t");
        let paused = run(&host);
        assert_eq!(
            (paused.code, paused.findings("task")),
            (2, vec!["warning standby-not-ready one".to_owned(), "critical no-candidate server".to_owned()]),
            "{version}: {paused:?}"
        );
        standby.execute("SELECT pg_wal_replay_resume()");
        standby.execute("SELECT pg_promote(true)");
        let promoted = run(&host);
        assert!(
            promoted.findings("task").contains(&"critical standby-promoted one".to_owned()),
            "{version}: {promoted:?}"
        );
        drop(standby);
        let gone = run(&host);
        assert!(gone.findings("task").contains(&"unknown standby-unseen one".to_owned()), "{version}: {gone:?}");
    }
}

#[test]
fn what_a_failover_would_lose_and_what_would_be_wrong_after_it_is_told() {
    let (primary, standby) = pair(servers()[0], &[]);
    primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'FIRST 2 (one, two)'");
    primary.execute("SELECT pg_reload_conf()");
    standby.execute("ALTER SYSTEM SET synchronous_standby_names = '*'");
    standby.execute("SELECT pg_reload_conf()");
    eventually("both hold", || {
        !primary.value("SHOW synchronous_standby_names").is_empty()
            && standby.value("SHOW synchronous_standby_names") == "*"
    });
    let host = looking(&primary, &standby);
    let sick = run(&host);
    assert_eq!(sick.code, 2, "{sick:?}");
    assert_eq!(
        sick.findings("task"),
        ["warning synchronous-after-failover one", "critical no-synchronous-standby server"],
        "{sick:?}"
    );
    let stranger = Postgres::start();
    stranger.execute("CREATE ROLE hostler LOGIN IN ROLE pg_monitor");
    let other = looking(&primary, &stranger);
    let other = run(&other);
    assert!(other.findings("task").contains(&"critical other-cluster one".to_owned()), "{other:?}");
}

#[test]
fn a_rehearsal_is_planned_held_and_leaves_nothing_and_production_is_not_touched() {
    for version in drilled() {
        let archive = tempfile::tempdir().expect("a directory");
        fs::set_permissions(archive.path(), fs::Permissions::from_mode(0o777)).expect("permissions");
        let command = format!("archive_command=cp %p {}/%f", archive.path().display());
        let (primary, standby) = pair(version, &["archive_mode=on", &command]);
        primary.execute("CREATE TABLE orders AS SELECT n FROM generate_series(1, 1000) n");
        let host = rehearsing(&primary, &standby, "");
        let plan = host.run(&["plan", "task", "--format", "json"]);
        assert!(plan.findings("task").contains(&"warning drill-overdue drill".to_owned()), "{version}: {plan:?}");
        assert!(plan.stdout.contains("start the clone, promote it, write to it and stop it"), "{plan:?}");
        assert!(clones(&host).is_empty(), "a plan copies nothing");
        let approved = plan.task("task")["run_id"].as_str().expect("a run").to_owned();
        let held = host.run(&["run", "task", "--plan", &approved, "--format", "json"]);
        assert_eq!((held.code, held.findings("task")), (0, vec![]), "{version}: {held:?}");
        for name in ["clone", "promote", "takeover"] {
            let seconds = metric(&held, &format!("postgres_failover_drill_{name}_seconds"));
            assert!(seconds.is_some_and(|seconds| seconds > 0.0 && seconds < 60.0), "{version}: {name}: {held:?}");
        }
        assert!(metric(&held, "postgres_failover_drill_lost_bytes").is_some_and(|bytes| bytes < 16e6), "{held:?}");
        assert_eq!((clones(&host), running(&host)), (vec![], 0), "{version}: nothing is left");
        untouched(&primary, &standby);
        let archived: Vec<String> = fs::read_dir(archive.path())
            .expect("it is there")
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        assert!(archived.iter().all(|name| name.starts_with("00000001")), "the clone archives nothing: {archived:?}");
        let again = run(&host);
        assert!(again.task("task")["summary"].as_str().is_some_and(|text| text.contains("; rehearsed ")), "{again:?}");
        assert!(!again.stdout.contains("copy the standby"), "none is due: {again:?}");
    }
}

#[test]
fn a_host_that_is_killed_leaves_no_server_and_the_next_run_removes_the_clone() {
    let (primary, standby) = pair(drilled()[0], &[]);
    let host = rehearsing(&primary, &standby, "");
    // Without a superuser of that name the clone answers nobody, and the rehearsal waits.
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    host.configure(&text.replace("settings = {  }", "settings = { superuser = \"nobody\" }"));
    let killed = host.start(&["run", "task"]);
    eventually("the clone runs", || running(&host) > 0);
    killed.signal(Signal::KILL);
    eventually("the clone has ended with the host", || running(&host) == 0);
    drop(killed);
    assert_eq!(clones(&host), ["drill"]);
    host.configure(&text);
    let next = run(&host);
    assert_eq!((next.code, next.findings("task")), (0, vec![]), "{next:?}");
    assert!(next.stdout.contains("remove the clone that an earlier run left"), "{next:?}");
    assert_eq!((clones(&host), running(&host)), (vec![], 0));
    untouched(&primary, &standby);
}

#[test]
fn a_clone_that_does_not_start_or_answer_fails_the_rehearsal_and_is_removed() {
    let (primary, standby) = pair(drilled()[0], &[]);
    let host = rehearsing(&primary, &standby, "superuser = \"nobody\", start_timeout = \"2s\"");
    let silent = run(&host);
    assert_eq!(silent.code, 2, "{silent:?}");
    assert_eq!(silent.findings("task"), ["critical drill-failed one", "warning drill-overdue drill"], "{silent:?}");
    assert!(silent.stdout.contains("did not answer within 2 s"), "{silent:?}");
    assert_eq!((clones(&host), running(&host)), (vec![], 0));
    // Its real words where it cannot start: a directory that everybody may enter.
    let script = host.path().join("postgres-open");
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    let real = text
        .split("[program.postgres]\npath = \"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("the program")
        .to_owned();
    fs::write(&script, format!("#!/bin/sh\nchmod 0777 \"$2\"\nexec {real} \"$@\"\n")).expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("permissions");
    host.configure(&text.replace(&format!("path = {real:?}"), &format!("path = {script:?}")));
    let refused = run(&host);
    assert!(refused.findings("task").contains(&"critical drill-failed one".to_owned()), "{refused:?}");
    assert!(refused.stdout.contains("has invalid permissions"), "{refused:?}");
    assert_eq!((clones(&host), running(&host)), (vec![], 0));
    untouched(&primary, &standby);
}

#[test]
fn without_its_programs_or_a_ready_standby_no_rehearsal_is_held_and_that_is_told() {
    let (primary, standby) = pair(drilled()[0], &[]);
    let host = rehearsing(&primary, &standby, "");
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    host.configure(&text.replace("pg-basebackup = \"program.pg-basebackup\", ", ""));
    let missing = run(&host);
    assert_eq!(missing.code, 3, "{missing:?}");
    assert_eq!(missing.findings("task"), ["unknown drill-not-possible drill", "warning drill-overdue drill"]);
    host.configure(&text.replace("settings = {  }", "settings = { room = 10 }"));
    standby.execute("SELECT pg_wal_replay_pause()");
    eventually("its replay is paused", || standby.value("SELECT pg_is_wal_replay_paused()") == "t");
    let paused = run(&host);
    assert!(paused.findings("task").contains(&"unknown drill-not-possible drill".to_owned()), "{paused:?}");
    assert!(clones(&host).is_empty());
}
