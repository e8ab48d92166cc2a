//! The Redis plugins on real servers.

use hostler_tests::{Hostler, RedisServer};

fn host(server: &RedisServer, plugin: &str, settings: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[redis.cache]\nurl = {:?}\n[tasks.task]\nplugin = {plugin:?}\nbind.server = \"redis.cache\"\n{settings}\n",
        server.url()
    ));
    host.install(&[plugin]);
    host
}

fn keys(server: &RedisServer, prefix: &str, count: u32) {
    let mut connection = server.connection();
    let mut pipeline = redis::pipe();
    for number in 0..count {
        pipeline.cmd("SET").arg(format!("{prefix}{number}")).arg("x".repeat(100)).ignore();
    }
    pipeline.query::<()>(&mut connection).expect("keys");
}

#[test]
fn memory_without_a_limit_is_a_warning_and_with_room_is_ok() {
    let unbounded = RedisServer::start();
    let sick = host(&unbounded, "redis-memory", "").run(&["run", "task", "--format", "json"]);
    assert_eq!(sick.code, 1, "{sick:?}");
    let bounded = RedisServer::start_with(&["--maxmemory", "200mb"]);
    let healthy = host(&bounded, "redis-memory", "").run(&["run", "task", "--format", "json"]);
    assert_eq!(healthy.code, 0, "{healthy:?}");
}

#[test]
fn keys_without_a_time_to_live_are_found_planned_and_given_one_under_the_allowed_prefix_alone() {
    let server = RedisServer::start();
    keys(&server, "cache:", 300);
    keys(&server, "session:", 20);
    let host = host(&server, "redis-ttl", "settings = { prefixes = [\"cache:\"], time_to_live = \"1h\" }");
    let ttl = |key: &str| redis::cmd("TTL").arg(key).query::<i64>(&mut server.connection()).expect("an answer");
    let plan = host.run(&["plan", "task", "--format", "json"]);
    assert!(matches!(plan.code, 1 | 2), "{plan:?}");
    assert_eq!(ttl("cache:7"), -1, "a plan changes nothing");
    let run = host.run(&["run", "task", "--format", "json"]);
    assert!(run.stdout.contains("applied"), "{run:?}");
    assert!(ttl("cache:7") > 0, "{run:?}");
    assert_eq!(ttl("session:7"), -1, "not under an allowed prefix");
}

#[test]
fn a_hit_rate_needs_two_runs_and_tells_misses_from_hits() {
    let server = RedisServer::start();
    let host = host(&server, "redis-hit-rate", "");
    let first = host.run(&["run", "task", "--format", "json"]);
    assert!(first.stdout.contains("baseline"), "{first:?}");
    let mut connection = server.connection();
    for number in 0..2000 {
        let _: Option<String> =
            redis::cmd("GET").arg(format!("missing:{number}")).query(&mut connection).expect("an answer");
    }
    let second = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(second.code, 2, "{second:?}");
    keys(&server, "there:", 1);
    for _ in 0..2000 {
        let _: Option<String> = redis::cmd("GET").arg("there:0").query(&mut connection).expect("an answer");
    }
    let third = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(third.code, 0, "{third:?}");
}

/// Lookups of keys that are not there.
fn misses(server: &RedisServer, count: u32) {
    let mut pipeline = redis::pipe();
    for number in 0..count {
        pipeline.cmd("GET").arg(format!("missing:{number}")).ignore();
    }
    pipeline.query::<()>(&mut server.connection()).expect("answers");
}

#[test]
fn a_hit_rate_notices_a_reset_and_names_the_database_that_lost_its_keys() {
    let server = RedisServer::start();
    let host = host(&server, "redis-hit-rate", "");
    keys(&server, "there:", 500);
    misses(&server, 3000);
    assert_eq!(host.run(&["run", "task", "--format", "json"]).findings("task"), ["unknown baseline-taken server"]);
    redis::cmd("CONFIG").arg("RESETSTAT").query::<()>(&mut server.connection()).expect("they are reset");
    // More misses than before, so that hits and misses alone would look as if they had only grown.
    misses(&server, 5000);
    let reset = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(
        (reset.code, reset.findings("task")),
        (3, vec!["unknown baseline-taken server".to_owned()]),
        "{reset:?}"
    );
    redis::cmd("FLUSHALL").query::<()>(&mut server.connection()).expect("it is empty");
    misses(&server, 2000);
    let sick = host.run(&["run", "task", "--format", "json"]);
    assert_eq!((sick.code, sick.findings("task")), (2, vec!["critical hit-rate server".to_owned()]), "{sick:?}");
    assert!(sick.stdout.contains("Database 0 has 0 of the 500 keys that it had."), "{sick:?}");
}

#[test]
fn a_hit_rate_begins_anew_with_another_server_on_the_port() {
    let server = RedisServer::start();
    let host = host(&server, "redis-hit-rate", "");
    misses(&server, 10);
    assert_eq!(host.run(&["run", "task"]).code, 3);
    let restarted = RedisServer::start();
    misses(&restarted, 5000);
    let text = std::fs::read_to_string(host.configuration()).expect("a configuration");
    host.configure(&text.replace(&server.url(), &restarted.url()));
    let found = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(
        (found.code, found.findings("task")),
        (3, vec!["unknown baseline-taken server".to_owned()]),
        "{found:?}"
    );
}

#[test]
fn memory_near_its_limit_is_critical_and_large_keys_and_prefixes_are_named() {
    let server = RedisServer::start_with(&["--maxmemory", "50mb", "--maxmemory-policy", "noeviction"]);
    keys(&server, "small:", 100);
    redis::cmd("SETRANGE")
        .arg("big:blob")
        .arg(45_000_000)
        .arg("x")
        .query::<()>(&mut server.connection())
        .expect("a key");
    let host = host(&server, "redis-memory", "settings = { warning = \"60\", critical = \"80\", largest = \"10MB\" }");
    let sick = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(sick.code, 2, "{sick:?}");
    let findings = sick.findings("task");
    assert!(findings.contains(&"critical memory-used maxmemory".to_owned()), "{findings:?}");
    assert!(findings.contains(&"warning key-large big:blob".to_owned()), "{findings:?}");
    assert!(sick.stdout.contains("every write fails with OOM") && sick.stdout.contains("big:"), "{sick:?}");
}

#[test]
fn addresses_of_clusters_and_sentinels_are_refused_with_a_clear_error() {
    for url in ["redis+cluster://127.0.0.1:1", "redis-sentinel://127.0.0.1:1"] {
        let host = Hostler::new(&format!("[redis.cache]\nurl = {url:?}\n"));
        let refused = host.run(&["doctor"]);
        assert_ne!(refused.code, 0, "{refused:?}");
        let said = format!("{}{}", refused.stdout, refused.stderr);
        assert!(said.contains("cluster") || said.contains("sentinel"), "{said}");
    }
}
