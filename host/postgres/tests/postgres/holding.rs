//! Connections: how many are held, who has them, and what is left in them.

use std::time::{Duration, Instant};

use hostler_capability::{Error, Mode};
use hostler_policy::sql::PostgresGrant;
use hostler_world::postgres::{Isolation, Options};

use crate::{
    context::{Fixture, all, ask, capability, list, options, read, within},
    server::{Server, at_work},
};

fn grant(connections: u32) -> PostgresGrant {
    let functions =
        list(&["public.pause", "public.leave", "public.setting", "public.sneak", "pg_catalog.pg_backend_pid"]);
    PostgresGrant { connections, functions, ..read(&["public.numbers"]) }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_serves_one_thing_at_a_time() {
    let server = Server::start();
    let run = Fixture::new(&capability(), server.resource(), grant(1), Mode::Check);
    let database = run.open().await;
    let rows = database.query("SELECT id, a FROM public.numbers", &[], &options()).await.expect("it is allowed");
    let second = database.query("SELECT 1", &[], &within(100)).await;
    assert_same!(second.err(), Some(Error::Limit("connections".into())));
    drop(rows);
    assert_same!(ask(&database, "SELECT 1").await, Ok(vec!["1".into()]));
    let transaction = database.begin(Isolation::ReadCommitted, &options()).await.expect("it begins");
    assert!(database.query("SELECT 1", &[], &within(100)).await.is_err());
    let inside = transaction.query("SELECT 2", &[], &options()).await.expect("it needs no second one");
    assert_same!(all(inside).await, Ok(vec!["2".into()]));
    transaction.rollback().await.expect("it ends");
    assert_same!(ask(&database, "SELECT 3").await, Ok(vec!["3".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_once_share_few_connections() {
    let server = Server::start();
    let run = Fixture::new(&capability(), server.resource(), grant(2), Mode::Check);
    let database = run.open().await;
    let began = Instant::now();
    let calls = (0..6).map(|_| ask(&database, "SELECT public.pause(0.2)"));
    for answer in futures::future::join_all(calls).await {
        assert_same!(answer, Ok(vec!["1".into()]));
    }
    assert!(began.elapsed() >= Duration::from_millis(600), "six of 200 ms on two connections take 600 ms");
    let count = server
        .administrator()
        .await
        .query_one("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hostler 00000001/test'", &[])
        .await
        .expect("it is read")
        .get::<_, i64>(0);
    assert_eq!(count, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_is_cancelled_on_the_server() {
    let server = Server::start();
    let administrator = server.administrator().await;
    let capability = capability();
    let run = Fixture::new(&capability, server.resource(), grant(1), Mode::Check);
    let database = run.open().await;
    let call = ask(&database, "SELECT public.pause(60)");
    assert!(tokio::time::timeout(Duration::from_millis(300), call).await.is_err());
    let before = Instant::now();
    capability.settle(Duration::from_secs(5)).await;
    assert_eq!(at_work(&administrator).await, 0);
    assert!(before.elapsed() < Duration::from_secs(4));
    assert!(run.lines().iter().any(|line| line.starts_with("Cancelled")));
    assert_same!(ask(&database, "SELECT 1").await, Ok(vec!["1".into()]), "the permit is back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_stream_is_cancelled_on_the_server() {
    let server = Server::start();
    let administrator = server.administrator().await;
    let capability = capability();
    let run = Fixture::new(&capability, server.resource(), grant(1), Mode::Check);
    let database = run.open().await;
    let endless = "SELECT generate_series(1, 1000000000)";
    let mut rows = database.query(endless, &[], &options()).await.expect("it is allowed");
    assert!(rows.next().await.expect("a batch").is_ok());
    assert_eq!(at_work(&administrator).await, 1);
    drop(rows);
    capability.settle(Duration::from_secs(5)).await;
    assert_eq!(at_work(&administrator).await, 0);
    assert_same!(ask(&database, "SELECT 1").await, Ok(vec!["1".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_dropped_near_its_end_leaves_its_session_for_the_next_call() {
    let server = Server::start();
    let capability = capability();
    let run = Fixture::new(&capability, server.resource(), grant(1), Mode::Check);
    let database = run.open().await;
    let process = ask(&database, "SELECT pg_backend_pid()").await;
    drop(database.query("SELECT id FROM public.numbers LIMIT 50", &[], &options()).await.expect("it is allowed"));
    assert_same!(ask(&database, "SELECT pg_backend_pid()").await, process);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_session_was_left_with_never_reaches_the_next_run() {
    let server = Server::start();
    let administrator = server.administrator().await;
    let capability = capability();
    let first = Fixture::named(&capability, server.resource(), grant(1), Mode::Check, "20260101-first");
    let database = first.open().await;
    let process = ask(&database, "SELECT pg_backend_pid()").await.expect("it is read");
    assert_same!(ask(&database, "SELECT public.leave()").await, Ok(vec!["77MB".into()]));
    let left = |text: &'static str| {
        let administrator = &administrator;
        async move { administrator.query_one(text, &[]).await.expect("it is read").get::<_, i64>(0) }
    };
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    assert_eq!(left(locks).await, 1, "there is something to be left");
    drop(database);
    let second = Fixture::named(&capability, server.resource(), grant(1), Mode::Check, "20260102-second");
    let database = second.open().await;
    assert_same!(ask(&database, "SELECT pg_backend_pid()").await, Ok(process), "it is the same session");
    assert_same!(ask(&database, "SELECT public.setting('work_mem')").await, Ok(vec!["4MB".into()]));
    assert_same!(
        ask(&database, "SELECT public.setting('application_name')").await,
        Ok(vec!["hostler 2-second/test".into()])
    );
    assert_eq!(left(locks).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_session_has_the_settings_that_the_policy_rests_on() {
    let server = Server::start();
    server
        .administrator()
        .await
        .batch_execute(
            "ALTER ROLE hostler SET search_path = public; ALTER ROLE hostler SET datestyle = 'German'; \
             ALTER ROLE hostler SET standard_conforming_strings = off; ALTER ROLE hostler SET statement_timeout = 0",
        )
        .await
        .expect("the role is set up");
    let capability = capability();
    for id in ["run-1", "run-2"] {
        let run = Fixture::named(&capability, server.resource(), grant(1), Mode::Check, id);
        let database = run.open().await;
        for (setting, value) in [
            ("search_path", "pg_catalog"),
            ("TimeZone", "UTC"),
            ("DateStyle", "ISO, YMD"),
            ("IntervalStyle", "iso_8601"),
            ("bytea_output", "hex"),
            ("standard_conforming_strings", "on"),
            ("statement_timeout", "30s"),
            ("lock_timeout", "1s"),
            ("idle_in_transaction_session_timeout", "1min"),
            ("default_transaction_read_only", "on"),
            ("transaction_read_only", "on"),
            ("client_encoding", "UTF8"),
            ("client_connection_check_interval", "2s"),
        ] {
            let answer = ask(&database, &format!("SELECT public.setting('{setting}')")).await;
            assert_same!(answer, Ok(vec![value.into()]), "{setting}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_own_options_hold_where_the_host_has_none() {
    let server = Server::start();
    let mut resource = server.resource();
    resource.dsn.push_str(r" options='-c work_mem=9MB -c search_path=public'");
    let run = Fixture::new(&capability(), resource, grant(1), Mode::Check);
    let database = run.open().await;
    assert_same!(ask(&database, "SELECT public.setting('work_mem')").await, Ok(vec!["9MB".into()]));
    assert_same!(ask(&database, "SELECT public.setting('search_path')").await, Ok(vec!["pg_catalog".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_server_ended_is_replaced() {
    let server = Server::start();
    let administrator = server.administrator().await;
    let capability = capability();
    let run = Fixture::new(&capability, server.resource(), grant(1), Mode::Check);
    let database = run.open().await;
    for _ in 0..3 {
        let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'hostler %'";
        administrator.execute(ended, &[]).await.expect("it is ended");
        assert_same!(ask(&database, "SELECT 1").await, Ok(vec!["1".into()]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_in_the_middle_of_rows_is_an_error_after_them() {
    let server = Server::start();
    let administrator = server.administrator().await;
    let run = Fixture::new(&capability(), server.resource(), grant(1), Mode::Check);
    let database = run.open().await;
    let endless = "SELECT generate_series(1, 1000000000)";
    let mut rows = database.query(endless, &[], &options()).await.expect("it is allowed");
    assert!(rows.next().await.expect("a batch").is_ok());
    let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'hostler %'";
    administrator.execute(ended, &[]).await.expect("it is ended");
    let error = loop {
        match rows.next().await.expect("it does not end whole") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    match error {
        Error::Failed(failure) => assert_eq!(failure.code, "57P01"),
        Error::Unavailable(problem) => assert!(problem.contains("postgres.main closed the connection"), "{problem}"),
        other => panic!("{other:?}"),
    }
    assert!(run.lines().last().is_some_and(|line| line.starts_with("Failed")));
    assert_same!(ask(&database, "SELECT 1").await, Ok(vec!["1".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_of_one_call_is_for_that_call_alone() {
    let server = Server::start();
    let grant = PostgresGrant { settings: list(&["work_mem"]), ..grant(1) };
    let run = Fixture::new(&capability(), server.resource(), grant, Mode::Check);
    let database = run.open().await;
    let more = Options { settings: vec![("work_mem".into(), "33MB".into())], timeout_ms: None };
    let asked = database.query("SELECT public.setting('work_mem')", &[], &more).await.expect("it is granted");
    assert_same!(all(asked).await, Ok(vec!["33MB".into()]));
    assert_same!(ask(&database, "SELECT public.setting('work_mem')").await, Ok(vec!["4MB".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_database_is_opened_where_the_grant_names_it() {
    let server = Server::start();
    let grant = PostgresGrant { databases: list(&["shop_*"]), ..grant(2) };
    let run = Fixture::new(&capability(), server.resource(), grant, Mode::Check);
    let old = run.run.open("database", None, Some("shop_old")).await.expect("it is granted");
    assert_same!(ask(&old, "SELECT current_database()").await, Ok(vec!["shop_old".into()]));
    assert_eq!(old.info().database, "shop_old");
    let own = run.run.open("database", None, Some("shop")).await.expect("it is the resource's own");
    assert_eq!(own.info().database, "shop");
    match run.run.open("database", None, Some("postgres")).await.err() {
        Some(Error::Denied(denial)) => assert_eq!(denial.rule, "databases = [\"postgres\"]"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(run.run.open("nothing", None, None).await.err(), Some(Error::Denied(_))));
    assert!(matches!(run.run.open("database", Some("x"), None).await.err(), Some(Error::Invalid(_))));
    assert_eq!(run.run.targets("database"), ["main"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_in_the_middle_is_given_up_a_little_after_the_time() {
    let server = Server::start();
    let capability = capability();
    let run = Fixture::new(&capability, server.resource(), grant(1), Mode::Check);
    let database = run.open().await;
    let process = ask(&database, "SELECT pg_backend_pid()").await.expect("it is read").remove(0);
    let signal = |name: &str| {
        let status = std::process::Command::new("kill").args([name, &process]).status();
        assert!(status.expect("kill runs").success());
    };
    signal("-STOP");
    let began = Instant::now();
    let ended = database.query("SELECT 1", &[], &within(200)).await.err();
    assert_same!(ended, Some(Error::TimedOut(200)));
    assert!(began.elapsed() < Duration::from_secs(8));
    signal("-CONT");
    assert_same!(ask(&database, "SELECT 1").await, Ok(vec!["1".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_ends_in_the_middle_of_rows_is_said_to() {
    let server = Server::start();
    let run = Fixture::new(&capability(), server.resource(), grant(1), Mode::Check);
    let database = run.open().await;
    let slow = "SELECT id, public.pause(id / 2000) FROM public.numbers ORDER BY id";
    let rows = database.query(slow, &[], &within(600)).await.expect("the first rows come");
    assert_same!(all(rows).await, Err(Error::TimedOut(600)));
    assert_same!(ask(&database, "SELECT 1").await, Ok(vec!["1".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_vanishes_leaves_no_statement_behind() {
    let server = Server::start();
    let administrator = server.administrator().await;
    let resource = server.resource();
    // A runtime that is dropped with its sockets is what a kill looks like to the server.
    let host = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let capability = capability();
        runtime.block_on(async {
            let run = Fixture::new(&capability, resource, grant(1), Mode::Check);
            let database = run.open().await;
            let call = ask(&database, "SELECT public.pause(60)");
            let _ = tokio::time::timeout(Duration::from_millis(300), std::pin::pin!(call)).await;
            std::mem::forget(run);
        });
        runtime.shutdown_background();
    });
    tokio::task::spawn_blocking(move || host.join()).await.expect("it ends").expect("it ends well");
    let began = Instant::now();
    while at_work(&administrator).await > 0 {
        assert!(began.elapsed() < Duration::from_secs(6), "the statement is still running");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
