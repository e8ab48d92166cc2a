//! What `roles` prints, run on real servers as it stands: with it the plugins see all that they look at, and without
//! it they do not.

mod support;

use std::{fs, sync::Arc};

use hostler_capability::Severity;
use hostler_service::{Host, Outcome};
use hostler_tests::{Postgres, RedisServer};
use support::{Place, plan, run};

const POSTGRES: &[&str] = &["postgres-connections", "postgres-replication", "postgres-index-health", "postgres-vacuum"];

/// Findings that say that something could not be looked at, and failures.
fn unseen(outcome: &Outcome) -> Vec<String> {
    let mut unseen = Vec::new();
    for task in &outcome.tasks {
        let findings = task.reported.findings.iter().filter(|finding| finding.severity == Severity::Unknown);
        unseen.extend(findings.map(|finding| format!("{}: {} {}", task.task, finding.subject, finding.summary)));
        unseen.extend(task.troubles.iter().map(|trouble| format!("{}: {trouble}", task.task)));
        if task.course != hostler_service::Course::Done {
            unseen.push(format!("{}: {}", task.task, task.summary));
        }
    }
    unseen
}

fn shop() -> Postgres {
    let server = Postgres::start_with(&["autovacuum=off"]);
    for sql in [
        "CREATE EXTENSION amcheck; CREATE EXTENSION pgstattuple;",
        "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC; CREATE ROLE shop_owner; CREATE SCHEMA shop; GRANT ALL ON SCHEMA shop TO shop_owner;",
        "SET ROLE shop_owner; CREATE TABLE shop.orders (id serial PRIMARY KEY, note text);
         INSERT INTO shop.orders (note) SELECT repeat('x', 100) FROM generate_series(1, 5000);
         DELETE FROM shop.orders WHERE id % 2 = 0;",
        // Its owner may vacuum the table, and no more in the schema than that.
        "REVOKE ALL ON SCHEMA shop FROM shop_owner;",
        "SELECT pg_stat_force_next_flush();",
    ] {
        server.execute(sql);
    }
    server
}

fn database(server: &Postgres) -> String {
    let mut text = format!("[postgres.main]\ndsn = \"{}\"\n", server.dsn("hostler", "postgres"));
    for plugin in POSTGRES {
        text += &format!("[tasks.{plugin}]\nplugin = \"{plugin}\"\nbind.database = \"postgres.main\"\n");
    }
    text + "[procedures.all]\ntasks = [\"postgres-connections\", \"postgres-replication\", \"postgres-index-health\", \"postgres-vacuum\"]\n"
}

async fn on_database(server: &Postgres, sql: String) {
    let dsn = server.superuser();
    let (client, connection) = tokio_postgres::connect(&dsn, tokio_postgres::NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{sql}\n{error:?}"));
}

fn printed(host: &Arc<Host>) -> String {
    host.roles(None).unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_role_is_enough_for_every_plugin_that_looks_at_a_database() {
    let server = tokio::task::spawn_blocking(shop).await.expect("a server");
    let place = Place::new();
    let host = place.open(&database(&server), POSTGRES);
    let roles = printed(&host);
    assert!(!roles.contains("SUPERUSER") && roles.contains("GRANT pg_monitor TO hostler;"), "{roles}");
    // Without any of it nothing is seen, and with the right to connect alone not everything.
    assert_eq!(unseen(&plan(&host, "all").await).len(), POSTGRES.len());
    on_database(&server, "CREATE ROLE hostler LOGIN; GRANT CONNECT ON DATABASE postgres TO hostler;".into()).await;
    assert!(!unseen(&plan(&host, "all").await).is_empty());
    // As it stands; on releases before 17 the note on owners is followed, as it says.
    on_database(&server, roles.clone()).await;
    let owners = roles.replace("-- GRANT OWNER TO", "GRANT shop_owner TO");
    assert_ne!(owners, roles, "there is such a note");
    on_database(&server, owners).await;
    let planned = plan(&host, "all").await;
    assert_eq!(unseen(&planned), Vec::<String>::new(), "{roles}");
    let doctor = host.examine(None).await.expect("every task");
    assert!(doctor.iter().all(|one| one.severity == Severity::Ok), "{doctor:?}");
    let ran = run(&host, "postgres-vacuum", None).await;
    assert!(ran.worked() && ran.tasks[0].effects().applied > 0, "{ran:?}");
    server_settles(server).await;
}

/// Stopping a server waits for it.
async fn server_settles<S: Send + 'static>(server: S) {
    tokio::task::spawn_blocking(move || drop(server)).await.expect("it is stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_binding_is_a_narrow_role() {
    let server = tokio::task::spawn_blocking(shop).await.expect("a server");
    let place = Place::new();
    let text = format!(
        "[postgres.main]\ndsn = \"{}\"\n[tasks.index]\nplugin = \"postgres-index-health\"\n\
         bind.database = {{ resource = \"postgres.main\", functions = [] }}\n[postgres.other]\ndsn = \"host=b user=c\"\n",
        server.dsn("hostler", "postgres")
    );
    let roles = printed(&place.open(&text, POSTGRES));
    assert!(!roles.contains("EXECUTE ON ROUTINE") && !roles.contains("pg_maintain"), "{roles}");
    assert!(roles.contains("-- postgres.other: no task is bound to it"), "{roles}");
    on_database(&server, roles).await;
    let refused = place.open(&text, &[]).roles(Some("postgres.mian")).expect_err("there is none").to_string();
    assert!(refused.contains("did you mean postgres.main?"), "{refused}");
    server_settles(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_redis_user_is_enough_and_no_more_than_that() {
    let server = tokio::task::spawn_blocking(RedisServer::start).await.expect("a server");
    let place = Place::new();
    fs::write(place.path().join("password"), "PASSWORD\n").expect("a file");
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(place.path().join("password"), permissions).expect("its mode");
    let plugins = ["redis-memory", "redis-hit-rate", "redis-ttl"];
    let mut text = format!(
        "[redis.cache]\nurl = \"{}/3\"\nuser = \"hostler\"\npassword_file = \"password\"\n\
         [procedures.all]\ntasks = [\"redis-memory\", \"redis-hit-rate\", \"redis-ttl\"]\n",
        server.url()
    );
    for plugin in plugins {
        text += &format!("[tasks.{plugin}]\nplugin = \"{plugin}\"\n");
        text += match plugin {
            "redis-ttl" => {
                "bind.server = { resource = \"redis.cache\", allow = [\"+scan\", \"+ttl\", \"+object|idletime\", \"+expire\", \"%R~*\", \"~page:*\"] }\nsettings = { prefixes = [\"page:\"] }\n"
            }
            _ => "bind.server = \"redis.cache\"\n",
        };
    }
    let host = place.open(&text, &plugins);
    assert_eq!(unseen(&plan(&host, "all").await).len(), plugins.len(), "there is no such user yet");
    let roles = printed(&host);
    let line = roles.lines().find(|line| line.starts_with("ACL SETUSER")).expect("a line").to_owned();
    let client = redis::Client::open(format!("{}/3", server.url())).expect("an address");
    let mut connection = client.get_connection().expect("a connection");
    let mut command = redis::Cmd::new();
    for word in words(&line) {
        command.arg(word);
    }
    command.query::<()>(&mut connection).unwrap_or_else(|error| panic!("{line}: {error}"));
    for number in 0..50 {
        redis::cmd("SET").arg(format!("page:{number}")).arg(1).query::<()>(&mut connection).expect("it is set");
    }
    // The first run of redis-hit-rate has nothing to compare with.
    let first = run(&host, "all", None).await;
    let again = run(&host, "all", None).await;
    assert_eq!((unseen(&first).len(), unseen(&again)), (1, vec![]), "{line}: {first:?}");
    let kept: i64 = redis::cmd("TTL").arg("page:1").query(&mut connection).expect("its time");
    assert!(kept > 0, "what may be changed was: {first:?}");
    let doctor = host.examine(None).await.expect("every task");
    assert!(doctor.iter().all(|one| one.severity == Severity::Ok), "{doctor:?}");
    // No more: neither another command, nor a write elsewhere.
    let url = format!("redis://hostler:PASSWORD@127.0.0.1:{}/3", server.port);
    let mut user = redis::Client::open(url).expect("an address").get_connection().expect("it may log in");
    for (command, argument) in [("GET", "page:1"), ("DEL", "page:1"), ("FLUSHALL", "ASYNC")] {
        let refused = redis::cmd(command).arg(argument).query::<redis::Value>(&mut user).expect_err("not granted");
        assert_eq!(refused.code(), Some("NOPERM"), "{command}");
    }
    let elsewhere =
        redis::cmd("EXPIRE").arg("cart:1").arg(1).query::<redis::Value>(&mut user).expect_err("not granted");
    assert_eq!(elsewhere.code(), Some("NOPERM"));
    server_settles(server).await;
}

/// The words of an ACL line; a selector in its parentheses is one of them.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut within = false;
    for word in line.split(' ') {
        match words.last_mut().filter(|_| within) {
            Some(last) => *last = format!("{last} {word}"),
            None => words.push(word.to_owned()),
        }
        within = (within || word.starts_with('(')) && !word.ends_with(')');
    }
    words
}
