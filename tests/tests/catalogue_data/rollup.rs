//! monitoring-rollup: months that are what the samples say, whatever happens in between.

use hostler_tests::{Hostler, Postgres, Signal, eventually, servers};

use crate::{found, planned};

const TABLES: &str = "
    CREATE TABLE metrics (\"timestamp\" timestamptz NOT NULL, name text NOT NULL, labels jsonb, value float8);
    CREATE TABLE metrics_monthly (month date NOT NULL, name text NOT NULL, labels jsonb NOT NULL, count bigint NOT NULL,
        sum float8 NOT NULL, min float8 NOT NULL, max float8 NOT NULL, PRIMARY KEY (month, name, labels));";
const SETTINGS: &str = "source = \"public.metrics\", target = \"public.metrics_monthly\"";

/// Six months of samples each hour, of two metrics on two hosts, up to now.
const SAMPLES: &str = "
    INSERT INTO metrics SELECT t, n, CASE WHEN h = 1 THEN NULL ELSE jsonb_build_object('host', h) END, extract(epoch FROM t)::int8 % 97 + h
    FROM generate_series(date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '6 months', now(), interval '1 hour') t,
        unnest(ARRAY['cpu', 'disk']) n, generate_series(1, 2) h";

/// What the samples say, in the same words as the table of months.
const TRUTH: &str = "
    SELECT string_agg(l, '|' ORDER BY l) FROM (SELECT concat_ws(',', date_trunc('month', \"timestamp\" AT TIME ZONE 'UTC')::date, name,
        coalesce(labels, '{}'), count(*), sum(value), min(value), max(value)) AS l FROM metrics
    WHERE \"timestamp\" < date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
    GROUP BY date_trunc('month', \"timestamp\" AT TIME ZONE 'UTC'), name, coalesce(labels, '{}')) q";
const ROLLED: &str = "
    SELECT string_agg(concat_ws(',', month, name, labels, count, sum, min, max), '|' ORDER BY concat_ws(',', month, name, labels, count, sum, min, max))
    FROM metrics_monthly";

fn server() -> Postgres {
    with_samples(Postgres::start())
}

fn with_samples(server: Postgres) -> Postgres {
    server.execute("CREATE ROLE hostler LOGIN; GRANT CREATE ON SCHEMA public TO hostler");
    server.execute(&format!("SET ROLE hostler; {TABLES} CREATE INDEX ON metrics (\"timestamp\")"));
    server.execute(SAMPLES);
    server.execute("VACUUM ANALYZE metrics");
    server
}

fn rollup(server: &Postgres, more: &str) -> Hostler {
    Hostler::of_task(server, "monitoring-rollup", "hostler", "", &format!("grace = \"0s\", {SETTINGS}{more}"))
}

/// All six months were left, and the run is behind.
fn each_month(findings: &[String], with: &str) {
    assert!(findings[..6].iter().all(|finding| finding.starts_with(with)), "{findings:?}");
    assert_eq!(findings[6..], ["critical rollup-behind public.metrics_monthly"]);
}

#[test]
fn closed_months_are_rolled_up_once_and_only_old_ones_lose_their_samples() {
    let server = server();
    let host = rollup(&server, "");
    let (truth, samples) = (server.value(TRUTH), server.value("SELECT count(*) FROM metrics"));
    let said = planned(&host);
    assert!(said.starts_with("6 closed months: 6 to be rolled up"), "{said}");
    assert_eq!(server.value("SELECT count(*) FROM metrics_monthly"), "0", "a plan changes nothing");
    assert_eq!(server.value("SELECT count(*) FROM metrics"), samples);
    assert_eq!(found(&host, 0), Vec::<String>::new());
    assert_eq!(server.value(ROLLED), truth);
    assert_eq!(server.value(KEPT), "t");
    // The guide's INSERT doubles every row on a second run.
    assert_eq!(found(&host, 0), Vec::<String>::new());
    assert_eq!(server.value(ROLLED), truth);
    assert!(planned(&host).contains("0 to be rolled up, 0 to be deleted"), "{}", planned(&host));
}

#[test]
fn the_guide_deletes_before_it_rolls_up_and_here_nothing_goes_that_is_not_rolled_up() {
    let server = server();
    // The table of months takes nothing: the guide has deleted by now.
    server.execute("ALTER TABLE metrics_monthly ADD CHECK (count < 0)");
    let before = server.value("SELECT count(*) FROM metrics");
    let findings = found(&rollup(&server, ""), 2);
    each_month(&findings, "critical month-failed 20");
    assert_eq!(server.value("SELECT count(*) FROM metrics"), before);
}

#[test]
fn a_trigger_that_changes_what_is_written_is_found_and_the_month_stays() {
    let server = server();
    server.execute(
        "CREATE FUNCTION halve() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.sum := NEW.sum / 2; RETURN NEW; END';
         CREATE TRIGGER halve BEFORE INSERT ON metrics_monthly FOR EACH ROW WHEN (NEW.name = 'disk') EXECUTE FUNCTION halve()",
    );
    let before = server.value("SELECT count(*) FROM metrics");
    let findings = found(&rollup(&server, ""), 2);
    each_month(&findings, "critical rollup-differs 20");
    assert_eq!(server.value("SELECT count(*) FROM metrics"), before);
    assert_eq!(server.value("SELECT count(*) FROM metrics_monthly"), "0", "nothing of it is kept");
}

#[test]
fn each_version_rolls_up_and_finds_what_differs() {
    for version in servers() {
        let server = with_samples(Postgres::of(version));
        let truth = server.value(TRUTH);
        let host = rollup(&server, "");
        server.execute(
            "CREATE FUNCTION halve() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.sum := NEW.sum / 2; RETURN NEW; END';
             CREATE TRIGGER halve BEFORE INSERT ON metrics_monthly FOR EACH ROW EXECUTE FUNCTION halve()",
        );
        each_month(&found(&host, 2), "critical rollup-differs 20");
        server.execute("DROP TRIGGER halve ON metrics_monthly");
        assert_eq!(found(&host, 0), Vec::<String>::new(), "PostgreSQL {version}");
        assert_eq!((server.value(ROLLED), server.value(KEPT)), (truth, "t".to_owned()), "PostgreSQL {version}");
    }
}

#[test]
fn the_guide_mixes_names_and_here_each_metric_and_label_has_its_own_row() {
    let server = server();
    assert_eq!(found(&rollup(&server, ", delete = false"), 0), Vec::<String>::new());
    assert_eq!(server.value("SELECT count(DISTINCT (name, labels)) FROM metrics_monthly"), "4");
    assert_eq!(server.value("SELECT count(*) FROM metrics_monthly GROUP BY month ORDER BY 1 DESC LIMIT 1"), "4");
    assert_eq!(server.value("SELECT count(*) > 1 FROM metrics WHERE \"timestamp\" < now() - interval '150 days'"), "t");
}

#[test]
fn the_guide_splits_months_and_here_a_month_is_utcs_whatever_the_server_thinks() {
    let server = Postgres::start_with(&["timezone=America/New_York"]);
    server.execute("CREATE ROLE hostler LOGIN; GRANT CREATE ON SCHEMA public TO hostler");
    server.execute(&format!("SET ROLE hostler; {TABLES}"));
    // A second before and after the turn of a month in UTC, which is the evening before in New York.
    server.execute(
        "INSERT INTO metrics VALUES ('2025-01-31 23:59:59+00', 'cpu', '{}', 1), ('2025-02-01 00:00:00+00', 'cpu', '{}', 2),
         ('2025-02-28 23:59:59.999999+00', 'cpu', '{}', 4), ('2025-03-01 00:00:00+00', 'cpu', '{}', 8), (now(), 'cpu', '{}', 16)",
    );
    let host = rollup(&server, "");
    assert_eq!(found(&host, 0), Vec::<String>::new());
    assert_eq!(
        server.values("SELECT concat_ws(' ', month, count, sum) FROM metrics_monthly ORDER BY month"),
        ["2025-01-01 1 1", "2025-02-01 2 6", "2025-03-01 1 8"]
    );
    assert_eq!(server.value("SELECT count(*) FROM metrics"), "1", "the open month keeps its sample");
}

#[test]
fn samples_that_went_by_hand_shrink_no_month() {
    let server = server();
    let host = rollup(&server, ", delete = false, recheck = 6");
    assert_eq!(found(&host, 0), Vec::<String>::new());
    let rolled = server.value(ROLLED);
    server.execute("DELETE FROM metrics WHERE \"timestamp\" < now() - interval '150 days' AND name = 'cpu'");
    let findings = found(&host, 2);
    assert!(findings.iter().any(|finding| finding.starts_with("critical rollup-ahead 20")), "{findings:?}");
    let deleting = rollup(&server, "");
    let left = server.value("SELECT count(*) FROM metrics WHERE \"timestamp\" < now() - interval '150 days'");
    let findings = found(&deleting, 2);
    assert!(findings.iter().any(|finding| finding.starts_with("critical rollup-ahead 20")), "{findings:?}");
    assert_eq!(server.value("SELECT count(*) FROM metrics WHERE \"timestamp\" < now() - interval '150 days'"), left);
    assert_eq!(server.value(ROLLED), rolled);
}

#[test]
fn samples_that_came_late_are_added_before_they_go() {
    let server = server();
    let host = rollup(&server, ", delete = false");
    assert_eq!(found(&host, 0), Vec::<String>::new());
    server.execute("INSERT INTO metrics SELECT \"timestamp\" + interval '1 second', name, labels, 1000 FROM metrics");
    let truth = server.value(TRUTH);
    host.configure(&std::fs::read_to_string(host.configuration()).unwrap().replace(", delete = false", ""));
    assert_eq!(found(&host, 0), Vec::<String>::new());
    let old = |table: &str| server.value(&format!("SELECT sum(count) FROM {table}"));
    let all: Vec<&str> = truth.split('|').collect();
    let rolled = server.value(ROLLED);
    assert!(all[..4].iter().all(|series| rolled.contains(series)), "the months that went have what came late");
    assert_ne!(old("metrics_monthly"), "0");
}

/// Kills a run after each of several times, runs the task again, and holds what is there to what the samples said.
fn killed(server: impl Fn() -> Postgres, more: &str) {
    for milliseconds in [150, 250, 350, 450, 600, 900] {
        let server = server();
        let host = rollup(&server, more);
        let truth = server.value(TRUTH);
        let running = host.start(&["run", "task"]);
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        running.signal(Signal::KILL);
        running.end_within(std::time::Duration::from_secs(10));
        eventually("the killed run's sessions are gone", || {
            server.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'hostler'") == "0"
        });
        assert_eq!(found(&host, 0), Vec::<String>::new(), "killed after {milliseconds} ms");
        assert_eq!(server.value(ROLLED), truth, "killed after {milliseconds} ms");
        assert_eq!(server.value(KEPT), "t", "killed after {milliseconds} ms");
        assert_eq!(
            server.value(TABLES_LEFT),
            "0",
            "nothing that was taken off is left: killed after {milliseconds} ms"
        );
    }
}

/// Whole months went, and none that is younger than 90 days.
const KEPT: &str = "SELECT min(\"timestamp\") >= now() - interval '122 days' AND min(\"timestamp\") < now() - interval '90 days' FROM metrics";
const TABLES_LEFT: &str =
    "SELECT count(*) FROM pg_class WHERE relname LIKE 'metrics\\__' AND relkind = 'r' AND NOT relispartition";

#[test]
fn a_run_that_is_killed_anywhere_ends_the_same_on_the_second_run() {
    killed(server, "");
}

#[test]
fn a_run_that_is_killed_while_partitions_go_ends_the_same_on_the_second_run() {
    killed(partitioned, ", remove = \"partitions\"");
}

fn partitioned() -> Postgres {
    let server = Postgres::start();
    server.execute("CREATE ROLE hostler LOGIN; GRANT CREATE ON SCHEMA public TO hostler");
    server.execute(&format!(
        "SET ROLE hostler; {}",
        TABLES.replace("value float8);", "value float8) PARTITION BY RANGE (\"timestamp\");")
    ));
    server.execute(
        "SET ROLE hostler; DO $$ DECLARE m timestamptz := date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'; BEGIN
         FOR i IN 1 .. 6 LOOP EXECUTE format('CREATE TABLE metrics_%s PARTITION OF metrics FOR VALUES FROM (%L) TO (%L)', i,
             m - i * interval '1 month', m - (i - 1) * interval '1 month'); END LOOP;
         EXECUTE format('CREATE TABLE metrics_0 PARTITION OF metrics FOR VALUES FROM (%L) TO (MAXVALUE)', m); END $$",
    );
    server.execute(SAMPLES);
    server
}

#[test]
fn partitions_that_lie_in_a_month_are_dropped_and_the_rest_of_it_is_deleted() {
    let server = partitioned();
    let truth = server.value(TRUTH);
    let host = rollup(&server, ", remove = \"partitions\"");
    let plan = host.run(&["plan", "task", "--format", "json"]);
    assert!(plan.stdout.contains("DETACH PARTITION") && plan.stdout.contains("DROP TABLE"), "{plan:?}");
    assert_eq!(found(&host, 0), Vec::<String>::new());
    assert_eq!(server.value(ROLLED), truth);
    assert_eq!(server.values("SELECT to_regclass('metrics_6')::text, 1"), [""], "it is dropped");
    assert_eq!(server.value("SELECT to_regclass('metrics_1')::text"), "metrics_1");
    assert_eq!(found(&host, 0), Vec::<String>::new());
    assert_eq!(server.value(ROLLED), truth);
}

#[test]
fn what_does_not_fit_is_unknown_with_what_to_do() {
    let server = server();
    server.execute("DROP TABLE metrics_monthly");
    let run = rollup(&server, "").run(&["run", "task", "--format", "json"]);
    assert_eq!(run.code, 3, "{run:?}");
    let said = run.stdout.clone();
    assert!(said.contains("CREATE TABLE") && said.contains("PRIMARY KEY"), "{said}");
    server.execute("SET ROLE hostler; CREATE TABLE metrics_monthly (month date, name text, labels jsonb, count bigint, sum float8, min float8, max float8)");
    let run = rollup(&server, "").run(&["run", "task", "--format", "json"]);
    assert!(run.code == 3 && run.stdout.contains("CREATE UNIQUE INDEX"), "{run:?}");
    server.execute("CREATE TABLE notes (id int); ALTER TABLE metrics ADD id int UNIQUE; ALTER TABLE notes ADD FOREIGN KEY (id) REFERENCES metrics (id) ON DELETE CASCADE;
        CREATE UNIQUE INDEX ON metrics_monthly (month, name, labels)");
    let run = rollup(&server, "").run(&["run", "task", "--format", "json"]);
    assert!(run.code == 3 && run.stdout.contains("would take or change rows of public.notes"), "{run:?}");
}
