//! More of everything than anybody needs: each is bounded, the run over its bound is not believed, and the host goes on.

mod made_by_hand;

use hostler_tests::{Hostler, Output, Postgres};
use serde_json::{Value, json};

use crate::puppet::{attached, run_in, write};

fn host(limits: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[directory.data]\npath = \"{{directory}}\"\n[tasks.puppet]\nplugin = \"test-puppet\"\n\
         bind.looked = \"directory.data\"\nbind.data = {{ resource = \"directory.data\", access = \"read\" }}\n\
         limits = {{ {limits} }}\n"
    ));
    host.install(&["test-puppet"]);
    host
}

fn flood(what: &str, more: &[(&str, Value)]) -> Value {
    let mut step = json!({ "call": "flood", "do": what });
    step.as_object_mut()
        .expect("an object")
        .extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    step
}

/// Runs one step; the flood may leave no room for what the puppet attaches.
fn alone(host: &Hostler, step: Value) -> Output {
    write(host, &[step]);
    host.run(&["run", "puppet", "--format", "json"])
}

fn troubles(output: &Output) -> String {
    let task = output.task("puppet");
    format!("{} {}", task["summary"], task["troubles"])
}

#[test]
fn what_is_reported_is_bounded_in_number_and_in_bytes() {
    let host = host("reported = 100, reported_bytes = \"1MiB\", log_lines = 100");
    let count = |what: &str, count: u64| flood(what, &[("count", count.into())]);
    let bytes = |what: &str, bytes: u64| flood(what, &[("bytes", bytes.into())]);
    let cases = [
        (count("findings", 50), count("findings", 100_000)),
        (count("metrics", 50), count("metrics", 100_000)),
        (count("tables", 50), count("tables", 100_000)),
        (count("labels", 5), count("labels", 100_000)),
        (count("rows", 50), count("rows", 1_000_000)),
        (bytes("attachment", 1000), bytes("attachment", 64 << 20)),
    ];
    for (honest, attempt) in cases {
        let fine = alone(&host, honest.clone());
        assert_eq!(fine.code, 0, "{honest}: {fine:?}");
        let over = alone(&host, attempt.clone());
        assert_eq!(over.code, 3, "{attempt}: {}", troubles(&over));
        assert!(over.stdout.len() < 8 << 20, "{attempt}: {}", over.stdout.len());
        let kept = host.kept(over.task("puppet")["run_id"].as_str().expect("a run"));
        assert!(kept.to_string().len() < 8 << 20, "{attempt}: what is kept");
    }
    // The log is for whoever looks for a mistake: it is cut, and decides nothing.
    for attempt in [count("log-lines", 1_000_000), count("progress", 1_000_000)] {
        let cut = alone(&host, attempt);
        assert_eq!(cut.code, 0, "{}", troubles(&cut));
        assert!(cut.stdout.len() < 1 << 20);
    }
    // A text is cut where nobody would read on, and says so.
    let text = alone(&host, bytes("text", 64 << 20));
    assert!(text.code == 0 && text.stdout.len() < 8 << 10 && text.stdout.contains('…'), "{}", text.stdout.len());
    let fields = alone(&host, count("log-fields", 100_000));
    assert!(fields.stdout.len() < 2 << 20, "{}", fields.stdout.len());
}

#[test]
fn what_a_task_keeps_is_bounded() {
    let cases = [
        (flood("state-keys", &[("count", 100.into())]), flood("state-keys", &[("count", 100_000.into())])),
        (flood("state-value", &[("bytes", 1000.into())]), flood("state-value", &[("bytes", (8 << 20).into())])),
        (flood("state-key", &[("bytes", 100.into())]), flood("state-key", &[("bytes", (8 << 20).into())])),
    ];
    for (honest, attempt) in cases {
        let host = host("state_bytes = \"64KiB\"");
        let (_, outcomes) = run_in(&host, "run", &[honest, attempt.clone()]);
        assert!(outcomes[0].get("allowed").is_some(), "{attempt}: {outcomes:?}");
        assert!(outcomes[1].get("limit").or(outcomes[1].get("invalid")).is_some(), "{attempt}: {outcomes:?}");
        let size = std::fs::metadata(host.path().join("state/state.sqlite")).expect("it is there").len();
        assert!(size < 4 << 20, "{size}");
    }
}

#[test]
fn calls_are_counted_one_by_one_and_together() {
    let path = ("path", json!("/looked/hostler.toml"));
    let host = host("calls = 500, calls_under_way = 20, handles = 50");
    let cases = [
        (
            flood("calls", &[path.clone(), ("count", 50.into())]),
            flood("calls", &[path.clone(), ("count", 5000.into())]),
        ),
        (
            flood("calls-under-way", &[path.clone(), ("count", 10.into())]),
            flood("calls-under-way", &[path.clone(), ("count", 100.into())]),
        ),
    ];
    for (honest, attempt) in cases {
        let (output, outcomes) = run_in(&host, "run", &[honest, attempt.clone()]);
        assert!(outcomes[0].get("allowed").is_some(), "{attempt}: {outcomes:?}");
        assert!(outcomes[1].get("limit").is_some(), "{attempt}: {outcomes:?}");
        assert_eq!(output.code, 3, "{}", troubles(&output));
    }
}

#[test]
fn handles_of_every_kind_are_counted() {
    let host = host("handles = 50");
    let fine = [flood("locks", &[("count", 20.into())]), flood("own-streams", &[("count", 100.into())])];
    let (_, outcomes) = run_in(&host, "run", &fine);
    assert!(outcomes.iter().all(|outcome| outcome.get("allowed").is_some()), "{outcomes:?}");
    let (output, outcomes) = run_in(&host, "run", &[flood("locks", &[("count", 1000.into())])]);
    assert!(outcomes[0].get("limit").is_some(), "{outcomes:?}");
    assert_eq!(output.code, 3, "{}", troubles(&output));
    let streams = alone(&host, flood("own-streams", &[("count", 100_000_000_u64.into())]));
    assert_eq!(streams.code, 3, "{}", troubles(&streams));
    assert_eq!(streams.task("puppet")["course"], "failed", "{streams:?}");
}

#[test]
fn connections_are_as_many_as_the_grant_says() {
    let server = Postgres::start();
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = \"{}\"\n[tasks.puppet]\nplugin = \"test-puppet\"\n\
         bind.database = {{ resource = \"postgres.main\", connections = 2 }}\nlimits = {{ wall_seconds = 10, handles = 50 }}\n",
        server.superuser()
    ));
    host.install(&["test-puppet"]);
    let count = |what: &str, count: u64| flood(what, &[("count", count.into())]);
    let (_, outcomes) = run_in(&host, "run", &[count("databases", 20), count("transactions", 2)]);
    assert!(outcomes.iter().all(|outcome| outcome.get("allowed").is_some()), "{outcomes:?}");
    let (output, outcomes) = run_in(&host, "run", &[count("databases", 1000)]);
    assert!(outcomes[0].get("limit").is_some(), "{outcomes:?}");
    assert_eq!(output.code, 3, "{}", troubles(&output));
    write(&host, &[count("transactions", 20)]);
    let running = host.start(&["run", "puppet", "--format", "json"]);
    let mut most = 0;
    for _ in 0..30 {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let open = server.value("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'hostler%'");
        most = most.max(open.parse::<u64>().expect("a count"));
    }
    let output = running.end_within(std::time::Duration::from_secs(60));
    let outcomes = attached(&output.task("puppet"));
    assert!(outcomes[0].get("limit").is_some(), "{outcomes:?}");
    assert_eq!(output.code, 3, "a run over its limit is not believed: {}", troubles(&output));
    assert!((1..=3).contains(&most), "two, and the one that asked what is there: {most}");
}

#[test]
fn huge_arguments_are_refused_and_told_in_few_words() {
    let host = host("memory_bytes = \"512MiB\"");
    let (output, outcomes) = run_in(&host, "run", &[flood("huge-argument", &[("bytes", (16 << 20).into())])]);
    let refused = outcomes[0]["allowed"].as_array().unwrap_or_else(|| panic!("{outcomes:?}"));
    assert!(refused.iter().all(|refused| *refused == true), "{refused:?}");
    assert!(output.stdout.len() < 1 << 20, "{}", output.stdout.len());
    let audit = std::fs::metadata(host.path().join("state/audit/audit.jsonl")).expect("it is there").len();
    assert!(audit < 1 << 20, "{audit}");
    assert_eq!(host.run(&["audit", "verify"]).code, 0);
}
