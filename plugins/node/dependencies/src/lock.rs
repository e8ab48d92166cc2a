//! What package.json asks for, what the lock file says, what is installed, and where they part.

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::prelude::*;
use serde_json::Value;

/// Kinds of dependencies, as both files name them.
const KINDS: [&str; 4] = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"];

/// One package of a lock file, by its place below the project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Package {
    pub version: String,
    /// Whether it may be missing: for development, or for another machine.
    pub development: bool,
    pub optional: bool,
    /// A directory of the project's own.
    link: bool,
}

/// A lock file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lock {
    pub packages: BTreeMap<String, Package>,
    /// Kind, name, range: what it was made for.
    pub made_for: BTreeSet<(String, String, String)>,
}

impl Lock {
    /// Reads a lock file of version 2 or 3, or npm's own record of what is installed.
    pub(crate) fn parse(text: &str) -> Result<Self, TaskError> {
        let lock: Value = serde_json::from_str(text)?;
        let Some(packages) = lock["packages"].as_object() else {
            return Err(TaskError::new(
                "the lock file is of npm 6 or older, and does not say what the project asks for",
            )
            .remedy("npm install --package-lock-only    # with npm 7 or later, then look at what it changed"));
        };
        let flag = |package: &Value, name: &str| package[name].as_bool().unwrap_or(false);
        let read = |(place, package): (&String, &Value)| {
            let read = Package {
                version: package["version"].as_str().unwrap_or_default().into(),
                development: flag(package, "dev") || flag(package, "devOptional"),
                optional: flag(package, "optional") || flag(package, "devOptional") || flag(package, "peer"),
                link: flag(package, "link"),
            };
            (place.clone(), read)
        };
        let installed = packages.iter().filter(|(place, _)| place.contains("node_modules/"));
        Ok(Self { packages: installed.map(read).collect(), made_for: asked(&lock["packages"][""]) })
    }
}

/// Kind, name and range of all that a package.json, or a lock file's root, asks for.
pub(crate) fn asked(manifest: &Value) -> BTreeSet<(String, String, String)> {
    let each = |kind: &'static str| {
        let entries = manifest[kind].as_object().into_iter().flatten();
        entries.map(move |(name, range)| (kind.to_owned(), name.clone(), range.as_str().unwrap_or_default().to_owned()))
    };
    KINDS.into_iter().flat_map(each).collect()
}

/// Names of which package.json and the lock file say different things.
pub(crate) fn differ(
    manifest: &BTreeSet<(String, String, String)>,
    lock: &BTreeSet<(String, String, String)>,
) -> Vec<String> {
    let names: BTreeSet<&String> = manifest.symmetric_difference(lock).map(|(_, name, _)| name).collect();
    names.into_iter().cloned().collect()
}

/// One package that is not as the lock file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Drift {
    pub place: String,
    /// Empty where it should not be there.
    pub locked: String,
    /// Empty where it is not there.
    pub installed: String,
}

/// Holds what is installed against the lock file. What is for development may be missing as a whole, as a server has
/// it; what is optional may be missing one by one.
pub(crate) fn drift(lock: &Lock, installed: &BTreeMap<String, Package>) -> Vec<Drift> {
    let without_development =
        !lock.packages.iter().any(|(place, package)| package.development && installed.contains_key(place));
    let mut found = vec![];
    for (place, package) in &lock.packages {
        let there = installed.get(place);
        let version = there.map(|there| there.version.clone()).unwrap_or_default();
        let may_be_missing = package.optional || package.development && without_development;
        let differs = match there {
            None => !may_be_missing,
            Some(there) => !package.link && !there.link && there.version != package.version,
        };
        if differs {
            found.push(Drift { place: place.clone(), locked: package.version.clone(), installed: version });
        }
    }
    for (place, package) in installed.iter().filter(|(place, _)| !lock.packages.contains_key(*place)) {
        found.push(Drift { place: place.clone(), locked: String::new(), installed: package.version.clone() });
    }
    found
}

/// One package that an update changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub name: String,
    pub before: String,
    pub after: String,
}

/// What becomes of each package.
pub(crate) fn changes(before: &Lock, after: &Lock) -> Vec<Change> {
    let places: BTreeSet<&String> = before.packages.keys().chain(after.packages.keys()).collect();
    let version =
        |lock: &Lock, place: &String| lock.packages.get(place).map_or_else(String::new, |one| one.version.clone());
    let changed = places.into_iter().filter_map(|place| {
        let (before, after) = (version(before, place), version(after, place));
        (before != after).then(|| Change { name: name(place).into(), before, after })
    });
    changed.collect()
}

/// A package's name in its place: `node_modules/a/node_modules/@b/c` is of `@b/c`.
fn name(place: &str) -> &str {
    place.rsplit_once("node_modules/").map_or(place, |(_, name)| name)
}
