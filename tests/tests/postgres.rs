//! The PostgreSQL plugins on real servers: healthy, and sick in the way that it comes about in life.

use hostler_tests::{Hostler, Postgres, component, eventually, tells};

fn host(dsn: &str, plugin: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = {dsn:?}\n[tasks.task]\nplugin = {plugin:?}\nbind.database = \"postgres.main\"\n"
    ));
    host.install(&[plugin]);
    host
}

#[test]
fn connections_are_counted_and_one_left_in_a_transaction_is_found() {
    let server = Postgres::start();
    let host = host(&server.superuser(), "postgres-connections");
    let healthy = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(healthy.code, 0, "{healthy:?}");
    host.configure(&format!(
        "[postgres.main]\ndsn = {:?}\n[tasks.task]\nplugin = \"postgres-connections\"\nbind.database = \"postgres.main\"\n\
         settings = {{ idle_warning = \"1s\", idle_critical = \"1h\" }}\n",
        server.superuser()
    ));
    let _left = server.session("BEGIN; SELECT 1");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let sick = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(sick.code, 1, "{sick:?}");
    assert!(sick.findings("task").iter().any(|finding| finding.contains("idle-in-transaction")), "{sick:?}");
}

#[test]
fn a_run_opens_one_session_under_its_own_name_and_tries_a_wrong_password_once() {
    let server = Postgres::start_with(&["log_connections=on", "log_line_prefix=%a|", "log_statement=all"]);
    let log = || std::fs::read_to_string(server.directory().join("log")).expect("the server's log");
    let tried = |words: &str| log().lines().filter(|line| line.contains(words)).count();
    server.execute("CREATE ROLE careful LOGIN PASSWORD 'right'");
    let connections = component("postgres-connections").display().to_string();
    let check = |dsn: &str| {
        let bind = format!("database={dsn}");
        Hostler::new("").run(&["check", &connections, "--accept", "--bind", &bind])
    };
    assert_eq!(check(&server.superuser()).code, 0);
    assert_eq!(tried("application_name=hostler"), 1, "one session, opened before it was asked for: {}", log());
    assert!(log().lines().any(|line| line.starts_with("hostler ") && line.contains("LOG:  execute ")), "{}", log());
    let hba = server.directory().join("data/pg_hba.conf");
    std::fs::write(
        &hba,
        "host all careful 127.0.0.1/32 scram-sha-256\nlocal all all trust\nhost all all 127.0.0.1/32 trust\n",
    )
    .expect("written");
    server.execute("SELECT pg_reload_conf()");
    let refused = format!("{} password=wrong", server.dsn("careful", "postgres"));
    eventually("the password is asked for", || check(&refused).code == 3);
    let before = tried("password authentication failed");
    assert_eq!(check(&refused).code, 3);
    assert_eq!(tried("password authentication failed"), before + 1, "{}", log());
}

#[test]
fn a_role_without_privileges_is_unknown_with_the_remedy_and_never_ok() {
    let server = Postgres::start();
    server.execute("CREATE ROLE nobody LOGIN");
    let host = host(&server.dsn("nobody", "postgres"), "postgres-connections");
    let blind = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(blind.code, 3, "{blind:?}");
    assert!(blind.stdout.contains("GRANT pg_monitor TO"), "{blind:?}");
    let doctor = host.run(&["doctor"]);
    assert_eq!(doctor.code, 1, "{doctor:?}");
    assert!(doctor.stdout.contains("GRANT pg_monitor TO nobody"), "{doctor:?}");
}

#[test]
fn an_invalid_index_is_critical() {
    let server = Postgres::start();
    let host = host(&server.superuser(), "postgres-index-health");
    server.execute("CREATE TABLE users (email text)");
    assert_eq!(host.run(&["run", "task"]).code, 0, "{:?}", host.run(&["run", "task", "--all"]));
    server.execute("INSERT INTO users VALUES ('a'), ('a')");
    assert!(server.try_execute("CREATE UNIQUE INDEX CONCURRENTLY users_email ON users (email)").is_err());
    let sick = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(sick.code, 2, "{sick:?}");
    assert!(sick.findings("task").iter().any(|finding| finding.contains("users_email")), "{sick:?}");
}

#[test]
fn a_plan_changes_nothing_and_a_run_vacuums_what_was_planned() {
    let server = Postgres::start();
    server.execute("CREATE TABLE orders AS SELECT g AS id, 'new' AS status FROM generate_series(1, 5000) g");
    server.execute("UPDATE orders SET status = 'paid'");
    let dead = || server.value("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'orders'");
    eventually("the statistics know of the dead rows", || dead() == "5000");
    let host = host(&server.superuser(), "postgres-vacuum");
    let plan = host.run(&["plan", "task", "--format", "json"]);
    assert!(plan.stdout.contains("VACUUM") && plan.stdout.contains("orders"), "{plan:?}");
    assert_eq!(dead(), "5000");
    let run = host.run(&["run", "task", "--format", "json"]);
    assert!(run.stdout.contains("\"applied\""), "{run:?}");
    eventually("the table was vacuumed", || {
        server.value("SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'orders'") == "1"
    });
    assert_eq!(host.run(&["audit", "verify"]).code, 0);
}

#[test]
fn a_standby_that_is_gone_is_found() {
    let primary = Postgres::start();
    let standby = primary.standby("one");
    eventually("the standby streams, and has said where it is", || {
        let told = "state = 'streaming' AND replay_lsn IS NOT NULL";
        primary.value(&format!("SELECT count(*) FROM pg_stat_replication WHERE {told}")) == "1"
    });
    let host = host(&primary.superuser(), "postgres-replication");
    let healthy = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(healthy.code, 0, "{healthy:?}");
    drop(standby);
    eventually("the primary has noticed", || primary.value("SELECT count(*) FROM pg_stat_replication") == "0");
    host.configure(&format!(
        "[postgres.main]\ndsn = {:?}\n[tasks.task]\nplugin = \"postgres-replication\"\nbind.database = \"postgres.main\"\n\
         settings = {{ expected = [\"one\"] }}\n",
        primary.superuser()
    ));
    let sick = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(sick.code, 2, "{sick:?}");
}

#[test]
fn check_needs_no_configuration_and_grants_reading_alone() {
    let server = Postgres::start();
    let host = Hostler::new("");
    let file = component("postgres-connections").display().to_string();
    let bind = format!("database={}", server.superuser());
    let unasked = host.run(&["check", &file, "--bind", &bind]);
    assert_eq!(unasked.code, 69, "without a terminal consent is missing: {unasked:?}");
    let checked = host.run(&["check", &file, "--bind", &bind, "--accept", "--format", "nagios"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(checked.stdout.starts_with("OK: "), "{checked:?}");
}

#[test]
fn a_server_that_is_down_is_unknown_and_its_address_is_not_told() {
    let port = hostler_tests::free_port();
    let host = host(&format!("host=127.0.0.1 port={port} user=postgres password=hunter2"), "postgres-connections");
    let down = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(down.code, 3, "{down:?}");
    for secret in ["hunter2", &port.to_string()] {
        assert!(!tells(&down.stdout, secret) && !tells(&down.stderr, secret), "{down:?}");
    }
}
