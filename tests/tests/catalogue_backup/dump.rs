//! backup-postgres-dump beside real servers and their own pg_dump: what it leaves can be restored, and nothing that is
//! half done ever has a backup's name.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command, time::Duration};

use hostler_tests::{Hostler, Postgres, Signal, eventually};
use serde_json::Value;

use crate::site::{self, ROWS, VERSIONS, names, psql, run, server, task, told};

const PLUGIN: &str = "backup-postgres-dump";

fn host(server: &Postgres, version: u32, user: &str, settings: &str) -> Hostler {
    let bound = format!(
        "bind.database = [\"postgres.shop\"]\nbind.destination = \"directory.backups\"\nsettings = {{ {settings} }}"
    );
    let configuration =
        format!("[postgres.shop]\ndsn = {:?}\n{}", server.dsn(user, "postgres"), task("task", PLUGIN, version, &bound));
    site::host(&configuration, &[PLUGIN])
}

fn set(host: &Hostler) -> PathBuf {
    let names = names(host);
    assert_eq!(names.len(), 1, "{names:?}");
    host.path().join("backups").join(&names[0])
}

fn manifest(set: &std::path::Path) -> Value {
    serde_json::from_str(&fs::read_to_string(set.join("manifest.json")).expect("a manifest")).expect("JSON")
}

#[test]
fn a_set_is_whole_hashed_and_restores_with_the_rows_of_its_snapshot_on_every_version() {
    for version in VERSIONS {
        let server = server(version, &[]);
        let host = host(&server, version, "hostler", "jobs = 3");
        let plan = host.run(&["plan", "task", "--format", "json"]);
        assert_eq!((plan.code, names(&host).len()), (0, 0), "{version}: {plan:?}");
        // Somebody writes all the while: the rows that are counted have to be those that are dumped.
        let writer = server.session("SELECT 1");
        let busy = std::thread::spawn({
            let dsn = server.superuser();
            move || {
                for _ in 0..40 {
                    let insert = "INSERT INTO orders (note) SELECT 'late' FROM generate_series(1, 50)";
                    let done = site::program(version, "psql", &["-X", "-q", "-d", &dsn, "-c", insert]);
                    assert!(done.status.success(), "{done:?}");
                }
            }
        });
        let (code, findings) = run(&host, "task");
        busy.join().expect("it wrote");
        drop(writer);
        assert_eq!((code, findings), (0, vec![]), "{version}");
        let set = set(&host);
        let manifest = manifest(&set);
        assert_eq!(manifest["server_version"].as_u64().map(|number| number / 10_000), Some(u64::from(version)));
        assert_eq!(manifest["system_identifier"], server.value("SELECT system_identifier FROM pg_control_system()"));
        assert_eq!((&manifest["encoding"], &manifest["database"]), (&"UTF8".into(), &"postgres".into()));
        for file in manifest["files"].as_array().expect("files") {
            let path = set.join(file["path"].as_str().expect("a path"));
            let sum = Command::new("sha256sum").arg(&path).output().expect("sha256sum");
            assert!(String::from_utf8_lossy(&sum.stdout).starts_with(file["sha256"].as_str().expect("a sum")));
            assert_eq!(fs::metadata(&path).expect("a file").len(), file["bytes"].as_u64().expect("a size"));
        }
        assert_eq!(fs::metadata(&set).expect("the set").permissions().mode() & 0o777, 0o700);
        let globals = fs::read_to_string(set.join("globals.sql")).expect("globals");
        assert!(globals.contains("CREATE ROLE hostler") && !globals.contains("PASSWORD"), "{globals}");
        server.execute("CREATE DATABASE again TEMPLATE template0");
        let dump = set.join("dump").display().to_string();
        let dsn = server.dsn("postgres", "again");
        let restored = site::program(version, "pg_restore", &["-e", "-j", "2", "-d", &dsn, &dump]);
        assert!(restored.status.success(), "{version}: {restored:?}");
        let tables = manifest["tables"].as_array().expect("tables");
        assert_eq!(tables.len(), ROWS.len(), "{tables:?}");
        for table in tables {
            let (schema, name) = (table["schema"].as_str().expect("text"), table["name"].as_str().expect("text"));
            let name = name.replace('"', "\"\"");
            let rows = psql(&server, "again", &format!("SELECT count(*) FROM ONLY \"{schema}\".\"{name}\""));
            assert_eq!(rows, table["rows"].to_string(), "{version}: {name}");
        }
    }
}

#[test]
fn the_passwords_are_there_where_the_role_may_read_them_and_a_table_above_the_limit_is_not_counted() {
    let server = server(15, &[]);
    server.execute("ALTER ROLE hostler PASSWORD 'night'");
    let host = host(&server, 15, "hostler", "count_below = \"1MiB\", compression = \"none\"");
    // A role that may read the tables and no more.
    server.execute("REVOKE pg_read_all_data FROM hostler");
    for schema in ["public", "\"Odd Name\""] {
        server.execute(&format!("GRANT USAGE ON SCHEMA {schema} TO hostler"));
        server.execute(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO hostler"));
        server.execute(&format!("GRANT SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO hostler"));
    }
    let few = run(&host, "task");
    assert_eq!(few, (0, vec!["ok rows-not-counted shop".into(), "ok globals-without-passwords shop".into()]));
    let without = fs::read_to_string(set(&host).join("globals.sql")).expect("globals");
    assert!(without.contains("CREATE ROLE hostler") && !without.contains("SCRAM"), "{without}");
    fs::remove_dir_all(set(&host)).expect("it is removed");
    server.execute("GRANT pg_read_all_data TO hostler");
    assert_eq!(run(&host, "task"), (0, vec!["ok rows-not-counted shop".into()]));
    let set = set(&host);
    assert!(fs::read_to_string(set.join("globals.sql")).expect("globals").contains("PASSWORD 'SCRAM"));
    let tables = manifest(&set)["tables"].clone();
    let rows = |name: &str| {
        tables.as_array().expect("tables").iter().find(|table| table["name"] == name).expect("a table")["rows"].clone()
    };
    assert_eq!((rows("orders"), rows("items")), (Value::Null, 5000.into()));
}

#[test]
fn a_standby_is_dumped_as_its_primary_is() {
    let primary = server(17, &[]);
    let standby = primary.standby("one");
    eventually("it has replayed", || standby.try_execute("SELECT 1 FROM kept LIMIT 1").is_ok());
    let host = host(&standby, 17, "hostler", "");
    assert_eq!(run(&host, "task"), (0, vec![]), "{}", told(&host, "task"));
    assert_eq!(manifest(&set(&host))["tables"].as_array().expect("tables").len(), ROWS.len());
}

#[test]
fn the_guides_dump_leaves_half_a_file_under_the_backups_name_and_this_one_leaves_none() {
    let server = server(15, &[]);
    server.execute("CREATE TABLE zz_secret (id int)");
    server.execute("ALTER TABLE zz_secret ENABLE ROW LEVEL SECURITY");
    server.execute("CREATE POLICY own ON zz_secret USING (id = 1)");
    // The guide: pg_dump dbname > backup.sql
    let directory = tempfile::tempdir().expect("a directory");
    let half = directory.path().join("backup.sql");
    let line = format!("{:?} -d {:?} > {:?}", site::path_of(15, "pg_dump"), server.dsn("hostler", "postgres"), half);
    let guide = Command::new("sh").args(["-c", &line]).output().expect("sh");
    assert!(!guide.status.success());
    let text = fs::read_to_string(&half).expect("it is there all the same");
    assert!(text.contains("COPY public.orders") && !text.contains("dump complete"), "half of it, by its proper name");

    let host = host(&server, 15, "hostler", "");
    let findings = told(&host, "task");
    assert!(findings.contains("backup-failed") && findings.contains("BYPASSRLS"), "{findings}");
    assert!(names(&host).iter().all(|name| name.ends_with(".partial")), "{:?}", names(&host));
    server.execute("ALTER ROLE hostler BYPASSRLS");
    assert_eq!(run(&host, "task").0, 0);
    assert_eq!(names(&host).iter().filter(|name| name.ends_with(".partial")).count(), 0, "what was left is gone");
}

#[test]
fn what_stops_a_dump_is_critical_with_its_remedy_and_the_older_set_stays() {
    let server = server(15, &[]);
    let host = host(&server, 15, "hostler", "lock_wait = \"1s\"");
    assert_eq!(run(&host, "task").0, 0);
    let whole = names(&host);
    let kept = |why: &str, remedy: &str| {
        // A set's name has whole seconds, and one that is there is not made again.
        std::thread::sleep(Duration::from_millis(1100));
        let output = host.run(&["run", "task", "--format", "json"]);
        assert_eq!(output.findings("task"), ["critical backup-failed shop"], "{why}: {output:?}");
        let findings = output.task("task")["reported"]["findings"].to_string();
        assert!(findings.contains(why) && findings.contains(remedy), "{findings}");
        assert_eq!(output.code, 2);
        let left: Vec<String> = names(&host).into_iter().filter(|name| !name.ends_with(".partial")).collect();
        assert_eq!(left, whole, "{why}");
    };
    let held = server.session("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE");
    kept("LOCK TABLE public.orders", "pg_locks");
    drop(held);
    server.execute("REVOKE pg_read_all_data FROM hostler");
    kept("permission denied", "GRANT pg_read_all_data");
    server.execute("GRANT pg_read_all_data TO hostler");
    drop(server);
    kept("nothing listens there", "older backups are kept");
}

#[test]
fn a_client_that_is_older_than_its_server_is_told_where_the_right_one_is() {
    let server = server(17, &[]);
    let host = host(&server, 15, "hostler", "");
    let findings = told(&host, "task");
    assert!(
        findings.contains("pg_dump version: 15") && findings.contains("apt-get install postgresql-client"),
        "{findings}"
    );
}

#[test]
fn a_full_disk_is_told_and_leaves_no_set() {
    let server = server(15, &[]);
    server.execute(
        "CREATE TABLE noise AS SELECT gen_random_uuid() AS a, gen_random_uuid() AS b FROM generate_series(1, 100000)",
    );
    let host = host(&server, 15, "hostler", "");
    let output = site::on_a_small_disk(&host, "backups", 3, &["run", "task", "--format", "json"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(said.contains("No space left on device") && said.contains("lower `keep`"), "{said}");
    // One that is too small for a tenth of the database is not even begun on.
    let output = site::on_a_small_disk(&host, "backups", 1, &["run", "task", "--format", "json"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("is seldom dumped to a tenth"), "{output:?}");
}

#[test]
fn a_run_that_is_killed_leaves_no_set_and_the_next_one_clears_up_after_it() {
    let server = server(15, &[]);
    let host = host(&server, 15, "hostler", "lock_wait = \"10min\"");
    let held = server.session("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE");
    let running = host.start(&["run", "task"]);
    eventually("pg_dump waits for the lock", || server.value("SELECT count(*) FROM pg_locks WHERE NOT granted") == "2");
    assert!(names(&host)[0].ends_with(".partial"), "{:?}", names(&host));
    running.signal(Signal::KILL);
    assert_eq!(running.end_within(Duration::from_secs(10)).code, -1);
    // The server notices that its client is gone when it has something to say to it.
    drop(held);
    eventually("its sessions are gone", || {
        server.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'hostler'") == "0"
    });
    let plan = host.run(&["plan", "task"]);
    assert!(plan.code == 0 && plan.stdout.contains("cut off") && names(&host).len() == 1, "{plan:?}");
    assert_eq!(run(&host, "task").0, 0);
    assert!(set(&host).join("manifest.json").is_file() && set(&host).join("dump/toc.dat").is_file());
}

#[test]
fn older_sets_go_and_the_newest_that_was_restored_stays() {
    let server = server(15, &[]);
    let host = host(&server, 15, "hostler", "keep = 1");
    let backups = host.path().join("backups");
    let other = backups.join("other-20200101T000000Z");
    fs::create_dir(&other).expect("somebody else's");
    assert_eq!(run(&host, "task").0, 0);
    let first = names(&host).into_iter().find(|name| name.starts_with("shop")).expect("a set");
    fs::write(backups.join(&first).join("proof.json"), "{}").expect("a proof");
    let mut made = vec![];
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(1100));
        assert_eq!(run(&host, "task").0, 0);
        made.push(names(&host).into_iter().rfind(|name| name.starts_with("shop")).expect("a set"));
    }
    let left = names(&host);
    assert_eq!(left, ["other-20200101T000000Z".to_owned(), first, made[1].clone()], "{made:?}");
}

#[test]
fn the_password_stands_in_no_argument_and_in_no_report() {
    let server = server(15, &[]);
    server.execute("ALTER ROLE hostler PASSWORD 'Nachtwache-4711'");
    let access = server.directory().join("data/pg_hba.conf");
    fs::write(&access, "host all hostler 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n")
        .expect("access");
    server.execute("SELECT pg_reload_conf()");
    let host = host(&server, 15, "hostler", "lock_wait = \"10min\"");
    let secret = host.path().join("secret");
    fs::write(&secret, "Nachtwache-4711\n").expect("a secret");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("permissions");
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    host.configure(&text.replacen("dsn =", &format!("password_file = {secret:?}\ndsn ="), 1));
    let held = server.session("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE");
    let running = host.start(&["run", "task", "--format", "json"]);
    eventually("pg_dump waits for the lock", || server.value("SELECT count(*) FROM pg_locks WHERE NOT granted") == "2");
    let lines = Command::new("ps").args(["-eww", "-o", "args="]).output().expect("ps");
    let lines = String::from_utf8_lossy(&lines.stdout).into_owned();
    assert!(lines.contains("pg_dump") && !lines.contains("Nachtwache"), "{lines}");
    drop(held);
    let output = running.end_within(Duration::from_secs(60));
    assert!(output.code == 0 && !output.stdout.contains("Nachtwache"), "{output:?}");
    let audit = host.run(&["audit", "show"]);
    assert!(audit.stdout.contains("pg_dump") && !audit.stdout.contains("Nachtwache"), "{audit:?}");
}
