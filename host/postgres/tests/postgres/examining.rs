//! What the doctor finds.

use hostler_policy::sql::PostgresGrant;
use hostler_postgres::{Asked, ConnectError, Environment, Examination, Lack, beside_grant, examine};

use crate::{
    context::list,
    server::{Server, resource},
};

async fn lacks(server: &Server, user: &str, wanted: &[&str]) -> Vec<Lack> {
    let dsn = server.dsn().replace("user=hostler", &format!("user='{user}'"));
    let asked = Asked { privileges: list(wanted), ..Asked::default() };
    let found = examine("main", &resource(&dsn), &asked, &Environment::default()).await;
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
    let found = examine("main", &resource("host=/nowhere user=u"), &Asked::default(), &Environment::default()).await;
    assert!(matches!(found, Err(ConnectError::Unreachable { .. })), "{found:?}");
}

async fn granted(server: &Server, user: &str, grant: PostgresGrant) -> Examination {
    let dsn = server.dsn().replace("user=hostler", &format!("user='{user}'"));
    let asked = Asked { grants: vec![("tasks.nightly".into(), grant)], ..Asked::default() };
    examine("main", &resource(&dsn), &asked, &Environment::default()).await.expect("it is reached")
}

fn problems(lacks: &[Lack]) -> Vec<&str> {
    lacks.iter().map(|lack| lack.problem.as_str()).collect()
}

fn reads(patterns: &[&str]) -> PostgresGrant {
    PostgresGrant { read: list(patterns), ..PostgresGrant::default() }
}

fn changes(statements: &[&str], patterns: &[&str]) -> PostgresGrant {
    PostgresGrant { statements: list(statements), write: list(patterns), ..PostgresGrant::default() }
}

const VAULT: &str = "CREATE SCHEMA vault; CREATE TABLE vault.orders (id int, secret text); \
                     CREATE TABLE vault.\"Odd one\" (id int); CREATE VIEW vault.recent AS SELECT id FROM vault.orders; \
                     CREATE TABLE public.open_ones (id int); ALTER TABLE public.open_ones OWNER TO seller";

/// Applies each remedy, after which nothing may be lacking: a remedy that does not cure is worse than none.
async fn cured(server: &Server, grant: PostgresGrant) -> Vec<Lack> {
    let administrator = server.administrator().await;
    let found = granted(server, "hostler", grant.clone()).await;
    for remedy in remedies(&found.lacks) {
        administrator.batch_execute(remedy).await.unwrap_or_else(|error| panic!("{remedy}: {error:?}"));
    }
    let again = granted(server, "hostler", grant).await;
    assert_eq!((again.lacks, again.unknown), (vec![], vec![]), "after {found:?}");
    found.lacks
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_may_not_be_read_is_told_with_the_grant_that_cures_it() {
    let server = Server::start();
    server.administrator().await.batch_execute(VAULT).await.expect("it is made");
    let found = cured(&server, reads(&["vault.orders", "vault.recent", "vault.\"Odd one\""])).await;
    assert_eq!(
        remedies(&found),
        [
            "GRANT USAGE ON SCHEMA vault TO hostler;",
            "GRANT SELECT ON vault.\"Odd one\", vault.orders, vault.recent TO hostler;"
        ]
    );
    assert_eq!(
        problems(&found),
        [
            "hostler may not look into the schema vault, and so reaches nothing in it (for tasks.nightly)",
            "hostler lacks SELECT on 3 relations of the schema vault, such as vault.\"Odd one\" (for tasks.nightly)"
        ]
    );
    let administrator = server.administrator().await;
    administrator.batch_execute("REVOKE SELECT ON vault.orders FROM hostler").await.expect("it is revoked");
    let one = granted(&server, "hostler", reads(&["vault.*"])).await.lacks;
    assert_eq!(problems(&one), ["hostler lacks SELECT on vault.orders (for tasks.nightly)"]);
    assert_eq!(granted(&server, "postgres", reads(&["vault.*", "public.*"])).await.lacks, [], "a superuser may");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_over_a_whole_schema_has_one_grant_for_it() {
    let server = Server::start();
    let administrator = server.administrator().await;
    administrator.batch_execute("CREATE SCHEMA many").await.expect("it is made");
    for number in 0..25 {
        let table = format!("CREATE TABLE many.t{number:02} (id int)");
        administrator.batch_execute(&table).await.expect("it is made");
    }
    let part = granted(&server, "hostler", reads(&["many.t*"])).await;
    assert_eq!(part.lacks[1].remedy, "hostler roles postgres.main  # prints the GRANT for each of the 25");
    let found = cured(&server, reads(&["many.*"])).await;
    assert_eq!(found[1].remedy, "GRANT SELECT ON ALL TABLES IN SCHEMA many TO hostler;");
    assert_eq!(
        found[1].problem,
        "hostler lacks SELECT on 25 relations of the schema many, such as many.t00 (for tasks.nightly)"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_and_not_there_is_told() {
    let server = Server::start();
    let grant = PostgresGrant {
        functions: list(&["public.no_such_function", "*.not_installed"]),
        ..reads(&["public.no_such_table", "nowhere.*", "pg_catalog.pg_authid"])
    };
    let found = granted(&server, "postgres", grant).await;
    let problems = problems(&found.lacks);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("public.no_such_table does not exist in the database "), "{problems:?}");
    assert!(problems[1].starts_with("public.no_such_function does not exist in the database "), "{problems:?}");
    // What a task makes itself does not have to be there.
    let made = granted(&server, "postgres", changes(&["CREATE TABLE", "INSERT"], &["public.made_later"])).await;
    assert_eq!((made.lacks, made.unknown), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_needs_the_right_that_the_server_asks_for_it() {
    let server = Server::start();
    server.administrator().await.batch_execute(VAULT).await.expect("it is made");
    let found = cured(&server, changes(&["INSERT", "TRUNCATE"], &["vault.orders"])).await;
    let grants = ["GRANT USAGE ON SCHEMA vault", "GRANT INSERT ON vault.orders", "GRANT TRUNCATE ON vault.orders"];
    let expected: Vec<String> = grants.iter().map(|grant| format!("{grant} TO hostler;")).collect();
    assert_eq!(remedies(&found), expected);
    // The right to delete is there, and a DELETE with a condition reads.
    let administrator = server.administrator().await;
    administrator.batch_execute("GRANT DELETE ON vault.orders TO hostler").await.expect("it is granted");
    let blind = granted(&server, "hostler", changes(&["DELETE"], &["vault.orders"])).await;
    assert_eq!(blind.lacks, []);
    assert_eq!(remedies(&blind.unknown), ["GRANT SELECT ON vault.orders TO hostler;"]);
    let tables = granted(&server, "hostler", changes(&["CREATE TABLE"], &["vault.*"])).await;
    assert_eq!(remedies(&tables.lacks), ["GRANT CREATE ON SCHEMA vault TO hostler;"]);
    let other = granted(&server, "hostler", changes(&["CREATE DATABASE"], &["scratch"])).await;
    assert!(problems(&other.unknown)[0].contains("may CREATE DATABASE on scratch is not looked at"), "{other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_extension_that_waits_for_an_update_needs_the_right_to_it() {
    let server = Server::start();
    let administrator = server.administrator().await;
    administrator.batch_execute("CREATE EXTENSION pgstattuple VERSION '1.4'").await.expect("it is made");
    let updates = || changes(&["ALTER EXTENSION UPDATE"], &["*"]);
    let found = granted(&server, "hostler", updates()).await;
    assert_eq!(found.unknown, []);
    assert!(problems(&found.lacks)[0].contains("may not update the extension pgstattuple from 1.4 to "), "{found:?}");
    assert_eq!(remedies(&found.lacks), ["ALTER EXTENSION pgstattuple UPDATE;  -- as a superuser"]);
    assert_eq!(granted(&server, "postgres", updates()).await.lacks, []);
    administrator.batch_execute(&found.lacks[0].remedy).await.expect("the remedy is SQL");
    assert_eq!(granted(&server, "hostler", updates()).await.lacks, []);
    let absent = granted(&server, "hostler", changes(&["ALTER EXTENSION UPDATE"], &["nowhere"])).await;
    assert_eq!(problems(&absent.lacks), ["there is no extension nowhere (for tasks.nightly)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_vacuums_owns_the_table_or_maintains_it() {
    let server = Server::start();
    let administrator = server.administrator().await;
    administrator.batch_execute(VAULT).await.expect("it is made");
    administrator.batch_execute("CREATE ROLE nurse LOGIN").await.expect("it is made");
    let grant = changes(&["VACUUM", "ANALYZE"], &["public.open_ones"]);
    let privileges = list(&["pg_maintain | owner"]);
    assert_eq!(beside_grant(&privileges, &PostgresGrant::default()).count(), 1, "a grant that tidies nothing up");
    let apart: Vec<String> = beside_grant(&privileges, &grant).cloned().collect();
    let asked = Asked { privileges: apart, grants: vec![("tasks.nightly".into(), grant.clone())] };
    let found = examine(
        "main",
        &resource(&server.dsn().replace("user=hostler", "user=nurse")),
        &asked,
        &Environment::default(),
    )
    .await
    .expect("it is reached");
    let problems = problems(&found.lacks);
    assert!(problems.len() == 1 && problems[0].contains("public.open_ones"), "of the tables that are bound: {found:?}");
    if found.version < 170_000 {
        let problem = "nurse may not ANALYZE, VACUUM public.open_ones: only the owner may (for tasks.nightly)";
        assert_eq!(problems, [problem]);
        assert!(found.lacks[0].remedy.starts_with("GRANT seller TO nurse;  -- all rights of seller"), "{found:?}");
    }
    assert_eq!(granted(&server, "hostler", grant.clone()).await.lacks, [], "who owns the database may");
    administrator.batch_execute(&found.lacks[0].remedy).await.expect("the remedy is SQL");
    assert_eq!(granted(&server, "nurse", grant).await.lacks, []);
    let dropped = granted(&server, "hostler", changes(&["DROP TABLE"], &["vault.orders"])).await;
    assert!(dropped.lacks.iter().any(|lack| lack.problem.contains("may not DROP TABLE vault.orders")), "{dropped:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_right_does_not_decide_is_unknown_and_not_well() {
    let server = Server::start();
    let administrator = server.administrator().await;
    administrator.batch_execute(VAULT).await.expect("it is made");
    administrator
        .batch_execute("GRANT USAGE ON SCHEMA vault TO hostler; GRANT SELECT (id) ON vault.orders TO hostler")
        .await
        .expect("it is granted");
    let some = granted(&server, "hostler", reads(&["vault.orders"])).await;
    assert_eq!(some.lacks, []);
    let problem = "hostler has SELECT on some columns of vault.orders only, and which of them are needed is not known";
    assert_eq!(problems(&some.unknown), [format!("{problem} (for tasks.nightly)")]);
    if some.version >= 150_000 {
        let invoker = "CREATE VIEW vault.careful WITH (security_invoker) AS SELECT * FROM vault.orders; \
                       GRANT SELECT ON vault.careful TO hostler";
        administrator.batch_execute(invoker).await.expect("it is made");
        let careful = granted(&server, "hostler", reads(&["vault.careful"])).await;
        assert!(
            problems(&careful.unknown)[0].starts_with("vault.careful: a view with security_invoker"),
            "{careful:?}"
        );
    }
    // A server that does not answer the question.
    administrator.batch_execute("REVOKE SELECT ON pg_catalog.pg_index FROM PUBLIC").await.expect("it is revoked");
    let unasked = granted(&server, "hostler", reads(&["vault.orders"])).await;
    assert_eq!(unasked.lacks, []);
    let problem = problems(&unasked.unknown)[0];
    assert!(problem.contains("is not known: the server was asked") && problem.contains("42501"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_and_other_databases_are_looked_at_too() {
    let server = Server::start();
    let administrator = server.administrator().await;
    let setup = "CREATE SCHEMA tools; CREATE FUNCTION tools.measure(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; \
                 REVOKE EXECUTE ON FUNCTION tools.measure FROM PUBLIC";
    administrator.batch_execute(setup).await.expect("it is made");
    let functions = PostgresGrant { functions: list(&["*.measure"]), ..PostgresGrant::default() };
    let found = cured(&server, functions).await;
    assert_eq!(
        remedies(&found),
        ["GRANT EXECUTE ON ROUTINE tools.measure(integer) TO hostler;", "GRANT USAGE ON SCHEMA tools TO hostler;"]
    );
    administrator.batch_execute("CREATE DATABASE archive").await.expect("it is made");
    administrator.batch_execute("CREATE DATABASE closed").await.expect("it is made");
    administrator.batch_execute("REVOKE CONNECT ON DATABASE closed FROM PUBLIC").await.expect("it is revoked");
    let other = server.administrator_of("archive").await;
    other.batch_execute("CREATE TABLE public.old (id int)").await.expect("it is made");
    let grant = PostgresGrant { databases: list(&["archive", "closed", "absent"]), ..reads(&["public.old"]) };
    let found = granted(&server, "hostler", grant).await;
    assert_eq!(
        remedies(&found.lacks),
        [
            "correct databases in the binding, or make it",
            "GRANT CONNECT ON DATABASE closed TO hostler;",
            "GRANT SELECT ON public.old TO hostler;"
        ]
    );
    assert!(found.lacks[2].problem.starts_with("in the database archive: hostler lacks SELECT"), "{found:?}");
    assert_eq!(found.unknown, []);
}
