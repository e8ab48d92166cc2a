//! security-failed-logins on a PostgreSQL and a Redis that real clients could not log in to, and on sshd's lines: sshd
//! does not run where the tests do, so its lines are written as it writes them, to a file and by a journalctl that a
//! script stands in for.

use std::{fs, os::unix::fs::PermissionsExt};

use hostler_tests::{Hostler, Postgres, RedisServer, eventually};

use crate::{found, host, run};

#[test]
fn postgresqls_refusals_are_counted_by_address_in_each_of_its_formats_without_the_names_that_were_typed() {
    for (destination, prefix) in [("jsonlog", ""), ("csvlog", ""), ("stderr", "%m [%p] %h ")] {
        refused_and_let_in(destination, prefix);
    }
}

fn refused_and_let_in(destination: &str, prefix: &str) {
    let (destination, prefix) = (format!("log_destination={destination}"), format!("log_line_prefix={prefix}"));
    let server = Postgres::start_with(&[
        "logging_collector=on",
        &destination,
        &prefix,
        "log_directory=log",
        "log_filename=postgresql.log",
        "log_connections=on",
    ]);
    let hba = server.directory().join("data/pg_hba.conf");
    let rules = fs::read_to_string(&hba).expect("its rules");
    fs::write(&hba, format!("host all locked 127.0.0.1/32 scram-sha-256\n{rules}")).expect("its rules");
    server.execute("CREATE ROLE locked LOGIN PASSWORD 'correct horse'; SELECT pg_reload_conf()");
    let logs = server.directory().join("data/log");
    let host = host("security-failed-logins", &logs, "");
    assert_eq!(found(&host, 0), Vec::<String>::new(), "the tests' own connections are no failures");
    let dsn = format!("{} password=wrong", server.dsn("locked", "postgres"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    eventually("the new rules hold", || {
        runtime.block_on(tokio_postgres::connect(&dsn, tokio_postgres::NoTls)).is_err()
    });
    for _ in 0..25 {
        assert!(runtime.block_on(tokio_postgres::connect(&dsn, tokio_postgres::NoTls)).is_err());
    }
    let sick = run(&host);
    assert_eq!((sick.code, sick.findings("task")), (1, vec!["warning login-burst 127.0.0.1".to_owned()]), "{sick:?}");
    assert!(sick.stdout.contains("fail2ban-client") && !sick.stdout.contains("locked"), "{sick:?}");
    let right = format!("{} password='correct horse'", server.dsn("locked", "postgres"));
    drop(runtime.block_on(tokio_postgres::connect(&right, tokio_postgres::NoTls)).expect("the password is right"));
    let inside = run(&host);
    assert_eq!(inside.code, 2, "{inside:?}");
    assert!(inside.findings("task").contains(&"critical success-after-burst 127.0.0.1".to_owned()), "{inside:?}");
    assert!(inside.stdout.contains("locked logged in at postgresql"), "{inside:?}");
}

#[test]
fn redis_refusals_count_once() {
    let server = RedisServer::start();
    redis::cmd("ACL")
        .arg(&["SETUSER", "app", "on", ">right", "+@all"])
        .query::<()>(&mut server.connection())
        .expect("a user");
    let host = Hostler::new(&format!(
        "[redis.cache]\nurl = {:?}\n[tasks.task]\nplugin = \"security-failed-logins\"\nbind.redis = [\"redis.cache\"]\n",
        server.url()
    ));
    host.install(&["security-failed-logins"]);
    assert_eq!(found(&host, 0), Vec::<String>::new());
    for _ in 0..25 {
        assert!(redis::cmd("AUTH").arg(&["app", "a secret typed here"]).query::<()>(&mut server.connection()).is_err());
    }
    let sick = run(&host);
    assert_eq!((sick.code, sick.findings("task")), (1, vec!["warning login-burst 127.0.0.1".to_owned()]), "{sick:?}");
    assert!(!sick.stdout.contains("a secret typed here"), "{sick:?}");
    assert_eq!(found(&host, 0), Vec::<String>::new(), "what was told is not told again");
    redis::cmd("ACL").arg(&["SETUSER", "default", "-acl"]).query::<()>(&mut server.connection()).expect("it is set");
    assert_eq!(found(&host, 3), ["unknown redis-unreadable cache"]);
}

#[test]
fn sshs_lines_are_read_from_files_and_from_the_journal() {
    let host = Hostler::new(
        "[directory.logs]\npath = \"{directory}/logs\"\n[program.journalctl]\npath = \"{directory}/journalctl\"\n\
         allow = [{ arguments = [\"--output=json\", \"--no-pager\", \"--quiet\", \"--identifier=sshd\", \"--identifier=sshd-session\", \"--identifier=su\", \"--identifier=sudo\", \"--identifier=login\", \"--since=-1d\"], effect = \"reads\" }, { arguments = [\"--output=json\", \"--no-pager\", \"--quiet\", \"--identifier=sshd\", \"--identifier=sshd-session\", \"--identifier=su\", \"--identifier=sudo\", \"--identifier=login\", \"--after-cursor={text}\"], effect = \"reads\" }]\n\
         [tasks.task]\nplugin = \"security-failed-logins\"\nbind.logs = [\"directory.logs\"]\n\
         [tasks.journal]\nplugin = \"security-failed-logins\"\nbind.journalctl = \"program.journalctl\"\n",
    );
    host.install(&["security-failed-logins"]);
    fs::create_dir(host.path().join("logs")).expect("a directory");
    let line = |second: usize, words: &str| format!("2025-01-21T20:34:{second:02}.1+00:00 db sshd[7]: {words}\n");
    let failed: String = (0..8)
        .map(|second| line(second, "Failed password for invalid user hunter2 from 192.0.2.7 port 5 ssh2"))
        .collect();
    fs::write(
        host.path().join("logs/auth.log"),
        failed + &line(9, "Accepted password for bob from 192.0.2.7 port 5 ssh2"),
    )
    .expect("a log");
    let inside = run(&host);
    assert_eq!(
        (inside.code, inside.findings("task")),
        (2, vec!["critical success-after-burst 192.0.2.7".to_owned()]),
        "{inside:?}"
    );
    assert!(!inside.stdout.contains("hunter2"), "{inside:?}");

    let entries: String = (0..30)
        .map(|number| format!("{{\"__CURSOR\":\"c{number}\",\"__REALTIME_TIMESTAMP\":\"{}\",\"SYSLOG_IDENTIFIER\":\"sshd\",\"MESSAGE\":\"Failed password for root from 192.0.2.9 port 5 ssh2\"}}\n", 1_737_491_640_000_000_u64 + number))
        .collect();
    let script = host.path().join("journalctl");
    fs::write(&script, format!("#!/bin/sh\ncase \"$*\" in *--after-cursor=c29) exit 0;; *--identifier=sshd*--since=-1d) ;; *) exit 1;; esac\ncat <<'END'\n{entries}END\n")).expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("permissions");
    let journal = host.run(&["run", "journal", "--format", "json"]);
    assert_eq!(
        journal.findings("journal"),
        ["warning login-burst 192.0.2.9", "warning user-under-attack root"],
        "{journal:?}"
    );
    let again = host.run(&["run", "journal", "--format", "json"]);
    assert_eq!((again.code, again.findings("journal")), (0, vec![]), "{again:?}");
}
