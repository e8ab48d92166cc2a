//! postgres-index-usage on real indexes, on a primary and a standby of it.

use hostler_tests::{Hostler, Postgres, eventually};

use crate::{found, host};

fn server() -> Postgres {
    let server = Postgres::start();
    server.execute("CREATE ROLE hostler LOGIN IN ROLE pg_monitor");
    server.execute(
        "CREATE TABLE users (id int PRIMARY KEY, name text); CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES users, day date, paid bool)",
    );
    server.execute("INSERT INTO users SELECT n, 'name ' || n FROM generate_series(1, 100) n");
    server.execute("INSERT INTO orders SELECT n, n % 100 + 1, '2025-01-01', true FROM generate_series(1, 20000) n");
    server.execute("CREATE INDEX orders_day ON orders (day); CREATE INDEX orders_user ON orders (user_id, day)");
    server.execute("ANALYZE");
    server
}

#[test]
fn unused_and_covered_indexes_are_told_with_what_drops_and_restores_them_and_none_is_dropped() {
    let server = server();
    server.execute("CREATE INDEX orders_user_alone ON orders (user_id)");
    server.execute("SET enable_seqscan = off; SELECT count(*) FROM orders WHERE user_id = 7 AND day = '2025-01-01'");
    server.execute("SET enable_seqscan = off; SELECT count(*) FROM orders WHERE user_id = 7");
    let young = host(&server, "postgres-index-usage", "hostler", "least = \"1kB\", unused = \"1h\"");
    eventually("the use is counted", || {
        server.value("SELECT sum(idx_scan) >= 2 FROM pg_stat_user_indexes WHERE relname = 'orders'") == "t"
    });
    let run = young.run(&["run", "task", "--format", "json"]);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.findings("task").contains(&"unknown statistics-young statistics".to_owned()), "{run:?}");
    assert!(run.findings("task").contains(&"warning index-covered public.orders_user_alone".to_owned()), "{run:?}");

    // Two hours later by the host's clock, the statistics go back far enough.
    let mut later = young.command(&["run", "task", "--format", "json"]);
    later.env("LD_PRELOAD", "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1").env("FAKETIME", "+2h");
    let output = later.output().expect("hostler starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("\"index-unused\"") && text.contains("DROP INDEX CONCURRENTLY \\\"public\\\".\\\"orders_day\\\""),
        "{text}"
    );
    assert!(text.contains("to undo: CREATE INDEX CONCURRENTLY orders_day ON public.orders"), "{text}");
    assert_eq!(server.value("SELECT count(*) FROM pg_indexes WHERE tablename = 'orders'"), "4", "nothing was dropped");
}

#[test]
fn what_a_standby_uses_is_used() {
    let server = server();
    let standby = server.standby("copy");
    eventually("the standby has the indexes", || standby.try_execute("SELECT 'orders_day'::regclass").is_ok());
    for _ in 0..3 {
        standby.execute("SET enable_seqscan = off; SELECT count(*) FROM orders WHERE day = '2025-01-01'");
    }
    eventually("its use is counted", || {
        standby.value("SELECT idx_scan > 0 FROM pg_stat_user_indexes WHERE indexrelname = 'orders_day'") == "t"
    });
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = {:?}\n[postgres.copy]\ndsn = {:?}\n[tasks.task]\nplugin = \"postgres-index-usage\"\nbind.database = \"postgres.main\"\nbind.standbys = [\"postgres.copy\"]\nsettings = {{ least = \"1kB\" }}\n",
        server.dsn("hostler", "postgres"),
        standby.dsn("hostler", "postgres")
    ));
    host.install(&["postgres-index-usage"]);
    let run = host.run(&["run", "task", "--format", "json"]);
    assert!(run.stdout.contains("1 index not used"), "orders_user alone: {run:?}");
    drop(standby);
    let gone = host.run(&["run", "task", "--format", "json"]);
    assert!(gone.code == 3 && gone.findings("task").contains(&"unknown standby-unknown copy".to_owned()), "{gone:?}");
}

#[test]
fn a_foreign_key_without_an_index_is_told_and_gone_with_its_remedy() {
    let server = server();
    server.execute("DROP INDEX orders_user; DROP INDEX orders_day");
    let host = host(&server, "postgres-index-usage", "hostler", "");
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(
        (run.code, run.findings("task")),
        (1, vec!["warning foreign-key-without-index public.orders".to_owned()]),
        "{run:?}"
    );
    assert!(run.stdout.contains("CREATE INDEX CONCURRENTLY ON \\\"public\\\".\\\"orders\\\" (user_id);"), "{run:?}");
    server.execute("CREATE INDEX CONCURRENTLY ON public.orders (user_id)");
    assert_eq!(found(&host, 0), Vec::<String>::new());
}
