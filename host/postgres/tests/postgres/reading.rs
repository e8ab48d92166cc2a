//! Statements that read: types, nulls, parameters, batches, and the ways in which they end.

use hostler_capability::{Error, Limits, Mode};
use hostler_policy::sql::PostgresGrant;
use hostler_world::postgres::{Options, Parameter};

use crate::{
    context::{Fixture, all, ask, ask_with, capability, list, options, read, within},
    server::{Server, resource},
};

fn fixture(server: &Server, grant: PostgresGrant) -> Fixture {
    Fixture::new(&capability(), server.resource(), grant, Mode::Check)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_arrives_as_the_contract_says() {
    let server = Server::start();
    let run = fixture(&server, PostgresGrant::default());
    let database = run.open().await;
    let sql = "SELECT true AS b, 1::int2 AS i2, 2::int4 AS i4, (-3)::int8 AS i8, 4::oid AS o, 1.5::float4 AS f4, \
               'NaN'::float8 AS nan, '-Infinity'::float8 AS inf, '\\x00ff'::bytea AS y, 'é'::text AS t, \
               'v'::varchar AS v, 'c'::char(3) AS c, 'n'::name AS n, 'r'::\"char\" AS l, '{\"a\": 1}'::json AS j, \
               '{\"a\":1}'::jsonb AS jb, '<x/>'::xml AS x, 12.50::numeric AS nu, \
               '2024-02-03 04:05:06.7+02'::timestamptz AS tz, '2024-02-03'::date AS d, \
               '1 day 2 hours'::interval AS iv, '10.0.0.1'::inet AS ip, '10.0.0.0/8'::cidr AS net, \
               '{1,2}'::int4[] AS a, '16/B374D848'::pg_lsn AS lsn, \
               'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS u, NULL::timestamptz AS nothing";
    // The second time it goes out in one piece, as it was described the first time.
    for _ in 0..2 {
        let rows = database.query(sql, &[], &options()).await.expect("it is allowed");
        let types: Vec<_> = rows.columns.iter().map(|column| column.type_name.clone()).collect();
        assert_eq!(
            types.join(" "),
            "bool int2 int4 int8 oid float4 float8 float8 bytea text varchar bpchar name char json jsonb xml numeric \
             timestamptz date interval inet cidr _int4 pg_lsn uuid timestamptz"
        );
        assert_eq!((rows.columns[0].name.as_str(), rows.columns[26].name.as_str()), ("b", "nothing"));
        assert_eq!(
            all(rows).await.expect("it is read"),
            ["true|1|2|-3|4|1.5|NaN|-inf|[0, ff]|é|v|c  |n|r|{\"a\": 1}|{\"a\": 1}|<x/>|12.50|\
              2024-02-03 02:05:06.7+00|2024-02-03|P1DT2H|10.0.0.1|10.0.0.0/8|{1,2}|16/B374D848|\
              a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11|∅"]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn types_of_users_arrive_as_their_output_and_run_no_code() {
    let server = Server::start();
    let run = fixture(&server, read(&["public.moods"]));
    let database = run.open().await;
    for _ in 0..2 {
        let rows = ask(&database, "SELECT m, p, ms FROM public.moods").await.expect("it is read");
        assert_eq!(rows, ["sad|(1,one)|{glad,sad}", "∅|∅|∅", "glad|(,)|{}"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rows_and_no_columns_are_results_too() {
    let server = Server::start();
    let run = fixture(&server, PostgresGrant::default());
    let database = run.open().await;
    let rows = database.query("SELECT 1 AS a, now() AS b WHERE false", &[], &options()).await.expect("it is allowed");
    assert_eq!(rows.columns.len(), 2);
    assert_same!(all(rows).await, Ok(vec![]));
    let mut rows = database.query("SELECT", &[], &options()).await.expect("it is allowed");
    let batch = rows.next().await.expect("a batch").expect("no error");
    assert_eq!((batch.row_count, batch.columns.len(), rows.next().await.is_none()), (1, 0, true));
    assert!(rows.next().await.is_none(), "polled after its end it has nothing more to say");
    assert_eq!(run.lines().last().map(String::as_str), Some("Done SELECT [] Some(1)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn show_and_explain_are_text() {
    let server = Server::start();
    let run = fixture(&server, PostgresGrant::default());
    let database = run.open().await;
    assert_same!(ask(&database, "SHOW max_connections").await, Ok(vec!["60".into()]));
    let plan = ask(&database, "EXPLAIN (FORMAT JSON) SELECT 1").await.expect("it is allowed");
    assert!(plan[0].contains("\"Plan\""), "{plan:?}");
    let plan = ask(&database, "EXPLAIN SELECT relname FROM pg_class").await.expect("it is allowed");
    assert!(plan[0].contains("pg_class"), "{plan:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_take_the_type_that_the_server_inferred() {
    let server = Server::start();
    let run = fixture(&server, PostgresGrant::default());
    let database = run.open().await;
    let parameters = [
        Parameter::Int64(7),
        Parameter::Float64(0.5),
        Parameter::Boolean(true),
        Parameter::Text("2024-01-01".into()),
        Parameter::Bytes(vec![1, 255]),
        Parameter::Int64s(vec![1, 2]),
        Parameter::Texts(vec![Some("a,\"b".into()), None]),
        Parameter::Null,
        Parameter::Int64(9),
    ];
    let sql = "SELECT $1::int2, $2::float8, $3::bool, $4::timestamptz, $5::bytea, 2 = ANY($6::int4[]), $7::text[], \
               $8::text, $9::numeric";
    for _ in 0..2 {
        assert_same!(
            ask_with(&database, sql, &parameters).await,
            Ok(vec!["7|0.5|true|2024-01-01 00:00:00+00|[1, ff]|true|{\"a,\\\"b\",NULL}|∅|9".into()])
        );
    }
    for (sql, parameter, words) in [
        ("SELECT $1::int2", Parameter::Int64(70_000), "not in its range"),
        ("SELECT $1::int4", Parameter::Boolean(true), "a boolean"),
        ("SELECT $1::text", Parameter::Text("a\0".into()), "zero byte"),
        ("SELECT 1", Parameter::Null, "takes 0 parameters"),
    ] {
        match ask_with(&database, sql, &[parameter]).await {
            Err(Error::Invalid(problem)) => assert!(problem.contains(words), "{problem}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
    match ask_with(&database, "SELECT $1::timestamptz", &[Parameter::Text("never".into())]).await {
        Err(Error::Failed(failure)) => assert_eq!(failure.code, "22007"),
        other => panic!("{other:?}"),
    }
    assert_same!(ask(&database, "SELECT 1").await, Ok(vec!["1".into()]), "and the session goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_come_in_batches_and_are_counted() {
    let server = Server::start();
    let run = fixture(&server, read(&["public.numbers"]));
    let database = run.open().await;
    let mut rows =
        database.query("SELECT id, a, b, c FROM public.numbers ORDER BY id", &[], &options()).await.expect("allowed");
    let mut sizes = Vec::new();
    let mut last = Vec::new();
    while let Some(batch) = rows.next().await {
        let batch = batch.expect("no error");
        sizes.push(batch.row_count);
        last = crate::context::shown(&batch);
    }
    assert_eq!(sizes, [4096, 4096, 1808]);
    assert_eq!(
        last.last().map(String::as_str),
        Some("10000|b7a782741f667201b54880c925faec4b|5000.0|2024-01-01 02:46:40+00")
    );
    assert_eq!(run.context.usage.read().0, 10_000);
    assert!(run.lines().last().is_some_and(|line| line.starts_with("Done") && line.ends_with("Some(10000)")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_limit_ends_a_stream_and_the_session_is_whole_again() {
    let server = Server::start();
    let limits = Limits { rows: 5000, ..Limits::default() };
    let grant = PostgresGrant { connections: 1, ..read(&["public.numbers"]) };
    let run = Fixture::limited(&capability(), server.resource(), grant, Mode::Check, "run-1", limits);
    let database = run.open().await;
    let rows = database.query("SELECT id FROM public.numbers", &[], &options()).await.expect("it is allowed");
    assert_same!(all(rows).await, Err(Error::Limit("rows".into())));
    assert!(run.lines().last().is_some_and(|line| line.starts_with("Failed")));
    let mut next = database.query("SELECT 1", &[], &within(3000)).await.expect("the one connection is free again");
    assert_same!(next.next().await.map(|batch| batch.map(|_| ())), Some(Err(Error::Limit("rows".into()))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_the_middle_comes_after_the_rows_before_it() {
    let server = Server::start();
    let grant = PostgresGrant { functions: list(&["public.fail_late"]), ..read(&["public.numbers"]) };
    let run = fixture(&server, grant);
    let database = run.open().await;
    let sql = "SELECT public.fail_late(id) FROM public.numbers ORDER BY id";
    let mut rows = database.query(sql, &[], &options()).await.expect("the first rows are there");
    let mut count = 0;
    let error = loop {
        match rows.next().await.expect("it does not end whole") {
            Ok(batch) => count += batch.row_count,
            Err(error) => break error,
        }
    };
    assert_eq!(count, 9000);
    assert!(matches!(&error, Error::Failed(failure) if failure.code == "P0001" && failure.message.contains("9001")));
    assert!(rows.next().await.is_none());
    assert_same!(ask(&database, "SELECT 1").await, Ok(vec!["1".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_ends_at_its_time() {
    let server = Server::start();
    let run = fixture(&server, PostgresGrant { functions: list(&["public.pause"]), ..PostgresGrant::default() });
    let database = run.open().await;
    let ended = database.query("SELECT public.pause(20)", &[], &within(150)).await;
    assert_same!(ended.err(), Some(Error::TimedOut(150)));
    assert_same!(ask(&database, "SELECT 1").await, Ok(vec!["1".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_itself_holds_a_query_read_only() {
    let server = Server::start();
    let run = fixture(&server, PostgresGrant { functions: list(&["public.sneak"]), ..read(&["public.log"]) });
    let database = run.open().await;
    for _ in 0..2 {
        match ask(&database, "SELECT public.sneak()").await {
            Err(Error::Failed(failure)) => assert_eq!(failure.code, "25006"),
            other => panic!("{other:?}"),
        }
    }
    assert_same!(ask(&database, "SELECT line FROM public.log").await, Ok(vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_grant_does_not_name_is_denied_with_the_rule_that_would() {
    let server = Server::start();
    let run = fixture(&server, PostgresGrant::default());
    let database = run.open().await;
    match ask(&database, "SELECT id FROM public.orders WHERE note = 'secret'").await {
        Err(Error::Denied(denial)) => {
            assert_eq!(denial.rule, "read = [\"public.orders\"]");
            assert!(!denial.operation.contains("secret"));
        }
        other => panic!("{other:?}"),
    }
    let settings = Options { settings: vec![("work_mem".into(), "1GB".into())], timeout_ms: None };
    match database.query("SELECT 1", &[], &settings).await.err() {
        Some(Error::Denied(denial)) => assert_eq!(denial.rule, "settings = [\"work_mem\"]"),
        other => panic!("{other:?}"),
    }
    assert_eq!(run.lines().iter().filter(|line| line.starts_with("Denied")).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_the_privilege_gets_the_servers_words() {
    let server = Server::start();
    let run = fixture(&server, read(&["public.foreign_table"]));
    server
        .administrator()
        .await
        .batch_execute("REVOKE ALL ON public.foreign_table FROM hostler")
        .await
        .expect("revoked");
    let database = run.open().await;
    match ask(&database, "SELECT i FROM public.foreign_table").await {
        Err(Error::Failed(failure)) => {
            assert_eq!(failure.code, "42501");
            assert_eq!(failure.message, "permission denied for table foreign_table");
            assert!(failure.hint.is_some());
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_changes_its_shape_is_read_as_it_is() {
    let server = Server::start();
    let administrator = server.administrator().await;
    let run = fixture(&server, read(&["public.orders"]));
    let database = run.open().await;
    let sql = "SELECT note FROM public.orders WHERE id = $1";
    let one = [Parameter::Int64(1)];
    assert_same!(ask_with(&database, sql, &one).await, Ok(vec!["n1".into()]));
    administrator
        .batch_execute("ALTER TABLE public.orders ALTER note TYPE timestamptz USING '2020-01-01 00:00+00'")
        .await
        .expect("it is altered");
    for _ in 0..2 {
        assert_same!(ask_with(&database, sql, &one).await, Ok(vec!["2020-01-01 00:00:00+00".into()]));
    }
    let star = "SELECT * FROM public.orders WHERE id = 1";
    assert_same!(ask(&database, star).await.map(|rows| rows[0].matches('|').count()), Ok(2));
    administrator.batch_execute("ALTER TABLE public.orders ADD more int DEFAULT 5").await.expect("it is altered");
    assert!(ask(&database, star).await.expect("it is read")[0].ends_with("|5"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_text_are_the_servers_error() {
    let server = Server::start();
    let dsn = server.dsn().replace("dbname=shop", "dbname=raw");
    let run = Fixture::new(&capability(), resource(&dsn), read(&["public.bytes"]), Mode::Check);
    let database = run.open().await;
    match ask(&database, "SELECT t FROM public.bytes").await {
        Err(Error::Failed(failure)) => assert_eq!(failure.code, "22021"),
        other => panic!("{other:?}"),
    }
    assert_same!(ask(&database, "SELECT t::bytea FROM public.bytes").await, Ok(vec!["[61, ff, fe, 62]".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_text_and_counts_its_rows() {
    let server = Server::start();
    let grant = PostgresGrant { connections: 1, functions: list(&["public.fail_late"]), ..read(&["public.numbers"]) };
    let run = fixture(&server, grant);
    let database = run.open().await;
    let mut copied = database.copy_out("SELECT id, c FROM public.numbers ORDER BY id").await.expect("it is allowed");
    let mut text = Vec::new();
    while let Some(chunk) = copied.next().await {
        text.extend(chunk.expect("no error"));
    }
    let text = String::from_utf8(text).expect("it is UTF-8");
    assert_eq!((copied.rows(), text.lines().count()), (10_000, 10_000));
    assert!(text.starts_with("1\t2024-01-01 00:00:01+00\n"));
    let mut broken =
        database.copy_out("SELECT public.fail_late(id) FROM public.numbers ORDER BY id").await.expect("begun");
    let mut last = None;
    while let Some(chunk) = broken.next().await {
        last = Some(chunk.map(drop));
    }
    assert!(matches!(last, Some(Err(Error::Failed(failure))) if failure.code == "P0001"));
    assert!(matches!(database.copy_out("SELECT id FROM public.orders").await.err(), Some(Error::Denied(_))));
    drop(database.copy_out("SELECT id, a FROM public.numbers").await.expect("it is allowed"));
    assert_same!(ask(&database, "SELECT 1").await, Ok(vec!["1".into()]), "the one connection is free again");
}
