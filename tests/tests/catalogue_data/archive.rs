//! postgres-archive: no row goes that is not kept, and none is kept twice.

use std::fs;

use hostler_tests::{Hostler, Postgres, Signal, eventually, programs, servers};

use crate::{found, planned};

const SETTINGS: &str = "source = \"public.orders\", archive = \"archive.orders\", time_column = \"created_at\", older_than = \"365d\", batch = 1000";

/// Ten thousand orders of four years, the oldest first, three quarters of them older than a year.
fn server_of(version: u32) -> Postgres {
    let server = Postgres::of(version);
    server.execute(
        "CREATE ROLE hostler LOGIN; GRANT pg_monitor TO hostler; GRANT CREATE ON SCHEMA public TO hostler;
         CREATE SCHEMA archive AUTHORIZATION hostler",
    );
    server.execute(
        "SET ROLE hostler; CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, created_at timestamptz NOT NULL,
            name text, price numeric(10, 2), gross numeric GENERATED ALWAYS AS (price * 1.19) STORED, tags text[]);
         INSERT INTO orders (created_at, name, price, tags) SELECT now() - interval '4 years' + n * interval '4 years' / 10000,
            CASE WHEN n % 7 = 0 THEN NULL ELSE 'order ' || n END, n / 100.0, ARRAY['a', n::text] FROM generate_series(0, 9999) n;
         CREATE TABLE archive.orders (LIKE orders INCLUDING GENERATED INCLUDING IDENTITY);
         CREATE TABLE truth AS SELECT * FROM orders",
    );
    server
}

fn server() -> Postgres {
    server_of(15)
}

fn archive(server: &Postgres, more: &str) -> Hostler {
    Hostler::of_task(server, "postgres-archive", "hostler", "", &format!("{SETTINGS}{more}"))
}

fn count(server: &Postgres, table: &str) -> u64 {
    server.value(&format!("SELECT count(*) FROM {table}")).parse().unwrap()
}

/// Every row is in one of the two tables, as it was.
fn whole(server: &Postgres) {
    let differs = "SELECT count(*) FROM ((SELECT t::text FROM truth t EXCEPT ALL (SELECT o::text FROM orders o UNION ALL SELECT a::text FROM archive.orders a))
        UNION ALL ((SELECT o::text FROM orders o UNION ALL SELECT a::text FROM archive.orders a) EXCEPT ALL SELECT t::text FROM truth t)) q";
    assert_eq!(server.value(differs), "0");
}

/// Nothing old is left, and nothing young has gone.
fn moved(server: &Postgres) {
    let wrong = "SELECT (SELECT count(*) FROM orders WHERE created_at < now() - interval '365 days 1 minute')
        + (SELECT count(*) FROM archive.orders WHERE created_at > now() - interval '365 days')";
    assert_eq!(server.value(wrong), "0");
}

#[test]
fn old_rows_move_once_by_the_key_or_by_the_time() {
    for index in ["", "CREATE INDEX ON orders (created_at)"] {
        let server = server();
        server.execute(index);
        let host = archive(&server, "");
        let said = planned(&host);
        assert!(said.ends_with("of public.orders to be moved to archive.orders"), "{said}");
        assert_eq!((count(&server, "orders"), count(&server, "archive.orders")), (10000, 0), "a plan changes nothing");
        let run = host.run(&["run", "task", "--format", "json"]);
        assert_eq!((run.code, run.findings("task").len()), (0, 0), "{run:?}");
        let said = run.task("task")["summary"].as_str().unwrap().to_owned();
        assert!(said.contains("in 8 batches, each compared"), "{said}");
        assert!(!run.stdout.contains("\"failed\""), "no change is told as failed: {run:?}");
        whole(&server);
        moved(&server);
        let before = count(&server, "archive.orders");
        assert_eq!(found(&host, 0), Vec::<String>::new());
        assert_eq!(count(&server, "archive.orders"), before, "a second run moves nothing");
        whole(&server);
        assert!(planned(&host).starts_with("no row of public.orders is older"), "{}", planned(&host));
    }
}

#[test]
fn each_version_moves_rows_and_keeps_those_that_the_archive_changed() {
    for version in servers() {
        let server = server_of(version);
        let host = archive(&server, "");
        server.execute(
            "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.name := NULL; RETURN NEW; END';
             CREATE TRIGGER lose BEFORE INSERT ON archive.orders FOR EACH ROW EXECUTE FUNCTION lose()",
        );
        assert_eq!(found(&host, 2), ["critical batch-differs archive.orders"], "PostgreSQL {version}");
        server.execute("DROP TRIGGER lose ON archive.orders");
        assert_eq!(found(&host, 0), Vec::<String>::new(), "PostgreSQL {version}");
        whole(&server);
        moved(&server);
    }
}

#[test]
fn the_guides_copy_fails_and_its_delete_goes_on_and_here_nothing_is_deleted() {
    // The archive refuses what the guide's copy inserts; `psql -f` would go on to the DELETE.
    let server = server();
    server.execute("ALTER TABLE archive.orders ADD CHECK (price < 10)");
    let host = archive(&server, "");
    assert_eq!(found(&host, 2), ["critical batch-failed archive.orders"]);
    assert_eq!(count(&server, "archive.orders"), 1000, "the batch before was whole");
    whole(&server);
}

#[test]
fn an_archive_that_drops_doubles_or_changes_rows_is_found() {
    for (what, body) in [
        ("drops", "BEGIN IF NEW.id % 2 = 0 THEN RETURN NULL; END IF; RETURN NEW; END"),
        ("changes", "BEGIN NEW.price := NEW.price + 0.01; RETURN NEW; END"),
        ("empties", "BEGIN NEW.name := coalesce(NEW.name, ''''); RETURN NEW; END"),
    ] {
        let server = server();
        server.execute(&format!(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS '{}';
             CREATE TRIGGER f BEFORE INSERT ON archive.orders FOR EACH ROW EXECUTE FUNCTION f()",
            body
        ));
        assert_eq!(found(&archive(&server, ""), 2), ["critical batch-differs archive.orders"], "{what}");
        assert_eq!((count(&server, "orders"), count(&server, "archive.orders")), (10000, 0), "{what}");
    }
    for (what, body) in [
        (
            "changes afterwards",
            "BEGIN UPDATE archive.orders SET name = ''x'' WHERE id = NEW.id AND id % 100 = 0; RETURN NULL; END",
        ),
        ("deletes afterwards", "BEGIN DELETE FROM archive.orders WHERE id = NEW.id AND id % 100 = 0; RETURN NULL; END"),
    ] {
        let server = server();
        server.execute(&format!(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS '{body}';
             CREATE TRIGGER f AFTER INSERT ON archive.orders FOR EACH ROW EXECUTE FUNCTION f()"
        ));
        assert_eq!(found(&archive(&server, ""), 2), ["critical batch-differs archive.orders"], "{what}");
        assert_eq!((count(&server, "orders"), count(&server, "archive.orders")), (10000, 0), "{what}");
    }
}

#[test]
fn a_delete_that_a_trigger_keeps_back_is_found() {
    let server = server();
    server.execute(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF OLD.id % 500 = 0 THEN RETURN NULL; END IF; RETURN OLD; END';
         CREATE TRIGGER keep BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION keep()",
    );
    assert_eq!(found(&archive(&server, ""), 2), ["critical batch-differs archive.orders"]);
    assert_eq!((count(&server, "orders"), count(&server, "archive.orders")), (10000, 0));
}

#[test]
fn rows_that_are_in_both_tables_are_told() {
    let server = server();
    server.execute("ALTER TABLE archive.orders ADD PRIMARY KEY (id); INSERT INTO archive.orders (id, created_at) OVERRIDING SYSTEM VALUE VALUES (5, '2000-01-01')");
    assert_eq!(found(&archive(&server, ""), 2), ["critical batch-conflict archive.orders"]);
    assert_eq!(count(&server, "orders"), 10000);
}

#[test]
fn a_row_that_somebody_works_on_is_waited_for_only_so_long_and_never_lost() {
    let server = server();
    let host = archive(&server, ", wait = \"1s\"");
    let open = server.session("BEGIN; UPDATE orders SET name = 'changed' WHERE id = 1500");
    assert_eq!(found(&host, 1), ["warning batch-busy archive.orders"]);
    assert_eq!(count(&server, "archive.orders"), 1000, "the batch before was whole");
    drop(open);
    assert_eq!(found(&host, 0), Vec::<String>::new());
    whole(&server);
    moved(&server);
}

#[test]
fn a_run_that_is_killed_anywhere_ends_the_same_on_the_second_run() {
    for milliseconds in [150, 250, 300, 350, 400, 500, 700] {
        let server = server();
        let host = archive(&server, ", limit = 100000");
        host.configure(&fs::read_to_string(host.configuration()).unwrap().replace("batch = 1000", "batch = 100"));
        let running = host.start(&["run", "task"]);
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        running.signal(Signal::KILL);
        running.end_within(std::time::Duration::from_secs(10));
        eventually("the killed run's sessions are gone", || {
            server.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'hostler'") == "0"
        });
        whole(&server);
        // What became old behind the place where it was killed moves too.
        server.execute(
            "UPDATE orders SET created_at = '2001-01-01' WHERE id = (SELECT min(id) FROM orders); DROP TABLE truth;
            CREATE TABLE truth AS SELECT * FROM orders UNION ALL SELECT * FROM archive.orders",
        );
        assert_eq!(found(&host, 0), Vec::<String>::new(), "killed after {milliseconds} ms");
        whole(&server);
        moved(&server);
    }
}

#[test]
fn a_run_has_its_most_and_the_next_goes_on() {
    let server = server();
    let host = archive(&server, ", limit = 2500");
    assert_eq!(found(&host, 1), ["warning stopped run"]);
    assert_eq!(count(&server, "archive.orders"), 3000);
    assert_eq!(found(&host, 1), ["warning stopped run"]);
    assert_eq!(count(&server, "archive.orders"), 6000);
    assert_eq!(found(&host, 0), Vec::<String>::new());
    whole(&server);
    moved(&server);
}

#[test]
fn an_approved_plan_covers_every_batch() {
    let server = server();
    let host = archive(&server, "");
    let plan = host.path().join("plan.json").display().to_string();
    let made = host.run(&["plan", "task", "--out", &plan]);
    assert_eq!(made.code, 0, "{made:?}");
    let run = host.run(&["run", "task", "--approved", &plan, "--format", "json"]);
    assert_eq!((run.code, run.findings("task").len()), (0, 0), "{run:?}");
    whole(&server);
    moved(&server);
}

#[test]
fn tables_that_do_not_fit_are_unknown_with_what_to_do() {
    let server = server();
    let unknown = |more: &str, part: &str| {
        let run = archive(&server, more).run(&["run", "task", "--format", "json"]);
        assert!(run.code == 3 && run.stdout.contains(part), "{part}: {run:?}");
    };
    server.execute("ALTER TABLE archive.orders DROP COLUMN tags");
    unknown("", "lacks columns of public.orders");
    server.execute("DROP TABLE archive.orders");
    unknown("", "CREATE TABLE");
    server.execute(
        "SET ROLE hostler; CREATE TABLE archive.orders (LIKE orders INCLUDING GENERATED INCLUDING IDENTITY);
        CREATE TABLE lines (id bigint REFERENCES orders ON DELETE CASCADE)",
    );
    unknown("", "would take or change rows of public.lines");
    server.execute("DROP TABLE lines; ALTER TABLE orders DROP CONSTRAINT orders_pkey");
    unknown("", "has no primary key");
    assert_eq!((count(&server, "orders"), count(&server, "archive.orders")), (10000, 0));
}

/// Orders by year, and a host that dumps whole years.
struct Partitioned {
    server: Postgres,
    _scratch: Option<Postgres>,
    host: Hostler,
}

fn partitioned(version: u32) -> Partitioned {
    let server = Postgres::of(version);
    server.execute("CREATE ROLE hostler LOGIN; GRANT pg_monitor TO hostler; GRANT CREATE ON SCHEMA public TO hostler");
    // Servers of version 16 come without clients, and what those of 17 write is for 17.
    let other = (version == 16).then(|| Postgres::of(17));
    if let Some(other) = &other {
        other.execute("CREATE ROLE hostler LOGIN; GRANT CREATE ON SCHEMA public TO hostler");
    }
    let scratch = other.as_ref().unwrap_or(&server);
    scratch.execute("CREATE DATABASE scratch OWNER hostler");
    server.execute(
        "SET ROLE hostler; CREATE TABLE orders (id bigint, created_at timestamptz NOT NULL, name text, PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at);
         CREATE TABLE orders_2020 PARTITION OF orders FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
         CREATE TABLE \"Orders 2021\" PARTITION OF orders FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
         CREATE TABLE orders_now PARTITION OF orders FOR VALUES FROM ('2022-01-01') TO (MAXVALUE);
         INSERT INTO orders SELECT n, '2020-01-01'::timestamptz + n * interval '1 day', 'order ' || n FROM generate_series(0, 1000) n",
    );
    let bin = programs(if version == 16 { 17 } else { version });
    let bin = bin.display();
    // Those that no distribution brought have libraries beside them, which the walls hide.
    let confine = if version == 15 { "" } else { "confine = \"off\"\n" };
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = {:?}\n[postgres.scratch]\ndsn = {:?}\n[directory.dumps]\npath = \"{{directory}}/dumps\"\n\
         [program.dump]\npath = \"{bin}/pg_dump\"\nnetwork = true\n{confine}allow = [{{ arguments = [\"--format=directory\", \"--no-password\", \"--table={{text}}\", \"--file={{output}}\"], effect = \"changes\" }}]\n\
         [program.restore]\npath = \"{bin}/pg_restore\"\nnetwork = true\n{confine}allow = [{{ arguments = [\"--exit-on-error\", \"--no-owner\", \"--no-privileges\", \"--no-password\", \"--section=pre-data\", \"--section=data\", \"--dbname=scratch\", \"{{path}}\"], effect = \"changes\" }}]\n\
         [tasks.task]\nplugin = \"postgres-archive\"\nbind = {{ database = \"postgres.main\", scratch = \"postgres.scratch\", dump = \"program.dump\", \
         restore = \"program.restore\", dumps = \"directory.dumps\" }}\n\
         settings = {{ source = \"public.orders\", time_column = \"created_at\", older_than = \"365d\", method = \"partitions\" }}\n",
        server.dsn("hostler", "postgres"),
        scratch.dsn("hostler", "scratch")
    ));
    host.install(&["postgres-archive"]);
    fs::create_dir(host.path().join("dumps")).unwrap();
    Partitioned { server, _scratch: other, host }
}

impl Partitioned {
    fn tables(&self) -> Vec<String> {
        self.server.values(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1",
        )
    }

    fn dumps(&self) -> Vec<String> {
        let entries = fs::read_dir(self.host.path().join("dumps")).unwrap().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        names
    }
}

#[test]
fn whole_partitions_are_dumped_compared_and_dropped_on_each_version() {
    for version in servers() {
        let site = partitioned(version);
        let plan = site.host.run(&["plan", "task", "--format", "json"]);
        assert_eq!((plan.code, site.tables().len(), site.dumps().len()), (0, 3, 0), "{plan:?}");
        for part in ["DETACH PARTITION", "DROP TABLE", "--format=directory"] {
            assert!(plan.stdout.contains(part), "{part}: {plan:?}");
        }
        assert_eq!(found(&site.host, 0), Vec::<String>::new(), "PostgreSQL {version}");
        assert_eq!(site.tables(), ["orders_now"]);
        assert_eq!(
            site.dumps(),
            [
                "public.Orders 2021.dump",
                "public.Orders 2021.json",
                "public.orders_2020.dump",
                "public.orders_2020.json"
            ]
        );
        let kept = fs::read_to_string(site.host.path().join("dumps/public.orders_2020.json")).unwrap();
        assert!(kept.contains("\"rows\": 366") && kept.contains("2020-01-01 00:00:00+00"), "{kept}");
        assert_eq!(site.server.value("SELECT count(*) FROM orders"), (1001 - 366 - 365).to_string());
        assert_eq!(found(&site.host, 0), Vec::<String>::new());
    }
}

#[test]
fn a_partition_whose_dump_is_not_what_it_holds_is_not_dropped() {
    let site = partitioned(15);
    // A dump is there that was made before rows came into the partition, as a run that was killed leaves it.
    site.server.execute("ALTER TABLE orders DETACH PARTITION \"Orders 2021\"; DROP TABLE \"Orders 2021\"");
    let dump = site.host.path().join("dumps/public.orders_2020.dump");
    let made = std::process::Command::new("/usr/lib/postgresql/15/bin/pg_dump")
        .args(["-Fd", "-t", "orders_2020", "-d", &site.server.dsn("hostler", "postgres"), "-f"])
        .arg(&dump)
        .status()
        .unwrap();
    assert!(made.success());
    site.server.execute("UPDATE orders_2020 SET name = 'changed' WHERE id = 7");
    // The dump of an attached partition attaches it, which the scratch database cannot.
    let findings = found(&site.host, 2);
    assert!(
        findings == ["critical partition-failed public.orders_2020"]
            || findings == ["critical partition-differs public.orders_2020"],
        "{findings:?}"
    );
    assert_eq!(site.tables(), ["orders_2020", "orders_now"]);
    fs::remove_dir_all(&dump).unwrap();
    site.server.execute("CREATE TABLE keep AS SELECT * FROM orders_2020; ALTER TABLE keep OWNER TO hostler");
    assert_eq!(found(&site.host, 0), Vec::<String>::new(), "it goes on with what is off");
    assert_eq!(site.tables(), ["keep", "orders_now"]);
}

#[test]
fn a_kill_between_the_steps_leaves_a_partition_that_the_next_run_ends() {
    for milliseconds in [150, 300, 450, 600, 800] {
        let site = partitioned(15);
        let running = site.host.start(&["run", "task"]);
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        running.signal(Signal::KILL);
        running.end_within(std::time::Duration::from_secs(10));
        eventually("the killed run's sessions are gone", || {
            site.server.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'hostler'") == "0"
        });
        assert_eq!(found(&site.host, 0), Vec::<String>::new(), "killed after {milliseconds} ms");
        assert_eq!(
            (site.tables(), site.dumps().len()),
            (vec!["orders_now".to_owned()], 4),
            "killed after {milliseconds} ms"
        );
    }
}

#[test]
fn the_scratch_database_is_never_the_one_that_is_archived() {
    let site = partitioned(15);
    let text = fs::read_to_string(site.host.configuration()).unwrap();
    site.host.configure(&text.replace("dbname=scratch", "dbname=postgres"));
    let run = site.host.run(&["run", "task", "--format", "json"]);
    assert!(run.code == 3 && run.stdout.contains("the scratch database is the one that is archived"), "{run:?}");
    assert_eq!(site.tables().len(), 3);
}
