//! redis-warm: a cache filled from a real PostgreSQL, once, at a bearable rate, and never beyond its memory.

use hostler_tests::{Hostler, Postgres, RedisServer};

struct Site {
    host: Hostler,
    postgres: Postgres,
    cache: RedisServer,
}

fn site(arguments: &[&str], settings: &str) -> Site {
    let (postgres, cache) = (Postgres::start(), RedisServer::start_with(arguments));
    postgres.execute("CREATE ROLE hostler LOGIN");
    postgres.execute("CREATE TABLE product (id bigint PRIMARY KEY, name text)");
    postgres.execute("INSERT INTO product SELECT n, repeat('x', 500) || n FROM generate_series(1, 2000) n");
    postgres.execute("CREATE TABLE secret (id bigint); GRANT SELECT ON product, secret TO hostler");
    let host = Hostler::new(&format!(
        "[postgres.shop]\ndsn = {:?}\n[redis.cache]\nurl = {:?}\n[tasks.task]\nplugin = \"redis-warm\"\n\
         bind.database = {{ resource = \"postgres.shop\", read = [\"public.product\"] }}\n\
         bind.cache = {{ resource = \"redis.cache\", allow = [\"+info\", \"+ttl\", \"+get\", \"+set\", \"+del\", \"~product:*\"] }}\n\
         settings = {{ queries = {{ \"product:\" = \"SELECT 'product:' || id AS key, name AS value FROM public.product ORDER BY id\" }}, rate = 100000{settings} }}\n",
        postgres.dsn("hostler", "postgres"),
        cache.url()
    ));
    host.install(&["redis-warm"]);
    Site { host, postgres, cache }
}

impl Site {
    fn keys(&self) -> usize {
        redis::cmd("DBSIZE").query(&mut self.cache.connection()).expect("a number")
    }

    fn query(&self, query: &str) {
        let text = std::fs::read_to_string(self.host.configuration()).expect("a configuration");
        let begin = text.find("\"SELECT").expect("the query");
        let end = text[begin + 1..].find('"').expect("its end") + begin + 2;
        self.host.configure(&format!("{}{query:?}{}", &text[..begin], &text[end..]));
    }
}

#[test]
fn a_cold_cache_is_filled_once_and_what_is_fresh_is_left() {
    let site = site(&[], "");
    let plan = site.host.run(&["plan", "task", "--format", "json"]);
    assert!(plan.code == 0 && site.keys() == 0, "a plan writes nothing: {plan:?}");
    assert_eq!(plan.task("task")["summary"], "2000 wanted keys: 0 fresh, 2000 would be written");
    let run = site.host.run(&["run", "task", "--format", "json"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.task("task")["summary"], "2000 wanted keys: 0 fresh, 2000 written");
    assert_eq!(site.keys(), 2000, "and the lock is gone");
    let mut connection = site.cache.connection();
    let value: String = redis::cmd("GET").arg("product:7").query(&mut connection).expect("a value");
    assert_eq!(value, format!("{}7", "x".repeat(500)));
    let ttl: i64 = redis::cmd("TTL").arg("product:7").query(&mut connection).expect("a time");
    assert!((3590..=3960).contains(&ttl), "{ttl}");
    redis::cmd("DEL").arg(&["product:1", "product:2"]).query::<()>(&mut connection).expect("they are gone");
    redis::cmd("EXPIRE").arg("product:3").arg(60).query::<()>(&mut connection).expect("it is stale");
    let again = site.host.run(&["run", "task", "--format", "json"]);
    assert_eq!(again.task("task")["summary"], "2000 wanted keys: 1997 fresh, 3 written", "{again:?}");
}

#[test]
fn a_full_cache_is_not_filled_further() {
    let site = site(&["--maxmemory", "2mb"], "");
    let run = site.host.run(&["run", "task", "--format", "json"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert_eq!(run.findings("task"), ["warning stopped product:", "critical not-loaded product:"]);
    let info: String = redis::cmd("INFO").arg("memory").query(&mut site.cache.connection()).expect("an answer");
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("a figure");
    assert!(used.trim().parse::<f64>().expect("a number") < 2.0 * 1024.0 * 1024.0 * 0.95, "{used}");
}

#[test]
fn a_query_that_fails_or_reads_what_was_not_granted_is_unknown_and_keeps_no_other_from_its_turn() {
    let site = site(&[], "");
    let text = std::fs::read_to_string(site.host.configuration()).expect("a configuration");
    site.host.configure(&text.replace(
        "queries = {",
        "queries = { \"product:a\" = \"SELECT id::text AS key, id::text AS value FROM public.secret\",",
    ));
    let run = site.host.run(&["run", "task", "--format", "json"]);
    assert_eq!(run.code, 3, "{run:?}");
    assert_eq!(run.findings("task"), ["unknown query-failed product:a"]);
    assert_eq!(site.keys(), 2000);
    site.query("SELECT 'order:' || id AS key, name AS value FROM public.product LIMIT 5");
    drop(site.postgres);
    assert_eq!(site.host.run(&["run", "task"]).code, 3, "a source that is gone is unknown");
}

#[test]
fn who_warms_already_is_let_to_and_keys_of_others_are_never_written() {
    let site = site(&[], "");
    let mut connection = site.cache.connection();
    redis::cmd("SET")
        .arg(&["product:hostler-warm-lock", "somebody", "PX", "60000"])
        .query::<()>(&mut connection)
        .expect("a lock");
    let held = site.host.run(&["run", "task"]);
    assert!(held.code == 3 && held.stdout.contains("somebody else warms this cache"), "{held:?}");
    assert_eq!(site.keys(), 1);
    redis::cmd("DEL").arg("product:hostler-warm-lock").query::<()>(&mut connection).expect("it is gone");
    site.query("SELECT 'order:' || id AS key, name AS value FROM public.product ORDER BY id LIMIT 5");
    let strange = site.host.run(&["run", "task", "--format", "json"]);
    assert_eq!(
        strange.findings("task"),
        ["warning strange-key product:", "critical not-loaded product:"],
        "{strange:?}"
    );
    assert_eq!(site.keys(), 0);
}

/// A site whose task remembers the two most used keys, under a server that evicts so.
fn remembering(policy: &str) -> Site {
    let site = site(&["--maxmemory", "100mb", "--maxmemory-policy", policy], "");
    let text = std::fs::read_to_string(site.host.configuration()).expect("a configuration");
    let (before, after) = text.split_once("queries = {").expect("the queries");
    let (_, after) = after.split_once('}').expect("their end");
    let lookup = "SELECT 'product:' || id AS key, name AS value FROM public.product WHERE 'product:' || id = ANY ($1)";
    let allow = "\"+scan\", \"+object|freq\", \"+object|idletime\", \"~product:*\"]";
    let text = format!("{before}queries = {{}}, lookups = {{ \"product:\" = {lookup:?} }}, remember = 2{after}");
    site.host.configure(&text.replace("\"~product:*\"]", allow));
    site
}

#[test]
fn the_most_used_keys_of_the_last_run_are_warmed_after_a_flush() {
    for policy in ["allkeys-lru", "allkeys-lfu"] {
        let site = remembering(policy);
        let mut connection = site.cache.connection();
        for number in 1..=20 {
            redis::cmd("SET").arg(format!("product:{number}")).arg("x").query::<()>(&mut connection).expect("a key");
        }
        // Idle time is counted in seconds.
        std::thread::sleep(std::time::Duration::from_millis(2100));
        for _ in 0..3000 {
            for key in ["product:7", "product:9"] {
                redis::cmd("GET").arg(key).query::<String>(&mut connection).expect("a value");
            }
        }
        let first = site.host.run(&["run", "task", "--format", "json"]);
        assert_eq!(first.code, 3, "{policy}: {first:?}");
        assert_eq!(first.findings("task"), ["unknown baseline-taken product:"]);
        redis::cmd("FLUSHALL").query::<()>(&mut connection).expect("it is empty");
        let plan = site.host.run(&["plan", "task", "--format", "json"]);
        assert_eq!(plan.task("task")["summary"], "2 wanted keys: 0 fresh, 2 would be written", "{policy}: {plan:?}");
        assert_eq!(site.keys(), 0, "a plan writes nothing");
        let run = site.host.run(&["run", "task", "--format", "json"]);
        assert_eq!(run.code, 0, "{policy}: {run:?}");
        assert_eq!(run.task("task")["summary"], "2 wanted keys: 0 fresh, 2 written");
        let value: String = redis::cmd("GET").arg("product:7").query(&mut connection).expect("a value");
        assert!(value.ends_with('7') && value.len() == 501, "it is the source's: {value}");
        // What the source no longer has is forgotten, and what was brought back is known still.
        site.postgres.execute("DELETE FROM product WHERE id = 9");
        redis::cmd("FLUSHALL").query::<()>(&mut connection).expect("it is empty");
        let again = site.host.run(&["run", "task", "--format", "json"]);
        assert_eq!(again.task("task")["summary"], "1 wanted key: 0 fresh, 1 written", "{policy}: {again:?}");
    }
}

#[test]
fn a_user_that_may_not_ask_for_the_use_of_keys_is_told() {
    let site = remembering("allkeys-lru");
    let text = std::fs::read_to_string(site.host.configuration()).expect("a configuration");
    site.host.configure(&text.replace("\"+object|freq\", \"+object|idletime\", ", ""));
    redis::cmd("SET").arg("product:1").arg("x").query::<()>(&mut site.cache.connection()).expect("a key");
    let run = site.host.run(&["run", "task", "--format", "json"]);
    let findings = run.findings("task");
    assert!(run.code == 3 && findings.contains(&"unknown keys-not-ranked product:".to_owned()), "{run:?}");
}
