//! system-error-logs on the log of a real PostgreSQL and of a real nginx. journald does not run where the tests do: a
//! script stands in for journalctl at the program's boundary, which knows cursors and prints entries as the real one does.

use std::{fs, os::unix::fs::PermissionsExt};

use hostler_tests::{Hostler, Nginx, Postgres, eventually};

use crate::{found, host, run};

#[test]
fn what_postgresql_says_is_grouped_by_its_state_and_what_is_new_is_told() {
    let server = Postgres::start_with(&[
        "logging_collector=on",
        "log_destination=jsonlog",
        "log_directory=log",
        "log_filename=postgresql.log",
        "log_file_mode=0644",
    ]);
    let logs = server.directory().join("data/log");
    eventually("the log is there", || logs.join("postgresql.json").exists());
    let host = host("system-error-logs", &logs, "settings = { files = [\"*.json\"] }");
    assert!(server.try_execute("SELECT * FROM nowhere").is_err());
    assert_eq!(found(&host, 3), ["unknown baseline-taken errors"]);
    assert!(server.try_execute("SELECT * FROM nowhere").is_err());
    assert_eq!(found(&host, 0), Vec::<String>::new(), "it is known, and seldom");
    assert!(server.try_execute("SELECT 1/0").is_err());
    let new = run(&host);
    assert_eq!((new.code, new.findings("task")), (1, vec!["warning error-new postgresql".to_owned()]), "{new:?}");
    assert!(new.stdout.contains("division by zero"), "{new:?}");
    for _ in 0..40 {
        assert!(server.try_execute("SELECT * FROM nowhere").is_err());
    }
    assert_eq!(found(&host, 1), ["warning error-rises postgresql"]);
    // Class 53: the server has no room left for what is asked.
    assert!(server.try_execute("SET temp_file_limit = 0; SET work_mem = '64kB'; SELECT count(*) FROM (SELECT n FROM generate_series(1, 200000) n ORDER BY random()) s").is_err());
    let full = run(&host);
    assert_eq!(
        (full.code, full.findings("task")),
        (2, vec!["critical error-critical postgresql".to_owned()]),
        "{full:?}"
    );
}

#[test]
fn what_nginx_says_is_read_too() {
    let nginx = Nginx::start("", "location /up { proxy_pass http://127.0.0.1:1; }");
    let host = host("system-error-logs", &nginx.logs(), "");
    assert_eq!(found(&host, 3), ["unknown baseline-taken errors"]);
    assert_eq!(nginx.get("/up", 1), 502);
    let sick = run(&host);
    assert_eq!((sick.code, sick.findings("task")), (1, vec!["warning error-new log".to_owned()]), "{sick:?}");
    assert!(sick.stdout.contains("Connection refused"), "{sick:?}");
}

/// The stand-in prints the entries behind the cursor, as journalctl does.
fn journalctl(host: &Hostler, entries: &[(&str, &str, &str)]) {
    let lines: Vec<String> = entries
        .iter()
        .enumerate()
        .map(|(place, (unit, priority, message))| {
            format!("{{\"__CURSOR\":\"s=1;i={place}\",\"_SYSTEMD_UNIT\":\"{unit}\",\"PRIORITY\":\"{priority}\",\"MESSAGE\":\"{message}\"}}")
        })
        .collect();
    fs::write(host.path().join("journal"), lines.join("\n") + "\n").expect("a journal");
    let script = format!(
        "#!/bin/sh\n[ \"$1 $2 $3 $4\" = '--output=json --no-pager --quiet --priority=3' ] || {{ echo \"unexpected: $*\" >&2; exit 1; }}\n\
         case \"$5\" in\n--since=-1d) skip=0;;\n--after-cursor=s=1\\;i=*) skip=$((${{5##*=}} + 1));;\n*) echo 'Failed to seek to cursor: Invalid argument' >&2; exit 1;;\nesac\n\
         cat <<'END' | tail -n +$((skip + 1))\n{}\nEND\n",
        lines.join("\n")
    );
    let path = host.path().join("journalctl");
    fs::write(&path, script).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
}

#[test]
fn the_journal_is_read_from_its_cursor_on() {
    let host = Hostler::new(
        "[program.journalctl]\npath = \"{directory}/journalctl\"\nallow = [\n\
         { arguments = [\"--output=json\", \"--no-pager\", \"--quiet\", \"--priority=3\", \"--since=-1d\"], effect = \"reads\" },\n\
         { arguments = [\"--output=json\", \"--no-pager\", \"--quiet\", \"--priority=3\", \"--after-cursor={text}\"], effect = \"reads\" }]\n\
         [tasks.task]\nplugin = \"system-error-logs\"\nbind.journalctl = \"program.journalctl\"\n",
    );
    host.install(&["system-error-logs"]);
    let first = ("shop.service", "3", "worker 1 died");
    journalctl(&host, &[first]);
    assert_eq!(found(&host, 3), ["unknown baseline-taken errors"]);
    assert_eq!(found(&host, 0), Vec::<String>::new());
    journalctl(&host, &[first, ("shop.service", "3", "worker 2 died"), ("mail.service", "3", "no route to 10.0.0.9")]);
    assert_eq!(found(&host, 1), ["warning error-new mail.service"]);
    journalctl(&host, &[first, first, first, ("kernel", "1", "machine check")]);
    assert_eq!(found(&host, 2), ["critical error-critical kernel"]);
    fs::write(
        host.path().join("journalctl"),
        "#!/bin/sh\necho 'No journal files were opened due to insufficient permissions.' >&2\nexit 1\n",
    )
    .expect("a script");
    let refused = run(&host);
    assert_eq!(
        (refused.code, refused.findings("task")),
        (3, vec!["unknown journal-unreadable journal".to_owned()]),
        "{refused:?}"
    );
}

#[test]
fn a_task_that_nothing_is_bound_to_is_not_well() {
    let host = Hostler::new("[tasks.task]\nplugin = \"system-error-logs\"\n");
    host.install(&["system-error-logs"]);
    let run = run(&host);
    assert!(run.code == 3 && run.stdout.contains("neither the journal nor a directory"), "{run:?}");
}
