//! postgres-vacuum, postgres-statistics, postgres-reindex and postgres-extensions: from 17 on by the right to maintain,
//! before it by belonging to the owner; and the progress of VACUUM, some of whose columns 17 renamed.

use std::fs;

use hostler_tests::eventually;

use crate::Shop;

/// A table of some 70 MB whose every row is dead, vacuumed so slowly that somebody can look.
pub(crate) fn vacuum(shop: &Shop) {
    let (server, plugin) = (&shop.server, "postgres-vacuum");
    assert_eq!(shop.summary(plugin), "none of 1 table is due");
    server.execute(
        "SET ROLE shop; CREATE TABLE events AS SELECT n AS id, repeat('x', 1000) AS text FROM generate_series(1, 64000) n;
         CREATE INDEX events_id ON events (id); CREATE INDEX events_id2 ON events (id, text); ANALYZE events",
    );
    server.execute("DELETE FROM events");
    eventually("the dead rows are counted", || {
        server.value("SELECT pg_stat_get_dead_tuples('events'::regclass)") == "64000"
    });
    // What is clean costs more when it is changed.
    server.execute("CHECKPOINT");
    server.execute("ALTER ROLE hostler SET vacuum_cost_delay = '3ms'");
    let plan = shop.host.run(&["plan", plugin, "--format", "json"]);
    assert_eq!(plan.task(plugin)["summary"], "1 of 2 tables is due, 1 planned", "{plan:?}");
    assert!(plan.stdout.contains("VACUUM (ANALYZE, SKIP_LOCKED, PARALLEL 2)"), "{plan:?}");
    let audit = || fs::read_to_string(shop.host.path().join("state/audit/audit.jsonl")).expect("the audit");
    assert!(!audit().contains("pause AS MATERIALIZED"), "a plan has nothing to watch");
    assert_eq!(shop.summary(plugin), "1 of 1 due table done");
    let audit = audit();
    let looks: Vec<&str> = audit.lines().filter(|line| line.contains("pause AS MATERIALIZED")).collect();
    let ended = |how: &str| looks.iter().filter(|line| line.contains(&format!("\"decision\":\"{how}\""))).count();
    assert!(ended("done") > 0 && ended("failed") == 0, "PostgreSQL {}: {looks:#?}", server.version);
    assert_eq!(server.value("SELECT pg_stat_get_vacuum_count('events'::regclass)"), "1");
    server.execute("ALTER ROLE hostler RESET vacuum_cost_delay");
    server.execute("DROP TABLE events");
}

pub(crate) fn statistics(shop: &Shop) {
    let (server, plugin) = (&shop.server, "postgres-statistics");
    assert!(shop.run(plugin, 0).is_empty());
    server.execute("SET ROLE shop; CREATE TABLE visits AS SELECT n AS id FROM generate_series(1, 1000) n");
    eventually("the rows are counted", || {
        server.value("SELECT pg_stat_get_mod_since_analyze('visits'::regclass)") == "1000"
    });
    let plan = shop.host.run(&["plan", plugin, "--format", "json"]);
    assert_eq!((plan.code, plan.findings(plugin)), (2, vec!["critical statistics-stale public.visits".to_owned()]));
    assert!(shop.run(plugin, 0).is_empty());
    assert_eq!(server.value("SELECT pg_stat_get_analyze_count('visits'::regclass)"), "1");
    server.execute("DROP TABLE visits");
}

pub(crate) fn reindex(shop: &Shop) {
    let (server, plugin) = (&shop.server, "postgres-reindex");
    assert!(shop.run(plugin, 0).is_empty());
    server.execute("DELETE FROM orders WHERE id % 20 <> 0");
    server.execute("VACUUM ANALYZE orders");
    let size = || server.value("SELECT pg_relation_size('orders_id')").parse::<u64>().expect("bytes");
    let before = size();
    assert!(shop.run(plugin, 0).is_empty());
    assert!(size() < before / 2, "PostgreSQL {}: {before} bytes are {}", server.version, size());
    assert_eq!(server.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), "0");

    // Without the right it is told, with the right that this version has.
    let (take, remedy) = match server.version {
        17.. => ("REVOKE pg_maintain FROM hostler", "GRANT MAINTAIN ON"),
        _ => ("REVOKE shop FROM hostler", "GRANT shop TO hostler"),
    };
    server.execute("INSERT INTO orders (day, status) SELECT '2026-01-01', 'new' FROM generate_series(1, 20000)");
    server.execute("DELETE FROM orders WHERE id % 20 <> 0");
    server.execute("VACUUM ANALYZE orders");
    server.execute(take);
    let run = shop.host.run(&["run", plugin, "--format", "json"]);
    assert_eq!(run.code, 3, "{run:?}");
    let told = run.findings(plugin);
    assert!(told.contains(&"unknown privilege-missing public.orders_id".to_owned()), "{told:?}");
    assert!(run.stdout.contains(remedy), "{remedy}: {run:?}");
    server.execute(if server.version >= 17 { "GRANT pg_maintain TO hostler" } else { "GRANT shop TO hostler" });
    assert!(shop.run(plugin, 0).is_empty());
}

/// An extension that is trusted, so that a plain role can own it.
pub(crate) fn extensions(shop: &Shop) {
    let (server, plugin) = (&shop.server, "postgres-extensions");
    assert_eq!(shop.summary(plugin), "1 database looked at: 0 extensions updated, 0 left");
    server.execute("GRANT CREATE ON DATABASE postgres TO hostler; GRANT CREATE ON SCHEMA public TO hostler");
    server.execute("SET ROLE hostler; CREATE EXTENSION pg_trgm VERSION '1.5'");
    assert_eq!(shop.summary(plugin), "1 database looked at: 1 extension updated, 0 left");
    assert_ne!(server.value("SELECT extversion FROM pg_extension WHERE extname = 'pg_trgm'"), "1.5");
    server.execute("DROP EXTENSION pg_trgm");
    server.execute("REVOKE CREATE ON DATABASE postgres FROM hostler; REVOKE CREATE ON SCHEMA public FROM hostler");
}
