//! What an operator reads in the morning: a procedure's report from the history, in each of its formats, of real runs on
//! real servers.

use std::fs;

use hostler_tests::{Hostler, Postgres, RedisServer, free_port};

struct Site {
    host: Hostler,
    redis: RedisServer,
    _postgres: Postgres,
}

/// A healthy database, a Redis server whose keys never expire, a server that is not there, a task that never ran, and one
/// that is switched off.
fn site() -> Site {
    let (postgres, redis) = (Postgres::start(), RedisServer::start());
    postgres.execute("CREATE ROLE hostler LOGIN IN ROLE pg_monitor");
    let mut pipeline = redis::pipe();
    for number in 0..20 {
        pipeline.cmd("SET").arg(format!("cache:{number}")).arg("x").ignore();
    }
    pipeline.query::<()>(&mut redis.connection()).expect("keys");
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = {:?}\n[postgres.gone]\ndsn = \"host=127.0.0.1 port={} user=hostler\"\n\
         [redis.cache]\nurl = {:?}\n[directory.files]\npath = \"{{directory}}/files\"\n[directory.archives]\npath = \"{{directory}}/archives\"\n\
         [tasks.connections]\nplugin = \"postgres-connections\"\nbind.database = \"postgres.main\"\n\
         [tasks.expiry]\nplugin = \"redis-ttl\"\nbind.server = {{ resource = \"redis.cache\", allow = [\"+scan\", \"+ttl\", \"+object|idletime\", \"%R~*\"] }}\n\
         [tasks.elsewhere]\nplugin = \"postgres-connections\"\nbind.database = \"postgres.gone\"\n\
         [tasks.off]\nplugin = \"example-empty\"\nenabled = false\n\
         [tasks.files]\nplugin = \"backup-files\"\nbind.source = [\"directory.files\"]\nbind.destination = \"directory.archives\"\n\
         [tasks.late]\nplugin = \"example-empty\"\n\
         [procedures.daily]\ntasks = [\"connections\", \"expiry\", \"elsewhere\", \"off\", \"files\"]\n\
         [procedures.all]\ntasks = [\"connections\", \"expiry\", \"elsewhere\", \"off\", \"files\", \"late\"]\n",
        postgres.dsn("hostler", "postgres"),
        free_port(),
        redis.url(),
    ));
    for name in ["files", "archives"] {
        fs::create_dir(host.path().join(name)).expect("a directory");
    }
    fs::write(host.path().join("files/orders"), "1\n").expect("a file");
    host.install(&["postgres-connections", "redis-ttl", "example-empty", "backup-files"]);
    Site { host, redis, _postgres: postgres }
}

#[test]
fn what_needs_action_comes_first_then_what_is_well_then_what_could_not_be_looked_at() {
    let Site { host, redis, _postgres } = site();
    let before = host.run(&["report", "all"]);
    assert_eq!(before.code, 3, "nothing has run, so nothing is known: {before:?}");
    assert!(before.stdout.contains("Needs action (0)") && before.stdout.contains("it has never run"), "{before:?}");

    assert_eq!(host.run(&["run", "daily"]).code, 2);
    let first = host.run(&["report", "all"]);
    assert_eq!(first.code, 2, "{first:?}");
    let text = &first.stdout;
    let at = |said: &str| text.find(said).unwrap_or_else(|| panic!("{said:?} is missing in {text}"));
    assert!(
        at("Needs action (1)") < at("CRITICAL expiry") && at("CRITICAL expiry") < at("Looked at, and well (2)"),
        "{text}"
    );
    assert!(at("never expire, critical above 25 % (new)") < at("→"), "with its remedy: {text}");
    assert!(
        at("Looked at, and well (2)") < at("  connections  ")
            && at("  connections  ") < at("Could not be looked at (3)"),
        "{text}"
    );
    for said in
        ["elsewhere: ", "off: it is switched off", "late: it has never run", "→ hostler run late", "files changed:"]
    {
        assert!(at(said) > at("Could not be looked at (3)"), "{said}: {text}");
    }

    assert_eq!(host.run(&["run", "expiry"]).code, 2);
    let again = host.run(&["report", "daily"]);
    assert!(again.stdout.contains("critical above 25 % (since 20"), "it is known since the first run: {again:?}");

    // What is put right is no longer told, and its task is among those that are well.
    redis::cmd("FLUSHALL").query::<()>(&mut redis.connection()).expect("it is flushed");
    assert_eq!(host.run(&["run", "expiry"]).code, 0);
    let healed = host.run(&["report", "daily", "--format", "json"]);
    assert_eq!(healed.code, 3, "a server is still not to be had: {healed:?}");
    let json = healed.json();
    assert_eq!(json["verdict"], "unknown");
    assert_eq!(json["needs_action"].as_array().map(Vec::len), Some(0));
    let well: Vec<_> = json["well"].as_array().expect("tasks").iter().map(|task| task["task"].clone()).collect();
    assert_eq!(well, ["connections", "expiry", "files"]);
    let missed = json["not_looked_at"].as_array().expect("tasks");
    assert_eq!(
        missed.iter().map(|one| one["task"].as_str().unwrap_or_default()).collect::<Vec<_>>(),
        ["elsewhere", "off"]
    );
    assert!(missed[0]["reason"].as_str().is_some_and(|reason| reason.contains("postgres.gone")), "{missed:?}");
    assert_eq!(json["changes"][0]["task"], "files");
    assert_eq!(json["changes"][0]["effect"]["outcome"], "applied");
}

#[test]
fn the_page_stands_alone_and_shows_what_was_measured() {
    let site = site();
    let host = &site.host;
    for _ in 0..3 {
        host.run(&["run", "daily"]);
    }
    let file = host.path().join("report.html");
    let written = host.run(&["report", "daily", "--format", "html", "--out", file.to_str().expect("UTF-8")]);
    assert_eq!(written.code, 2, "{written:?}");
    let page = fs::read_to_string(&file).expect("a page");
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"), "{page}");
    // What plugins say in it is tried in tests/hostile/reports.rs.
    for forbidden in ["<script", "http://", "https://", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(forbidden), "{forbidden} in {page}");
    }
    assert!(page.contains("default-src 'none'"), "{page}");
    assert!(page.matches("<svg").count() >= 5 && page.contains("<polyline"), "charts of what was measured: {page}");
    assert!(page.contains("redis_keys_without_ttl"), "{page}");
    assert!(page.find("Needs action") < page.find("Could not be looked at"), "{page}");
}

#[test]
fn a_run_that_was_due_and_did_not_come_is_told() {
    let host = Hostler::new(
        "[tasks.a]\nplugin = \"example-empty\"\n[procedures.daily]\nschedule = \"daily 03:00\"\ntime_zone = \"UTC\"\ntasks = [\"a\"]\n",
    );
    host.install(&["example-empty"]);
    assert_eq!(host.run(&["run", "daily"]).code, 0);
    assert_eq!(host.run(&["report", "daily"]).code, 0);
    let mut later = host.command(&["report", "daily"]);
    later.env("LD_PRELOAD", "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1").env("FAKETIME", "+3d");
    let late = later.output().expect("hostler starts");
    let text = String::from_utf8_lossy(&late.stdout).into_owned();
    assert_eq!(late.status.code(), Some(3), "{text}");
    assert!(text.contains("it was due at") && text.contains("systemctl status hostler-daily.timer"), "{text}");
}

#[test]
fn what_there_is_no_report_of_is_said() {
    let host = Hostler::new("[tasks.a]\nplugin = \"example-empty\"\n[procedures.daily]\ntasks = [\"a\"]\n");
    let unknown = host.run(&["report", "dayly"]);
    assert!(unknown.code == 64 && unknown.stderr.contains("did you mean daily?"), "{unknown:?}");
    let nowhere = host.run(&["report", "daily", "--out", "/nowhere/report.html"]);
    assert!(nowhere.code >= 64 && nowhere.stderr.contains("/nowhere/report.html"), "{nowhere:?}");
    assert_eq!(host.run(&["report", "daily", "--days", "0"]).code, 64);
}
