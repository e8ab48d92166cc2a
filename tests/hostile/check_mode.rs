//! Check mode changes nothing, whatever a plugin does: the servers and the files are compared before and after every
//! plugin and every hostile call, and the same calls are made in earnest for contrast.

use std::fs;

use hostler_tests::{Hostler, Postgres, RedisServer, eventually};
use serde_json::{Value, json};

use crate::{files::tree, network::Site, postgres, puppet, redis};

/// Every plugin of this repository, with the bindings that it takes.
const TASKS: &str = r#"
[tasks.resources]
plugin = "system-resources"
bind = { machine = "machine", history = "history" }
[tasks.services]
plugin = "system-services"
bind.endpoints = ["endpoint.site"]
[tasks.connections]
plugin = "postgres-connections"
bind.database = "postgres.main"
[tasks.replication]
plugin = "postgres-replication"
bind.database = "postgres.main"
[tasks.index-health]
plugin = "postgres-index-health"
bind.database = "postgres.main"
[tasks.vacuum]
plugin = "postgres-vacuum"
bind.database = "postgres.main"
[tasks.memory]
plugin = "redis-memory"
bind.server = "redis.main"
[tasks.hit-rate]
plugin = "redis-hit-rate"
bind.server = "redis.main"
[tasks.ttl]
plugin = "redis-ttl"
bind.server = "redis.main"
settings = { prefixes = ["cache:"], time_to_live = "1d" }
[tasks.certificates]
plugin = "security-certificates"
bind.certificates = ["directory.looked"]
[tasks.files]
plugin = "backup-files"
bind = { source = ["directory.looked"], destination = "directory.data" }
[tasks.empty]
plugin = "example-empty"
[tasks.example]
plugin = "example-connections"
bind.database = "postgres.main"
[tasks.misbehaving]
plugin = "test-misbehaving"
settings = { behaviour = "changes-deaf", count = 5 }
bind.output = "directory.data"
[tasks.puppet]
plugin = "test-puppet"
bind = { database = "postgres.main", cache = "redis.main", data = "directory.data", looked = "directory.looked", program = "program.sh", site = "endpoint.site" }
[procedures.all]
tasks = ["resources", "services", "connections", "replication", "index-health", "vacuum", "memory", "hit-rate", "ttl", "certificates", "files", "empty", "example", "misbehaving", "puppet"]
"#;

const PLUGINS: &[&str] = &[
    "system-resources",
    "system-services",
    "postgres-connections",
    "postgres-replication",
    "postgres-index-health",
    "postgres-vacuum",
    "redis-memory",
    "redis-hit-rate",
    "redis-ttl",
    "security-certificates",
    "backup-files",
    "example-empty",
    "example-connections",
    "test-misbehaving",
    "test-puppet",
];

/// A change by every call of the contract that has one.
fn changes() -> Vec<Value> {
    let mut steps = Vec::new();
    for sql in [
        "UPDATE public.allowed SET note = 'changed'",
        "DELETE FROM public.allowed WHERE id = 1",
        "INSERT INTO public.allowed VALUES (100, 'new')",
        "VACUUM public.allowed",
        "ANALYZE public.allowed",
        "REINDEX TABLE CONCURRENTLY public.allowed",
    ] {
        steps.push(postgres::change(sql));
    }
    for sql in ["UPDATE public.allowed SET note = 'again'", "DELETE FROM public.allowed WHERE id = 2"] {
        steps.push(json!({ "call": "postgres", "sql": sql, "transaction": true, "change": true }));
    }
    for command in ["SET cache:1 changed", "DEL cache:2", "EXPIRE cache:set 1000", "LPUSH cache:list 0"] {
        steps.push(redis::change(command));
    }
    steps.push(json!({ "call": "redis", "many": [["DEL", "cache:1"], ["DEL", "cache:sorted"]], "change": true }));
    let file = |what: Value| {
        let mut step = what;
        step["call"] = "files".into();
        step
    };
    steps.extend(
        [
            json!({ "do": "write", "path": "/data/new", "text": "new" }),
            json!({ "do": "write", "path": "/data/plain", "text": "changed" }),
            json!({ "do": "copy", "source": "/data/plain", "destination": "/data/copy" }),
            json!({ "do": "rename", "source": "/data/moved", "destination": "/data/elsewhere" }),
            json!({ "do": "remove", "path": "/data/removed" }),
            json!({ "do": "remove-tree", "path": "/data/tree" }),
            json!({ "do": "create-directory", "path": "/data/directory" }),
            json!({ "do": "set-permissions", "path": "/data/plain", "mode": 0o640 }),
            json!({ "do": "archive", "sources": ["/looked"], "destination": "/data/archive", "compression": "zstd" }),
        ]
        .map(file),
    );
    steps.push(json!({ "call": "program", "arguments": ["-c", "echo changed", { "path": "/data/plain" }] }));
    steps.push(json!({ "call": "program", "arguments": ["-ec", "echo made > $0", { "path": "/data/made" }] }));
    steps.push(
        json!({ "call": "program", "arguments": ["-c", "echo out", { "path": "/data/plain" }], "file": "/data/out" }),
    );
    steps.push(json!({ "call": "network", "path": "/orders", "method": "POST", "body": "x" }));
    steps
}

struct Ground {
    host: Hostler,
    postgres: Postgres,
    redis: RedisServer,
    site: Site,
}

impl Ground {
    fn new() -> Self {
        let (postgres, redis) = (postgres::server(), redis::server());
        postgres.execute("CREATE TABLE public.due AS SELECT g AS id, 'x' AS note FROM generate_series(1, 5000) g");
        postgres.execute("UPDATE public.due SET note = 'y'");
        eventually("the statistics know of the dead rows", || {
            postgres.value("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'due'") == "5000"
        });
        let site = Site::start();
        let host = Hostler::new(&format!(
            "[postgres.main]\ndsn = \"{}\"\n[redis.main]\nurl = \"{}\"\n\
             [directory.data]\npath = \"{{directory}}/data\"\n[directory.looked]\npath = \"{{directory}}/looked\"\n\
             [endpoint.site]\nurl = \"http://127.0.0.1:{}\"\n\
             [program.sh]\npath = \"/bin/sh\"\nallow = [{{ arguments = [\"-c\", \"{{text}}\", \"{{path}}\"] }}, \
             {{ arguments = [\"-ec\", \"{{text}}\", \"{{output}}\"] }}]\n{TASKS}",
            postgres.superuser(),
            redis.url(),
            site.port
        ));
        for directory in ["data/tree", "looked"] {
            fs::create_dir_all(host.path().join(directory)).expect("a directory");
        }
        for file in ["data/plain", "data/moved", "data/removed", "data/tree/leaf", "looked/plain"] {
            fs::write(host.path().join(file), "plain").expect("a file");
        }
        host.install(PLUGINS);
        puppet::write(&host, &changes());
        Self { host, postgres, redis, site }
    }

    /// All that a change would show in.
    fn everything(&self) -> Vec<String> {
        let mut all = vec![
            postgres::everything(&self.postgres),
            self.postgres.value(
                "SELECT string_agg(relname || relfilenode || coalesce(c.reltuples::text, ''), ',' ORDER BY c.oid) FROM pg_class c",
            ),
            self.postgres.value("SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM public.due t"),
            self.postgres.value("SELECT sum(vacuum_count + analyze_count + n_tup_upd + n_tup_del)::text FROM pg_stat_user_tables"),
        ];
        all.extend(redis::everything(&self.redis));
        for directory in ["data", "looked"] {
            all.extend(tree(&self.host.path().join(directory)));
        }
        all
    }

    /// Whether the site was asked to change something since the last look; GET and HEAD read.
    fn was_changed(&self) -> bool {
        self.site.asked().iter().any(|request| !request.starts_with("GET ") && !request.starts_with("HEAD "))
    }
}

#[test]
fn no_plugin_changes_anything_in_check_mode_and_in_earnest_they_do() {
    let ground = Ground::new();
    let before = ground.everything();
    for command in [&["plan", "all"][..], &["plan", "all", "--keep-state"], &["plan", "puppet"]] {
        let output = ground.host.run(&[command, &["--format", "json"]].concat());
        let tasks = output.json()["tasks"].as_array().cloned().expect("tasks");
        assert!(tasks.iter().all(|task| task["mode"] == "check"), "{command:?}: {output:?}");
        assert!(tasks.iter().all(|task| task["course"] == "done"), "each did its work: {command:?}: {output:?}");
        let planned = puppet::attached(&output.task("puppet"));
        for (step, outcome) in changes().iter().zip(&planned) {
            let planned = outcome["allowed"].as_str().is_some_and(|text| text.to_lowercase().contains("planned"));
            assert!(planned || outcome.get("allowed").is_some(), "{step}: {outcome}");
        }
        let after = ground.everything();
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before, after, "{command:?}");
        }
        assert_eq!(before.len(), after.len(), "{command:?}");
        assert!(!ground.was_changed(), "{command:?}");
    }
    let plan = ground.host.run(&["plan", "all", "--format", "json"]);
    for task in ["vacuum", "ttl", "files", "misbehaving", "puppet"] {
        let steps = plan.task(task)["plan"]["steps"].as_array().map_or(0, Vec::len);
        assert!(steps > 0, "{task} plans what it would change: {plan:?}");
    }
    // In earnest each of these is another: the comparison would have seen it.
    let run = ground.host.run(&["run", "all", "--format", "json"]);
    let after = ground.everything();
    let differs = |begin: &str| {
        let part = |all: &[String]| all.iter().filter(|one| one.contains(begin)).cloned().collect::<Vec<_>>();
        part(&before) != part(&after)
    };
    assert!(ground.was_changed(), "the site: {run:?}");
    assert_ne!(before[0], after[0], "the tables: {run:?}");
    assert_ne!(before[3], after[3], "what was vacuumed: {run:?}");
    for begin in [
        "cache:1 ",
        "cache:set ",
        "/data/plain",
        "/data/removed",
        "/data/made",
        "/data/archive",
        "/data/out",
        "/data/file-0",
    ] {
        assert!(differs(begin), "{begin}: {run:?}");
    }
}
