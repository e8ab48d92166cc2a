//! The demonstration's hostler.toml, as an operator would write it.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use crate::{Cache, Database, DemoError};

pub(crate) fn write(directory: &Path, database: &Database, cache: Option<&Cache>) -> Result<PathBuf, DemoError> {
    let path = directory.join("hostler.toml");
    fs::write(&path, text(directory, database, cache))?;
    Ok(path)
}

fn text(directory: &Path, database: &Database, cache: Option<&Cache>) -> String {
    let at = |name: &str| directory.join(name).display().to_string();
    let mut text = format!(
        r#"# Written by `hostler demo`. Change it, and run the procedures again while the servers live.
[host]
state = {state:?}

[postgres.shop]
dsn = {dsn:?}
{connections}

[directory.application]
path = {application:?}
[directory.backups]
path = {backups:?}
[directory.certificates]
path = {certificates:?}

[tasks.machine]
plugin = "system-resources"
bind = {{ machine = "machine", history = "history" }}

[tasks.connections]
plugin = "postgres-connections"
bind.database = "postgres.shop"

[tasks.indexes]
plugin = "postgres-index-health"
bind.database = "postgres.shop"

[tasks.certificates]
plugin = "security-certificates"
bind.certificates = "directory.certificates"

[tasks.vacuum]
plugin = "postgres-vacuum"
bind.database = "postgres.shop"

[tasks.files]
plugin = "backup-files"
bind = {{ source = ["directory.application"], destination = "directory.backups" }}
"#,
        state = at("state"),
        dsn = database.dsn,
        // The embedded server has one session at a time.
        connections = if database.is_embedded() { "connections = 1\n" } else { "" },
        application = at("application"),
        backups = at("backups"),
        certificates = at("certificates"),
    );
    let (mut daily, mut weekly) = (vec!["machine", "connections", "indexes", "certificates"], vec!["vacuum", "files"]);
    if let Some(cache) = cache {
        let _ = write!(
            text,
            r#"
[redis.cache]
url = {url:?}

[tasks.cache-memory]
plugin = "redis-memory"
bind.server = "redis.cache"

[tasks.cache-ttl]
plugin = "redis-ttl"
bind.server = "redis.cache"
settings = {{ prefixes = ["page:"], time_to_live = "1d" }}
"#,
            url = cache.url,
        );
        daily.push("cache-memory");
        weekly.push("cache-ttl");
    }
    let _ = write!(
        text,
        "\n[procedures.daily]\nschedule = \"06:00\"\ntasks = {daily:?}\n\n[procedures.weekly]\nschedule = \"Sun 03:00\"\ntasks = {weekly:?}\n"
    );
    text
}
