//! postgres-partitions: partitions before they lack, and what stands against the next one.

use hostler_tests::{Hostler, Postgres, eventually, servers};

use crate::{found, planned};

/// Orders by month from three months ago up to so many months ahead.
fn server_of(version: u32, ahead: i32) -> Postgres {
    let server = Postgres::of(version);
    server.execute("CREATE ROLE hostler LOGIN; GRANT CREATE ON SCHEMA public TO hostler");
    server.execute(&format!(
        "SET ROLE hostler; CREATE TABLE orders (id bigint, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
         DO $$ DECLARE m timestamptz := date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'; BEGIN
         FOR i IN -3 .. {ahead} LOOP EXECUTE format('CREATE TABLE %I PARTITION OF orders FOR VALUES FROM (%L) TO (%L)',
             'orders_' || to_char((m + i * interval '1 month') AT TIME ZONE 'UTC', 'YYYY_MM'), m + i * interval '1 month', m + (i + 1) * interval '1 month');
         END LOOP; END $$; INSERT INTO orders VALUES (1, now())"
    ));
    server
}

fn partitions(server: &Postgres, settings: &str) -> Hostler {
    Hostler::of_task(server, "postgres-partitions", "hostler", "", settings)
}

fn names(server: &Postgres) -> Vec<String> {
    server.values("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY relname COLLATE \"C\"")
}

#[test]
fn the_next_are_made_once_when_told_to_on_each_version() {
    for version in servers() {
        let server = server_of(version, 0);
        assert_eq!(found(&partitions(&server, ""), 2), ["critical few-ahead public.orders"], "PostgreSQL {version}");
        let host = partitions(&server, "create = true");
        let before = names(&server);
        let said = planned(&host);
        assert_eq!((said.as_str(), &names(&server)), ("1 partitioned table, 4 partitions to be made", &before));
        assert_eq!(found(&host, 0), Vec::<String>::new(), "PostgreSQL {version}");
        let after = names(&server);
        assert_eq!(after.len(), before.len() + 4);
        let last =
            server.value("SELECT 'orders_' || to_char(now() AT TIME ZONE 'UTC' + interval '4 months', 'YYYY_MM')");
        assert_eq!(after.last(), Some(&last), "as the others are called");
        server.execute("INSERT INTO orders VALUES (2, date_trunc('month', now()) + interval '4 months 5 days')");
        assert_eq!(found(&host, 0), Vec::<String>::new());
        assert_eq!(names(&server), after, "a second run makes none");
    }
}

#[test]
fn few_ahead_is_a_warning_and_enough_is_well() {
    assert_eq!(found(&partitions(&server_of(15, 1), ""), 1), ["warning few-ahead public.orders"]);
    assert_eq!(found(&partitions(&server_of(15, 2), ""), 0), Vec::<String>::new());
}

#[test]
fn rows_in_the_default_partition_are_critical_and_forbid_the_next() {
    let server = server_of(15, 0);
    server.execute("SET ROLE hostler; CREATE TABLE orders_rest PARTITION OF orders DEFAULT; INSERT INTO orders VALUES (3, now() + interval '33 days')");
    let host = partitions(&server, "create = true");
    let findings = found(&host, 2);
    assert!(findings[0].starts_with("critical default-blocks public.orders_20"), "{findings:?}");
    assert!(findings.contains(&"critical rows-in-default public.orders_rest".into()), "{findings:?}");
    assert!(findings.contains(&"critical few-ahead public.orders".into()), "{findings:?}");
    server.execute("DELETE FROM orders_rest");
    assert_eq!(found(&host, 0), Vec::<String>::new());
}

#[test]
fn gaps_leftovers_and_a_detach_that_broke_off_are_told() {
    let server = server_of(15, 3);
    let gap = names(&server)[1].clone();
    server.execute(&format!("ALTER TABLE orders DETACH PARTITION {gap}; CREATE TABLE orders_notes_1 (id int)"));
    let host = partitions(&server, "");
    let leftover = format!("warning detached-leftover public.{gap}");
    assert_eq!(
        found(&host, 1),
        ["warning gap public.orders".to_owned(), leftover.clone()],
        "another table with a like name is none"
    );
    let more = partitions(&server, &format!("exclude = [\"public.{gap}\"]"));
    assert_eq!(found(&more, 1), ["warning gap public.orders"]);
    // A reader keeps the second half of a concurrent detach waiting, and who asked for it goes.
    let reader = server.session("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM orders");
    let last = names(&server)[1].clone();
    let dsn = server.superuser();
    let command = format!("ALTER TABLE orders DETACH PARTITION {last} CONCURRENTLY");
    let mut psql = std::process::Command::new("psql")
        .args([&dsn, "-c", &command])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    eventually("it waits", || server.value("SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == "1");
    server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'ALTER TABLE orders DETACH%' AND pid <> pg_backend_pid()");
    psql.wait().unwrap();
    let findings = found(&host, 1);
    assert!(findings.contains(&format!("warning detach-pending public.{last}")), "{findings:?}");
    drop(reader);
}

#[test]
fn numbers_days_and_years_go_on_as_they_were() {
    let server = Postgres::start();
    server.execute("CREATE ROLE hostler LOGIN; GRANT CREATE ON SCHEMA public TO hostler");
    server.execute(
        "SET ROLE hostler; CREATE TABLE events (id bigint PRIMARY KEY) PARTITION BY RANGE (id);
         CREATE TABLE events_0 PARTITION OF events FOR VALUES FROM (0) TO (1000);
         CREATE TABLE events_1000 PARTITION OF events FOR VALUES FROM (1000) TO (2000); INSERT INTO events VALUES (1500);
         CREATE TABLE \"Days\" (day date NOT NULL) PARTITION BY RANGE (day);
         DO $$ BEGIN EXECUTE format('CREATE TABLE %I PARTITION OF \"Days\" FOR VALUES FROM (%L) TO (%L)',
            'Days.p' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD'), (now() AT TIME ZONE 'UTC')::date, (now() AT TIME ZONE 'UTC')::date + 1); END $$;
         CREATE TABLE lists (country text) PARTITION BY LIST (country); CREATE TABLE lists_de PARTITION OF lists FOR VALUES IN ('de');
         CREATE TABLE hashes (id int) PARTITION BY HASH (id)",
    );
    assert_eq!(found(&partitions(&server, "create = true, ahead = 2"), 0), Vec::<String>::new());
    let day = |ahead: u8| {
        server.value(&format!(
            "SELECT 'Days.p' || to_char(now() AT TIME ZONE 'UTC' + interval '{ahead} days', 'YYYYMMDD')"
        ))
    };
    assert_eq!(
        names(&server),
        [&day(0), &day(1), &day(2), "events_0", "events_1000", "events_2000", "events_3000", "lists_de"]
    );
    assert_eq!(
        server.value("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'events_3000'"),
        "FOR VALUES FROM ('3000') TO ('4000')"
    );
}

#[test]
fn the_lock_budget_is_that_of_the_server() {
    let server = Postgres::of_with(15, &["max_locks_per_transaction=10", "max_connections=10", "max_wal_senders=2"]);
    server.execute("CREATE ROLE hostler LOGIN; GRANT CREATE ON SCHEMA public TO hostler");
    server.execute(
        "SET ROLE hostler; CREATE TABLE events (id bigint PRIMARY KEY) PARTITION BY RANGE (id);
         DO $$ BEGIN FOR i IN 0 .. 20 LOOP EXECUTE format('CREATE TABLE events_%s PARTITION OF events FOR VALUES FROM (%s) TO (%s)', i, i * 10, i * 10 + 10); END LOOP; END $$",
    );
    assert_eq!(found(&partitions(&server, ""), 1), ["warning lock-budget public.events"]);
}

#[test]
fn what_may_not_or_cannot_be_made_is_told() {
    let server = server_of(15, 0);
    server.execute("ALTER TABLE orders OWNER TO postgres");
    let findings = found(&partitions(&server, "create = true"), 2);
    assert_eq!(findings, ["unknown privilege-missing public.orders", "critical few-ahead public.orders"]);
    server.execute("ALTER TABLE orders OWNER TO hostler");
    let reader = server.session("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE; SAVEPOINT a");
    let run = partitions(&server, "create = true, wait = \"1s\", tables = [\"public.orders\"]")
        .run(&["run", "task", "--format", "json"]);
    let findings = run.findings("task");
    assert!(
        findings.first().is_some_and(|finding| finding.starts_with("warning partition-busy public.orders_20"))
            || run.code == 3,
        "{run:?}"
    );
    drop(reader);
    let wrong = partitions(&server, "tables = [\"public.users\"]").run(&["run", "task", "--format", "json"]);
    assert!(wrong.code == 3 && wrong.stdout.contains("public.users is no partitioned table"), "{wrong:?}");
    server.execute("SET ROLE hostler; CREATE TABLE empty (at date) PARTITION BY RANGE (at)");
    assert_eq!(found(&partitions(&server, "create = true, tables = [\"public.empty\"]"), 0), Vec::<String>::new());
}

#[test]
fn a_grant_that_is_narrowed_to_some_tables_makes_no_others() {
    let server = server_of(15, 0);
    let host = partitions(&server, "create = true");
    let text = std::fs::read_to_string(host.configuration()).unwrap();
    host.configure(&text.replace(
        "bind.database = \"postgres.main\"",
        "bind.database = { resource = \"postgres.main\", write = [\"public.users\"] }",
    ));
    let before = names(&server);
    let run = host.run(&["run", "task", "--format", "json"]);
    assert!(run.stdout.contains("was refused on the request"), "{run:?}");
    assert_eq!(names(&server), before);
}

#[test]
fn pg_partman_makes_its_own() {
    // Debian has it for version 15.
    let server = Postgres::of(15);
    server.execute("CREATE ROLE hostler LOGIN; GRANT CREATE ON SCHEMA public TO hostler; CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman");
    server.execute(
        "GRANT ALL ON SCHEMA partman TO hostler; GRANT ALL ON ALL TABLES IN SCHEMA partman TO hostler;
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA partman TO hostler; GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA partman TO hostler;
         GRANT TEMPORARY ON DATABASE postgres TO hostler;
         SET ROLE hostler; CREATE TABLE public.logs (id bigint, at timestamptz NOT NULL) PARTITION BY RANGE (at);
         SELECT partman.create_parent('public.logs', 'at', 'native', 'daily', p_premake => 2);
         UPDATE partman.part_config SET premake = 6, infinite_time_partitions = true",
    );
    let host = partitions(&server, "create = true, method = \"partman\"");
    let before = names(&server).len();
    assert_eq!(planned(&host), "1 partitioned table, pg_partman's maintenance to be run");
    assert_eq!(names(&server).len(), before);
    assert_eq!(found(&host, 0), Vec::<String>::new());
    let after = names(&server);
    assert!(after.len() >= before + 4, "{after:?}");
    assert_eq!(found(&host, 0), Vec::<String>::new());
    assert_eq!(names(&server), after, "a second run makes none");
    let elsewhere = partitions(&server, "create = true, method = \"partman\", partman_schema = \"public\"");
    assert_eq!(found(&elsewhere, 2), ["critical partition-failed pg_partman"]);
}
