//! Arguments, variables and paths that a form almost covers.

use serde_json::{Value, json};

use super::{call, host};
use crate::puppet::refused_and_allowed;

const TOOL: &str = "path = \"/bin/echo\"\nenvironment = [\"GREETING\"]\nallow = [\n\
    { arguments = [\"show\", \"--name={a|b}\", \"{1-8}\"], effect = \"reads\" },\n\
    { arguments = [\"cat\", \"{path}\"], effect = \"reads\" },\n\
    { arguments = [\"--file={path}\", \"{text}\"], effect = \"reads\" },\n\
    { arguments = [\"make\", \"{output}\"] },\n\
    { arguments = [\"--\", \"{text}\", \"...\"], effect = \"reads\" },\n]";

#[test]
fn what_a_pattern_almost_covers_is_refused() {
    let long = "x".repeat(200_000);
    let many = vec!["x"; 5000];
    let mut attempts: Vec<Value> = [
        &["show", "--name=a"][..],
        &["show", "--name=a", "1", "1"],
        &["show", "--name=c", "1"],
        &["show", "--name=", "1"],
        &["show", "--name=A", "1"],
        &["show", "--name=a ", "1"],
        &["show", "--name=a\n", "1"],
        &["show", "--name=a\n--all", "1"],
        &["show", "--name=a|b", "1"],
        &["show", "--name={a|b}", "1"],
        &["show", "--name", "a", "1"],
        &["show", "--NAME=a", "1"],
        &["show", "-name=a", "1"],
        &["show", "--name=a", "0"],
        &["show", "--name=a", "9"],
        &["show", "--name=a", "-1"],
        &["show", "--name=a", "+1"],
        &["show", "--name=a", "01"],
        &["show", "--name=a", "1.0"],
        &["show", "--name=a", "1e0"],
        &["show", "--name=a", " 1"],
        &["show", "--name=a", "١"],
        &["show", "--name=a", "1; id"],
        &["show", "--name=a", "18446744073709551617"],
        &["show;id", "--name=a", "1"],
        &["$(id)", "--name=a", "1"],
        &["--name=a", "show", "1"],
        &["cat", "/etc/passwd"],
        &["cat", "/looked/plain"],
        &["cat", "--", "/looked/plain"],
        &["--file=/looked/plain", "x"],
        &["make", "/data/new"],
        &[],
        &[""],
        &["--", "one", "--name=c"],
        &["--", "-x"],
        &["--", "a\0b"],
        &["--", &long],
    ]
    .into_iter()
    .map(call)
    .collect();
    attempts.push(call(&[&["--"][..], &many].concat()));
    let path = |below: &str| json!({ "path": below });
    for arguments in [
        json!(["cat", path("/looked/../outside/secret")]),
        json!(["cat", path("/etc/passwd")]),
        json!(["cat", path("etc/passwd")]),
        json!(["cat", path("/nobody/plain")]),
        json!(["cat", path("")]),
        json!(["cat", { "text": "--all=", "below": "/looked/plain" }]),
        json!([{ "text": "--File=", "below": "/looked/plain" }, "x"]),
        json!([{ "text": "--file=x", "below": "/looked/plain" }, "x"]),
        json!([{ "text": "--file", "below": "/looked/plain" }, "x"]),
        json!([path("/looked/plain"), "--name=a", "1"]),
        json!(["show", path("/looked/plain"), "1"]),
        json!(["make", path("/looked/new")]),
        json!(["make", path("/data/../outside/new")]),
        json!(["make", path("/data")]),
    ] {
        attempts.push(json!({ "call": "program", "arguments": arguments }));
    }
    let honest_call = |more: Value| {
        let mut step = call(&["show", "--name=a", "1"]);
        step.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        step
    };
    for name in [
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "LD_AUDIT",
        "PATH",
        "HOME",
        "IFS",
        "BASH_ENV",
        "ENV",
        "PGPASSWORD",
        "PGHOST",
        "PGPASSFILE",
        "GIT_SSH_COMMAND",
        "GIT_DIR",
        "NODE_OPTIONS",
        "PYTHONPATH",
        "PERL5OPT",
        "TZ",
        "greeting",
        "GREETING ",
        "GREETING=x",
        "",
        "GREETING\0",
    ] {
        attempts.push(honest_call(json!({ "environment": { name: "x" } })));
    }
    attempts.push(honest_call(json!({ "environment": { "GREETING": "a\0LD_PRELOAD=/tmp/x.so" } })));
    attempts.push(honest_call(json!({ "directory": "/data" })));
    attempts.push(honest_call(json!({ "directory": "/looked/.." })));
    attempts.push(honest_call(json!({ "directory": "/etc" })));
    attempts.push(honest_call(json!({ "connect_to": "database" })));
    attempts.push(honest_call(json!({ "connect_to": "looked" })));
    attempts.push(honest_call(json!({ "file": "/looked/new" })));
    attempts.push(honest_call(json!({ "file": "/data/../outside/new" })));
    attempts.push(honest_call(json!({ "request": "tool" })));
    attempts.push(honest_call(json!({ "request": "/bin/echo" })));
    attempts.push(json!({ "call": "program", "arguments": ["make", path("/data/made")], "spawn": true }));
    let honest = [
        honest_call(json!({})),
        honest_call(json!({ "environment": { "GREETING": "hello" } })),
        honest_call(json!({ "directory": "/looked" })),
        honest_call(json!({ "file": "/data/written" })),
        honest_call(json!({ "spawn": true })),
        json!({ "call": "program", "arguments": ["cat", path("/looked/plain")] }),
        json!({ "call": "program", "arguments": [{ "text": "--file=", "below": "/looked/plain" }, "x"] }),
        call(&["--", "one", "two", "; id", "$(id)", "a b"]),
    ];
    refused_and_allowed(&host(TOOL), &attempts, &honest);
}

#[test]
fn what_was_granted_arrives_as_it_is_and_no_shell_reads_it() {
    let host = host(
        "path = \"/usr/bin/printf\"\nallow = [{ arguments = [\"<%s>\", \"{text}\", \"...\"], effect = \"reads\" }]",
    );
    let words = ["$HOME", "`id`", "$(id)", "a b", "'\"", "*", "~", ";", "\\", "\u{202e}x"];
    let outcomes = crate::puppet::run(&host, &[call(&[&["<%s>"][..], &words].concat())]);
    let expected: String = words.iter().map(|word| format!("<{word}>")).collect();
    assert_eq!(outcomes[0]["allowed"]["stdout"], expected);
}
