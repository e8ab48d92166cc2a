//! Locks on the server, against other runs and other hosts.

use std::{sync::Arc, time::Duration};

use hostler_capability::{Error, Mode};
use hostler_policy::sql::PostgresGrant;
use hostler_postgres::{PostgresCapability, lock_key};

use crate::{
    context::{Fixture, ask, capability},
    server::Server,
};

fn fixture(capability: &PostgresCapability, server: &Server, id: &str) -> Fixture {
    let grant = PostgresGrant { connections: 1, ..PostgresGrant::default() };
    Fixture::named(capability, server.resource(), grant, Mode::Apply, id)
}

fn is_held(error: &Error) -> bool {
    matches!(error, Error::Failed(failure) if failure.code == "held")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_held_by_one_run_at_a_time() {
    let server = Server::start();
    let administrator = server.administrator().await;
    // Two hosts: nothing is shared but the server.
    let (here, there) = (capability(), capability());
    let first = fixture(&here, &server, "run-1");
    let second = fixture(&there, &server, "run-2");
    let locks = |run: &Fixture| run.context.server_locks("database").expect("the request has locks");
    let (mine, theirs) = (locks(&first), locks(&second));

    let look = |taken: bool| {
        let theirs = theirs.clone();
        async move {
            match theirs.acquire("nightly", true).await {
                Ok(None) => assert!(!taken, "it is held, and looks free"),
                Ok(Some(_)) => panic!("to look takes nothing"),
                Err(error) => assert!(taken && is_held(&error), "{error:?}"),
            }
        }
    };
    look(false).await;
    let held = mine.acquire("nightly", false).await.expect("it is free").expect("it is taken");
    look(true).await;
    assert!(theirs.acquire("nightly", false).await.is_err_and(|error| is_held(&error)));
    assert!(mine.acquire("nightly", false).await.is_err_and(|error| is_held(&error)), "not twice by one run either");
    let other = theirs.acquire("weekly", false).await.expect("another name is free").expect("it is taken");
    let known = administrator
        .query_one(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND \
                    (classid::int8 << 32 | objid::int8) = $1",
            &[&lock_key("nightly")],
        )
        .await
        .expect("it is read")
        .get::<_, i64>(0);
    assert_eq!(known, 1);
    let database = first.open().await;
    assert_same!(
        ask(&database, "SELECT 1").await,
        Ok(vec!["1".into()]),
        "a lock takes none of the grant's connections"
    );

    drop(held);
    let now_theirs = theirs.acquire("nightly", false).await.expect("it is free again").expect("it is taken");
    assert!(mine.acquire("nightly", true).await.is_err_and(|error| is_held(&error)));
    drop((now_theirs, other));
    here.settle(Duration::from_secs(5)).await;
    there.settle(Duration::from_secs(5)).await;
    let left = administrator.query_one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", &[]).await;
    assert_eq!(left.expect("it is read").get::<_, i64>(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_was_lost_is_told_to_the_operator() {
    let server = Server::start();
    let capability = capability();
    let run = fixture(&capability, &server, "run-1");
    let locks = run.context.server_locks("database").expect("the request has locks");
    let held = locks.acquire("nightly", false).await.expect("it is free").expect("it is taken");
    let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'hostler %'";
    server.administrator().await.execute(ended, &[]).await.expect("it is ended");
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(held);
    let (troubles, _) = run.context.troubles_and_notes();
    assert_eq!(troubles, ["the lock \"nightly\" on postgres.main was lost before the run ended"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_over_keeps_nothing_alive() {
    let server = Server::start();
    let administrator = server.administrator().await;
    let capability = capability();
    let run = fixture(&capability, &server, "run-1");
    let context = Arc::downgrade(&run.context);
    assert_same!(ask(&*run.open().await, "SELECT 1").await, Ok(vec!["1".into()]));
    capability.settle(Duration::from_secs(5)).await;
    drop((run, capability));
    assert_eq!(context.strong_count(), 0, "the run is gone");
    for _ in 0..100 {
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'hostler %'";
        if administrator.query_one(sessions, &[]).await.expect("it is read").get::<_, i64>(0) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("a session outlives its host");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_one_session_is_all_there_is_a_lock_takes_none() {
    let server = Server::start();
    let administrator = server.administrator().await;
    let capability = capability();
    let mut resource = server.resource();
    resource.connections = std::num::NonZeroU32::new(1);
    let fixture = |id| Fixture::named(&capability, resource.clone(), PostgresGrant::default(), Mode::Apply, id);
    let (first, second) = (fixture("run-1"), fixture("run-2"));
    assert!(first.context.server_locks("database").is_none(), "the lock is the host's own");
    for run in [&first, &second, &first] {
        assert_same!(ask(&*run.open().await, "SELECT 1").await, Ok(vec!["1".into()]));
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'hostler %'";
        assert_eq!(administrator.query_one(sessions, &[]).await.expect("it is read").get::<_, i64>(0), 1);
    }
}
