//! What redis-ttl says after it changed keys: the verdict is about what it left, the effects about what it did.

use hostler_tests::{Hostler, Output, RedisServer};

/// A host whose task may give the keys under `cache:` an hour, as the server's user `hostler`.
fn host(server: &RedisServer, rules: &[&str], settings: &str) -> Hostler {
    redis::cmd("ACL")
        .arg(&["SETUSER", "hostler", "on", "nopass", "+@all"])
        .arg(rules)
        .query::<()>(&mut server.connection())
        .expect("a user");
    let host = Hostler::new(&format!(
        "[redis.cache]\nurl = {:?}\nuser = \"hostler\"\npassword_file = \"{{directory}}/password\"\n\
         [tasks.task]\nplugin = \"redis-ttl\"\nbind.server = \"redis.cache\"\n\
         settings = {{ prefixes = [\"cache:\"], time_to_live = \"1h\"{settings} }}\n",
        server.url()
    ));
    let password = host.path().join("password");
    std::fs::write(&password, "any\n").expect("a file");
    std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("permissions");
    host.install(&["redis-ttl"]);
    host
}

/// 300 keys under `cache:` that never expire, the half of them under `cache:a`, and 20 sessions.
fn faulty() -> RedisServer {
    let server = RedisServer::start();
    let mut pipeline = redis::pipe();
    for number in 0..150 {
        for prefix in ["cache:a", "cache:b"] {
            pipeline.cmd("SET").arg(format!("{prefix}{number}")).arg("x").ignore();
        }
    }
    for number in 0..20 {
        pipeline.cmd("SET").arg(format!("session:{number}")).arg("x").ignore();
    }
    pipeline.query::<()>(&mut server.connection()).expect("keys");
    server
}

fn persistent(server: &RedisServer, prefix: &str) -> usize {
    let mut connection = server.connection();
    let keys: Vec<String> = redis::cmd("KEYS").arg(format!("{prefix}*")).query(&mut connection).expect("keys");
    let ttl = |key: &String| redis::cmd("TTL").arg(key).query::<i64>(&mut server.connection()).expect("an answer");
    keys.iter().filter(|key| ttl(key) == -1).count()
}

fn metric(run: &Output, name: &str) -> f64 {
    let metrics = run.task("task")["reported"]["metrics"].as_array().cloned().unwrap_or_default();
    let found = metrics.iter().find(|metric| metric["name"] == name);
    found.and_then(|metric| metric["value"].as_f64()).unwrap_or_else(|| panic!("no metric {name}: {run:?}"))
}

#[test]
fn a_run_that_put_every_key_right_is_ok_and_says_what_it_changed() {
    let server = faulty();
    let host = host(&server, &["~*"], "");
    let plan = host.run(&["plan", "task", "--format", "json"]);
    assert_eq!(plan.code, 2, "before the change all of them never expire: {plan:?}");
    assert_eq!(plan.findings("task"), ["critical keys-never-expire cache"]);
    assert_eq!(persistent(&server, ""), 320, "a plan changes nothing");

    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(run.code, 0, "nothing is left to be done: {run:?}");
    assert_eq!(run.findings("task"), Vec::<String>::new());
    assert_eq!((persistent(&server, "cache:"), persistent(&server, "session:")), (0, 20));
    assert!(run.stdout.contains("\"applied\""), "the effects tell what was changed: {run:?}");
    assert_eq!(metric(&run, "redis_keys_given_ttl"), 300.0);
    assert_eq!(metric(&run, "redis_keys_without_ttl"), 20.0, "those that are not its to change");
    assert_eq!(metric(&run, "redis_keys_without_ttl_percent"), 0.0);
    let summary = run.task("task")["summary"].as_str().expect("a summary").to_owned();
    assert_eq!(summary, "0 of 300 keys under the task's prefixes never expire; 300 were given a time to live");

    let again = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(again.code, 0, "and it stays so: {again:?}");
    assert!(!again.stdout.contains("\"applied\""), "with nothing to change: {again:?}");
}

#[test]
fn what_was_tried_and_refused_stays_and_is_told() {
    let server = faulty();
    // The server's own user may write the half of them, whatever the task was granted.
    let host = host(&server, &["~cache:a*", "%R~*"], "");
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert_eq!(run.findings("task"), ["unknown expire-failed cache:", "critical keys-never-expire cache"]);
    assert!(run.stdout.contains("150 keys got no time to live: NOPERM"), "{run:?}");
    assert!(run.stdout.contains("50.0 % of 300 keys never expire, critical above 25 %"), "{run:?}");
    assert_eq!((persistent(&server, "cache:a"), persistent(&server, "cache:b")), (0, 150));
    assert_eq!(metric(&run, "redis_keys_given_ttl"), 150.0);
}

#[test]
fn what_is_above_the_most_of_one_run_is_left_and_judged() {
    let server = faulty();
    let host = host(&server, &["~*"], ", most = 240");
    let first = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(first.findings("task"), ["warning keys-never-expire cache"], "60 of 300 are left");
    assert_eq!((first.code, persistent(&server, "cache:")), (1, 60));
    let second = host.run(&["run", "task", "--format", "json"]);
    assert_eq!((second.code, persistent(&server, "cache:")), (0, 0), "{second:?}");
}
