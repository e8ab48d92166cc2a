//! The audit from outside: shown by run, and held against the history and what was kept elsewhere, however it was changed.

use std::fs;

use hostler_tests::{Hostler, Output};
use serde_json::Value;

fn host() -> Hostler {
    let host = Hostler::new(
        "[directory.output]\npath = \"{directory}/output\"\n[tasks.writes]\nplugin = \"test-misbehaving\"\n\
         bind.output = \"directory.output\"\nsettings = { behaviour = \"changes\", count = 3 }\n",
    );
    fs::create_dir(host.path().join("output")).expect("a directory");
    host.install(&["test-misbehaving"]);
    host
}

fn run(host: &Hostler) -> String {
    let output = host.run(&["run", "writes", "--format", "json"]);
    assert_eq!(output.code, 0, "{output:?}");
    output.task("writes")["run_id"].as_str().expect("a run").to_owned()
}

#[test]
fn a_run_is_shown_call_by_call() {
    let host = host();
    let (first, second) = (run(&host), run(&host));
    let shown = host.run(&["audit", "show", "--run", &first]);
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(shown.stdout.lines().all(|line| line.contains(&first)) && !shown.stdout.contains(&second), "{shown:?}");
    for part in ["allowed", "done", "output", "file-000002", "µs"] {
        assert!(shown.stdout.contains(part), "{part}: {shown:?}");
    }
    let json = host.run(&["audit", "show", "--run", &second, "--format", "json"]);
    let lines: Vec<Value> = json.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), shown.stdout.lines().count(), "two runs of one task");
    let calls = |decision: &str| lines.iter().filter(|line| line["decision"] == decision).count();
    assert!(calls("allowed") >= 3 && calls("allowed") == calls("done"), "each call has its end: {lines:#?}");
    let all = host.run(&["audit", "show"]);
    assert_eq!(all.stdout.lines().count(), 2 * lines.len());
    let none = host.run(&["audit", "show", "--run", "20200101T000000-00000000"]);
    assert!(none.code == 69 && none.stderr.contains("no line of a run"), "{none:?}");
}

#[test]
fn whatever_is_changed_is_found() {
    let host = host();
    run(&host);
    run(&host);
    let path = host.path().join("state/audit/audit.jsonl");
    let whole = fs::read_to_string(&path).expect("it is there");
    let lines: Vec<&str> = whole.lines().collect();
    let verified = |text: &str| -> Output {
        fs::write(&path, text).expect("it is written");
        host.run(&["audit", "verify"])
    };
    let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let without = |place: usize| {
        let mut left = lines.clone();
        left.remove(place);
        joined(&left)
    };
    let mut swapped = lines.clone();
    swapped.swap(1, 2);
    let mut doubled = lines.clone();
    doubled.insert(2, lines[2]);
    let last = lines.len() - 1;
    for (what, text) in [
        ("a word changed", whole.replacen("file-000001", "file-000009", 1)),
        ("a decision changed", whole.replacen("\"done\"", "\"denied\"", 1)),
        ("a number changed", whole.replacen("\"call\":1", "\"call\":2", 1)),
        ("a space more", whole.replacen("{\"", "{ \"", 1)),
        ("the first is missing", without(0)),
        ("one is missing", without(2)),
        ("the last is missing", without(last)),
        ("half is missing", joined(&lines[..last / 2])),
        ("all are missing", String::new()),
        ("two are swapped", joined(&swapped)),
        ("one is there twice", joined(&doubled)),
        ("one was put in", whole.replacen('\n', "\n{\"sequence\":2}\n", 1)),
        ("the last is cut", whole[..whole.len() - 10].to_owned()),
        ("another audit of its own", joined(&lines[..1])),
    ] {
        let found = verified(&text);
        assert_eq!(found.code, 2, "{what}: {found:?}");
        assert!(!found.stderr.is_empty(), "{what}: {found:?}");
    }
    let well = verified(&whole);
    assert!(well.code == 0 && well.stdout.contains("2 runs were held"), "{well:?}");
}

#[test]
fn a_head_that_was_kept_elsewhere_finds_what_the_history_no_longer_does() {
    let host = host();
    run(&host);
    let path = host.path().join("state/audit/audit.jsonl");
    let before = fs::read_to_string(&path).expect("it is there");
    run(&host);
    let whole = fs::read_to_string(&path).expect("it is there");
    // As the journal has it: the number of lines, and the hash of the last.
    let head = {
        let lines = whole.lines().count();
        let history = host.path().join("state/history.sqlite");
        let read = std::process::Command::new("python3")
            .args(["-c", "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT audit_head FROM run WHERE audit_lines = ?', (int(sys.argv[2]),)).fetchone()[0])"])
            .arg(&history)
            .arg(lines.to_string())
            .output()
            .expect("python3");
        format!("{lines}:{}", String::from_utf8_lossy(&read.stdout).trim())
    };
    let kept = host.run(&["audit", "verify", "--head", &head]);
    assert!(kept.code == 0 && kept.stdout.contains("3 runs were held"), "{kept:?}");
    // Whoever takes the history away too, and cuts the audit back, is found by what is kept elsewhere.
    for file in ["history.sqlite", "history.sqlite-wal", "history.sqlite-shm"] {
        let _ = fs::remove_file(host.path().join("state").join(file));
    }
    fs::write(&path, &before).expect("it is written");
    assert_eq!(host.run(&["audit", "verify"]).code, 0, "nobody here knows better");
    let found = host.run(&["audit", "verify", "--head", &head]);
    assert!(found.code == 2 && found.stderr.contains("cut off"), "{found:?}");
    for wrong in ["12", "x:y", "0:00", "-1:ab"] {
        assert_eq!(host.run(&["audit", "verify", &format!("--head={wrong}")]).code, 64, "{wrong}");
    }
}
