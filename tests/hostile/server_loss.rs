//! A server that is lost in the middle of every kind of call: the plugin is told, and nothing half is taken for whole.

use std::time::{Duration, Instant};

use hostler_tests::{After, Hostler, StandIn};
use serde_json::{Value, json};

use crate::{postgres, puppet, redis};

/// How long a call may go on after its server fell silent.
const PATIENCE: Duration = Duration::from_secs(60);

fn host(postgres: &str, redis: u16) -> Hostler {
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = \"{postgres}\"\n[redis.main]\nurl = \"redis://127.0.0.1:{redis}\"\n\
         [tasks.puppet]\nplugin = \"test-puppet\"\nbind.database = \"postgres.main\"\nbind.cache = \"redis.main\"\n\
         limits = {{ wall_seconds = 5 }}\n"
    ));
    host.install(&["test-puppet"]);
    host
}

/// One call of each kind, large enough to be cut in the middle.
fn calls() -> Vec<Value> {
    let many: Vec<Vec<String>> =
        (0..500).map(|number| vec!["SET".into(), format!("cache:{number}"), "x".repeat(100)]).collect();
    let reads: Vec<Vec<String>> = (0..500).map(|_| vec!["GET".into(), "cache:1".into()]).collect();
    vec![
        postgres::query("SELECT g, repeat('x', 100) FROM generate_series(1, 20000) g"),
        postgres::change("UPDATE public.allowed SET note = 'lost'"),
        json!({ "call": "postgres", "sql": "SELECT g, repeat('x', 100) FROM generate_series(1, 20000) g", "copy": true }),
        json!({ "call": "postgres", "sql": "UPDATE public.allowed SET note = 'lost'", "transaction": true, "change": true }),
        json!({ "call": "postgres", "sql": "SELECT g FROM generate_series(1, 20000) g", "transaction": true }),
        redis::query("LRANGE cache:long 0 -1"),
        redis::change("SET cache:1 lost"),
        json!({ "call": "redis", "many": reads }),
        json!({ "call": "redis", "many": many, "change": true }),
        json!({ "call": "redis", "scan": "cache:*" }),
    ]
}

#[test]
fn a_server_that_is_lost_in_the_middle_of_a_call_is_told() {
    let (server, cache) = (postgres::server(), redis::server());
    let mut client = cache.connection();
    for number in 0..5000 {
        let () =
            ::redis::cmd("RPUSH").arg("cache:long").arg(format!("{number}")).query(&mut client).expect("it is pushed");
        let () = ::redis::cmd("SET").arg(format!("cache:k{number}")).arg("x").query(&mut client).expect("it is set");
    }
    let (server, cache) = (&server, &cache);
    std::thread::scope(|scope| {
        for call in calls() {
            scope.spawn(move || lost_during(&call, server.port, cache.port));
        }
    });
}

fn lost_during(call: &Value, database: u16, cache: u16) {
    let dsn = |port: u16| format!("host=127.0.0.1 port={port} user=postgres dbname=postgres");
    // How much the servers say in all where nothing is lost.
    let none = After::Close(u64::MAX);
    let (of_database, of_cache) = (StandIn::before(database, none), StandIn::before(cache, none));
    let whole = puppet::run(&host(&dsn(of_database.port), of_cache.port), std::slice::from_ref(call));
    assert!(whole[0].get("allowed").is_some(), "the honest {call}: {whole:?}");
    let of_postgres = call["call"] == "postgres";
    let said = if of_postgres { of_database.passed() } else { of_cache.passed() };
    for (share, silent) in [(30, false), (60, false), (97, false), (60, true)] {
        let limit = said * share / 100;
        let after = if silent { After::Silence(limit) } else { After::Close(limit) };
        let cut = StandIn::before(if of_postgres { database } else { cache }, after);
        let host = if of_postgres { host(&dsn(cut.port), cache) } else { host(&dsn(database), cut.port) };
        let began = Instant::now();
        puppet::write(&host, std::slice::from_ref(call));
        let output = host.run(&["run", "puppet", "--format", "json"]);
        assert!(began.elapsed() < PATIENCE, "{call} {share}: {:?}", began.elapsed());
        let task = output.task("puppet");
        if task["course"] == "done" {
            let outcome = puppet::attached(&task).remove(0);
            // What was cut off may be the farewell alone: then the answer is the whole one.
            let told = outcome.get("allowed").is_none() || (share > 30 && outcome == whole[0]);
            assert!(told, "{call} after {share} %: {outcome}");
        } else {
            assert_eq!(output.code, 3, "{call} after {share} %: {output:?}");
        }
    }
}
