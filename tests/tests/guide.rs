//! `init --guide` on a machine with PostgreSQL, Redis, nginx and node, and the three procedures that it writes. systemd
//! does not run where the tests do: a script stands in for systemctl at the program's boundary.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use hostler_tests::{Hostler, Nginx, Output, Postgres, RedisServer, component};

fn plugins() -> String {
    component("system-resources").parent().expect("a directory").display().to_string()
}

/// A root directory as of a small machine: nginx's logs and configuration, a systemctl, an old temporary file.
fn machine(host: &Hostler, nginx: &Nginx) {
    let root = host.path().join("root");
    for directory in ["var/log", "etc/nginx", "usr/bin", "tmp", "var/tmp"] {
        fs::create_dir_all(root.join(directory)).expect("a directory");
    }
    symlink(nginx.logs(), root.join("var/log/nginx")).expect("a link");
    fs::copy(nginx.path().join("nginx.conf"), root.join("etc/nginx/nginx.conf")).expect("a copy");
    let systemctl = root.join("usr/bin/systemctl");
    let unit = "Id=shop.service\\nNames=shop.service\\nLoadState=loaded\\nActiveState=failed\\nSubState=failed\\nResult=exit-code\\nNRestarts=0\\n";
    fs::write(&systemctl, format!("#!/bin/sh\nprintf '{unit}'\n")).expect("a script");
    fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).expect("permissions");
    let old = root.join("tmp/left-behind");
    fs::write(&old, "x").expect("a file");
    for program in ["node", "npm"] {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).map(|place| place.join(program)).find(|path| path.exists());
        symlink(found.expect("node and npm: `make test` installs them"), root.join("usr/bin").join(program))
            .expect("a link");
    }
    for directory in ["usr/lib/postgresql", "var/lib/postgresql"] {
        let place = Path::new("/").join(directory);
        fs::create_dir_all(root.join(directory).parent().expect("a directory")).expect("a directory");
        symlink(place, root.join(directory)).expect("a link");
    }
    assert!(Command::new("touch").args(["-d", "30 days ago"]).arg(&old).status().expect("touch").success());
}

/// Redis' data and the program that reads a snapshot through.
fn redis_on(host: &Hostler, cache: &RedisServer) {
    let root = host.path().join("root");
    let (_, data): (String, String) =
        redis::cmd("CONFIG").arg(&["GET", "dir"]).query(&mut cache.connection()).expect("its directory");
    fs::create_dir_all(root.join("var/lib")).expect("a directory");
    symlink(data, root.join("var/lib/redis")).expect("a link");
    symlink("/usr/bin/redis-check-rdb", root.join("usr/bin/redis-check-rdb")).expect("a link");
}

fn procedure(host: &Hostler, command: &str, name: &str) -> Output {
    let output = host.run(&[command, name, "--format", "json"]);
    assert!((0..=3).contains(&output.code), "{output:?}");
    for task in output.json()["tasks"].as_array().expect("tasks") {
        assert_eq!(task["course"], "done", "every task that is bound can do its work: {task:#}");
    }
    output
}

#[test]
fn the_guide_is_written_for_this_machine_and_its_procedures_find_and_mend() {
    let (postgres, cache) = (Postgres::start(), RedisServer::start());
    let nginx = Nginx::start("", "location /fail { return 503; }");
    nginx.get("/index.html", 180);
    nginx.get("/fail", 20);
    postgres.execute("CREATE TABLE orders AS SELECT n AS id, 'new' AS status FROM generate_series(1, 5000) n");
    postgres.execute("UPDATE orders SET status = 'paid'");
    postgres.execute("CREATE EXTENSION amcheck");
    // Its build fails, and then the cause is put right: the index is left invalid.
    postgres.execute("CREATE TABLE users AS SELECT 1 AS id FROM generate_series(1, 2)");
    postgres.try_execute("CREATE UNIQUE INDEX CONCURRENTLY users_id ON users (id)").expect_err("rows are there twice");
    postgres.execute("DELETE FROM users WHERE ctid = '(0,2)'");
    redis::cmd("SET").arg(&["cache:1", "x"]).query::<()>(&mut cache.connection()).expect("a key");
    let host = Hostler::new("");
    machine(&host, &nginx);
    redis_on(&host, &cache);
    let written = host.path().join("guide.toml");
    let init = host.run(&[
        "init",
        "--guide",
        written.to_str().expect("UTF-8"),
        "--plugins",
        &plugins(),
        "--postgres",
        &postgres.superuser(),
        "--redis",
        &cache.url(),
        "--root",
        host.path().join("root").to_str().expect("UTF-8"),
        "--files",
        host.path().join("files").to_str().expect("UTF-8"),
    ]);
    assert_eq!(init.code, 0, "{init:?}");
    let text = fs::read_to_string(&written).expect("a configuration");
    // Every item of the guide has its line, as a task or as what is missing.
    let guide = fs::read_to_string(hostler_tests::root().join("plugins/guide.toml")).expect("the guide");
    for item in guide.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')) {
        assert!(text.contains(item), "{item} is missing in {text}");
    }
    for said in [
        "[postgres.main]",
        "[redis.main]",
        "[directory.var-log-nginx]",
        "[program.systemctl]",
        "confine = \"best-effort\"",
        "\"security-access-logs\",   # Security: Review access logs",
        "#[tasks.redis-warm]",
        "settings.queries has to be given",
        "#bind.standbys = …   # optional, and not bound: which servers are standbys",
    ] {
        assert!(text.contains(said), "{said} is missing in {text}");
    }
    // A server's programs look for one another beside themselves, where the walls show them: not behind a link.
    let behind = host.path().join("root/usr/lib/postgresql").display().to_string();
    host.configure(&text.replace(&behind, "/usr/lib/postgresql"));
    assert_eq!(host.run(&["install", &plugins(), "--accept"]).code, 0);

    let daily = procedure(&host, "run", "daily");
    assert_eq!(daily.code, 2, "{daily:?}");
    assert_eq!(daily.findings("system-services"), ["critical unit-failed shop.service"]);
    assert_eq!(daily.findings("security-access-logs"), ["critical server-errors web server"]);
    assert_eq!(daily.findings("security-rate-limits"), ["critical limited web server", "warning no-limiter nginx"]);
    assert!(daily.findings("postgres-connections").is_empty());
    assert!(daily.findings("redis-snapshot").is_empty(), "the copy could be read through: {daily:?}");
    assert_eq!(daily.findings("postgres-index-health"), ["critical index-invalid public.users_id"]);
    assert!(daily.findings("backup-postgres-dump").is_empty(), "{daily:?}");

    let plan = procedure(&host, "plan", "weekly");
    assert!(plan.stdout.contains("left-behind") && host.path().join("root/tmp/left-behind").exists());
    let weekly = procedure(&host, "run", "weekly");
    for changed in ["VACUUM", "ANALYZE", "left-behind"] {
        assert!(weekly.stdout.contains(changed), "{changed} is missing in {weekly:?}");
    }
    assert!(!host.path().join("root/tmp/left-behind").exists());
    assert!(
        weekly.findings("postgres-reindex").is_empty() && weekly.findings("backup-verify").is_empty(),
        "{weekly:?}"
    );
    let again = procedure(&host, "run", "weekly");
    assert!(!again.stdout.contains("\"applied\""), "what was put right is left alone: {again:?}");
    let better = procedure(&host, "run", "daily");
    assert!(better.findings("postgres-index-health").is_empty(), "it was rebuilt: {better:?}");
    assert!(better.findings("backup-freshness").is_empty(), "there are whole backups now: {better:?}");
    let monthly = procedure(&host, "run", "monthly");
    assert!(
        monthly.task("node-runtime")["summary"].as_str().is_some_and(|said| said.starts_with("node ")),
        "{monthly:?}"
    );
    assert_eq!(monthly.findings("system-capacity"), ["unknown history-short history"]);
    let report = host.run(&["report", "daily"]);
    assert!(report.stdout.contains("Needs action (") && report.stdout.contains("shop.service"), "{report:?}");
    for name in ["daily", "weekly", "monthly"] {
        assert_eq!(host.run(&["timers", name]).code, 0);
    }
}

#[test]
fn a_bare_machine_has_every_item_with_what_it_lacks() {
    let host = Hostler::new("");
    let root = host.path().join("empty");
    fs::create_dir(&root).expect("a directory");
    let written = host.path().join("guide.toml");
    let arguments = |file: &str| {
        let root = root.to_str().expect("UTF-8").to_owned();
        ["init", "--guide", file, "--plugins", &plugins(), "--root", &root].map(str::to_owned)
    };
    let file = written.to_str().expect("UTF-8").to_owned();
    let run = |arguments: &[String]| host.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(run(&arguments(&file)).code, 0);
    let text = fs::read_to_string(&written).expect("a configuration");
    assert!(
        text.contains("Not set up: logs: /var/log/nginx or /var/log/apache2 or /var/log/httpd is not there"),
        "{text}"
    );
    let again = run(&arguments(&file));
    assert!(again.code == 64 && again.stderr.contains("left as it is"), "{again:?}");
    assert_eq!(fs::read_to_string(&written).expect("it stays"), text);
    let other = host.path().join("other.toml").display().to_string();
    let secret =
        host.run(&["init", "--guide", &other, "--plugins", &plugins(), "--postgres", "host=a password=hunter2"]);
    assert!(
        secret.code == 64 && secret.stderr.contains("leave the password out") && !secret.stderr.contains("hunter2"),
        "{secret:?}"
    );
    let empty = host.run(&["init", "--guide", &other, "--plugins", root.to_str().expect("UTF-8")]);
    assert!(empty.code == 64 && empty.stderr.contains("there is no plugin in it"), "{empty:?}");
}
