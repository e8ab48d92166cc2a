//! postgres-extensions on a real server whose databases have older versions than the machine.

use hostler_tests::Postgres;

use crate::host;

/// An older version that the server's own files still know, and the newest.
fn versions(server: &Postgres, extension: &str) -> (String, String) {
    let newest =
        server.value(&format!("SELECT default_version FROM pg_available_extensions WHERE name = '{extension}'"));
    let older = server.value(&format!(
        "SELECT v.version FROM pg_available_extension_versions v JOIN pg_extension_update_paths('{extension}') p ON p.source = v.version AND p.target = '{newest}'
         WHERE v.name = '{extension}' AND p.path IS NOT NULL AND v.version <> '{newest}' ORDER BY v.version DESC LIMIT 1"
    ));
    (older, newest)
}

#[test]
fn each_database_is_brought_to_the_machines_version_once() {
    let server = Postgres::start();
    let (older, newest) = versions(&server, "pg_stat_statements");
    assert_ne!(older, newest);
    server.execute("CREATE ROLE hostler LOGIN SUPERUSER");
    server.execute(&format!("CREATE EXTENSION pg_stat_statements VERSION '{older}'"));
    let host = host(&server, "postgres-extensions", "hostler", "");
    let version = || server.value("SELECT extversion FROM pg_extension WHERE extname = 'pg_stat_statements'");
    let plan = host.run(&["plan", "task", "--format", "json"]);
    assert_eq!((plan.code, version()), (0, older), "{plan:?}");
    assert_eq!(plan.task("task")["summary"], "1 database looked at: 1 extension would be updated, 0 left");
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!((run.code, version()), (0, newest), "{run:?}");
    let again = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(again.task("task")["summary"], "1 database looked at: 0 extensions updated, 0 left", "{again:?}");
    assert!(!again.stdout.contains("\"applied\""), "{again:?}");
}

#[test]
fn what_is_somebody_elses_or_excluded_is_told_and_left() {
    let server = Postgres::start();
    let (older, _) = versions(&server, "pg_stat_statements");
    server.execute("CREATE ROLE hostler LOGIN");
    server.execute(&format!("CREATE EXTENSION pg_stat_statements VERSION '{older}'"));
    let host = host(&server, "postgres-extensions", "hostler", "");
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(
        (run.code, run.findings("task")),
        (3, vec!["unknown extension-outdated postgres.pg_stat_statements".to_owned()]),
        "{run:?}"
    );
    assert!(run.stdout.contains("as postgres, who owns it"), "{run:?}");
    let excluded = crate::host(&server, "postgres-extensions", "hostler", "exclude = [\"pg_stat*\"]");
    let run = excluded.run(&["run", "task", "--format", "json"]);
    assert_eq!(
        (run.code, run.findings("task")),
        (1, vec!["warning extension-outdated postgres.pg_stat_statements".to_owned()]),
        "{run:?}"
    );
    assert_eq!(server.value("SELECT extversion FROM pg_extension WHERE extname = 'pg_stat_statements'"), older);
}

/// PostGIS of Debian, whose version is put back by hand: its files lead from there to the machine's.
#[test]
fn postgis_and_its_companions_are_updated_together_by_its_own_function() {
    let server = Postgres::start();
    server.execute("CREATE ROLE hostler LOGIN SUPERUSER; CREATE SCHEMA anybody");
    server.execute("CREATE EXTENSION postgis; CREATE EXTENSION postgis_raster");
    let newest = server.value("SELECT extversion FROM pg_extension WHERE extname = 'postgis'");
    let older = server.value(&format!(
        "SELECT source FROM pg_extension_update_paths('postgis')
         WHERE target = '{newest}' AND path IS NOT NULL AND source ~ '^3[.0-9]+$' AND source <> target ORDER BY source DESC LIMIT 1"
    ));
    server.execute(&format!("UPDATE pg_extension SET extversion = '{older}' WHERE extname LIKE 'postgis%'"));
    // Whoever may make a function may make one of that name: it is not called.
    server.execute(
        "CREATE FUNCTION anybody.postgis_extensions_upgrade() RETURNS text LANGUAGE sql AS $$ SELECT 'trap' $$",
    );
    let versions = || server.values("SELECT extversion FROM pg_extension WHERE extname LIKE 'postgis%'");
    let excluded = host(&server, "postgres-extensions", "hostler", "exclude = [\"postgis_raster\"]");
    let run = excluded.run(&["run", "task", "--format", "json"]);
    assert_eq!(
        (run.code, run.findings("task")),
        (
            1,
            vec![
                "warning extension-outdated postgres.postgis_raster".to_owned(),
                "warning extension-outdated postgres.postgis".to_owned()
            ]
        ),
        "{run:?}"
    );
    assert_eq!(versions(), [older.as_str(), older.as_str()]);

    let host = host(&server, "postgres-extensions", "hostler", "");
    let plan = host.run(&["plan", "task", "--format", "json"]);
    assert_eq!(plan.task("task")["summary"], "1 database looked at: 2 extensions would be updated, 0 left", "{plan:?}");
    assert!(plan.stdout.contains("SELECT \\\"public\\\".postgis_extensions_upgrade()"), "{plan:?}");
    assert_eq!(versions(), [older.as_str(), older.as_str()]);
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(run.task("task")["summary"], "1 database looked at: 2 extensions updated, 0 left", "{run:?}");
    assert_eq!(versions(), [newest.as_str(), newest.as_str()]);
    let again = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(again.task("task")["summary"], "1 database looked at: 0 extensions updated, 0 left", "{again:?}");

    // The update of this one would write the task's search_path into the database.
    server.execute("CREATE EXTENSION postgis_topology");
    server.execute(&format!("UPDATE pg_extension SET extversion = '{older}' WHERE extname = 'postgis'"));
    let path = "SELECT setconfig::text FROM pg_db_role_setting WHERE setrole = 0";
    let before = server.value(path);
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(
        (run.code, run.findings("task"), server.value(path)),
        (1, vec!["warning extension-outdated postgres.postgis".to_owned()], before),
        "{run:?}"
    );
}
