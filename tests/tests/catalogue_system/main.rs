//! The catalogue's plugins that look after the machine: its packages, its logs, what has to hold on it.

mod apt;
mod compliance;
mod logs_rotation;
mod patch;
mod updates;

use std::fs;

use hostler_manifest::{Effect, Manifest, Request};

/// The forms of a program that a plugin's manifest proposes, as a configuration writes them: so the tests show that it
/// proposes those that it uses.
fn forms(task: &str, request: &str) -> String {
    let path = hostler_tests::root().join("plugins/system").join(task).join("plugin.toml");
    let manifest = Manifest::parse(&fs::read_to_string(path).expect("a manifest")).expect("it is whole");
    let Some(Request::Program(program)) = manifest.requests.get(request) else { panic!("{task} has no {request}") };
    let effect = if program.effect == Effect::Reads { "reads" } else { "changes" };
    let form = |arguments: &Vec<String>| format!("{{ arguments = {arguments:?}, effect = \"{effect}\" }},\n");
    program.arguments.iter().map(form).collect()
}
