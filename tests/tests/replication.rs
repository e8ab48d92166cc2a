//! A standby that is held back, as it comes about in life: it goes on receiving and does not replay.

use hostler_tests::{Hostler, Postgres, eventually};

fn host(primary: &Postgres, standby: &Postgres) -> Hostler {
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = {:?}\n[postgres.one]\ndsn = {:?}\n\
         [tasks.task]\nplugin = \"postgres-replication\"\n\
         bind = {{ database = \"postgres.main\", standbys = [\"postgres.one\"] }}\n\
         settings = {{ distance_warning = \"1MB\", distance_critical = \"1GB\", expected = [\"one\"] }}\n",
        primary.superuser(),
        standby.superuser()
    ));
    host.install(&["postgres-replication"]);
    host
}

fn streaming(primary: &Postgres) -> (Postgres, Hostler) {
    let standby = primary.standby("one");
    eventually("the standby streams, and has said where it is", || {
        let told = "state = 'streaming' AND replay_lsn IS NOT NULL";
        primary.value(&format!("SELECT count(*) FROM pg_stat_replication WHERE {told}")) == "1"
    });
    let host = host(primary, &standby);
    (standby, host)
}

/// Some megabytes of changes, which the standby has received when this returns.
fn changes(primary: &Postgres) {
    primary.execute("CREATE TABLE IF NOT EXISTS filler (text text)");
    primary.execute("INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 5000)");
    eventually("the standby has received it", || {
        primary.value("SELECT flush_lsn >= pg_current_wal_lsn() FROM pg_stat_replication") == "t"
    });
}

fn found_and_healthy_again(primary: &Postgres, host: &Hostler, let_go: impl FnOnce()) {
    let sick = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(sick.code, 1, "{sick:?}");
    let findings = sick.findings("task");
    assert!(findings.iter().any(|finding| finding == "warning standby-behind one"), "{findings:?}");
    assert!(sick.stdout.contains("not replayed a query there that conflicts"), "what to look at: {sick:?}");
    let_go();
    eventually("the standby has replayed it", || {
        primary.value("SELECT replay_lsn >= pg_current_wal_lsn() FROM pg_stat_replication") == "t"
    });
    let healthy = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(healthy.code, 0, "{healthy:?}");
}

#[test]
fn a_standby_whose_replay_is_paused_is_found_and_healthy_after() {
    let primary = Postgres::start();
    let (standby, host) = streaming(&primary);
    let healthy = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(healthy.code, 0, "{healthy:?}");
    standby.execute("SELECT pg_wal_replay_pause()");
    changes(&primary);
    found_and_healthy_again(&primary, &host, || standby.execute("SELECT pg_wal_replay_resume()"));
}

#[test]
fn a_standby_that_applies_later_on_purpose_is_found_and_healthy_after() {
    let primary = Postgres::start();
    let (standby, host) = streaming(&primary);
    let set = |delay: &str| {
        standby.execute(&format!("ALTER SYSTEM SET recovery_min_apply_delay = '{delay}'"));
        standby.execute("SELECT pg_reload_conf()");
        eventually("the setting holds", || standby.value("SHOW recovery_min_apply_delay") == delay);
    };
    set("1h");
    changes(&primary);
    found_and_healthy_again(&primary, &host, || set("0"));
}

#[test]
fn a_standby_that_cannot_be_looked_at_is_unknown() {
    let primary = Postgres::start();
    let (standby, host) = streaming(&primary);
    drop(standby);
    eventually("the primary has noticed", || primary.value("SELECT count(*) FROM pg_stat_replication") == "0");
    let gone = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(gone.code, 2, "a missing standby is critical: {gone:?}");
    let findings = gone.findings("task");
    assert!(findings.iter().any(|finding| finding.starts_with("critical standby-missing")), "{findings:?}");
    assert!(findings.iter().any(|finding| finding == "unknown standby-unseen one"), "{findings:?}");
}
