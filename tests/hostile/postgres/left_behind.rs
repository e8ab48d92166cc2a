//! What a plugin leaves on the server: load that would never end, locks, and a session that is not as it was.

use std::time::{Duration, Instant};

use hostler_tests::{Hostler, eventually};
use serde_json::{Value, json};

use super::{change, everything, host, query, server};
use crate::puppet::{run, run_in, write};

/// A bomb, a product and a recursion without end: none of them is a function that could be refused by its name.
const SLOW: &[&str] = &[
    "SELECT count(*) FROM generate_series(1, 100000000000)",
    "SELECT count(*) FROM public.allowed a, public.allowed b, public.allowed c, public.allowed d, public.allowed e, \
     public.allowed f, public.allowed g, public.allowed h, public.allowed i, public.allowed j, public.allowed k",
    "WITH RECURSIVE a(n) AS (SELECT 1::numeric UNION ALL SELECT n + 1 FROM a) SELECT count(*) FROM a",
];

const READING: &str = "read = [\"public.allowed\"], write = [], statements = []";

/// The same host with limits of a run.
fn limited(host: &Hostler, limits: &str) {
    let text = std::fs::read_to_string(host.configuration()).expect("a configuration");
    let text: String =
        text.lines().filter(|line| !line.starts_with("limits")).map(|line| format!("{line}\n")).collect();
    std::fs::write(host.configuration(), format!("{text}limits = {{ {limits} }}\n")).expect("it is written");
}

/// Each is given two seconds; the plugin is told nothing but that its time was up, and the server is free of it.
#[test]
fn a_statement_without_end_is_ended_on_the_server_too() {
    let server = server();
    let host = host(&server, READING);
    limited(&host, "wall_seconds = 2");
    for sql in SLOW {
        write(&host, &[query(sql)]);
        let began = Instant::now();
        let output = host.run(&["run", "puppet", "--format", "json"]);
        assert!(!output.stdout.contains(&hexadecimal("allowed")), "{sql}: {output:?}");
        assert!(began.elapsed().as_secs() < 20, "{sql}: {:?}", began.elapsed());
        eventually("the server is free of it", || {
            server.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'") == "1"
        });
    }
}

/// What comes row by row ends at the limit, long before its last row, and so does it on the server.
#[test]
fn a_result_without_end_ends_at_the_limit() {
    let server = server();
    let host = host(&server, READING);
    for (limits, sql) in [
        ("rows = 1000", "SELECT generate_series(1, 2000000000)"),
        ("bytes = \"8MiB\"", "SELECT repeat('x', 1000000) FROM generate_series(1, 1000000)"),
    ] {
        limited(&host, limits);
        let began = Instant::now();
        let (output, outcomes) = run_in(&host, "run", &[query("SELECT id FROM public.allowed"), query(sql)]);
        assert!(outcomes[0].get("allowed").is_some() && outcomes[1].get("limit").is_some(), "{sql}: {outcomes:?}");
        assert_eq!(output.code, 3, "a run over its limit is not believed: {output:?}");
        assert!(began.elapsed() < Duration::from_secs(20), "{sql}: {:?}", began.elapsed());
        let copied = json!({ "call": "postgres", "sql": sql, "copy": true });
        let (_, outcomes) = run_in(&host, "run", &[copied]);
        assert!(outcomes[0].get("limit").is_some(), "{sql}: {outcomes:?}");
    }
    // One value of hundreds of megabytes is refused before it is all there.
    limited(&host, "bytes = \"8MiB\"");
    let (_, outcomes) = run_in(&host, "run", &[query("SELECT repeat('x', 300000000)")]);
    assert!(outcomes[0].get("allowed").is_none(), "{outcomes:?}");
}

/// The server holds a query read-only, whatever a view or a function of the owner's does.
#[test]
fn a_view_that_calls_a_changing_function_changes_nothing() {
    let server = server();
    let before = everything(&server);
    let host = host(&server, "read = [\"public.seen\", \"public.allowed\"], write = [], statements = []");
    let attempts = [
        "SELECT * FROM public.seen",
        "SELECT traced FROM public.seen",
        "SELECT s FROM public.seen s",
        "TABLE public.seen",
    ];
    let mut steps: Vec<Value> = attempts.iter().flat_map(|sql| super::every_way(sql)).collect();
    steps.push(query("SELECT id FROM public.allowed"));
    let outcomes = run(&host, &steps);
    for (step, outcome) in steps.iter().zip(&outcomes).take(steps.len() - 1) {
        assert!(outcome.get("allowed").is_none(), "{step}: {outcome}");
    }
    assert!(outcomes.last().is_some_and(|outcome| outcome.get("allowed").is_some()), "{outcomes:?}");
    assert_eq!(everything(&server), before);
}

/// A default of a table that is granted is the owner's own, as a trigger is: an INSERT that was granted runs it.
#[test]
fn a_default_runs_for_an_insert_that_was_granted_and_for_no_other() {
    let server = server();
    server.execute("CREATE TABLE public.filled (id int, traced text DEFAULT public.trace())");
    let insert = "INSERT INTO public.filled (id) VALUES (1)";
    let grant = |table: &str| format!("read = [], write = [\"public.{table}\"], statements = [\"INSERT\"]");
    let refused = run(&host(&server, &grant("allowed")), &[change(insert)]);
    assert!(refused[0].get("denied").is_some(), "{refused:?}");
    assert_eq!(server.value("SELECT count(*) FROM public.traces"), "0");
    let allowed = run(&host(&server, &grant("filled")), &[change(insert)]);
    assert!(allowed[0].get("allowed").is_some(), "{allowed:?}");
    assert_eq!(server.value("SELECT count(*) FROM public.traces"), "1");
}

/// A plugin that keeps a transaction open keeps its locks for as long as its run, and waits for no lock for long.
#[test]
fn locks_end_with_the_run_and_are_not_waited_for() {
    let server = server();
    let host = host(&server, "read = [\"public.allowed\"], write = [\"public.allowed\"], statements = [\"UPDATE\"]");
    limited(&host, "wall_seconds = 3");
    let update = "UPDATE public.allowed SET note = 'held' WHERE id = 1";
    write(&host, &[json!({ "call": "flood", "do": "hold", "sql": update })]);
    let running = host.start(&["run", "puppet", "--format", "json"]);
    eventually("it holds its lock", || {
        server.value("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'") == "1"
    });
    assert!(
        server.try_execute("SET lock_timeout = '100ms'; UPDATE public.allowed SET note = 'b' WHERE id = 1").is_err()
    );
    let output = running.end_within(Duration::from_secs(60));
    assert_eq!(output.code, 3, "{output:?}");
    eventually("its lock is let go", || {
        server.try_execute("SET lock_timeout = '100ms'; UPDATE public.allowed SET note = 'c' WHERE id = 1").is_ok()
    });
    assert_eq!(server.value("SELECT note FROM public.allowed WHERE id = 1"), "c", "what was not committed is gone");
    // The other way round: somebody else holds the table.
    limited(&host, "wall_seconds = 60");
    let holder = server.session("BEGIN; LOCK TABLE public.allowed IN ACCESS EXCLUSIVE MODE");
    let began = Instant::now();
    let outcomes = run(&host, &[change(update), query("SELECT id FROM public.allowed")]);
    assert!(outcomes.iter().all(|outcome| outcome.get("failed").is_some()), "{outcomes:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    drop(holder);
    eventually("the table is free", || run(&host, &[change(update)])[0].get("allowed").is_some());
}

/// Connections are kept warm between calls and runs of a host; none of them remembers.
#[test]
fn a_session_is_handed_on_as_it_was_opened() {
    let server = server();
    let host =
        host(&server, "read = [\"public.allowed\"], connections = 1, settings = [\"work_mem\", \"lock_timeout\"]");
    let value = |sql: &str| json!({ "call": "postgres", "sql": sql, "value": true });
    let looks = [
        value("SHOW work_mem"),
        value("SHOW lock_timeout"),
        value("SHOW search_path"),
        value("SHOW default_transaction_read_only"),
        value("SHOW default_transaction_isolation"),
        value("SELECT current_user || '/' || session_user"),
        value("SELECT count(*)::text FROM pg_catalog.pg_cursors"),
        value("SELECT count(*)::text FROM pg_catalog.pg_listening_channels()"),
        value("SELECT count(*)::text FROM pg_catalog.pg_locks WHERE locktype = 'advisory'"),
    ];
    let mut spoiling = change("UPDATE public.allowed SET note = 'x' WHERE id = 0");
    spoiling["settings"] = json!([["work_mem", "99MB"], ["lock_timeout", "7s"]]);
    let mut failing = query("SELECT 1 / (id - id) FROM public.allowed");
    failing["settings"] = json!([["work_mem", "98MB"]]);
    let mut reading = value("SHOW work_mem");
    reading["settings"] = json!([["work_mem", "97MB"]]);
    let mut in_transaction = query("SELECT id FROM public.allowed");
    in_transaction["transaction"] = true.into();
    let steps: Vec<Value> =
        looks.iter().chain([&spoiling, &failing, &reading, &in_transaction]).chain(&looks).cloned().collect();
    let outcomes = run(&host, &steps);
    assert_eq!(outcomes[looks.len() + 2]["allowed"], "97MB", "the setting held for its statement: {outcomes:?}");
    let (before, after) = (&outcomes[..looks.len()], &outcomes[looks.len() + 4..]);
    assert_eq!(before, after);
    assert!(before[0].get("allowed").is_some(), "{before:?}");
}

/// As attachments are written in the output.
fn hexadecimal(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
