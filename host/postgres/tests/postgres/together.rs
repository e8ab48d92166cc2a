//! Transactions, in both modes.

use std::{sync::Arc, time::Duration};

use hostler_capability::{Error, Mode};
use hostler_policy::sql::PostgresGrant;
use hostler_postgres::{Database, PostgresCapability, Returned, Transaction};
use hostler_world::postgres::{Execution, Isolation, Options, Parameter};

use crate::{
    context::{Fixture, all, ask, capability, list, options, within},
    server::Server,
};

fn grant() -> PostgresGrant {
    PostgresGrant {
        read: list(&["public.*"]),
        write: list(&["public.*"]),
        statements: list(&["DELETE", "INSERT", "VACUUM"]),
        call: list(&["public.note"]),
        functions: list(&["public.setting", "public.sneak", "public.pause"]),
        settings: list(&["work_mem"]),
        connections: 1,
        ..PostgresGrant::default()
    }
}

async fn begin(capability: &PostgresCapability, server: &Server, mode: Mode) -> (Fixture, Arc<Database>, Transaction) {
    let run = Fixture::new(capability, server.resource(), grant(), mode);
    let database = run.open().await;
    let transaction = database.begin(Isolation::RepeatableRead, &options()).await.expect("it begins");
    (run, database, transaction)
}

async fn ask_in(transaction: &Transaction, sql: &str) -> Result<Vec<String>, Error> {
    all(transaction.query(sql, &[], &options()).await?).await
}

const COUNT: &str = "SELECT count(*) FROM public.orders";
const DELETE: &str = "DELETE FROM public.orders WHERE id <= 4";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_holds_and_queries_see_it_before() {
    let server = Server::start();
    let (run, database, transaction) = begin(&capability(), &server, Mode::Apply).await;
    match transaction.execute(DELETE, &[], &options()).await.expect("it is granted") {
        Execution::Applied(done) => assert_eq!((done.command_tag.as_str(), done.row_count), ("DELETE 4", 4)),
        Execution::Planned => panic!("it is to be applied"),
    }
    assert_same!(ask_in(&transaction, COUNT).await, Ok(vec!["6".into()]));
    let outside = server.administrator().await.query_one(COUNT, &[]).await.expect("it is read").get::<_, i64>(0);
    assert_eq!(outside, 10, "nobody else sees it yet");
    match transaction.commit().await.expect("it commits") {
        Execution::Applied(done) => assert_eq!((done.command_tag.as_str(), done.row_count), ("COMMIT", 4)),
        Execution::Planned => panic!("it is to be applied"),
    }
    assert_same!(ask(&database, COUNT).await, Ok(vec!["6".into()]));
    assert_eq!(run.effects(), ["DELETE FROM public.orders WHERE id <= ? [public.orders] applied Some(4)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rolled_back_or_dropped_does_not_hold_and_is_not_said_to() {
    let server = Server::start();
    for rolls_back in [true, false] {
        let capability = capability();
        let (run, database, transaction) = begin(&capability, &server, Mode::Apply).await;
        transaction.execute(DELETE, &[], &options()).await.expect("it is granted");
        if rolls_back {
            transaction.rollback().await.expect("it is rolled back");
        } else {
            drop(transaction);
        }
        assert_same!(ask(&database, COUNT).await, Ok(vec!["10".into()]));
        assert_eq!(run.effects(), ["DELETE FROM public.orders WHERE id <= ? [public.orders] failed: failed None"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_inside_is_read_only_and_its_failure_spoils_nothing() {
    let server = Server::start();
    let (_run, database, transaction) = begin(&capability(), &server, Mode::Apply).await;
    transaction.execute(DELETE, &[], &options()).await.expect("it is granted");
    match ask_in(&transaction, "SELECT public.sneak()").await {
        Err(Error::Failed(failure)) => assert_eq!(failure.code, "25006"),
        other => panic!("{other:?}"),
    }
    assert!(ask_in(&transaction, "SELECT 1 / (count(*) - 6) FROM public.orders").await.is_err());
    let late = "SELECT 1 / (id - 9) FROM public.orders ORDER BY id";
    assert!(matches!(ask_in(&transaction, late).await, Err(Error::Failed(failure)) if failure.code == "22012"));
    let slow = transaction.query("SELECT public.pause(9)", &[], &within(100)).await;
    assert_same!(slow.err(), Some(Error::TimedOut(100)));
    assert!(matches!(
        transaction.execute("DELETE FROM public.orders WHERE id = 5", &[], &options()).await,
        Ok(Execution::Applied(_))
    ));
    transaction.commit().await.expect("it commits");
    assert_same!(ask(&database, COUNT).await, Ok(vec!["5".into()]));
    assert_same!(ask(&database, "SELECT line FROM public.log").await, Ok(vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_fails_spoils_all_of_it() {
    let server = Server::start();
    let (run, database, transaction) = begin(&capability(), &server, Mode::Apply).await;
    transaction.execute(DELETE, &[], &options()).await.expect("it is granted");
    let parameters = [Parameter::Boolean(true)];
    let unfit = transaction.execute("DELETE FROM public.orders WHERE id = $1", &parameters, &options()).await;
    assert!(matches!(unfit, Err(Error::Invalid(_))));
    assert_same!(ask_in(&transaction, COUNT).await, Ok(vec!["6".into()]), "what was never sent spoils nothing");
    let twice = transaction.execute("INSERT INTO public.orders (id) VALUES (9)", &[], &options()).await;
    assert!(matches!(twice, Err(Error::Failed(failure)) if failure.code == "23505"));
    assert!(matches!(ask_in(&transaction, COUNT).await, Err(Error::Failed(failure)) if failure.code == "25P02"));
    assert!(matches!(transaction.commit().await, Err(Error::Failed(failure)) if failure.code == "25P02"));
    assert_same!(ask(&database, COUNT).await, Ok(vec!["10".into()]));
    assert!(run.effects().iter().all(|effect| effect.contains("failed")), "{:?}", run.effects());
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_rows_come_back_with_their_types() {
    let server = Server::start();
    let (run, database, transaction) = begin(&capability(), &server, Mode::Apply).await;
    let sql = "DELETE FROM public.orders WHERE id < $1 RETURNING id, note, at";
    match transaction.execute_returning(sql, &[Parameter::Int64(3)], &options()).await.expect("it is granted") {
        Returned::Applied(rows) => {
            assert_eq!(rows.columns[2].type_name, "timestamptz");
            assert_same!(all(*rows).await, Ok(list(&["1|n1|2024-05-06 07:08:09+00", "2|n2|2024-05-06 07:08:09+00"])));
        }
        Returned::Planned => panic!("it is to be applied"),
    }
    assert!(matches!(transaction.execute_returning(DELETE, &[], &options()).await, Err(Error::Invalid(_))));
    transaction.commit().await.expect("it commits");
    assert_same!(ask(&database, COUNT).await, Ok(vec!["8".into()]));
    assert_eq!(
        run.effects(),
        ["DELETE FROM public.orders WHERE id < $1 RETURNING id, note, at [public.orders] applied Some(2)"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn check_mode_plans_the_whole_of_it() {
    let server = Server::start();
    let (run, database, transaction) = begin(&capability(), &server, Mode::Check).await;
    assert!(matches!(transaction.execute(DELETE, &[], &options()).await, Ok(Execution::Planned)));
    let returning = format!("{DELETE} RETURNING id");
    assert!(matches!(transaction.execute_returning(&returning, &[], &options()).await, Ok(Returned::Planned)));
    assert_same!(ask_in(&transaction, COUNT).await, Ok(vec!["10".into()]), "queries see the data as it is");
    assert!(ask_in(&transaction, "SELECT public.sneak()").await.is_err());
    assert!(matches!(transaction.commit().await, Ok(Execution::Planned)));
    assert_same!(ask(&database, COUNT).await, Ok(vec!["10".into()]));
    assert_eq!(run.effects().len(), 2);
    assert!(run.effects().iter().all(|effect| effect.contains("planned")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_stand_in_a_transaction_is_said_before_it_is_sent() {
    let server = Server::start();
    let (run, _, transaction) = begin(&capability(), &server, Mode::Apply).await;
    match transaction.execute("VACUUM public.orders", &[], &options()).await {
        Err(Error::Invalid(problem)) => assert!(problem.contains("execute on the database"), "{problem}"),
        other => panic!("{other:?}"),
    }
    assert!(run.effects().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_a_statement_end_with_it_and_those_of_the_transaction_last() {
    let server = Server::start();
    let run = Fixture::new(&capability(), server.resource(), grant(), Mode::Apply);
    let database = run.open().await;
    let set = |value: &str| Options { settings: vec![("work_mem".into(), value.into())], timeout_ms: None };
    let transaction = database.begin(Isolation::Serializable, &set("11MB")).await.expect("it begins");
    transaction.execute("SELECT public.note('work_mem')", &[], &set("22MB")).await.expect("it is granted");
    transaction.execute("SELECT public.note('work_mem')", &[], &options()).await.expect("it is granted");
    let inside = transaction.query("SELECT public.setting('work_mem')", &[], &set("33MB")).await.expect("granted");
    assert_same!(all(inside).await, Ok(vec!["33MB".into()]));
    let last = "SELECT public.setting('work_mem'), public.setting('transaction_isolation')";
    assert_same!(ask_in(&transaction, last).await, Ok(vec!["11MB|serializable".into()]));
    transaction.commit().await.expect("it commits");
    assert_same!(ask(&database, "SELECT line FROM public.log").await, Ok(list(&["22MB", "11MB"])));
    assert_same!(ask(&database, "SELECT public.setting('work_mem')").await, Ok(vec!["4MB".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_takes_the_transaction_with_it() {
    let server = Server::start();
    let administrator = server.administrator().await;
    let (run, database, transaction) = begin(&capability(), &server, Mode::Apply).await;
    transaction.execute(DELETE, &[], &options()).await.expect("it is granted");
    let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'hostler %'";
    administrator.execute(ended, &[]).await.expect("it is ended");
    match transaction.commit().await {
        Err(Error::Failed(failure)) => assert!(["08007", "57P01"].contains(&failure.code.as_str()), "{failure:?}"),
        other => panic!("{other:?}"),
    }
    assert_same!(ask(&database, COUNT).await, Ok(vec!["10".into()]));
    assert!(run.effects()[0].contains("failed"), "{:?}", run.effects());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_dropped_early_leave_the_transaction_whole_where_they_were_few() {
    let server = Server::start();
    let capability = capability();
    let (_run, database, transaction) = begin(&capability, &server, Mode::Apply).await;
    transaction.execute(DELETE, &[], &options()).await.expect("it is granted");
    drop(transaction.query("SELECT id FROM public.orders", &[], &options()).await.expect("it is granted"));
    assert_same!(ask_in(&transaction, COUNT).await, Ok(vec!["6".into()]));
    let endless = "SELECT generate_series(1, 1000000000)";
    drop(transaction.query(endless, &[], &options()).await.expect("it is granted"));
    assert!(matches!(ask_in(&transaction, COUNT).await, Err(Error::Failed(failure)) if failure.code == "25P02"));
    drop(transaction);
    capability.settle(Duration::from_secs(5)).await;
    assert_same!(ask(&database, COUNT).await, Ok(vec!["10".into()]));
}
