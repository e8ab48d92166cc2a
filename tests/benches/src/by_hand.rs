//! monitoring-rollup and postgres-archive of ten million rows, beside the same statements in a psql script: what a
//! careful person would write, with the comparison before anything is deleted.

use std::{fmt::Write, fs, path::Path, process::Command, time::Duration};

use hostler_tests::{Hostler, Postgres};
use jiff::{ToSpan, civil::Date, tz::TimeZone};

use crate::{
    measure::{medians, process, ratio, shown},
    peers,
    table::{Goal, Line},
};

const ROWS: u64 = 10_000_000;
/// As the plugin's default.
const BATCH: u64 = 50_000;
/// Closed months with samples. Those whose end is longer ago than the retention are deleted too.
const MONTHS: i32 = 5;
const RETENTION_DAYS: i32 = 90;

pub(crate) fn compare() -> anyhow::Result<Vec<Line>> {
    let server = Postgres::start_with(&["max_wal_size=16GB", "shared_buffers=1GB", "checkpoint_timeout=1h"]);
    Ok(vec![rollup(&server)?, archive(&server)?])
}

fn host(server: &Postgres, plugin: &str, settings: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = {:?}\n[tasks.task]\nplugin = {plugin:?}\nbind.database = \"postgres.main\"\nsettings = {{ {settings} }}\n\
         timeout = \"1h\"\n",
        server.superuser()
    ));
    host.install(&[plugin]);
    host
}

/// A task remembers what it has done: each run is to do it all.
fn forget(host: &Hostler) -> anyhow::Result<()> {
    for entry in fs::read_dir(host.path().join("state"))?.flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with("state.sqlite") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn psql(server: &Postgres, script: &Path) -> anyhow::Result<Duration> {
    let port = server.port.to_string();
    let mut command = Command::new(peers::psql());
    command.args([
        "-X",
        "-q",
        "-v",
        "ON_ERROR_STOP=1",
        "-h",
        "127.0.0.1",
        "-p",
        &port,
        "-U",
        "postgres",
        "-d",
        "postgres",
        "-f",
    ]);
    process(command.arg(script), &[0])
}

fn months() -> Vec<(Date, Date)> {
    let today = jiff::Timestamp::now().to_zoned(TimeZone::UTC).date();
    let first = |ago: i32| today.first_of_month() - ago.months();
    (1..=MONTHS).rev().map(|ago| (first(ago), first(ago - 1))).collect()
}

fn rollup(server: &Postgres) -> anyhow::Result<Line> {
    let (begin, end) = (months()[0].0, months()[MONTHS as usize - 1].1);
    server.execute(&format!(
        "CREATE TABLE kept AS SELECT '{begin} 00:00+00'::timestamptz + n * ('{end} 00:00+00'::timestamptz - '{begin} 00:00+00'::timestamptz) / {ROWS} AS timestamp,
             'metric_' || n % 40 AS name, 'host=' || n % 25 AS labels, (n % 1000)::float8 AS value FROM generate_series(0, {ROWS} - 1) n"
    ));
    server.execute(
        "CREATE TABLE months (month date NOT NULL, name text NOT NULL, labels text NOT NULL, count bigint NOT NULL,
             sum float8, min float8, max float8, PRIMARY KEY (month, name, labels))",
    );
    let host = host(server, "monitoring-rollup", "source = \"public.samples\", target = \"public.months\"");
    let script = host.path().join("rollup.sql");
    fs::write(&script, rollup_by_hand()?)?;
    let left =
        || server.value("SELECT count(*) || ' ' || (SELECT sum(count) || ' ' || sum(sum) FROM months) FROM samples");
    let mut results = vec![];
    let [ours, theirs] = {
        let mut hand = vec![];
        let taken = medians(
            1,
            [
                &mut || {
                    fresh_samples(server);
                    forget(&host)?;
                    let taken = process(&mut host.command(&["run", "task"]), &[0])?;
                    results.push(left());
                    Ok(taken)
                },
                &mut || {
                    fresh_samples(server);
                    let taken = psql(server, &script)?;
                    hand.push(left());
                    Ok(taken)
                },
            ],
        )?;
        results.extend(hand);
        taken
    };
    anyhow::ensure!(results.iter().all(|result| *result == results[0]), "the results differ: {results:?}");
    server.execute("DROP TABLE kept, samples");
    Ok(Line::ratio(
        "monitoring-rollup of 10 million samples",
        shown(ours),
        format!("the same statements in psql {}", shown(theirs)),
        ratio(ours, theirs),
        Goal::AtMost(1.2),
    ))
}

fn fresh_samples(server: &Postgres) {
    server.execute("DROP TABLE IF EXISTS samples");
    server.execute("TRUNCATE months");
    server.execute("CREATE TABLE samples AS SELECT * FROM kept");
    server.execute("CREATE INDEX ON samples (timestamp)");
    server.execute("VACUUM ANALYZE samples");
    server.execute("CHECKPOINT");
}

fn rollup_by_hand() -> anyhow::Result<String> {
    let mut script = String::new();
    let old = jiff::Timestamp::now().to_zoned(TimeZone::UTC).date() - RETENTION_DAYS.days();
    for (begin, end) in months() {
        let within = format!("timestamp >= '{begin} 00:00+00' AND timestamp < '{end} 00:00+00'");
        let series = format!(
            "SELECT name, labels, count(*) AS n, sum(value) AS s, min(value) AS a, max(value) AS b FROM samples
             WHERE {within} AND value IS NOT NULL GROUP BY 1, 2"
        );
        write!(
            script,
            "BEGIN ISOLATION LEVEL REPEATABLE READ;
             INSERT INTO months SELECT '{begin}', name, labels, n, s, a, b FROM ({series}) q
             ON CONFLICT (month, name, labels) DO UPDATE SET count = excluded.count, sum = excluded.sum, min = excluded.min, max = excluded.max;
             SELECT count(*) FROM ({series}) s FULL JOIN (SELECT * FROM months WHERE month = '{begin}') t
             ON t.name = s.name AND t.labels = s.labels WHERE t.count IS DISTINCT FROM s.n OR t.min <> s.a OR t.max <> s.b;\n"
        )?;
        if end <= old {
            writeln!(script, "DELETE FROM samples WHERE {within};")?;
        }
        script.push_str("COMMIT;\n");
    }
    Ok(script)
}

fn archive(server: &Postgres) -> anyhow::Result<Line> {
    server.execute(&format!(
        "CREATE TABLE all_orders AS SELECT n AS id, now() - interval '3 years' + n * interval '1 second' AS created_at,
             'order ' || n AS name, n / 100.0 AS price FROM generate_series(1::bigint, {ROWS}) n"
    ));
    let settings = "source = \"public.orders\", archive = \"public.archived\", time_column = \"created_at\", older_than = \"365d\"";
    let host = host(server, "postgres-archive", settings);
    let script = host.path().join("archive.sql");
    fs::write(&script, archive_by_hand()?)?;
    let done = || server.value("SELECT (SELECT count(*) FROM orders) || ' ' || (SELECT count(*) FROM archived)");
    let expected = format!("0 {ROWS}");
    let [ours, theirs] = medians(
        1,
        [
            &mut || {
                fresh_orders(server);
                forget(&host)?;
                let taken = process(&mut host.command(&["run", "task"]), &[0])?;
                anyhow::ensure!(done() == expected, "{}", done());
                Ok(taken)
            },
            &mut || {
                fresh_orders(server);
                let taken = psql(server, &script)?;
                anyhow::ensure!(done() == expected, "{}", done());
                Ok(taken)
            },
        ],
    )?;
    Ok(Line::ratio(
        "postgres-archive of 10 million rows",
        shown(ours),
        format!("the same statements in psql {}", shown(theirs)),
        ratio(ours, theirs),
        Goal::AtMost(1.2),
    ))
}

fn fresh_orders(server: &Postgres) {
    server.execute("DROP TABLE IF EXISTS orders, archived");
    server.execute("CREATE TABLE orders AS SELECT * FROM all_orders");
    server.execute("ALTER TABLE orders ADD PRIMARY KEY (id)");
    server.execute("CREATE TABLE archived (LIKE orders)");
    server.execute("VACUUM ANALYZE orders");
    server.execute("CHECKPOINT");
}

fn archive_by_hand() -> anyhow::Result<String> {
    let mut script = String::new();
    for begin in (0..ROWS).step_by(usize::try_from(BATCH)?) {
        let batch = format!("created_at < now() - interval '365 days' AND id > {begin} AND id <= {}", begin + BATCH);
        write!(
            script,
            "BEGIN ISOLATION LEVEL REPEATABLE READ;
             SELECT id FROM orders WHERE created_at < now() - interval '365 days' AND id > {begin} ORDER BY id LIMIT 1 OFFSET {};
             WITH copied AS (INSERT INTO archived SELECT * FROM orders WHERE {batch} RETURNING ctid AS place)
                 SELECT count(*) AS rows, min(place) AS first, max(place) AS last FROM copied \\gset
             SELECT count(*), sum(hashtextextended(a::text, 0)) FROM archived a WHERE ctid >= :'first' AND ctid <= :'last';
             WITH gone AS (DELETE FROM orders o WHERE {batch} RETURNING o::text AS line)
                 SELECT count(*), sum(hashtextextended(line, 0)) FROM gone;
             COMMIT;\n",
            BATCH - 1
        )?;
    }
    Ok(script)
}
