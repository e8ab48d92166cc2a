//! What a plugin asks for, in lines, and what a newer version asks for beyond what was consented to.

use std::collections::BTreeMap;

use hostler_manifest::{Manifest, Request};

/// What a plugin asks for, request by request: a line for the request and its reason, a line for each thing.
pub fn asked(manifest: &Manifest) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, request) in &manifest.requests {
        let optional = if request.optional() { ", optional" } else { "" };
        lines.push(format!("{name} ({}{optional}): {}", request.kind(), request.reason()));
        lines.extend(things(request).into_iter().map(|thing| format!("    {thing}")));
    }
    if lines.is_empty() {
        lines.push("nothing beyond its own settings, state and report".into());
    }
    lines
}

/// What a newer version asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// What was not consented to, in lines.
    pub more: Vec<String>,
    /// What is not asked for any longer.
    pub less: Vec<String>,
}

impl Difference {
    /// Between what was consented to and what is asked for now.
    pub fn between(consented: &BTreeMap<String, Request>, asked: &BTreeMap<String, Request>) -> Self {
        Self { more: beyond(asked, consented), less: beyond(consented, asked) }
    }
}

fn beyond(these: &BTreeMap<String, Request>, those: &BTreeMap<String, Request>) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, request) in these {
        let known = those.get(name).filter(|other| other.kind() == request.kind());
        let Some(known) = known else {
            lines.push(format!("{name} ({}): {}", request.kind(), request.reason()));
            lines.extend(things(request).into_iter().map(|thing| format!("{name}: {thing}")));
            continue;
        };
        let known = things(known);
        lines.extend(things(request).into_iter().filter(|thing| !known.contains(thing)).map(|thing| format!("{name}: {thing}")));
    }
    lines
}

/// Each thing that a request allows, so that two requests can be compared thing by thing.
fn things(request: &Request) -> Vec<String> {
    let mut things = Vec::new();
    match request {
        Request::Postgres(request) => {
            list(&mut things, "read", &request.read);
            list(&mut things, "run", &request.statements);
            list(&mut things, "on", &request.write);
            list(&mut things, "call", &request.call);
            list(&mut things, "use the function", &request.functions);
            list(&mut things, "set", &request.settings);
            list(&mut things, "open the database", &request.databases);
            things.push(format!("hold {} connections", request.connections.unwrap_or(4)));
        }
        Request::Redis(request) => list(&mut things, "allow", &request.allow),
        Request::Directory(request) => things.push(format!("{:?} the directory", request.access).to_lowercase()),
        Request::Program(request) => {
            for arguments in &request.arguments {
                things.push(format!("run {} {}", request.program, arguments.join(" ")));
            }
            list(&mut things, "set the variable", &request.environment);
            things.push(format!("run {}, which {:?}", request.program, request.effect).to_lowercase());
        }
        Request::Endpoint(request) => list(&mut things, "send", &request.methods),
        Request::Machine(_) => things.push("read the machine's figures".into()),
        Request::History(request) => list(&mut things, "read the history of", &request.tasks),
    }
    if request.many() {
        things.push("of several".into());
    }
    things
}

fn list(things: &mut Vec<String>, what: &str, items: &[String]) {
    things.extend(items.iter().map(|item| format!("{what} {item}")));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(text: &str) -> BTreeMap<String, Request> {
        toml::from_str(text).expect("requests")
    }

    #[test]
    fn more_is_told_and_the_same_is_not() {
        let old = requests("database = { kind = 'postgres', reason = 'look', statements = ['VACUUM'] }");
        let new = requests("database = { kind = 'postgres', reason = 'look more', statements = ['VACUUM', 'VACUUM FULL'] }");
        assert_eq!(Difference::between(&old, &old), Difference::default());
        assert_eq!(Difference::between(&old, &new).more, ["database: run VACUUM FULL"]);
        assert_eq!(Difference::between(&new, &old).less, ["database: run VACUUM FULL"]);
    }

    #[test]
    fn another_kind_under_the_same_name_is_new() {
        let old = requests("thing = { kind = 'machine', reason = 'look' }");
        let new = requests("thing = { kind = 'directory', reason = 'look', access = 'write' }");
        assert_eq!(Difference::between(&old, &new).more.len(), 2);
    }
}
