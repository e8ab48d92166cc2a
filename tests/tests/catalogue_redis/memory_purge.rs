//! redis-memory-purge: pages that the allocator keeps are given back once, and a server without them is left alone.

use hostler_tests::{Hostler, RedisServer};

fn host(server: &RedisServer) -> Hostler {
    let host = Hostler::new(&format!(
        "[redis.main]\nurl = {:?}\n[tasks.task]\nplugin = \"redis-memory-purge\"\nbind.server = \"redis.main\"\n",
        server.url()
    ));
    host.install(&["redis-memory-purge"]);
    host
}

fn calls(server: &RedisServer) -> bool {
    let info: String = redis::cmd("INFO").arg("commandstats").query(&mut server.connection()).expect("an answer");
    info.contains("memory|purge")
}

#[test]
fn what_the_allocator_holds_unused_is_given_back_after_a_plan_that_gave_nothing() {
    let server = RedisServer::start_with(&["--enable-debug-command", "yes", "--jemalloc-bg-thread", "no"]);
    let mut connection = server.connection();
    redis::cmd("DEBUG").arg(&["POPULATE", "150000", "key", "600"]).query::<()>(&mut connection).expect("keys");
    // FLUSHALL gives pages back by itself; what is deleted key by key stays with the allocator for a while.
    for batch in (0..150_000).collect::<Vec<_>>().chunks(10_000) {
        let keys: Vec<String> = batch.iter().map(|number| format!("key:{number}")).collect();
        redis::cmd("DEL").arg(keys).query::<()>(&mut connection).expect("they are deleted");
    }
    let host = host(&server);
    let plan = host.run(&["plan", "task", "--format", "json"]);
    assert_eq!(plan.code, 0, "{plan:?}");
    assert!(plan.stdout.contains("would give back up to") && !calls(&server), "{plan:?}");
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(run.code, 0, "{run:?}");
    let summary = run.task("task")["summary"].to_string();
    assert!(summary.contains("given back: resident memory was") && calls(&server), "{run:?}");
    let again = host.run(&["run", "task", "--format", "json"]);
    assert!(again.code == 0 && again.stdout.contains("nothing to give back"), "{again:?}");
    assert!(!again.stdout.contains("\"applied\""), "{again:?}");
}

#[test]
fn a_server_with_nothing_to_give_back_is_left_alone_and_one_without_the_right_is_unknown() {
    let server = RedisServer::start();
    let host = host(&server);
    let run = host.run(&["run", "task"]);
    assert!(run.code == 0 && run.stdout.contains("nothing to give back") && !calls(&server), "{run:?}");
    redis::cmd("ACL").arg(&["SETUSER", "default", "-info"]).query::<()>(&mut server.connection()).expect("it is set");
    assert_eq!(host.run(&["run", "task"]).code, 3);
}
