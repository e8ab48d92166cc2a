//! The plugins of a directory: those in it, and those that a build left in its target directory.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{Candidate, RegistryError, examine_file};

/// Where cargo leaves components, by profile; the first that is there counts, and what was built small comes first.
const BUILDS: [&str; 6] = [
    "target/wasm32-wasip2/plugin",
    "target/wasm32-wasip2/release",
    "target/wasm32-wasip2/debug",
    "wasm32-wasip2/plugin",
    "wasm32-wasip2/release",
    "wasm32-wasip2/debug",
];

/// A file of a directory that could be a plugin.
#[derive(Debug)]
pub struct Discovered {
    /// The file.
    pub path: PathBuf,
    /// The plugin, or why it is none; [`RegistryError::is_no_plugin`] tells what to pass over in silence.
    pub plugin: Result<Candidate, RegistryError>,
}

/// Examines each `*.wasm` of a directory, and of the build in it, in the order of their names. It looks no deeper: a
/// directory below may be anybody's.
///
/// # Errors
/// Where the directory cannot be read. What is wrong with a file stands at the file.
pub fn discover(directory: &Path) -> Result<Vec<Discovered>, RegistryError> {
    let mut paths = components(directory)?;
    if let Some(build) = BUILDS.iter().map(|build| directory.join(build)).find(|build| build.is_dir()) {
        paths.extend(components(&build)?);
    }
    let mut found: Vec<Discovered> = Vec::new();
    let mut names: BTreeMap<String, (PathBuf, String)> = BTreeMap::new();
    for path in paths {
        let plugin = examine_file(&path);
        if let Ok(candidate) = &plugin {
            let name = candidate.manifest.plugin.name.clone();
            match names.get(&name) {
                // The same file in both places is one plugin.
                Some((_, digest)) if *digest == candidate.digest => continue,
                Some((first, _)) => {
                    let error = RegistryError::Twice { name, first: first.clone(), second: path.clone() };
                    found.push(Discovered { path, plugin: Err(error) });
                    continue;
                }
                None => {
                    names.insert(name, (path.clone(), candidate.digest.clone()));
                }
            }
        }
        found.push(Discovered { path, plugin });
    }
    Ok(found)
}

fn components(directory: &Path) -> Result<Vec<PathBuf>, RegistryError> {
    let unreadable = |error| RegistryError::Io { action: "read", path: directory.to_owned(), error };
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
