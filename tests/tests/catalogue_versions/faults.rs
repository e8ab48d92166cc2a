//! Faults that are the same on every version, brought about on the oldest and the newest server.

use std::time::Duration;

use hostler_tests::{Hostler, Postgres, eventually};

const OLDEST: u32 = 15;
const NEWEST: u32 = 18;

/// A host whose task runs a plugin as a superuser; `binding` is the whole of what is bound.
fn bound(server: &Postgres, plugin: &str, binding: &str, settings: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = {:?}\n[tasks.task]\nplugin = {plugin:?}\nbind.database = {binding}\nsettings = {{ {settings} }}\n",
        server.superuser()
    ));
    host.install(&[plugin]);
    host
}

fn host(server: &Postgres, plugin: &str, settings: &str) -> Hostler {
    bound(server, plugin, "\"postgres.main\"", settings)
}

fn found(host: &Hostler, code: i32) -> Vec<String> {
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(run.code, code, "{run:?}");
    run.findings("task")
}

fn set(server: &Postgres, name: &str, value: &str) {
    server.execute(&format!("ALTER SYSTEM SET {name} = '{value}'"));
    server.execute("SELECT pg_reload_conf()");
    eventually("the setting holds", || server.value(&format!("SELECT current_setting('{name}')")) == value);
}

fn switch(server: &Postgres) {
    server.execute("SELECT pg_logical_emit_message(false, 'filler', 'x')");
    server.execute("SELECT pg_switch_wal()");
}

#[test]
fn an_archive_that_fails_fails_no_more_and_one_that_nobody_fills() {
    for version in [OLDEST, NEWEST] {
        let server = Postgres::of_with(version, &["archive_mode=on"]);
        set(&server, "archive_command", "/bin/false");
        let host = host(&server, "postgres-replication", "archive_warning = \"1s\"");
        switch(&server);
        eventually("it failed", || server.value("SELECT failed_count > 0 FROM pg_stat_archiver") == "t");
        std::thread::sleep(Duration::from_millis(1100));
        assert_eq!(found(&host, 1), ["warning archive-failing archiver"]);
        let before = server.value("SELECT failed_count FROM pg_stat_archiver");
        switch(&server);
        eventually("it failed again", || server.value("SELECT failed_count FROM pg_stat_archiver") != before);
        set(&server, "archive_command", "/bin/true");
        eventually("all of it is archived", || {
            server.value("SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'") == "0"
        });
        assert_eq!(found(&host, 1), ["warning archive-failed archiver"]);
        assert!(found(&host, 0).is_empty(), "it was told");
        set(&server, "archive_command", "");
        switch(&server);
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(found(&host, 1), ["warning archive-waiting archiver"]);
    }
}

#[test]
fn a_synchronous_standby_that_is_not_there_and_a_slot_whose_wal_the_next_checkpoint_takes() {
    for version in [OLDEST, NEWEST] {
        let server = Postgres::of_with(version, &["max_slot_wal_keep_size=1MB", "checkpoint_timeout=1h"]);
        let host = host(&server, "postgres-replication", "");
        set(&server, "synchronous_standby_names", "nobody");
        assert_eq!(found(&host, 2), ["critical no-synchronous-standby server"]);
        set(&server, "synchronous_standby_names", "");
        server.execute("SELECT pg_create_physical_replication_slot('slow', true)");
        (0..3).for_each(|_| switch(&server));
        assert_eq!(server.value("SELECT wal_status FROM pg_replication_slots"), "unreserved");
        assert_eq!(found(&host, 1), ["warning slot-unreserved slow"]);
    }
}

#[test]
fn a_collation_that_changed_is_told_with_what_to_do() {
    for version in [OLDEST, NEWEST] {
        let server = Postgres::of(version);
        let host = host(&server, "postgres-index-health", "");
        assert!(found(&host, 0).is_empty());
        let recorded =
            server.value("SELECT quote_nullable(datcollversion) FROM pg_database WHERE datname = 'postgres'");
        let write = |value: &str| {
            server.execute(&format!("UPDATE pg_database SET datcollversion = {value} WHERE datname = 'postgres'"));
        };
        write("'1.0 of long ago'");
        let run = host.run(&["run", "task", "--format", "json"]);
        assert_eq!(
            (run.code, run.findings("task")),
            (1, vec!["warning collation-changed database postgres".to_owned()]),
            "{run:?}"
        );
        assert!(run.stdout.contains("REFRESH COLLATION VERSION"), "{run:?}");
        write(&recorded);
        assert!(found(&host, 0).is_empty());
    }
}

fn dead(server: &Postgres) {
    server.execute("CREATE TABLE IF NOT EXISTS orders AS SELECT n AS id FROM generate_series(1, 1000) n");
    server.execute("UPDATE orders SET id = id");
    eventually("the dead rows are counted", || {
        server.value("SELECT pg_stat_get_dead_tuples('orders'::regclass) >= 1000") == "t"
    });
}

#[test]
fn vacuum_tells_who_keeps_rows_and_who_has_the_table_and_counts_neither_as_done() {
    for version in [OLDEST, NEWEST] {
        let server = Postgres::of(version);
        dead(&server);
        let host = host(&server, "postgres-vacuum", "longest_transaction = \"1s\"");
        let old = server.session("BEGIN; SELECT txid_current()");
        std::thread::sleep(Duration::from_millis(1100));
        let held = found(&host, 1);
        assert!(held.iter().any(|finding| finding.starts_with("warning rows-held-back pid ")), "{held:?}");
        assert!(held.contains(&"warning tables-held-back run".to_owned()), "{held:?}");
        drop(old);
        let lock = server.session("BEGIN; LOCK TABLE orders IN SHARE UPDATE EXCLUSIVE MODE");
        assert_eq!(found(&host, 1), ["warning table-busy public.orders"]);
        assert_eq!(server.value("SELECT pg_stat_get_vacuum_count('orders'::regclass)"), "0");
        drop(lock);
        eventually("the lock is gone", || {
            server.value("SELECT count(*) FROM pg_locks WHERE mode = 'ShareUpdateExclusiveLock'") == "0"
        });
        assert!(found(&host, 0).is_empty());
        assert_eq!(server.value("SELECT pg_stat_get_vacuum_count('orders'::regclass)"), "1");
    }
}

/// 100,000 is the least age that a table can be frozen at by force: transactions are used up to near it.
#[test]
fn vacuum_freezes_what_is_near_the_age_that_forces_it() {
    for version in [OLDEST, NEWEST] {
        let server = Postgres::of(version);
        server.execute(
            "CREATE TABLE orders AS SELECT 1 AS id; ALTER TABLE orders SET (autovacuum_freeze_max_age = 100000)",
        );
        server.execute("CREATE TABLE used_up (id int)");
        server.execute(
            "DO $$ BEGIN FOR n IN 1..97000 LOOP
                BEGIN INSERT INTO used_up VALUES (n); EXCEPTION WHEN division_by_zero THEN NULL; END;
            END LOOP; END $$",
        );
        let host = host(&server, "postgres-vacuum", "exclude = [\"public.used_up\"], age_warning = \"90000\"");
        let plan = host.run(&["plan", "task", "--format", "json"]);
        assert_eq!(plan.code, 2, "{plan:?}");
        let told = plan.findings("task");
        assert!(told.contains(&"critical freeze-age public.orders".to_owned()), "{told:?}");
        assert!(told.contains(&"warning database-age postgres".to_owned()), "{told:?}");
        assert!(plan.stdout.contains("VACUUM (FREEZE, ANALYZE, SKIP_LOCKED)"), "{plan:?}");
        let run = host.run(&["run", "task", "--format", "json"]);
        assert!(!run.stdout.contains("freeze-age public.orders"), "{run:?}");
        assert_eq!(server.value("SELECT age(relfrozenxid) < 1000 FROM pg_class WHERE relname = 'orders'"), "t");
    }
}

/// Where the binding has one connection, or nothing that waits, VACUUM goes on and nobody looks how far it is.
#[test]
fn vacuum_without_a_second_connection_goes_on_unwatched() {
    let server = Postgres::of(NEWEST);
    server.execute(
        "CREATE TABLE events AS SELECT n AS id, repeat('x', 1000) AS text FROM generate_series(1, 64000) n;
         CREATE INDEX events_id ON events (id); ANALYZE events",
    );
    for narrowed in ["connections = 1", "functions = []"] {
        let before: u32 = server.value("SELECT pg_stat_get_vacuum_count('events'::regclass)").parse().expect("a count");
        server.execute("UPDATE events SET id = id WHERE id % 2 = 0");
        server.execute("CHECKPOINT");
        eventually("the dead rows are counted", || {
            server.value("SELECT pg_stat_get_dead_tuples('events'::regclass) >= 32000") == "t"
        });
        server.execute("ALTER ROLE postgres SET vacuum_cost_delay = '3ms'");
        let binding = format!("{{ resource = \"postgres.main\", {narrowed} }}");
        let host = bound(&server, "postgres-vacuum", &binding, "");
        let run = host.run(&["run", "task", "--format", "json"]);
        assert_eq!((run.code, run.findings("task")), (0, vec![]), "{narrowed}: {run:?}");
        server.execute("ALTER ROLE postgres RESET vacuum_cost_delay");
        let after: u32 = server.value("SELECT pg_stat_get_vacuum_count('events'::regclass)").parse().expect("a count");
        assert_eq!(after, before + 1, "{narrowed}");
    }
}
