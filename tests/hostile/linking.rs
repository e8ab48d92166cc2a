//! What a plugin finds without asking, and what it imports without a grant.

use std::net::{TcpListener, UdpSocket};

use hostler_tests::{Hostler, made, manifest};
use serde_json::{Value, json};

use crate::puppet::{run, run_with};

/// The puppet with nothing bound, and a directory for contrast where it is asked for.
fn host(bindings: &str) -> Hostler {
    let host = Hostler::new(&format!("[tasks.puppet]\nplugin = \"test-puppet\"\n{bindings}\n"));
    host.install(&["test-puppet"]);
    host
}

#[test]
fn what_is_requested_and_not_granted_is_not_there() {
    let attempts = [
        json!({ "call": "postgres", "sql": "SELECT 1" }),
        json!({ "call": "postgres", "sql": "VACUUM", "change": true }),
        json!({ "call": "redis", "command": ["PING"] }),
        json!({ "call": "files", "do": "list", "path": "/data" }),
        json!({ "call": "files", "do": "write", "path": "/data/x", "text": "x" }),
        json!({ "call": "program", "arguments": [] }),
        json!({ "call": "program", "arguments": [], "spawn": true }),
        json!({ "call": "network", "path": "/" }),
        json!({ "call": "network", "method": "connect" }),
        json!({ "call": "machine", "do": "processes" }),
        json!({ "call": "machine", "do": "mounts" }),
        json!({ "call": "machine", "do": "sockets" }),
        json!({ "call": "machine", "do": "open-paths", "directory": "/" }),
        json!({ "call": "machine", "do": "runs", "task": "*" }),
        json!({ "call": "machine", "do": "metrics", "task": "*", "metric": "*" }),
    ];
    let outcomes = run(&host(""), &attempts);
    for (attempt, outcome) in attempts.iter().zip(&outcomes) {
        // What it asks of nothing is answered with nothing.
        let empty = outcome["allowed"].as_array().is_some_and(Vec::is_empty);
        assert!(outcome.get("allowed").is_none() || empty, "{attempt}: {outcome}");
    }
    let bound = "bind.machine = \"machine\"\nbind.history = \"history\"";
    let outcomes = run(&host(bound), &attempts[9..10]);
    assert!(outcomes[0].get("allowed").is_some(), "{outcomes:?}");
}

#[test]
fn the_history_of_other_tasks_is_granted_by_name() {
    let bound =
        "bind.history = { resource = \"history\", tasks = [\"puppet\"] }\n[tasks.other]\nplugin = \"example-empty\"";
    let host = host(bound);
    host.install(&["example-empty"]);
    assert_eq!(host.run(&["run", "other"]).code, 0);
    let runs = |task: &str| json!({ "call": "machine", "do": "runs", "task": task });
    run(&host, &[runs("puppet")]);
    let outcomes = run(&host, &["puppet", "*", "other", "o*", "?ther"].map(runs));
    assert_eq!(outcomes[0]["allowed"][0], "puppet", "{outcomes:?}");
    for outcome in &outcomes[1..] {
        assert!(!outcome["allowed"].to_string().contains("other"), "{outcomes:?}");
    }
}

#[test]
fn wasi_holds_nothing_of_the_machines() {
    let (listener, datagrams) =
        (TcpListener::bind("127.0.0.1:0").expect("a port"), UdpSocket::bind("127.0.0.1:0").expect("a port"));
    datagrams.set_nonblocking(true).expect("a socket");
    let (tcp, udp) = (listener.local_addr().expect("an address"), datagrams.local_addr().expect("an address"));
    let ambient = |what: Value| {
        let mut step = what;
        step["call"] = "ambient".into();
        step
    };
    let steps: Vec<Value> = [
        json!({ "do": "variables" }),
        json!({ "do": "arguments" }),
        json!({ "do": "standard-input" }),
        json!({ "do": "list", "path": "/" }),
        json!({ "do": "list", "path": "." }),
        json!({ "do": "list", "path": "" }),
        json!({ "do": "read", "path": "/etc/passwd" }),
        json!({ "do": "read", "path": "../etc/passwd" }),
        json!({ "do": "read", "path": "/proc/self/environ" }),
        json!({ "do": "read", "path": "hostler.toml" }),
        json!({ "do": "write", "path": "/tmp/x", "text": "x" }),
        json!({ "do": "write", "path": "x", "text": "x" }),
        json!({ "do": "link", "target": "/etc", "path": "x" }),
        json!({ "do": "connect", "address": tcp.to_string() }),
        json!({ "do": "connect", "address": "[::1]:22" }),
        json!({ "do": "listen", "address": "127.0.0.1:0" }),
        json!({ "do": "datagram", "address": udp.to_string() }),
        json!({ "do": "resolve", "name": "localhost" }),
    ]
    .map(ambient)
    .into();
    let (_, outcomes) = run_with(&host(""), "run", &steps, &[("SECRET", "sesame")]);
    assert_eq!(outcomes[0]["allowed"], json!([]), "variables");
    assert!(outcomes[1]["allowed"].as_array().is_none_or(Vec::is_empty), "arguments: {outcomes:?}");
    assert!(["", "null"].contains(&outcomes[2]["allowed"].as_str().unwrap_or("null")), "{outcomes:?}");
    for (step, outcome) in steps.iter().zip(&outcomes).skip(3) {
        assert!(outcome.get("allowed").is_none(), "{step}: {outcome}");
    }
    assert!(datagrams.recv(&mut [0; 16]).is_err(), "nothing was sent");
    assert!(!std::path::Path::new("/tmp/x").exists());
}

const TASK: &str = "hostler:plugin/task@0.1.0";
const DATABASE: &str = "[requests.database]\nkind = \"postgres\"\nreason = \"look at it\"\nread = [\"public.*\"]\n";

fn installs(imports: &[&str], export: &str, requests: &str) -> (i32, String) {
    let host = Hostler::new("");
    let path = host.path().join("plugin.wasm");
    std::fs::write(&path, made(imports, export, Some(&manifest("test-made", "1.0.0", requests)))).expect("a file");
    let installed = host.run(&["install", &path.display().to_string(), "--accept"]);
    if installed.code != 0 {
        assert!(!host.path().join("state/registry/plugins").read_dir().is_ok_and(|mut files| files.next().is_some()));
        let checked = host.run(&["check", &path.display().to_string(), "--accept"]);
        assert_eq!(checked.code, 69, "nor is it run by check: {checked:?}");
    }
    (installed.code, installed.stderr)
}

#[test]
fn what_is_not_requested_is_not_imported() {
    let postgres = "hostler:plugin/postgres@0.1.0";
    let refused = [
        (&[postgres][..], TASK, ""),
        (&["hostler:plugin/redis@0.1.0"], TASK, DATABASE),
        (&["hostler:plugin/files@0.1.0"], TASK, DATABASE),
        (&["hostler:plugin/shell@0.1.0"], TASK, DATABASE),
        (&["hostler:plugin/network@0.1.0"], TASK, DATABASE),
        (&["hostler:plugin/machine@0.1.0"], TASK, DATABASE),
        (&["hostler:plugin/history@0.1.0"], TASK, DATABASE),
        (&["hostler:plugin/postgres@0.2.0"], TASK, DATABASE),
        (&["hostler:plugin/postgres@0.1.1"], TASK, DATABASE),
        (&["hostler:plugin/postgres@0.0.9"], TASK, DATABASE),
        (&["hostler:plugin/postgres"], TASK, DATABASE),
        (&["hostler:plugin/postgres-admin@0.1.0"], TASK, DATABASE),
        (&["hostler:other/postgres@0.1.0"], TASK, DATABASE),
        (&["somebody:else/postgres@0.1.0"], TASK, DATABASE),
        (&["wasix:filesystem/types@0.2.6"], TASK, DATABASE),
        (&[postgres], "hostler:plugin/task@0.2.0", DATABASE),
        (&[postgres], "hostler:plugin/tasks@0.1.0", DATABASE),
    ];
    for (imports, export, requests) in refused {
        let (code, said) = installs(imports, export, requests);
        assert_eq!(code, 69, "{imports:?} {export}: {said}");
    }
    let (code, said) = installs(&[postgres], TASK, DATABASE);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_plugin_that_says_it_only_looks_gets_nothing_that_changes() {
    let looking = |requests: &str| manifest("test-made", "1.0.0", requests).replace("\"apply\"", "\"check\"");
    let refused = [
        format!("{DATABASE}statements = [\"VACUUM\"]\nwrite = [\"*.*\"]\n"),
        format!("{DATABASE}call = [\"public.f\"]\n"),
        "[requests.d]\nkind = \"directory\"\nreason = \"r\"\naccess = \"write\"\n".to_owned(),
        "[requests.p]\nkind = \"program\"\nreason = \"r\"\nprogram = \"sh\"\n".into(),
        "[requests.e]\nkind = \"endpoint\"\nreason = \"r\"\nmethods = [\"POST\"]\n".into(),
        "[requests.c]\nkind = \"redis\"\nreason = \"r\"\nallow = [\"+@write\", \"~*\"]\n".into(),
    ];
    let host = Hostler::new("");
    let path = host.path().join("plugin.wasm");
    let install = |text: &str| {
        std::fs::write(&path, made(&[], TASK, Some(text))).expect("a file");
        host.run(&["install", &path.display().to_string(), "--accept"])
    };
    for requests in refused {
        let installed = install(&looking(&requests));
        assert_eq!(installed.code, 69, "{requests}: {installed:?}");
        assert!(installed.stderr.contains("mode"), "{installed:?}");
    }
    assert_eq!(install(&looking(DATABASE)).code, 0);
}
