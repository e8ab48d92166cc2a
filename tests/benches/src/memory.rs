//! The resident memory of a daily procedure over real servers.

use std::fs;

use hostler_tests::{Hostler, Postgres, RedisServer};

use crate::{
    measure::process_and_memory,
    table::{Goal, Line},
};

pub(crate) fn compare() -> anyhow::Result<Vec<Line>> {
    let (database, cache) = (Postgres::start(), RedisServer::start());
    let host = Hostler::new(&format!(
        r#"
[postgres.main]
dsn = "{}"
[redis.cache]
url = "{}"
[directory.certificates]
path = "{{directory}}/certificates"
[tasks.machine]
plugin = "system-resources"
bind = {{ machine = "machine", history = "history" }}
[tasks.connections]
plugin = "postgres-connections"
bind.database = "postgres.main"
[tasks.replication]
plugin = "postgres-replication"
bind.database = ["postgres.main"]
[tasks.indexes]
plugin = "postgres-index-health"
bind.database = "postgres.main"
[tasks.memory]
plugin = "redis-memory"
bind.server = "redis.cache"
[tasks.hit-rate]
plugin = "redis-hit-rate"
bind.server = "redis.cache"
[tasks.certificates]
plugin = "security-certificates"
bind.certificates = "directory.certificates"
[procedures.daily]
tasks = ["machine", "connections", "replication", "indexes", "memory", "hit-rate", "certificates"]
"#,
        database.superuser(),
        cache.url()
    ));
    fs::create_dir(host.path().join("certificates"))?;
    host.install(&[
        "system-resources",
        "postgres-connections",
        "postgres-replication",
        "postgres-index-health",
        "redis-memory",
        "redis-hit-rate",
        "security-certificates",
    ]);
    let mut most = 0;
    for _ in 0..5 {
        most = most.max(process_and_memory(&mut host.command(&["run", "daily"]), &[0, 1, 2, 3])?.1);
    }
    let what = "most resident memory of `hostler run daily`, seven tasks, code cached";
    Ok(vec![Line::figure(what, String::new(), most as f64 / 1e6, "MB", Goal::AtMost(120.0))])
}
