//! package-lock.json and npm-shrinkwrap.json: version 1 is a tree of dependencies, versions 2 and 3 a list by path.

use serde_json::{Map, Value};

use super::Locked;
use crate::ecosystem::Ecosystem;

/// Deeper than any tree of dependencies.
const DEEPEST: usize = 64;

pub(crate) fn parse(text: &[u8]) -> Result<Locked, String> {
    let lock: Value = serde_json::from_slice(text).map_err(|error| format!("it is no JSON: {error}"))?;
    let mut locked = Locked::default();
    if let Some(packages) = lock.get("packages").and_then(Value::as_object) {
        for (path, package) in packages {
            installed(path, package, &mut locked);
        }
        return Ok(locked);
    }
    match (lock.get("dependencies").and_then(Value::as_object), lock.get("lockfileVersion")) {
        (Some(dependencies), _) => tree(dependencies, 0, &mut locked)?,
        // A project without dependencies.
        (None, Some(_)) => {}
        (None, None) => return Err("it is no lock file of npm's: it has no lockfileVersion".into()),
    }
    Ok(locked)
}

/// `node_modules/a/node_modules/@scope/b`; the project itself, its workspaces and links to them are not installed.
fn installed(path: &str, package: &Value, locked: &mut Locked) {
    let is_link = package.get("link").and_then(Value::as_bool) == Some(true);
    let Some((_, name)) = path.rsplit_once("node_modules/").filter(|_| !is_link) else { return };
    // Under another name, the own one stands beside it.
    let name = text(package, "name").unwrap_or(name);
    one(name, text(package, "version").unwrap_or_default(), text(package, "resolved"), locked);
}

fn tree(dependencies: &Map<String, Value>, depth: usize, locked: &mut Locked) -> Result<(), String> {
    if depth > DEEPEST {
        return Err(format!("its dependencies nest more than {DEEPEST} deep"));
    }
    for (name, package) in dependencies {
        let version = text(package, "version").unwrap_or_default();
        match version.strip_prefix("npm:").and_then(|alias| alias.rsplit_once('@')) {
            Some((own, version)) => one(own, version, None, locked),
            None => one(name, version, None, locked),
        }
        if let Some(below) = package.get("dependencies").and_then(Value::as_object) {
            tree(below, depth + 1, locked)?;
        }
    }
    Ok(())
}

fn one(name: &str, version: &str, resolved: Option<&str>, locked: &mut Locked) {
    match resolved {
        // Its version is a number that its author chose, and no registry's.
        Some(from) if from.starts_with("git") || from.starts_with("file:") => {
            let from = from.split('#').next().unwrap_or(from);
            locked.not_comparable.push(format!("{name} from {}", without_credential(from)));
        }
        _ => locked.add(Ecosystem::Npm, name, version_or_place(version)),
    }
}

/// A version, or where it is from without what may be a credential.
fn version_or_place(version: &str) -> &str {
    if version.contains("://") { version.split("://").next().unwrap_or_default() } else { version }
}

fn without_credential(address: &str) -> String {
    match address.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host)),
        None => address.to_owned(),
    }
}

fn text<'a>(package: &'a Value, key: &str) -> Option<&'a str> {
    package.get(key).and_then(Value::as_str)
}
