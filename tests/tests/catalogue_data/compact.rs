//! postgres-compact: what a table wastes given back, and everything that stands against it.

use hostler_tests::{Hostler, Postgres, Signal, eventually, servers};

use crate::{found, planned};

const SETTINGS: &str = "wasted_least = \"1MB\", data_path = \"/\", wait = \"1s\"";
/// All day but its last minute, in which no test begins twice.
const OPEN: &str = ", window = \"00:00-23:59\"";

fn server_of(version: u32) -> Postgres {
    let server = Postgres::of(version);
    server.execute("CREATE ROLE hostler LOGIN; GRANT pg_monitor TO hostler; GRANT CREATE ON SCHEMA public TO hostler");
    server.execute("CREATE EXTENSION pgstattuple");
    server.execute("SET ROLE hostler; CREATE TABLE orders AS SELECT n AS id, repeat('x', 100) AS note FROM generate_series(1, 50000) n; ALTER TABLE orders ADD PRIMARY KEY (id)");
    server.execute("VACUUM ANALYZE orders");
    server
}

fn waste(server: &Postgres) {
    server.execute("DELETE FROM orders WHERE id % 5 <> 0");
    server.execute("VACUUM orders");
}

fn size(server: &Postgres) -> u64 {
    server.value("SELECT pg_relation_size('orders')").parse().unwrap()
}

fn compact(server: &Postgres, role: &str, more: &str, settings: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = {:?}\n\
         [program.repack]\npath = \"/usr/lib/postgresql/15/bin/pg_repack\"\nnetwork = true\n\
         allow = [{{ arguments = [\"--no-password\", \"--no-order\", \"--no-kill-backend\", \"--wait-timeout={{1-60}}\", \"--dbname=postgres\", \"--table={{text}}\"], effect = \"changes\" }}]\n\
         [tasks.task]\nplugin = \"postgres-compact\"\nbind.database = \"postgres.main\"\nbind.machine = \"machine\"\n{more}settings = {{ {settings} }}\n",
        server.dsn(role, "postgres")
    ));
    host.install(&["postgres-compact"]);
    host
}

fn full(server: &Postgres, more: &str) -> Hostler {
    compact(server, "hostler", "", &format!("{SETTINGS}{more}"))
}

/// The share of the table that the visibility map calls all visible.
fn visible(server: &Postgres) -> f64 {
    server
        .value("SELECT relallvisible::float8 / greatest(relpages, 1) FROM pg_class WHERE relname = 'orders'")
        .parse()
        .unwrap()
}

#[test]
fn vacuum_full_gives_back_what_is_wasted_on_each_version() {
    for version in servers() {
        let server = server_of(version);
        let host = full(&server, OPEN);
        assert_eq!(found(&host, 0), Vec::<String>::new(), "PostgreSQL {version}");
        waste(&server);
        let before = size(&server);
        assert_eq!(planned(&host), "1 table of too much waste: 1 to be compacted");
        assert_eq!(size(&server), before, "a plan changes nothing");
        let run = host.run(&["run", "task", "--format", "json"]);
        assert_eq!((run.code, run.findings("task").len()), (0, 0), "PostgreSQL {version}: {run:?}");
        assert!(run.stdout.contains("VACUUM FULL and VACUUM") && run.stdout.contains("given back"), "{run:?}");
        assert!(size(&server) < before / 4, "PostgreSQL {version}");
        assert!(
            visible(&server) > 0.9,
            "VACUUM FULL leaves the visibility map empty, and the VACUUM after it fills it"
        );
        let after = size(&server);
        let again = host.run(&["run", "task", "--format", "json"]);
        assert_eq!(
            again.task("task")["summary"],
            "0 tables of too much waste: 0 compacted, 0 B given back",
            "{again:?}"
        );
        assert_eq!(size(&server), after);
    }
}

#[test]
fn pg_repack_goes_first_and_nobody_waits_for_it() {
    // Debian has it for version 15.
    let server = server_of(15);
    server.execute("CREATE EXTENSION pg_repack");
    waste(&server);
    let before = size(&server);
    let host = compact(&server, "postgres", "bind.repack = \"program.repack\"\n", SETTINGS);
    assert_eq!(planned(&host), "1 table of too much waste: 1 to be compacted");
    assert_eq!(size(&server), before);
    // A reader that VACUUM FULL would wait for, and that would wait for VACUUM FULL.
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!((run.code, run.findings("task").len()), (0, 0), "{run:?}");
    assert!(run.stdout.contains("pg_repack and VACUUM"), "{run:?}");
    assert!(size(&server) < before / 4 && visible(&server) > 0.9);
    assert_eq!(server.value("SELECT count(*) FROM orders"), "10000");
    assert_eq!(found(&host, 0), Vec::<String>::new());
}

#[test]
fn a_pg_repack_that_cannot_finish_leaves_the_table_as_it_was() {
    let server = server_of(15);
    server.execute("CREATE EXTENSION pg_repack");
    waste(&server);
    let before = size(&server);
    let host = compact(&server, "postgres", "bind.repack = \"program.repack\"\n", SETTINGS);
    let open = server.session("BEGIN; LOCK TABLE orders IN SHARE MODE");
    let findings = found(&host, 2);
    assert_eq!(findings, ["critical compact-failed public.orders", "critical table-wasted public.orders"]);
    assert_eq!((size(&server), server.value("SELECT count(*) FROM orders")), (before, "10000".into()));
    drop(open);
    assert_eq!(found(&host, 0), Vec::<String>::new());
}

#[test]
fn without_a_window_a_room_or_a_measure_nothing_is_rewritten() {
    let server = server_of(15);
    waste(&server);
    let before = size(&server);
    let wasted = "critical table-wasted public.orders".to_owned();
    let left = |more: &str, code: i32, first: &str| {
        let host = compact(&server, "hostler", "", more);
        assert_eq!(found(&host, code), [first.to_owned(), wasted.clone()], "{more}");
    };
    left(SETTINGS, 2, "warning not-compacted public.orders");
    let hour: u32 = server.value("SELECT to_char(now() AT TIME ZONE 'UTC', 'HH24')").parse().unwrap();
    let closed = format!("{SETTINGS}, window = \"{:02}:00-{:02}:00\"", (hour + 3) % 24, (hour + 4) % 24);
    left(&closed, 2, "warning not-compacted public.orders");
    left(&format!("{SETTINGS}{OPEN}, full_most = \"1MB\""), 2, "warning not-compacted public.orders");
    left(&format!("wasted_least = \"1MB\", free_space = \"5MB\"{OPEN}"), 2, "warning no-room public.orders");
    left(&format!("wasted_least = \"1MB\"{OPEN}"), 2, "unknown free-space-unknown disk");
    server.execute("ALTER TABLE orders OWNER TO postgres");
    left(&format!("{SETTINGS}{OPEN}"), 2, "unknown privilege-missing public.orders");
    server.execute("REVOKE EXECUTE ON FUNCTION pgstattuple_approx(regclass) FROM pg_stat_scan_tables");
    assert_eq!(found(&full(&server, OPEN), 3), ["unknown privilege-missing public.orders"]);
    server.execute("DROP EXTENSION pgstattuple");
    assert_eq!(found(&full(&server, OPEN), 3), ["unknown extension-missing pgstattuple"]);
    assert_eq!(size(&server), before);
    let wrong = full(&server, ", window = \"at night\"").run(&["run", "task", "--format", "json"]);
    assert!(wrong.code == 3 && wrong.stdout.contains("is no part of a day"), "{wrong:?}");
}

#[test]
fn a_lock_is_waited_for_only_so_long_and_an_old_transaction_stops_it_before_it_begins() {
    let server = server_of(15);
    waste(&server);
    let before = size(&server);
    let open = server.session("BEGIN; SELECT count(*) FROM orders; SELECT txid_current()");
    assert_eq!(
        found(&full(&server, OPEN), 2),
        ["warning table-busy public.orders", "critical table-wasted public.orders"]
    );
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let impatient = full(&server, &format!("{OPEN}, longest_transaction = \"1s\""));
    assert_eq!(found(&impatient, 2), ["warning stopped run", "critical table-wasted public.orders"]);
    assert_eq!(size(&server), before);
    drop(open);
    eventually("it is gone", || {
        server.value("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'") == "0"
    });
    assert_eq!(found(&impatient, 0), Vec::<String>::new());
    assert!(size(&server) < before / 4);
}

#[test]
fn a_run_that_is_killed_anywhere_ends_the_same_on_the_second_run() {
    for milliseconds in [100, 200, 300, 400] {
        let server = server_of(15);
        waste(&server);
        let before = size(&server);
        let host = full(&server, OPEN);
        let running = host.start(&["run", "task"]);
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        running.signal(Signal::KILL);
        running.end_within(std::time::Duration::from_secs(10));
        eventually("the killed run's sessions are gone", || {
            server.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'hostler'") == "0"
        });
        assert_eq!(found(&host, 0), Vec::<String>::new(), "killed after {milliseconds} ms");
        assert!(size(&server) < before / 4, "killed after {milliseconds} ms");
        assert!(visible(&server) > 0.9, "killed after {milliseconds} ms");
        assert_eq!(server.value("SELECT count(*) FROM orders"), "10000");
    }
}

#[test]
fn what_a_killed_pg_repack_left_is_told_and_the_table_is_left() {
    let server = server_of(15);
    server.execute("CREATE EXTENSION pg_repack; CREATE TABLE repack.log_16400 (id int)");
    waste(&server);
    let host = compact(&server, "postgres", "bind.repack = \"program.repack\"\n", SETTINGS);
    assert_eq!(
        found(&host, 2),
        [
            "warning repack-leftover pg_repack",
            "warning not-compacted public.orders",
            "critical table-wasted public.orders"
        ]
    );
}
