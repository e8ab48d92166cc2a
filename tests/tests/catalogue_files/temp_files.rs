//! system-temp-files on a real tree: old files go, and nothing else does.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use hostler_tests::{Hostler, Output, Postgres};

fn old(path: &Path) {
    let touched = Command::new("touch").args(["-h", "-d", "30 days ago"]).arg(path).status().expect("touch");
    assert!(touched.success());
}

fn file(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    fs::write(&path, "0123456789").expect("a file");
    old(&path);
    path
}

fn host(settings: &str) -> (Hostler, PathBuf) {
    let host = Hostler::new(&format!(
        "[directory.tmp]\npath = \"{{directory}}/tmp\"\n[tasks.task]\nplugin = \"system-temp-files\"\nbind.directories = [\"directory.tmp\"]\nbind.machine = \"machine\"\nsettings = {{ {settings} }}\n"
    ));
    host.install(&["system-temp-files"]);
    let directory = host.path().join("tmp");
    fs::create_dir(&directory).expect("a directory");
    (host, directory)
}

fn run(host: &Hostler, command: &str) -> Output {
    host.run(&[command, "task", "--format", "json"])
}

#[test]
fn what_nobody_used_goes_and_everything_else_stays() {
    let (host, tmp) = host("warning = \"~:15\"");
    let gone = [file(&tmp, "a"), file(&tmp, "deep/er/b")];
    let outside = file(host.path(), "outside");
    let kept = [file(&tmp, "base/pgsql_tmp/pgsql_tmp7.0"), file(&tmp, "held"), file(&tmp, "named-twice")];
    fs::hard_link(&kept[2], host.path().join("another-name")).expect("a link");
    fs::write(tmp.join("new"), "x").expect("a file");
    symlink(&outside, tmp.join("link")).expect("a link");
    symlink(host.path().join("elsewhere"), tmp.join("directory-link")).expect("a link");
    let through = file(host.path(), "elsewhere/through-a-link");
    old(&tmp.join("link"));
    let held = fs::File::open(&kept[1]).expect("it is held open");

    let plan = run(&host, "plan");
    assert_eq!((plan.code, plan.findings("task")), (1, vec!["warning old-files tmp".to_owned()]), "{plan:?}");
    assert_eq!(plan.task("task")["summary"], "2 files old, 2 would be removed, 20 B");
    assert!(gone.iter().all(|path| path.exists()), "a plan removes nothing");
    let attached = plan.task("task")["reported"]["attachments"][0]["content"].as_str().map(str::len);
    assert!(attached.is_some_and(|length| length > 40), "the plan names each: {plan:?}");

    let applied = run(&host, "run");
    assert_eq!((applied.code, applied.findings("task")), (0, vec![]), "{applied:?}");
    assert_eq!(applied.task("task")["summary"], "2 files old, 2 removed, 20 B");
    assert!(gone.iter().all(|path| !path.exists()));
    assert!(kept.iter().all(|path| path.exists()) && outside.exists() && through.exists());
    assert!(tmp.join("new").exists() && tmp.join("link").is_symlink() && tmp.join("deep/er").is_dir());
    assert_eq!(run(&host, "run").task("task")["summary"], "0 files old, 0 removed, 0 B");
    drop(held);
    assert_eq!(run(&host, "run").task("task")["summary"], "1 file old, 1 removed, 10 B", "nobody holds it any more");
}

#[test]
fn a_limit_takes_the_oldest_first_and_the_rest_is_told() {
    let (host, tmp) = host("limit = 3, warning = \"~:15\"");
    for name in ["a", "b", "c", "d", "e"] {
        file(&tmp, name);
    }
    let first = run(&host, "run");
    assert_eq!((first.code, first.findings("task")), (1, vec!["warning old-files tmp".to_owned()]), "{first:?}");
    assert_eq!(fs::read_dir(&tmp).expect("files").count(), 2);
    assert_eq!(run(&host, "run").code, 0);
}

#[test]
fn a_directory_that_is_gone_is_unknown() {
    let (host, tmp) = host("");
    fs::remove_dir(&tmp).expect("it is removed");
    let gone = run(&host, "run");
    assert_eq!((gone.code, gone.findings("task")), (3, vec!["unknown not-looked-at tmp".to_owned()]), "{gone:?}");
}

#[test]
fn what_postgresqls_queries_spill_is_told_and_what_a_crash_left_is_never_removed() {
    let server = Postgres::start_with(&["work_mem=64kB"]);
    server.execute("CREATE ROLE hostler LOGIN");
    let host = Hostler::new(&format!(
        "[postgres.shop]\ndsn = {:?}\n[directory.tmp]\npath = {:?}\n\
         [tasks.task]\nplugin = \"system-temp-files\"\nbind.directories = [\"directory.tmp\"]\nbind.machine = \"machine\"\n\
         bind.database = \"postgres.shop\"\nsettings = {{ spilled = \"~:1000000\", exclude = [] }}\n",
        server.dsn("hostler", "postgres"),
        server.directory().join("data/base").display().to_string(),
    ));
    host.install(&["system-temp-files"]);
    let base = server.directory().join("data/base");
    let found = |code: i32| {
        let output = run(&host, "run");
        assert_eq!(output.code, code, "{output:?}");
        output
    };
    let first = found(3);
    assert_eq!(
        first.findings("task"),
        ["unknown baseline-taken PostgreSQL", "unknown privilege-missing pgsql_tmp"],
        "{first:?}"
    );
    assert!(first.stdout.contains("GRANT pg_monitor TO hostler;"), "{first:?}");
    server.execute("GRANT pg_monitor TO hostler");
    assert_eq!(found(0).findings("task"), Vec::<String>::new());
    server.execute("SELECT count(*) FROM (SELECT n FROM generate_series(1, 300000) n ORDER BY random()) sorted");
    // The server adds a session's figures up a moment after it has ended.
    let mut sick = run(&host, "run");
    hostler_tests::eventually("the server counts what was spilled", || {
        if sick.code == 0 {
            sick = run(&host, "run");
        }
        sick.code != 0
    });
    assert_eq!((sick.code, sick.findings("task")), (1, vec!["warning queries-spill postgres".to_owned()]), "{sick:?}");
    // As a crash leaves it where remove_temp_files_after_crash is off: the file of a session that is no more.
    let left = file(&base, "pgsql_tmp/pgsql_tmp999999.0");
    let crashed = found(1);
    assert_eq!(crashed.findings("task"), ["warning temporary-files-left pgsql_tmp"], "{crashed:?}");
    assert!(left.exists(), "the server alone removes it");
    drop(server);
    let gone = run(&host, "run");
    assert!(gone.findings("task").contains(&"unknown server-not-looked-at PostgreSQL".to_owned()), "{gone:?}");
}
