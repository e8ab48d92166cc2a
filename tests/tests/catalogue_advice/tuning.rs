//! postgres-tuning: what real servers are set to, beside their memory and their load.

use hostler_tests::{Hostler, Output, Postgres, servers};

/// A host whose task looks at a server as a role in pg_monitor.
fn host(server: &Postgres, bind: &str, settings: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = {:?}\n[tasks.task]\nplugin = \"postgres-tuning\"\n\
         bind = {{ database = \"postgres.main\"{bind} }}\nsettings = {{ {settings} }}\n",
        server.dsn("hostler", "postgres")
    ));
    host.install(&["postgres-tuning"]);
    host
}

fn server(settings: &[&str]) -> Postgres {
    server_of(servers()[0], settings)
}

fn server_of(version: u32, settings: &[&str]) -> Postgres {
    let server = Postgres::of_with(version, &[settings, &["autovacuum=on"]].concat());
    server.execute("CREATE ROLE hostler LOGIN IN ROLE pg_monitor");
    server
}

fn run(host: &Hostler) -> Output {
    host.run(&["run", "task", "--format", "json"])
}

/// What fits 8 GiB, but for what a test changes.
const FITS: [&str; 3] = ["shared_buffers=1GB", "effective_cache_size=6GB", "maintenance_work_mem=256MB"];

#[test]
fn the_guides_200_connections_of_32_mb_are_too_much_for_8_gib_and_nothing_is_set() {
    servers().into_iter().for_each(guide_of);
}

fn guide_of(version: u32) {
    let server = server_of(version, &[FITS.as_slice(), &["max_connections=200"]].concat());
    server.execute("ALTER SYSTEM SET work_mem = '32MB'");
    server.execute("SELECT pg_reload_conf()");
    hostler_tests::eventually("it holds", || server.value("SHOW work_mem") == "32MB");
    let host = host(&server, "", "memory = \"8GiB\"");
    let first = run(&host);
    assert_eq!(first.code, 3, "{first:?}");
    assert_eq!(first.findings("task"), ["unknown baseline-taken load", "warning setting-too-high work_mem"]);
    assert!(first.stdout.contains("200 connections × 32.0 MiB = 6.2 GiB for one sort each"), "{first:?}");
    let remedy = first.task("task")["reported"]["findings"][1]["remedy"].as_str().unwrap_or_default().to_owned();
    assert!(remedy.starts_with("ALTER SYSTEM SET work_mem = '"), "{remedy}");
    assert_eq!(server.value("SHOW work_mem"), "32MB", "it advises, and sets nothing");
    // The remedy is what it says: copied, it mends what was found.
    for statement in remedy.split_inclusive(';') {
        server.execute(statement);
    }
    hostler_tests::eventually("the remedy holds", || server.value("SHOW work_mem") != "32MB");
    let second = run(&host);
    assert_eq!((second.code, second.findings("task")), (0, vec![]), "{second:?}");
}

#[test]
fn checkpoints_that_wal_forces_and_sorts_that_spill_are_seen_since_the_last_run() {
    servers().into_iter().for_each(forced_of);
}

fn forced_of(version: u32) {
    let server = server_of(version, &[FITS.as_slice(), &["max_wal_size=32MB", "min_wal_size=32MB"]].concat());
    let host = host(&server, "", "memory = \"8GiB\"");
    assert_eq!(run(&host).findings("task"), ["unknown baseline-taken load"]);
    let requested = match server.value("SHOW server_version_num").parse::<u32>().expect("a version") {
        170_000.. => "SELECT num_requested FROM pg_stat_checkpointer",
        _ => "SELECT checkpoints_req FROM pg_stat_bgwriter",
    };
    server.execute("CREATE TABLE filler (text text)");
    hostler_tests::eventually("WAL has forced some checkpoints", || {
        server.execute("INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 20000)");
        server.value(requested).parse::<u64>().expect("a count") >= 4
    });
    server.execute(
        "SET work_mem = '64kB'; SELECT count(*) FROM (SELECT text FROM filler ORDER BY text, ctid OFFSET 1) s",
    );
    hostler_tests::eventually("the spill is counted", || {
        server.value("SELECT sum(temp_bytes) > 0 FROM pg_stat_database") == "t"
    });
    let sick = run(&host);
    assert_eq!(sick.code, 1, "{sick:?}");
    let findings = sick.findings("task");
    assert!(findings.contains(&"warning setting-too-low max_wal_size".to_owned()), "{findings:?}");
    assert!(findings.contains(&"warning setting-too-low work_mem".to_owned()), "{findings:?}");
    assert!(
        sick.stdout.contains("it is given where the server is started (command line): write max_wal_size"),
        "{sick:?}"
    );
    // The baseline moves on: what is over is over.
    let after = run(&host);
    assert!(!after.findings("task").iter().any(|finding| finding.ends_with("work_mem")), "{after:?}");
}

#[test]
fn a_change_that_waits_for_a_restart_is_told_and_autovacuum_that_is_off_too() {
    servers().into_iter().for_each(pending_of);
}

fn pending_of(version: u32) {
    let server = server_of(version, &FITS);
    server.execute("ALTER SYSTEM SET max_worker_processes = 16");
    server.execute("ALTER SYSTEM SET track_counts = off");
    server.execute("SELECT pg_reload_conf()");
    hostler_tests::eventually("the server has noticed", || {
        server.value("SELECT count(*) FROM pg_settings WHERE pending_restart AND source <> 'command line'") == "1"
            && server.value("SHOW track_counts") == "off"
    });
    let host = host(&server, "", "memory = \"8GiB\"");
    run(&host);
    let waiting = run(&host);
    assert_eq!(
        (waiting.code, waiting.findings("task")),
        (
            1,
            vec![
                "warning autovacuum-off track_counts".to_owned(),
                "warning restart-pending max_worker_processes".to_owned()
            ]
        ),
        "{waiting:?}"
    );
}

#[test]
fn memory_is_this_machines_where_the_server_runs_here_and_unknown_otherwise() {
    let server = server(&FITS);
    let unbound = host(&server, "", "");
    let blind = run(&unbound);
    assert_eq!(
        (blind.code, blind.findings("task")),
        (3, vec!["unknown baseline-taken load".to_owned(), "unknown memory-unknown memory".to_owned()]),
        "{blind:?}"
    );
    let bound = host(&server, ", machine = \"machine\"", "");
    let seen = run(&bound);
    assert!(!seen.findings("task").iter().any(|finding| finding.contains("memory-unknown")), "{seen:?}");
    server.execute("REVOKE pg_monitor FROM hostler");
    let hidden = run(&bound);
    assert!(hidden.findings("task").contains(&"unknown privilege-missing settings".to_owned()), "{hidden:?}");
}

#[test]
fn a_standby_is_not_asked_for_what_its_primary_writes_and_a_role_of_its_own_hides_the_servers_setting() {
    let primary = server(&FITS);
    primary.execute("ALTER ROLE hostler SET work_mem = '1GB'");
    let standby = primary.standby("one");
    let host = host(&standby, "", "memory = \"1GiB\"");
    let run = run(&host);
    let findings = run.findings("task");
    assert!(findings.contains(&"unknown setting-unseen work_mem".to_owned()), "{findings:?}");
    assert!(
        !findings.iter().any(|finding| finding.contains("baseline") || finding.contains("autovacuum")),
        "{findings:?}"
    );
}
