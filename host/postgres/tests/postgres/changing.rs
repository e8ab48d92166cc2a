//! Statements that change: planned, applied, refused, and what the server said beside.

use std::time::{Duration, Instant};

use hostler_capability::{Error, Mode};
use hostler_policy::sql::PostgresGrant;
use hostler_postgres::{Database, PostgresCapability};
use hostler_world::postgres::{Completion, Execution, Options, Parameter};

use crate::{
    context::{Fixture, ask, capability, list, options},
    server::Server,
};

fn grant() -> PostgresGrant {
    PostgresGrant {
        read: list(&["public.*"]),
        write: list(&["public.*"]),
        statements: list(&["VACUUM", "ANALYZE", "DELETE", "INSERT"]),
        call: list(&["public.note", "public.tally"]),
        functions: list(&["public.setting", "public.sneak", "pg_catalog.pg_backend_pid"]),
        settings: list(&["maintenance_work_mem", "lock_timeout"]),
        connections: 1,
        ..PostgresGrant::default()
    }
}

fn fixture(capability: &PostgresCapability, server: &Server, mode: Mode) -> Fixture {
    Fixture::new(capability, server.resource(), grant(), mode)
}

async fn execute(database: &Database, sql: &str) -> Result<Completion, Error> {
    match database.execute(sql, &[], &options()).await? {
        Execution::Applied(completion) => Ok(completion),
        Execution::Planned => panic!("{sql} was planned"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_mode_plans_and_sends_nothing() {
    let server = Server::start();
    let run = fixture(&capability(), &server, Mode::Check);
    let database = run.open().await;
    for sql in
        ["DELETE FROM public.orders WHERE note = 'n1'", "VACUUM (ANALYZE) public.orders", "SELECT public.note('x')"]
    {
        assert!(matches!(database.execute(sql, &[], &options()).await, Ok(Execution::Planned)), "{sql}");
    }
    assert_eq!(
        run.effects(),
        [
            "DELETE FROM public.orders WHERE note = ? [public.orders] planned None",
            "VACUUM (ANALYZE) public.orders [public.orders] planned None",
            "SELECT public.note(?) [public.note] planned None"
        ]
    );
    assert_same!(ask(&database, "SELECT count(*) FROM public.orders").await, Ok(vec!["10".into()]));
    assert_same!(ask(&database, "SELECT count(*) FROM public.log").await, Ok(vec!["0".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_made_and_its_rows_are_counted() {
    let server = Server::start();
    let run = fixture(&capability(), &server, Mode::Apply);
    let database = run.open().await;
    let parameters = [Parameter::Int64s(vec![1, 2, 99])];
    let deleted = database.execute("DELETE FROM public.orders WHERE id = ANY($1)", &parameters, &options()).await;
    match deleted.expect("it is granted") {
        Execution::Applied(done) => assert_eq!((done.command_tag.as_str(), done.row_count), ("DELETE 2", 2)),
        Execution::Planned => panic!("it is to be applied"),
    }
    assert_same!(
        execute(&database, "VACUUM (ANALYZE) public.orders").await.map(|done| done.command_tag),
        Ok("VACUUM".into())
    );
    assert_same!(
        execute(&database, "SELECT public.tally(3)").await.map(|done| done.command_tag),
        Ok("SELECT 1".into())
    );
    assert_same!(ask(&database, "SELECT count(*) FROM public.log").await, Ok(vec!["3".into()]));
    assert_same!(ask(&database, "SELECT count(*) FROM public.orders").await, Ok(vec!["8".into()]));
    assert_eq!(run.effects()[0], "DELETE FROM public.orders WHERE id = ANY($1) [public.orders] applied Some(2)");
    assert!(
        run.lines().iter().any(|line| line.starts_with("Allowed DELETE") && line.contains("statements = [\"DELETE\"]"))
    );
    assert!(run.lines().iter().any(|line| line.contains("call = [\"public.tally\"]")));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_change_the_session_is_read_only_again_and_has_no_setting_of_it() {
    let server = Server::start();
    let run = fixture(&capability(), &server, Mode::Apply);
    let database = run.open().await;
    let process = ask(&database, "SELECT pg_backend_pid()").await;
    let more = Options { settings: vec![("maintenance_work_mem".into(), "99MB".into())], timeout_ms: Some(7000) };
    for setting in ["maintenance_work_mem", "statement_timeout", "transaction_read_only", "lock_timeout"] {
        let sql = format!("SELECT public.note('{setting}')");
        database.execute(&sql, &[], &more).await.expect("it is granted");
    }
    assert_same!(ask(&database, "SELECT line FROM public.log").await, Ok(list(&["99MB", "7s", "off", "1s"])));
    for (setting, value) in
        [("maintenance_work_mem", "64MB"), ("statement_timeout", "30s"), ("default_transaction_read_only", "on")]
    {
        let answer = ask(&database, &format!("SELECT public.setting('{setting}')")).await;
        assert_same!(answer, Ok(vec![value.into()]), "{setting}");
    }
    assert!(
        matches!(ask(&database, "SELECT public.sneak()").await, Err(Error::Failed(failure)) if failure.code == "25006")
    );
    assert_same!(ask(&database, "SELECT pg_backend_pid()").await, process, "all of it in one session");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_only_warns_of_is_handed_on() {
    let server = Server::start();
    // The owner of the database may vacuum every table.
    server.administrator().await.batch_execute("ALTER DATABASE shop OWNER TO postgres").await.expect("it is altered");
    let run = fixture(&capability(), &server, Mode::Apply);
    let database = run.open().await;
    let done = execute(&database, "VACUUM public.foreign_table").await.expect("the server only warns");
    let warning = done.notices.first().expect("a warning");
    assert_eq!((warning.severity.as_str(), done.notices.len()), ("WARNING", 1));
    assert!(warning.message.contains("foreign_table"), "{warning:?}");
    let quiet = execute(&database, "VACUUM public.orders").await.expect("it is granted");
    assert!(quiet.notices.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_fails_has_its_outcome_and_leaves_the_session_whole() {
    let server = Server::start();
    let run = fixture(&capability(), &server, Mode::Apply);
    let database = run.open().await;
    let twice = database.execute("INSERT INTO public.orders (id) VALUES (3)", &[], &options()).await;
    assert!(matches!(twice, Err(Error::Failed(failure)) if failure.code == "23505"));
    let wrong =
        database.execute("DELETE FROM public.orders WHERE id = $1", &[Parameter::Boolean(true)], &options()).await;
    assert!(matches!(wrong, Err(Error::Invalid(_))));
    assert_eq!(
        run.effects(),
        [
            "INSERT INTO public.orders (id) VALUES (?) [public.orders] failed: failed None",
            "DELETE FROM public.orders WHERE id = $1 [public.orders] failed: invalid None"
        ]
    );
    assert_same!(execute(&database, "DELETE FROM public.orders").await.map(|done| done.row_count), Ok(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_is_refused_in_both_modes() {
    let server = Server::start();
    for mode in [Mode::Check, Mode::Apply] {
        let run = fixture(&capability(), &server, mode);
        let database = run.open().await;
        for (sql, rule) in [
            ("VACUUM FULL public.orders", "statements = [\"VACUUM FULL\"]"),
            ("UPDATE public.orders SET note = 'x'", "statements = [\"UPDATE\"]"),
            ("DELETE FROM shop.orders", "write = [\"shop.orders\"]"),
            ("SELECT public.pause(1)", "call = [\"public.pause\"]"),
            ("GRANT ALL ON public.orders TO PUBLIC", "always refused"),
        ] {
            match database.execute(sql, &[], &options()).await {
                Err(Error::Denied(denial)) => assert_eq!(denial.rule, rule, "{sql}"),
                other => panic!("{sql}: {other:?}"),
            }
        }
        assert!(run.effects().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_another_holds_is_waited_for_a_second_and_no_longer() {
    let server = Server::start();
    let administrator = server.administrator().await;
    administrator.batch_execute("BEGIN; LOCK TABLE public.orders").await.expect("it is locked");
    let run = fixture(&capability(), &server, Mode::Apply);
    let database = run.open().await;
    let began = Instant::now();
    match database.execute("ANALYZE public.orders", &[], &options()).await {
        Err(Error::Failed(failure)) => {
            assert_eq!(failure.code, "55P03");
            assert!(failure.hint.is_some_and(|hint| hint.contains("lock_timeout")));
        }
        other => panic!("{other:?}"),
    }
    assert!(began.elapsed() < Duration::from_secs(3));
    let short = Options { settings: vec![("lock_timeout".into(), "50ms".into())], timeout_ms: None };
    let began = Instant::now();
    assert!(database.execute("ANALYZE public.orders", &[], &short).await.is_err());
    assert!(began.elapsed() < Duration::from_millis(800));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_change_is_cancelled_and_its_outcome_is_unknown() {
    let server = Server::start();
    let administrator = server.administrator().await;
    administrator.batch_execute("BEGIN; LOCK TABLE public.orders").await.expect("it is locked");
    let capability = capability();
    let run = fixture(&capability, &server, Mode::Apply);
    let database = run.open().await;
    let patient = Options { settings: vec![("lock_timeout".into(), "1min".into())], timeout_ms: None };
    let call = database.execute("DELETE FROM public.orders", &[], &patient);
    assert!(tokio::time::timeout(Duration::from_millis(300), call).await.is_err());
    capability.settle(Duration::from_secs(5)).await;
    administrator.batch_execute("COMMIT").await.expect("it is unlocked");
    assert_same!(ask(&database, "SELECT count(*) FROM public.orders").await, Ok(vec!["10".into()]));
    assert_eq!(run.effects(), ["DELETE FROM public.orders [public.orders] unknown None"]);
}
