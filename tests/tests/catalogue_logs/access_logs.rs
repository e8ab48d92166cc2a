//! security-access-logs on what nginx wrote, while it writes, across rotation in each of its ways.

use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use hostler_tests::{Nginx, eventually};

use crate::{found, host, run, summary};

fn nginx() -> Nginx {
    Nginx::start("", "location /fail { return 503; } location /files/ { return 200; }")
}

#[test]
fn a_healthy_log_is_read_once_and_failures_are_told_with_their_paths() {
    let nginx = nginx();
    let host = host("security-access-logs", &nginx.logs(), "");
    nginx.get("/index.html", 200);
    let healthy = run(&host);
    assert_eq!((healthy.code, healthy.findings("task")), (0, vec![]), "{healthy:?}");
    assert_eq!(summary(&healthy), "200 requests in 1 log since the last run, 0 failed");
    nginx.get("/index.html", 90);
    assert_eq!(nginx.get("/fail", 10), 503);
    let sick = run(&host);
    assert_eq!(
        (sick.code, sick.findings("task")),
        (2, vec!["critical server-errors web server".to_owned()]),
        "{sick:?}"
    );
    assert!(
        sick.stdout.contains("10.0 % of 100 requests failed, critical above 5 %") && sick.stdout.contains("/fail"),
        "{sick:?}"
    );
    assert_eq!(summary(&run(&host)), "0 requests in 1 log since the last run, 0 failed", "nothing is read twice");
}

#[test]
fn scanners_and_those_who_climb_out_of_the_tree_are_told() {
    let nginx = nginx();
    let host = host("security-access-logs", &nginx.logs(), "");
    nginx.get("/.env", 25);
    nginx.get("/../../etc/passwd", 3);
    assert_eq!(found(&host, 1), ["warning scanner 127.0.0.1"]);
    assert_eq!(nginx.get("/files/..%2f..%2f..%2fshadow", 1), 400, "nginx itself does not climb");
    // An application behind a server that does not look: its log, in Apache's words.
    fs::write(
        nginx.logs().join("app_access.log"),
        "10.1.1.1 - - [21/Jan/2025:20:34:00 +0000] \"GET /files/%2e%2e/%2e%2e/shadow HTTP/1.1\" 200 900 \"-\" \"curl\"\n",
    )
    .expect("a log");
    let run = run(&host);
    assert_eq!(
        (run.code, run.findings("task")),
        (2, vec!["critical left-the-tree /files/%2e%2e/%2e%2e/shadow".to_owned()]),
        "{run:?}"
    );
    assert!(run.stdout.contains("curl --path-as-is"), "{run:?}");
}

#[test]
fn no_line_is_lost_or_read_twice_while_the_log_is_written_and_rotated() {
    let nginx = nginx();
    let host = host("security-access-logs", &nginx.logs(), "");
    let (sent, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut read = 0;
    let count = |text: &str| text.split(' ').next().and_then(|number| number.parse::<usize>().ok()).expect("a number");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                nginx.get("/index.html", 20);
                sent.fetch_add(20, Ordering::SeqCst);
            }
        });
        for rotation in 0..4 {
            let before = sent.load(Ordering::SeqCst);
            eventually("more is written", || sent.load(Ordering::SeqCst) > before + 100);
            read += count(&summary(&run(&host)));
            let logs = nginx.logs();
            for number in (1..=rotation).rev() {
                for end in ["", ".gz"] {
                    let _ = fs::rename(
                        logs.join(format!("access.log.{number}{end}")),
                        logs.join(format!("access.log.{}{end}", number + 1)),
                    );
                }
            }
            fs::rename(logs.join("access.log"), logs.join("access.log.1")).expect("it is renamed");
            nginx.reopen();
            eventually("nginx writes to a new file", || logs.join("access.log").exists());
            // Every other time the rotated one is compressed before it was read to its end.
            if rotation % 2 == 1 {
                eventually("nobody writes to the old one any more", || {
                    let before = nginx.lines("access.log.1");
                    std::thread::sleep(std::time::Duration::from_millis(200));
                    before == nginx.lines("access.log.1")
                });
                assert!(Command::new("gzip").arg(logs.join("access.log.1")).status().expect("gzip").success());
            }
        }
        done.store(true, Ordering::SeqCst);
    });
    eventually("the last lines are written", || {
        let last = run(&host);
        assert_eq!(last.findings("task"), Vec::<String>::new(), "{last:?}");
        read += count(&summary(&last));
        read >= sent.load(Ordering::SeqCst)
    });
    assert_eq!(read, sent.load(Ordering::SeqCst));
}

#[test]
fn json_copies_and_lost_lines() {
    let nginx = Nginx::start(
        "log_format json escape=json '{\"remote_addr\":\"$remote_addr\",\"request_uri\":\"$request_uri\",\"status\":$status,\"body_bytes_sent\":$body_bytes_sent,\"request_time\":\"$request_time\"}'; access_log logs/access.log json;",
        "location /fail { return 502; }",
    );
    let host = host("security-access-logs", &nginx.logs(), "");
    nginx.get("/index.html", 98);
    nginx.get("/fail", 2);
    assert_eq!(found(&host, 1), ["warning server-errors web server"]);
    // copytruncate: what was written since the last run is in the copy alone.
    nginx.get("/fail", 110);
    let log = nginx.logs().join("access.log");
    fs::copy(&log, nginx.logs().join("access.log.1")).expect("a copy");
    fs::OpenOptions::new().write(true).open(&log).expect("the log").set_len(0).expect("it is truncated");
    assert_eq!(found(&host, 2), ["critical server-errors web server"]);
    // Rotated away before it was read: that is said, and not passed over.
    nginx.get("/index.html", 10);
    assert_eq!(found(&host, 0), Vec::<String>::new());
    nginx.get("/index.html", 10);
    for name in ["access.log", "access.log.1"] {
        fs::remove_file(nginx.logs().join(name)).expect("it is removed");
    }
    nginx.reopen();
    eventually("nginx writes to a new file", || log.exists());
    assert_eq!(found(&host, 3).len(), 1, "lines are lost");
}

#[test]
fn what_is_no_access_log_or_not_there_is_unknown() {
    let nginx = nginx();
    let host = host("security-access-logs", &nginx.logs(), "settings = { files = [\"error.log\", \"other.log\"] }");
    fs::write(nginx.logs().join("other.log"), "not a line of the format\n".repeat(10)).expect("a log");
    let found_here = found(&host, 3);
    assert_eq!(found_here, ["unknown not-understood access log"]);
    let empty = nginx.path().join("temporary");
    let elsewhere = crate::host("security-access-logs", &empty, "");
    assert_eq!(found(&elsewhere, 3), ["unknown no-log logs"]);
}
