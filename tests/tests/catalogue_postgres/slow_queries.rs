//! postgres-slow-queries: what took long since the last run, what takes long now, and what cannot be seen.

use hostler_tests::{Postgres, eventually};

use crate::{found, host};

fn server() -> Postgres {
    let server = Postgres::start_with(&["shared_preload_libraries=pg_stat_statements"]);
    server.execute("CREATE ROLE hostler LOGIN IN ROLE pg_monitor");
    server.execute(
        "CREATE SCHEMA tools; CREATE EXTENSION pg_stat_statements SCHEMA tools; GRANT USAGE ON SCHEMA tools TO hostler",
    );
    server
}

#[test]
fn a_statement_that_was_slow_since_the_last_run_is_told_once_and_without_its_values() {
    let server = server();
    server.execute("SELECT pg_sleep(0.4)");
    let host = host(&server, "postgres-slow-queries", "hostler", "mean_warning = \"300ms\", mean_critical = \"800ms\"");
    assert_eq!(
        found(&host, 3),
        ["unknown baseline-taken postgres"],
        "what was slow before nobody looked is not judged"
    );
    assert!(found(&host, 0).is_empty());
    server.execute("SELECT pg_sleep(0.4), 'password of a customer'");
    server.execute("DO $$ BEGIN PERFORM pg_sleep(0.9); RAISE NOTICE 'another password'; END $$");
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(run.code, 2, "{run:?}");
    let found_now = run.findings("task");
    assert_eq!(found_now.len(), 2, "{found_now:?}");
    assert!(
        found_now[0].starts_with("critical statement-slow postgres ")
            && found_now[1].starts_with("warning statement-slow postgres "),
        "{found_now:?}"
    );
    assert!(run.stdout.contains("pg_sleep($1)") && !run.stdout.contains("password"), "{run:?}");
    assert!(found(&host, 0).is_empty(), "it was told");
    assert_eq!(server.value("SELECT count(*) > 2 FROM tools.pg_stat_statements"), "t", "nothing was reset");

    server.execute("SELECT tools.pg_stat_statements_reset(); SELECT pg_sleep(0.4)");
    assert_eq!(found(&host, 3), ["unknown baseline-taken postgres"], "a reset is noticed");
}

#[test]
fn what_runs_too_long_now_is_told_with_what_ends_it() {
    let server = server();
    let host = host(&server, "postgres-slow-queries", "hostler", "running_warning = \"1s\", running_critical = \"1h\"");
    assert_eq!(found(&host, 3), ["unknown baseline-taken postgres"]);
    let dsn = server.superuser();
    let running = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (client, connection) =
                tokio_postgres::connect(&dsn, tokio_postgres::NoTls).await.expect("a connection");
            tokio::spawn(connection);
            let _ = client.simple_query("SELECT pg_sleep(60), 'a secret'").await;
        });
    });
    eventually("it has run for more than a second", || {
        server.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid() AND clock_timestamp() - query_start > '1.2s'") == "1"
    });
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.findings("task")[0].starts_with("warning statement-runs pid "), "{run:?}");
    assert!(run.stdout.contains("SELECT pg_cancel_backend(") && !run.stdout.contains("a secret"), "{run:?}");
    server.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()");
    running.join().expect("it was ended");
    assert!(found(&host, 0).is_empty());
}

#[test]
fn what_cannot_be_seen_is_unknown_with_the_remedy() {
    let server = Postgres::start();
    server.execute("CREATE ROLE hostler LOGIN");
    let host = host(&server, "postgres-slow-queries", "hostler", "");
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(run.code, 3, "{run:?}");
    assert_eq!(run.findings("task"), ["unknown privilege-missing postgres", "unknown extension-missing postgres"]);
    assert!(
        run.stdout.contains("GRANT pg_monitor TO hostler;")
            && run.stdout.contains("CREATE EXTENSION pg_stat_statements"),
        "{run:?}"
    );
    // In the catalogue, and not loaded by the server.
    server.execute("CREATE EXTENSION pg_stat_statements; GRANT pg_monitor TO hostler");
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(
        (run.code, run.findings("task")),
        (3, vec!["unknown statements-unreadable postgres".to_owned()]),
        "{run:?}"
    );
    assert!(run.stdout.contains("shared_preload_libraries"), "{run:?}");
}
