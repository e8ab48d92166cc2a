//! backup-restore-test: real dumps restored into a real server that is not the one they were taken from.

use std::{fs, path::PathBuf, time::Duration};

use hostler_tests::{Hostler, Postgres, Signal, eventually};
use serde_json::Value;

use crate::site::{self, VERSIONS, names, program, psql, run, server, task, told};

const PLUGIN: &str = "backup-restore-test";

fn host(production: &Postgres, scratch: &Postgres, settings: &str) -> Hostler {
    let dump = "bind.database = [\"postgres.shop\"]\nbind.destination = \"directory.backups\"";
    let test = format!(
        "bind.backups = \"directory.backups\"\nbind.scratch = \"postgres.scratch\"\nsettings = {{ {settings} }}"
    );
    let configuration = format!(
        "[postgres.shop]\ndsn = {:?}\n[postgres.scratch]\ndsn = {:?}\n{}{}",
        production.dsn("hostler", "postgres"),
        scratch.dsn("postgres", "postgres"),
        task("dump", "backup-postgres-dump", production.version, dump),
        task("task", PLUGIN, production.version, &test)
    );
    let host = site::host(&configuration, &["backup-postgres-dump", PLUGIN]);
    assert_eq!(run(&host, "dump").0, 0);
    host
}

fn set(host: &Hostler) -> PathBuf {
    host.path().join("backups").join(names(host).last().expect("a set"))
}

fn databases(server: &Postgres) -> Vec<String> {
    server.values("SELECT datname FROM pg_database ORDER BY 1")
}

fn edited(path: &std::path::Path, edit: impl FnOnce(&mut Value)) {
    let mut json: Value = serde_json::from_str(&fs::read_to_string(path).expect("a file")).expect("JSON");
    edit(&mut json);
    fs::write(path, json.to_string()).expect("it is written");
}

#[test]
fn a_dump_is_restored_compared_checked_timed_and_dropped_once_on_every_version() {
    for version in VERSIONS {
        let (production, scratch) = (server(version, &[]), Postgres::of(version));
        production.execute("CREATE EXTENSION amcheck");
        let host = host(
            &production,
            &scratch,
            "queries = { \"there are orders\" = \"SELECT count(*) > 19999 FROM public.orders\" }",
        );
        let before = databases(&scratch);
        let plan = host.run(&["plan", "task"]);
        assert!(plan.code == 0 && plan.stdout.contains("into a scratch database"), "{plan:?}");
        assert!(databases(&scratch) == before && !set(&host).join("proof.json").exists(), "a plan changes nothing");
        let ran = host.run(&["run", "task", "--format", "json"]);
        assert_eq!((ran.code, ran.findings("task").len()), (0, 0), "{version}: {ran:?}");
        assert_eq!(databases(&scratch), before);
        let proof: Value =
            serde_json::from_str(&fs::read_to_string(set(&host).join("proof.json")).expect("a proof")).expect("JSON");
        assert_eq!((&proof["tables"], &proof["rows"]), (&7.into(), &25008.into()), "{proof}");
        assert!(proof["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0));
        let reported = ran.task("task")["reported"].to_string();
        assert!(reported.contains("tables and indexes") || reported.contains("table and indexes"), "{reported}");
        let again = host.run(&["run", "task", "--format", "json"]);
        let task = again.task("task");
        assert!(again.code == 0 && task["plan"]["steps"] == Value::Array(vec![]), "{again:?}");
        edited(&set(&host).join("proof.json"), |proof| {
            proof["at"] = (proof["at"].as_u64().expect("a time") - 40 * 86_400_000).into();
        });
        assert_eq!(run(&host, "task"), (1, vec!["warning proof-old shop".into()]));
    }
}

#[test]
fn production_is_refused_whatever_it_is_called() {
    let production = server(15, &[]);
    let standby = production.standby("one");
    for scratch in [&production, &standby] {
        let host = host(&production, scratch, "");
        let before = databases(&production);
        let (code, findings) = run(&host, "task");
        assert!(code == 3 && findings[0].starts_with("unknown production-refused"), "{findings:?}");
        assert_eq!(databases(&production), before);
        assert!(!set(&host).join("proof.json").exists());
    }
}

#[test]
fn what_came_back_otherwise_is_critical_and_proves_nothing() {
    let (production, scratch) = (server(17, &[]), Postgres::of(17));
    let before = databases(&scratch);
    let host = host(
        &production,
        &scratch,
        "queries = { \"a miracle\" = \"SELECT count(*) > 7 FROM public.nothing\", \"a slip\" = \"SELECT 1 FROM public.nowhere\" }",
    );
    let critical = |code: &str| {
        let (ended, findings) = run(&host, "task");
        assert!(ended == 2 && findings.iter().any(|one| one.starts_with(&format!("critical {code}"))), "{findings:?}");
        assert!(databases(&scratch) == before && !set(&host).join("proof.json").exists(), "{code}");
        findings.len()
    };
    assert_eq!(critical("query-failed"), 2, "one is not true, and one fails");
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    let lines: Vec<&str> = text.lines().filter(|line| !line.contains("a miracle")).collect();
    host.configure(&lines.join("\n"));
    let manifest = set(&host).join("manifest.json");
    let whole = fs::read(&manifest).expect("a manifest");
    edited(&manifest, |manifest| manifest["tables"][0]["rows"] = 1.into());
    critical("rows-differ");
    edited(&manifest, |manifest| manifest["tables"][0]["name"] = "lost".into());
    critical("rows-differ");
    fs::write(&manifest, &whole).expect("it is mended");
    // A row too few in a dump that decodes well: only the rows that were counted tell.
    let dump = fs::read_dir(set(&host).join("dump")).expect("the dump").flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = dump.collect();
    files.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).expect("a file").len()));
    // The largest are the orders, which items refer to; a row of the items is missed by nobody.
    let items = &files[1];
    let packed = fs::read(items).expect("rows");
    let script = format!("gzip -dc {items:?} | sed 1d | gzip -c > {items:?}.new && mv {items:?}.new {items:?}");
    assert!(std::process::Command::new("sh").args(["-c", &script]).status().expect("sh").success());
    let dumped = set(&host).join("dump").display().to_string();
    assert!(program(17, "pg_restore", &["-f", "/dev/null", &dumped]).status.success(), "it decodes");
    critical("rows-differ");
    fs::write(items, &packed[..packed.len() / 2]).expect("it is cut");
    assert!(program(17, "pg_restore", &["-l", &dumped]).status.success(), "the guide's check passes it");
    critical("restore-failed");
    fs::write(items, packed).expect("it is mended");
    assert_eq!(run(&host, "task"), (0, vec![]));
}

#[test]
fn the_guides_restoration_goes_on_after_errors_and_doubles_rows() {
    let (production, scratch) = (server(15, &[]), Postgres::of(15));
    let host = host(&production, &scratch, "");
    scratch.execute("CREATE DATABASE testdb");
    let dump = set(&host).join("dump").display().to_string();
    // The guide: pg_restore -d testdb backup.custom, into whatever is there
    let restore = || program(15, "pg_restore", &["-O", "-x", "-d", &scratch.dsn("postgres", "testdb"), &dump]);
    assert!(restore().status.success());
    let second = restore();
    assert!(String::from_utf8_lossy(&second.stderr).contains("errors ignored on restore"), "{second:?}");
    assert_eq!(psql(&scratch, "testdb", "SELECT count(*) FROM parent"), "6", "three rows, twice");
    assert_eq!(run(&host, "task"), (0, vec![]), "into a database that has nothing in it");
}

#[test]
fn a_run_that_is_killed_leaves_a_database_that_the_next_one_drops() {
    let (production, scratch) = (server(15, &[]), Postgres::of(15));
    // It is filled again at each restoration, which takes as long as it took here.
    production.execute("CREATE MATERIALIZED VIEW slow AS SELECT 1 AS one, pg_sleep(4)::text AS slept");
    let host = host(&production, &scratch, "");
    let before = databases(&scratch);
    let running = host.start(&["run", "task"]);
    eventually("it restores", || {
        scratch.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'REFRESH MATERIALIZED%'") != "0"
    });
    running.signal(Signal::KILL);
    assert_eq!(running.end_within(Duration::from_secs(10)).code, -1);
    assert!(databases(&scratch).contains(&"hostler_restore_test".to_owned()));
    let plan = host.run(&["plan", "task"]);
    assert!(plan.stdout.contains("Drop the scratch database"), "{plan:?}");
    assert_eq!(run(&host, "task"), (0, vec![]));
    assert!(databases(&scratch) == before && set(&host).join("proof.json").is_file());
}

#[test]
fn a_server_that_is_too_old_or_lets_nobody_make_databases_is_told_with_its_remedy() {
    let (production, scratch) = (server(17, &[]), Postgres::of(15));
    let host = host(&production, &scratch, "");
    let findings = told(&host, "task");
    assert!(findings.contains("not-tested") && findings.contains("version 17 or later"), "{findings}");
    let (production, scratch) = (server(15, &[]), Postgres::of(15));
    let host = host_as(&production, &scratch);
    let findings = told(&host, "task");
    assert!(findings.contains("not-tested") && findings.contains("CREATEDB"), "{findings}");
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    host.configure(&text.replace("[tasks.task]", "[tasks.task]\nsettings.sets = [\"mail\"]"));
    let (code, findings) = run(&host, "task");
    assert_eq!((code, findings), (3, vec!["unknown no-set mail".into()]));
}

/// A host whose role on the scratch server may do nothing.
fn host_as(production: &Postgres, scratch: &Postgres) -> Hostler {
    scratch.execute("CREATE ROLE poor LOGIN");
    let host = host(production, scratch, "");
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    let own = scratch.dsn("postgres", "postgres");
    host.configure(&text.replace(&own, &scratch.dsn("poor", "postgres")).replace("settings = {  }\n", ""));
    host
}
