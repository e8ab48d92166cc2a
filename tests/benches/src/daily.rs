//! `hostler run daily` of all the guide's daily tasks that `init --guide` binds, on a machine with PostgreSQL, Redis and
//! nginx that is well. A script stands in for systemctl and journalctl, as in the tests.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use anyhow::Context;
use hostler_tests::{Hostler, Nginx, Postgres, RedisServer, component};

use crate::{
    measure::{medians, process},
    table::{Goal, Line},
};

pub(crate) fn compare() -> anyhow::Result<Vec<Line>> {
    let (postgres, cache) = (Postgres::start(), RedisServer::start());
    let nginx = Nginx::start("", "");
    nginx.get("/index.html", 200);
    postgres.execute("CREATE TABLE orders AS SELECT n AS id, 'new' AS status FROM generate_series(1, 5000) n");
    postgres.execute("VACUUM ANALYZE");
    let host = Hostler::new("");
    let root = host.path().join("root");
    for directory in ["var/log", "etc/nginx", "usr/bin", "tmp", "var/tmp"] {
        fs::create_dir_all(root.join(directory))?;
    }
    symlink(nginx.logs(), root.join("var/log/nginx"))?;
    fs::copy(nginx.path().join("nginx.conf"), root.join("etc/nginx/nginx.conf"))?;
    let unit = "Id=shop.service\\nNames=shop.service\\nLoadState=loaded\\nActiveState=active\\nSubState=running\\nResult=success\\nNRestarts=0\\n";
    for (name, script) in [("systemctl", format!("printf '{unit}'")), ("journalctl", "exit 0".to_owned())] {
        let path = root.join("usr/bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n"))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    let plugins = component("system-resources");
    let plugins = plugins.parent().context("a directory")?.display().to_string();
    let written = host.path().join("guide.toml");
    let files = host.path().join("files").display().to_string();
    let arguments = ["init", "--guide", &written.display().to_string(), "--plugins", &plugins, "--files", &files]
        .map(str::to_owned);
    let servers = ["--postgres", &postgres.superuser(), "--redis", &cache.url()].map(str::to_owned);
    let arguments: Vec<String> =
        arguments.into_iter().chain(servers).chain(["--root".into(), root.display().to_string()]).collect();
    let init = host.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    anyhow::ensure!(init.code == 0, "{init:?}");
    let text = fs::read_to_string(&written)?;
    host.configure(&text);
    let installed = host.run(&["install", &plugins, "--accept"]);
    anyhow::ensure!(installed.code == 0, "{installed:?}");
    // What cannot be asked of this machine is unknown: the verdict does not matter here.
    let [taken] = medians(5, [&mut || process(&mut host.command(&["run", "daily"]), &[0, 1, 2, 3])])?;
    let tasks = host.run(&["run", "daily", "--format", "json"]).json()["tasks"].as_array().map_or(0, Vec::len);
    Ok(vec![Line::figure(
        &format!("`hostler run daily`, {tasks} tasks"),
        String::new(),
        taken.as_secs_f64(),
        "s",
        Goal::AtMost(3.0),
    )])
}
