//! redis-evictions: a store that evicts, a cache that does as always, and a full server that refuses.

use hostler_tests::{Hostler, RedisServer};

fn host(server: &RedisServer, settings: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[redis.main]\nurl = {:?}\n[tasks.task]\nplugin = \"redis-evictions\"\nbind.server = \"redis.main\"\nsettings = {{ {settings} }}\n",
        server.url()
    ));
    host.install(&["redis-evictions"]);
    host
}

/// Keys of a kilobyte each; what the server answers to them is not looked at.
fn fill(server: &RedisServer, name: &str, keys: usize) {
    let value = "x".repeat(1024);
    let mut connection = server.connection();
    for number in 0..keys {
        let _ = redis::cmd("SET").arg(format!("{name}:{number}")).arg(&value).query::<()>(&mut connection);
    }
}

fn findings(host: &Hostler, code: i32) -> Vec<String> {
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(run.code, code, "{run:?}");
    run.findings("task")
}

#[test]
fn a_store_that_evicts_has_lost_data_and_one_that_does_not_is_well() {
    let server = RedisServer::start_with(&["--maxmemory", "4mb", "--maxmemory-policy", "noeviction"]);
    let host = host(&server, "role = \"store\"");
    assert_eq!(findings(&host, 3), ["unknown baseline-taken server"]);
    fill(&server, "order", 100);
    assert!(findings(&host, 0).is_empty());
    redis::cmd("CONFIG")
        .arg(&["SET", "maxmemory-policy", "allkeys-lru"])
        .query::<()>(&mut server.connection())
        .expect("it is set");
    fill(&server, "order", 6000);
    assert_eq!(findings(&host, 2), ["warning store-may-evict server", "critical store-evicts server"]);
    assert_eq!(findings(&host, 1), ["warning store-may-evict server"], "what was told is not told again");
}

#[test]
fn a_full_server_that_refuses_writes_and_connections_is_critical() {
    let server =
        RedisServer::start_with(&["--maxmemory", "4mb", "--maxmemory-policy", "noeviction", "--maxclients", "8"]);
    let host = host(&server, "");
    assert_eq!(findings(&host, 3), ["unknown baseline-taken server"]);
    fill(&server, "order", 6000);
    assert_eq!(findings(&host, 2), ["critical writes-refused server"]);
    let kept: Vec<_> = (0..7).map(|_| server.connection()).collect();
    let client = redis::Client::open(server.url()).expect("an address");
    let more: Vec<_> = (0..5).map(|_| client.get_connection()).collect();
    assert!(more.iter().any(Result::is_err), "the server refuses some of them");
    drop(more);
    drop(kept);
    assert_eq!(findings(&host, 2), ["critical connections-rejected server"]);
    assert!(findings(&host, 0).is_empty());
}

#[test]
fn a_cache_is_held_against_its_own_past() {
    let server = RedisServer::start_with(&["--maxmemory", "4mb", "--maxmemory-policy", "allkeys-lru"]);
    let host = host(&server, "least = 500");
    assert_eq!(findings(&host, 3), ["unknown baseline-taken server"]);
    assert!(findings(&host, 0).is_empty(), "a quiet interval is the first rate");
    fill(&server, "page", 6000);
    assert_eq!(findings(&host, 1), ["warning evictions-rise server"]);
}

#[test]
fn a_user_without_the_right_is_unknown() {
    let server = RedisServer::start();
    redis::cmd("ACL").arg(&["SETUSER", "default", "-info"]).query::<()>(&mut server.connection()).expect("it is set");
    let host = host(&server, "");
    let run = host.run(&["run", "task"]);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stdout.contains("NOPERM"), "{run:?}");
}
