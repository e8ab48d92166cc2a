//! Programs that are called with more than was granted, and programs that try more than their call: the shell, which
//! the operator granted with any script, stands for a program that was taken over.

mod behind_walls;
mod forms;
mod planted;
mod without_end;

use std::{fs, process::Command};

use hostler_tests::Hostler;
use serde_json::{Value, json};

/// `program` is what `tool` says; the directories are one that is written, one that is read and one that is nobody's.
fn host(tool: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[program.tool]\n{tool}\n[directory.data]\npath = \"{{directory}}/data\"\n\
         [directory.looked]\npath = \"{{directory}}/looked\"\n[tasks.puppet]\nplugin = \"test-puppet\"\n\
         bind.program = \"program.tool\"\nbind.data = \"directory.data\"\nbind.looked = \"directory.looked\"\n"
    ));
    for directory in ["data", "looked", "outside"] {
        fs::create_dir(host.path().join(directory)).expect("a directory");
        fs::write(host.path().join(directory).join("plain"), "plain").expect("a file");
    }
    fs::write(host.path().join("outside/secret"), "sesame").expect("a file");
    host.install(&["test-puppet"]);
    host
}

/// The shell with any script.
fn shell(more: &str) -> Hostler {
    host(&format!(
        "path = \"/bin/bash\"\nallow = [{{ arguments = [\"-c\", \"{{text}}\"], effect = \"changes\" }}]\n{more}"
    ))
}

fn call(arguments: &[&str]) -> Value {
    json!({ "call": "program", "arguments": arguments })
}

fn script(text: &str) -> Value {
    call(&["-c", text])
}

/// Runs scripts, and returns what each wrote on its standard output.
fn said(host: &Hostler, scripts: &[&str]) -> Vec<String> {
    let steps: Vec<Value> = scripts.iter().map(|text| script(text)).collect();
    let outcomes = crate::puppet::run(host, &steps);
    let text = |outcome: &Value| {
        outcome["allowed"]["stdout"].as_str().unwrap_or_else(|| panic!("it ran: {outcome}")).to_owned()
    };
    outcomes.iter().map(text).collect()
}

/// What a shell of this machine says that is behind no wall: the contrast.
fn unconfined(text: &str) -> String {
    let output = Command::new("/bin/bash").args(["-c", text]).output().expect("bash");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
