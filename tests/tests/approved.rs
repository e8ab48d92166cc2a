//! `plan`, then `run --plan`: exactly that is applied. What is outside the plan is refused and named.

use hostler_tests::{Hostler, Output, Postgres, eventually};
use serde_json::Value;

fn host(server: &Postgres) -> Hostler {
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = {:?}\n[tasks.task]\nplugin = \"postgres-vacuum\"\nbind.database = \"postgres.main\"\n\
         [tasks.nothing]\nplugin = \"example-empty\"\n[procedures.weekly]\ntasks = [\"task\", \"nothing\"]\n",
        server.superuser()
    ));
    host.install(&["postgres-vacuum", "example-empty"]);
    host
}

/// A table of which the half is dead.
fn due(server: &Postgres, table: &str) {
    server.execute(&format!("CREATE TABLE {table} AS SELECT g AS id, 'new' AS status FROM generate_series(1, 5000) g"));
    server.execute(&format!("UPDATE {table} SET status = 'paid'"));
    eventually("the statistics know of the dead rows", || {
        server.value(&format!("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = '{table}'")) == "5000"
    });
}

fn vacuums(server: &Postgres, table: &str) -> String {
    server.value(&format!("SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = '{table}'"))
}

fn plan(host: &Hostler, name: &str) -> String {
    let plan = host.run(&["plan", name, "--format", "json"]);
    plan.json()["tasks"][0]["run_id"].as_str().expect("a run").to_owned()
}

/// The objects of the effects that ended so.
fn objects(run: &Output, outcome: &str) -> Vec<String> {
    let task = run.task("task");
    let steps = task["plan"]["steps"].as_array().cloned().unwrap_or_default();
    let effects = steps.iter().flat_map(|step| step["effects"].as_array().cloned().unwrap_or_default());
    effects
        .filter(|effect| effect["outcome"] == outcome)
        .filter_map(|effect| effect["object"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn a_run_is_held_to_its_plan_when_the_data_went_on() {
    let server = Postgres::start();
    due(&server, "orders");
    let host = host(&server);
    let planned = plan(&host, "task");
    due(&server, "users");
    let run = host.run(&["run", "task", "--plan", &planned, "--format", "json"]);
    assert_eq!(objects(&run, "applied"), ["public.orders"], "{run:?}");
    eventually("the one is vacuumed", || vacuums(&server, "orders") == "1");
    assert_eq!(vacuums(&server, "users"), "0", "the other was not approved");
    assert_eq!(run.code, 3, "its operator approved something else than it came to: {run:?}");
    let task = run.task("task");
    let troubles = task["troubles"].to_string();
    assert!(troubles.contains("approved plan") && troubles.contains("public.users"), "{troubles}");
    let findings = task["reported"]["findings"].as_array().expect("findings");
    let told = findings.iter().any(|finding| finding["code"] == "not-granted" && finding.to_string().contains("users"));
    assert!(told, "it is named: {task:#}");
    let audit = std::fs::read_to_string(host.path().join("state/audit/audit.jsonl")).expect("the audit");
    let refused = audit.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")).find(|line| {
        line["decision"] == "denied" && line["rule"].as_str().is_some_and(|rule| rule.contains("approved plan"))
    });
    assert!(refused.is_some_and(|line| line["operation"].as_str().is_some_and(|text| text.contains("users"))));
    let without = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(objects(&without, "applied"), ["public.users"], "without a plan it goes on: {without:?}");
}

#[test]
fn a_plan_that_still_fits_is_applied_whole() {
    for name in ["task", "weekly"] {
        let server = Postgres::start();
        due(&server, "orders");
        due(&server, "users");
        let host = host(&server);
        let text = host.run(&["plan", name]);
        let command = text.stdout.lines().find(|line| line.contains("--plan ")).unwrap_or_else(|| panic!("{text:?}"));
        let words: Vec<&str> = command.split_once("hostler ").expect("the command").1.split_whitespace().collect();
        let run = host.run(&[&words[..], &["--format", "json"]].concat());
        assert_eq!(run.code, 0, "the command that `plan` prints: {words:?}: {run:?}");
        let mut applied = objects(&run, "applied");
        applied.sort();
        assert_eq!(applied, ["public.orders", "public.users"], "{run:?}");
    }
}

#[test]
fn what_is_no_plan_is_refused_before_anything_runs() {
    let server = Postgres::start();
    due(&server, "orders");
    let host = host(&server);
    let other = plan(&host, "nothing");
    let missing = host.run(&["run", "task", "--plan", "20000101T000000-00000000"]);
    assert!(matches!(missing.code, 64 | 69) && missing.stderr.contains("there is no run"), "{missing:?}");
    let of_another = host.run(&["run", "task", "--plan", &other, "--format", "json"]);
    assert_ne!(of_another.code, 0, "{of_another:?}");
    let said = format!("{}{}", of_another.stdout, of_another.stderr);
    assert!(said.contains("plan") && said.contains("task"), "{said}");
    assert_eq!(vacuums(&server, "orders"), "0");
    let applied = host.run(&["run", "task", "--format", "json"]);
    let run = applied.task("task")["run_id"].as_str().expect("a run").to_owned();
    let again = host.run(&["run", "task", "--plan", &run]);
    assert!(again.code == 64 && again.stderr.contains("was no plan"), "{again:?}");
}
