//! What the doctor finds.

use hostler_postgres::{ConnectError, Environment, Lack, examine};

use crate::{
    context::list,
    server::{Server, resource},
};

async fn lacks(server: &Server, user: &str, wanted: &[&str]) -> Vec<Lack> {
    let dsn = server.dsn().replace("user=hostler", &format!("user='{user}'"));
    let found = examine("main", &resource(&dsn), &list(wanted), &Environment::default()).await;
    found.expect("it is reached").lacks
}

fn remedies(lacks: &[Lack]) -> Vec<&str> {
    lacks.iter().map(|lack| lack.remedy.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_lack_has_a_remedy_that_cures_it() {
    let server = Server::start();
    let administrator = server.administrator().await;
    let wanted = ["pg_monitor", "pg_read_all_stats | pg_monitor", "replication"];
    let found = lacks(&server, "hostler", &wanted).await;
    assert_eq!(found[0].problem, "hostler is not a member of pg_monitor");
    assert_eq!(
        remedies(&found),
        ["GRANT pg_monitor TO hostler;", "GRANT pg_read_all_stats TO hostler;", "ALTER ROLE hostler REPLICATION;"]
    );
    for remedy in remedies(&found) {
        administrator.batch_execute(remedy).await.expect("the remedy is SQL");
    }
    assert_eq!(lacks(&server, "hostler", &wanted).await, []);
    let odd = lacks(&server, "Odd Name", &["pg_monitor"]).await;
    assert_eq!(remedies(&odd), ["GRANT pg_monitor TO \"Odd Name\";"]);
    administrator.batch_execute(&odd[0].remedy).await.expect("the remedy is SQL");
    assert_eq!(lacks(&server, "Odd Name", &["pg_monitor"]).await, []);
    assert_eq!(lacks(&server, "postgres", &["pg_monitor", "superuser", "nothing"]).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_needs_no_role_that_the_release_does_not_have() {
    let server = Server::start();
    let administrator = server.administrator().await;
    let setup = "ALTER TABLE public.numbers OWNER TO seller; ALTER TABLE public.moods OWNER TO seller; \
                 ALTER TABLE public.foreign_table OWNER TO seller";
    administrator.batch_execute(setup).await.expect("it is altered");
    let found = lacks(&server, "hostler", &["pg_maintain | owner"]).await;
    let version: u32 = administrator
        .query_one("SELECT current_setting('server_version_num')::int4", &[])
        .await
        .expect("it is read")
        .get::<_, i32>(0)
        .cast_unsigned();
    let remedy = if version >= 170_000 { "GRANT pg_maintain TO hostler;" } else { "GRANT seller TO hostler;" };
    assert_eq!(remedies(&found), [remedy]);
    administrator.batch_execute(remedy).await.expect("the remedy is SQL");
    assert_eq!(lacks(&server, "hostler", &["pg_maintain | owner"]).await, []);
    assert!(lacks(&server, "hostler", &["no_such_role"]).await[0].problem.contains("no role no_such_role"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sequences_that_cannot_be_read_come_with_their_remedy() {
    let server = Server::start();
    let administrator = server.administrator().await;
    let setup = "CREATE SCHEMA \"Odd one\"; CREATE SEQUENCE \"Odd one\".first; CREATE SEQUENCE public.second; \
                 GRANT USAGE ON SEQUENCE public.second TO hostler";
    administrator.batch_execute(setup).await.expect("it is made");
    let found = lacks(&server, "hostler", &["sequences"]).await;
    assert!(found[0].problem.contains("\"Odd one\".first"), "{found:?}");
    administrator.batch_execute(&found[0].remedy).await.expect("the remedy is SQL");
    assert_eq!(lacks(&server, "hostler", &["sequences"]).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_an_error_of_its_own() {
    let found = examine("main", &resource("host=/nowhere user=u"), &[], &Environment::default()).await;
    assert!(matches!(found, Err(ConnectError::Unreachable { .. })), "{found:?}");
}
