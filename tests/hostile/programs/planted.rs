//! Code that waits in a directory which the task may write: a program that is started there would run it.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::json;

use super::host;
use crate::puppet::{refused_and_allowed, run};

const PLANTED: &[(&str, &str)] = &[
    ("package.json", "{\"scripts\": {\"audit\": \"touch planted-ran\", \"preinstall\": \"touch planted-ran\"}}"),
    (".npmrc", "script-shell=/data/evil\nregistry=http://127.0.0.1:1\n"),
    (".psqlrc", "\\! touch planted-ran\n"),
    (".git/hooks/post-checkout", "#!/bin/sh\ntouch planted-ran\n"),
    (".git/config", "[core]\n\tfsmonitor = touch planted-ran\n\thooksPath = hooks\n"),
    ("Makefile", "all:\n\ttouch planted-ran\n"),
    ("sitecustomize.py", "open('planted-ran', 'w')\n"),
    (".bashrc", "touch planted-ran\n"),
];

#[test]
fn a_directory_that_a_task_writes_is_nobodys_working_directory() {
    let host = host("path = \"/bin/pwd\"\nallow = [{ arguments = [\"-P\"], effect = \"reads\" }]");
    let write = |(path, text): &(&str, &str)| json!({ "call": "files", "do": "write", "path": format!("/data/{path}"), "text": text, "mode": 0o755 });
    let mut steps = vec![
        json!({ "call": "files", "do": "create-directory", "path": "/data/.git" }),
        json!({ "call": "files", "do": "create-directory", "path": "/data/.git/hooks" }),
    ];
    steps.extend(PLANTED.iter().map(write));
    let planted = run(&host, &steps);
    assert!(
        planted.iter().all(|outcome| outcome.get("allowed").is_some()),
        "its own directory it may write: {planted:?}"
    );
    let at = |directory: &str| json!({ "call": "program", "arguments": ["-P"], "directory": directory });
    refused_and_allowed(&host, &[at("/data"), at("/data/.git"), at("/data/.git/hooks")], &[at("/looked")]);
    // With the operator's word for it, it is.
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    let trusted = text.replace("/data\"\n", "/data\"\ntrust_contents = true\n");
    assert_ne!(text, trusted);
    fs::write(host.configuration(), trusted).expect("it is written");
    let outcomes = run(&host, &[at("/data")]);
    assert!(outcomes[0].get("allowed").is_some(), "{outcomes:?}");
}

#[test]
fn a_program_reads_no_start_up_file_of_the_task_and_is_never_one_of_its_own() {
    let host = host(
        "path = \"/bin/bash\"\nallow = [{ arguments = [\"-i\", \"-c\", \"true\"], effect = \"reads\" }, \
         { arguments = [\"{path}\"], effect = \"reads\" }]",
    );
    fs::write(host.path().join("looked/.bashrc"), "echo planted-ran\n").expect("a file");
    let outcomes =
        run(&host, &[json!({ "call": "program", "arguments": ["-i", "-c", "true"], "directory": "/looked" })]);
    assert!(!outcomes[0].to_string().contains("planted-ran"), "{outcomes:?}");
    // What the plugin writes it may hand to a program that the operator granted with a path; a program itself is a
    // path of the operator's, which nothing of the plugin's replaces.
    let tool = host.path().join("data/tool");
    fs::write(&tool, "#!/bin/sh\necho planted-ran\n").expect("a file");
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).expect("its mode");
    for request in ["/data/tool", "data/tool", "../data/tool", "tool"] {
        let outcomes =
            run(&host, &[json!({ "call": "program", "request": request, "arguments": ["-i", "-c", "true"] })]);
        assert!(outcomes[0].get("denied").or(outcomes[0].get("unbound")).is_some(), "{request}: {outcomes:?}");
    }
}
