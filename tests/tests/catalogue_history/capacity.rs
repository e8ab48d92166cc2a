//! system-capacity: the day on which something is full.

use hostler_tests::{Hostler, Postgres};

use crate::{host, measured, ran, run};

#[test]
fn what_fills_steadily_has_its_day_and_a_short_history_has_none() {
    let host = host("system-capacity", "limits = { space_percent = \"100\" }");
    for day in (0..10).rev() {
        measured(&host, f64::from(day) + 0.01, "space_percent", "~:100", 90.0 - f64::from(day));
    }
    let short = run(&host);
    assert_eq!(
        (short.code, short.findings("task")),
        (3, vec!["unknown history-short history".to_owned()]),
        "{short:?}"
    );
    for day in (10..20).rev() {
        measured(&host, f64::from(day) + 0.01, "space_percent", "~:100", 90.0 - f64::from(day));
    }
    let filling = run(&host);
    assert_eq!(filling.code, 1, "{filling:?}");
    assert!(filling.stdout.contains("it reaches 100 on ") && filling.stdout.contains("in 10 days"), "{filling:?}");
    // One clean-up and one large copy do not turn the line.
    measured(&host, 0.005, "space_percent", "~:100", 95.0);
    let nearer = run(&host);
    assert_eq!(nearer.code, 2, "5 days are left now: {nearer:?}");
    host.configure(&std::fs::read_to_string(host.configuration()).expect("it").replace("\"100\" }", "\"much\" }"));
    let refused = run(&host);
    assert!(refused.code == 3 && refused.stdout.contains("which is no number"), "{refused:?}");
}

/// A server with a table whose int4 key a sequence feeds, one whose key nobody feeds, and one whose key is large enough.
fn shop() -> (Postgres, Hostler) {
    let server = Postgres::start();
    for statement in [
        "CREATE ROLE hostler LOGIN; GRANT pg_monitor TO hostler",
        "CREATE TABLE orders (id serial PRIMARY KEY, note text)",
        "CREATE TABLE imported (id int PRIMARY KEY)",
        "CREATE TABLE large (id bigserial PRIMARY KEY)",
        "INSERT INTO imported VALUES (1073741824); INSERT INTO large VALUES (9000000000)",
    ] {
        server.execute(statement);
    }
    let host = Hostler::new(&format!(
        "[postgres.shop]\ndsn = {:?}\n[tasks.task]\nplugin = \"system-capacity\"\nbind.history = \"history\"\n\
         bind.databases = [\"postgres.shop\"]\nsettings = {{ }}\n",
        server.dsn("hostler", "postgres"),
    ));
    host.install(&["system-capacity"]);
    (server, host)
}

#[test]
fn a_servers_keys_databases_and_transactions_are_measured_and_have_their_day() {
    let (server, host) = shop();
    let hidden = run(&host);
    assert_eq!(
        hidden.findings("task"),
        ["unknown privilege-missing shop keys", "unknown history-short history"],
        "{hidden:?}"
    );
    assert!(hidden.stdout.contains("GRANT SELECT ON ALL TABLES IN SCHEMA \\\"public\\\" TO hostler;"), "{hidden:?}");
    server.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO hostler");
    server.execute("GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO hostler");
    for day in (1..=18_i64).rev() {
        server.execute(&format!("SELECT setval('orders_id_seq', {})", 2_000_000_000 - day * 50_000_000));
        server.execute("INSERT INTO orders (note) SELECT repeat('x', 100) FROM generate_series(1, 1000)");
        ran(&host, "task", day as f64);
    }
    let full = run(&host);
    assert_eq!(full.code, 2, "{full:?}");
    let key =
        "critical limit-near postgres_key_used_percent{key=\"postgres.public.orders.id\",server=\"shop\"} of task";
    assert_eq!(full.findings("task"), [key], "{full:?}");
    assert!(full.stdout.contains("it reaches 100 on "), "{full:?}");
    for told in [
        "postgres.public.imported.id",
        "postgres_database_bytes{database",
        "postgres_wal_bytes_total{server",
        "postgres_transactions_total{server",
        "postgres_database_age_transactions",
    ] {
        assert!(full.stdout.contains(told), "{told}: {full:?}");
    }
    assert!(!full.stdout.contains("large.id"), "a bigint has no end in sight: {full:?}");
    drop(server);
    let gone = run(&host);
    assert!(gone.findings("task").contains(&"unknown server-not-looked-at shop".to_owned()), "{gone:?}");
}
