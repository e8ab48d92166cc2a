//! The plugins that change judge what they left, and a plan what it found. redis-ttl has a file of its own.

use std::fs;

use hostler_tests::{Hostler, Output, Postgres, eventually};

fn due_tables(run: &Output) -> f64 {
    let metrics = run.task("task")["reported"]["metrics"].as_array().cloned().unwrap_or_default();
    let found = metrics.iter().find(|metric| metric["name"] == "postgres_tables_due_for_vacuum");
    found.and_then(|metric| metric["value"].as_f64()).unwrap_or_else(|| panic!("no such metric: {run:?}"))
}

#[test]
fn a_table_that_was_vacuumed_is_due_no_longer() {
    let server = Postgres::start();
    server.execute("CREATE TABLE orders AS SELECT g AS id, 'new' AS status FROM generate_series(1, 5000) g");
    server.execute("UPDATE orders SET status = 'paid'");
    eventually("the statistics know of the dead rows", || {
        server.value("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'orders'") == "5000"
    });
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = {:?}\n[tasks.task]\nplugin = \"postgres-vacuum\"\nbind.database = \"postgres.main\"\n",
        server.superuser()
    ));
    host.install(&["postgres-vacuum"]);
    let plan = host.run(&["plan", "task", "--format", "json"]);
    assert_eq!(due_tables(&plan), 1.0, "a plan changes nothing: {plan:?}");
    assert_eq!(plan.task("task")["summary"], "1 of 1 table is due, 1 planned");
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!((run.code, due_tables(&run)), (0, 0.0), "{run:?}");
    assert_eq!(run.task("task")["summary"], "1 of 1 due table done");
}

#[test]
fn an_archive_that_the_run_removed_is_nobodys_worry() {
    let host = Hostler::new(
        "[directory.source]\npath = \"{directory}/source\"\n\
         [directory.backups]\npath = \"{directory}/backups\"\n\
         [tasks.task]\nplugin = \"backup-files\"\nsettings.keep = 1\n\
         bind = { source = [\"directory.source\"], destination = \"directory.backups\" }\n",
    );
    host.install(&["backup-files"]);
    for directory in ["source", "backups"] {
        fs::create_dir_all(host.path().join(directory)).expect("a directory");
    }
    fs::write(host.path().join("source/file"), "contents").expect("a file");
    let alone = host.path().join("backups/source-20240101T000000Z.tar.zst");
    fs::write(&alone, "what a killed run left").expect("an archive without its checksum");
    let plan = host.run(&["plan", "task", "--format", "json"]);
    assert_eq!((plan.code, plan.findings("task")), (1, vec!["warning checksum-missing source".to_owned()]), "{plan:?}");
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!((run.code, run.findings("task")), (0, vec![]), "{run:?}");
    assert!(!alone.exists() && run.stdout.contains("\"applied\""), "{run:?}");
}
