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
