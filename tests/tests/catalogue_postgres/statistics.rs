//! postgres-statistics: what the planner does not know, among it the partitioned parents that autovacuum leaves out.

use hostler_tests::{Postgres, eventually};

use crate::{found, host};

fn server() -> Postgres {
    let server = Postgres::start();
    server.execute("CREATE ROLE hostler LOGIN");
    server.execute("GRANT pg_monitor TO hostler; GRANT CREATE ON SCHEMA public TO hostler");
    server.execute(
        "SET ROLE hostler; CREATE TABLE orders (id int, day date) PARTITION BY RANGE (day);
         CREATE TABLE orders_2025 PARTITION OF orders FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
         INSERT INTO orders SELECT n, '2025-06-01' FROM generate_series(1, 1000) n;
         CREATE TABLE users AS SELECT n AS id FROM generate_series(1, 1000) n;
         CREATE TABLE nobody (id int)",
    );
    eventually("the rows are counted", || {
        server.value("SELECT pg_stat_get_mod_since_analyze('users'::regclass)") == "1000"
    });
    server.execute("ANALYZE users");
    server
}

fn analysed(server: &Postgres, table: &str) -> bool {
    server.value(&format!("SELECT pg_stat_get_last_analyze_time({table:?}::regclass) IS NOT NULL").replace('"', "'"))
        == "t"
}

#[test]
fn tables_without_statistics_and_partitioned_parents_are_analysed_once() {
    let server = server();
    let host = host(&server, "postgres-statistics", "hostler", "");
    let plan = host.run(&["plan", "task", "--format", "json"]);
    assert_eq!(plan.code, 2, "{plan:?}");
    assert_eq!(
        plan.findings("task"),
        ["critical statistics-stale public.orders", "critical statistics-stale public.orders_2025"]
    );
    assert_eq!(plan.task("task")["summary"], "2 of 4 tables due, 2 planned");
    assert!(!analysed(&server, "orders") && !analysed(&server, "orders_2025"));
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!((run.code, run.findings("task")), (0, vec![]), "{run:?}");
    assert!(analysed(&server, "orders") && analysed(&server, "orders_2025") && !analysed(&server, "nobody"));
    let again = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(again.task("task")["summary"], "0 of 4 tables due, 0 analysed", "{again:?}");

    server.execute("INSERT INTO users SELECT n FROM generate_series(1, 2000) n");
    eventually("the change is counted", || {
        server.value("SELECT pg_stat_get_mod_since_analyze('users'::regclass)") == "2000"
    });
    let changed = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(changed.task("task")["summary"], "1 of 4 tables due, 1 analysed", "{changed:?}");
}

#[test]
fn a_table_of_somebody_elses_is_unknown_and_a_locked_one_is_left_for_the_next_run() {
    let server = server();
    server.execute("CREATE TABLE audit AS SELECT n AS id FROM generate_series(1, 1000) n");
    let host = host(&server, "postgres-statistics", "hostler", "");
    let lock = server.session("BEGIN; LOCK TABLE orders_2025 IN SHARE UPDATE EXCLUSIVE MODE");
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(run.code, 2, "{run:?}");
    let mut findings = run.findings("task");
    findings.sort();
    assert_eq!(
        findings,
        [
            "critical statistics-stale public.audit",
            "critical statistics-stale public.orders_2025",
            "unknown privilege-missing tables",
            "warning table-busy public.orders_2025"
        ]
    );
    drop(lock);
    server.execute("ALTER TABLE audit OWNER TO hostler");
    eventually("the lock is gone", || {
        server.value("SELECT count(*) FROM pg_locks WHERE mode = 'ShareUpdateExclusiveLock'") == "0"
    });
    assert!(found(&host, 0).is_empty());
}
