//! monitoring-metrics: real exporters of a machine and of a PostgreSQL server, and an nginx that serves what is sick.

use std::{
    fs,
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use hostler_tests::{Hostler, Nginx, Output, Postgres, eventually, free_port};

/// A real exporter, ended when dropped.
struct Exporter {
    child: Child,
    port: u16,
}

impl Exporter {
    fn start(program: &str, variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        Self::start_at(free_port(), program, variables, arguments)
    }

    fn start_at(port: u16, program: &str, variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).args(arguments).envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("the exporter starts: `make test` installs it");
        let exporter = Self { child, port };
        eventually("the exporter answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        exporter
    }

    fn node(arguments: &[&str]) -> Self {
        Self::start("/usr/bin/prometheus-node-exporter", &[], arguments)
    }

    fn postgres(server: &Postgres) -> Self {
        let source = format!("postgresql://postgres@127.0.0.1:{}/postgres?sslmode=disable", server.port);
        Self::start("/usr/bin/prometheus-postgres-exporter", &[("DATA_SOURCE_NAME", &source)], &[])
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A host whose task reads these endpoints, each by its name and port.
fn host(endpoints: &[(&str, u16)], database: Option<&Postgres>, settings: &str) -> Hostler {
    let mut text = String::new();
    for (name, port) in endpoints {
        text.push_str(&format!("[endpoint.{name}]\nurl = \"http://127.0.0.1:{port}/metrics\"\n"));
    }
    let names: Vec<String> = endpoints.iter().map(|(name, _)| format!("\"endpoint.{name}\"")).collect();
    let mut bind = format!("endpoints = [{}]", names.join(", "));
    if let Some(server) = database {
        text.push_str(&format!("[postgres.main]\ndsn = {:?}\n", server.superuser()));
        bind.push_str(", database = \"postgres.main\"");
    }
    let host = Hostler::new(&format!(
        "{text}[tasks.task]\nplugin = \"monitoring-metrics\"\nbind = {{ {bind} }}\nsettings = {{ {settings} }}\n"
    ));
    host.install(&["monitoring-metrics"]);
    host
}

fn run(host: &Hostler) -> Output {
    host.run(&["run", "task", "--format", "json"])
}

/// A run on a machine whose clock is off by so many seconds.
fn run_at(host: &Hostler, seconds: f64) -> Output {
    let mut command = host.command(&["run", "task", "--format", "json"]);
    command
        .env("LD_PRELOAD", "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
        .env("FAKETIME", format!("{seconds:+}s"))
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let output = command.output().expect("hostler starts");
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// An nginx that serves a text as /metrics.
fn serving(text: &str) -> Nginx {
    let nginx = Nginx::start("", "default_type \"text/plain; version=0.0.4\";");
    write(&nginx, text);
    nginx
}

fn write(nginx: &Nginx, text: &str) {
    fs::write(nginx.path().join("site/metrics"), text).expect("a page");
}

fn metric(output: &Output, name: &str) -> Option<f64> {
    let metrics = output.task("task")["reported"]["metrics"].as_array().cloned().unwrap_or_default();
    metrics.iter().find(|metric| metric["name"] == name).and_then(|metric| metric["value"].as_f64())
}

#[test]
fn real_exporters_are_well_and_agree_with_the_server() {
    let server = Postgres::start();
    let (node, database) = (Exporter::node(&[]), Exporter::postgres(&server));
    let host = host(&[("node", node.port), ("pg", database.port)], Some(&server), "");
    let first = run(&host);
    assert_eq!(
        (first.code, first.findings("task")),
        (3, vec!["unknown baseline-taken node".to_owned(), "unknown baseline-taken pg".to_owned()]),
        "{first:?}"
    );
    let second = run(&host);
    assert_eq!((second.code, second.findings("task")), (0, vec![]), "{second:?}");
    assert!(metric(&second, "scrape_figures_compared").is_some_and(|count| count >= 30.0), "{second:?}");
    assert_eq!(metric(&second, "scrape_figures_disagreeing"), Some(0.0));
    assert!(metric(&second, "scrape_clock_resolution_seconds").is_some_and(|seconds| seconds < 0.5), "{second:?}");
}

#[test]
fn an_exporter_whose_server_is_down_or_another_is_not_believed() {
    let (server, other) = (Postgres::start(), Postgres::start());
    other.execute("CREATE TABLE filler AS SELECT n FROM generate_series(1, 300000) n");
    let exporter = Exporter::postgres(&other);
    let host = host(&[("pg", exporter.port)], Some(&server), "");
    run(&host);
    eventually("the statistics have arrived", || {
        other.value("SELECT tup_inserted > 200000 FROM pg_stat_database WHERE datname = 'postgres'") == "t"
    });
    let sick = run(&host);
    assert_eq!((sick.code, sick.findings("task")), (1, vec!["warning sources-disagree pg".to_owned()]), "{sick:?}");
    drop(other);
    let down = run(&host);
    let findings = down.findings("task");
    assert_eq!(down.code, 2, "{down:?}");
    assert!(findings.contains(&"critical source-down pg".to_owned()), "{findings:?}");
    assert!(findings.contains(&"warning collection-failed pg".to_owned()), "{findings:?}");
    assert!(findings.contains(&"unknown no-second-source database".to_owned()), "{findings:?}");
    drop(exporter);
    let gone = run(&host);
    assert_eq!((gone.code, gone.findings("task")), (2, vec!["critical endpoint-down pg".to_owned()]), "{gone:?}");
}

#[test]
fn a_restart_is_told_from_a_counter_that_falls() {
    let mut node = Exporter::node(&[]);
    let nginx = serving("# TYPE shop_orders_total counter\nshop_orders_total 10\nshop_queue 5\n");
    let host = host(&[("node", node.port), ("shop", nginx.port)], None, "");
    run(&host);
    write(&nginx, "# TYPE shop_orders_total counter\nshop_orders_total 9\nshop_queue 4\n");
    let port = node.port;
    // The machine tells when a process began to the second.
    std::thread::sleep(std::time::Duration::from_secs(2));
    drop(node);
    node = Exporter::start_at(port, "/usr/bin/prometheus-node-exporter", &[], &[]);
    let sick = run(&host);
    assert_eq!(
        (sick.code, sick.findings("task")),
        (1, vec!["warning process-restarted node".to_owned(), "warning counter-reset shop".to_owned()]),
        "{sick:?}"
    );
    assert!(sick.stdout.contains("the process is the same: shop_orders_total"), "{sick:?}");
    write(&nginx, "# TYPE shop_orders_total counter\nshop_orders_total 11\nshop_queue 5\n");
    let again = run(&host);
    assert_eq!((again.code, again.findings("task")), (0, vec![]), "{again:?}");
    drop(node);
}

#[test]
fn what_stands_still_is_old_and_what_carries_an_old_time_too() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_millis();
    let nginx = serving("shop_orders_total 10\n");
    let pushed = serving(&format!("batch_rows 5 {}\nbatch_errors 0 {}\n", now - 30_000, now - 1_000));
    let host =
        host(&[("shop", nginx.port), ("pushed", pushed.port)], None, "interval = \"1s\", warning = 3, critical = 20");
    let first = run(&host);
    assert!(first.findings("task").contains(&"critical samples-old pushed".to_owned()), "{first:?}");
    std::thread::sleep(std::time::Duration::from_millis(3500));
    let still = run(&host);
    assert!(still.findings("task").contains(&"warning samples-old shop".to_owned()), "{still:?}");
    assert!(still.stdout.contains("not one of its figures has moved for at least"), "{still:?}");
    write(&nginx, "shop_orders_total 11\n");
    let moved = run(&host);
    assert!(!moved.findings("task").iter().any(|finding| finding.ends_with("shop")), "{moved:?}");
}

#[test]
fn a_textfile_that_nobody_writes_any_more_is_told_by_its_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("backup.prom");
    fs::write(&file, "backup_rows 5\n").expect("a file");
    let node = Exporter::node(&[&format!("--collector.textfile.directory={}", directory.path().display())]);
    let host = host(&[("node", node.port)], None, "");
    run(&host);
    let fresh = run(&host);
    assert_eq!((fresh.code, fresh.findings("task")), (0, vec![]), "{fresh:?}");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3 * 86_400);
    fs::File::options().write(true).open(&file).expect("a file").set_modified(old).expect("a time");
    let stale = run(&host);
    assert_eq!(
        (stale.code, stale.findings("task")),
        (1, vec![format!("warning samples-old node {}", file.display())]),
        "{stale:?}"
    );
}

#[test]
fn duplicates_bad_lines_and_one_process_under_two_names_are_told() {
    let node = Exporter::node(&[]);
    let twice = serving("a{x=\"1\"} 1\na{x=\"1\"} 2\n");
    let bad = serving("shop_orders_total 10\nshop-queue 5\n");
    let page = serving("<html>It works!</html>\n");
    let empty = Nginx::start("", "location /metrics { return 403; }");
    let endpoints = [
        ("one", node.port),
        ("two", node.port),
        ("twice", twice.port),
        ("bad", bad.port),
        ("page", page.port),
        ("shut", empty.port),
    ];
    let host = host(&endpoints, None, "");
    let sick = run(&host);
    let mut findings: Vec<String> =
        sick.findings("task").into_iter().filter(|finding| !finding.contains("baseline")).collect();
    findings.sort();
    assert_eq!(
        findings,
        [
            "critical exposition-invalid bad",
            "critical exposition-invalid page",
            "unknown endpoint-refused shut",
            "warning endpoint-twice two",
            "warning series-duplicate twice"
        ],
        "{sick:?}"
    );
    assert!(sick.stdout.contains("Prometheus drops all that it answers: line 2:"), "{sick:?}");
}

#[test]
fn a_clock_that_is_off_is_told_as_closely_as_it_can_be_known() {
    let node = Exporter::node(&[]);
    let nginx = serving("shop_orders_total 10\n");
    let host = host(&[("node", node.port), ("shop", nginx.port)], None, "");
    run(&host);
    let clocks = |output: &Output| -> Vec<String> {
        output.findings("task").into_iter().filter(|finding| finding.contains("clock-offset")).collect()
    };
    assert_eq!(clocks(&run_at(&host, 0.0)), Vec::<String>::new());
    // Half a second is always seen by node_exporter's own clock; by a Date of whole seconds only at the right moment.
    let half = run_at(&host, -0.5);
    assert!(clocks(&half).contains(&"warning clock-offset node".to_owned()), "{half:?}");
    let far = run_at(&host, 3.0);
    assert_eq!(clocks(&far), ["warning clock-offset node", "warning clock-offset shop"], "{far:?}");
}
