//! A project's directory: its lock files, and the manifests beside which there is none.

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::files::{self, Directory, Kind};
use hostler_sdk::prelude::*;
use hostler_sdk::{listed, matches_pattern};

use crate::Settings;
use crate::lock::{Locked, cargo, npm, python};

const LARGEST: usize = 64 << 20;
/// What is installed there has its own lock files, which say nothing about the project.
const LEFT_OUT: [&str; 8] =
    ["node_modules", ".git", "target", "venv", ".venv", "site-packages", "vendor", "__pycache__"];

/// A lock file, by its path below the directory.
pub(crate) struct LockFile {
    /// `shop/package-lock.json`
    pub(crate) subject: String,
    /// The directory in which it lies, as a path of the host's.
    pub(crate) directory: String,
    pub(crate) is_npm: bool,
    pub(crate) locked: Locked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Npm,
    Cargo,
    Python,
    /// Of a tool whose lock files are not read.
    Foreign,
}

fn sort(name: &str) -> Option<Sort> {
    Some(match name {
        "package-lock.json" | "npm-shrinkwrap.json" => Sort::Npm,
        "Cargo.lock" => Sort::Cargo,
        "yarn.lock" | "pnpm-lock.yaml" | "poetry.lock" | "Pipfile.lock" | "uv.lock" | "bun.lock" => Sort::Foreign,
        _ if name.starts_with("requirements") && name.ends_with(".txt") => Sort::Python,
        _ => return None,
    })
}

/// A manifest, and the lock files of which one has to be beside it or above.
fn locks_of(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "package.json" => &["package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock"],
        "Cargo.toml" => &["Cargo.lock"],
        "pyproject.toml" | "setup.py" | "Pipfile" => &["requirements.txt", "poetry.lock", "Pipfile.lock", "uv.lock"],
        _ => return None,
    })
}

pub(crate) async fn look(directory: &Directory, settings: &Settings) -> Result<Vec<LockFile>, TaskError> {
    let tree = directory.list(Some(settings.depth)).await?;
    for (path, reason) in &tree.unreadable {
        finding!(Severity::Unknown, "directory-not-read", path.as_str(), "it could not be looked at: {reason}")
            .remedy("let the host's user read it, or name it in `ignore`")
            .report();
    }
    let root = format!("{}/", directory.root());
    let counts = |below: &&str| {
        let installed = below.split('/').any(|part| LEFT_OUT.contains(&part));
        !installed && !settings.ignore.iter().any(|pattern| matches_pattern(pattern, below))
    };
    let files = tree.entries.iter().filter(|entry| entry.metadata.kind == Kind::File);
    let below: BTreeSet<&str> = files.filter_map(|entry| entry.path.strip_prefix(&root)).filter(counts).collect();
    for name in without_lock(&below) {
        let subject = format!("{}/{name}", directory.name());
        no_lock(&subject, "it has no lock file beside it, so that nobody knows which versions it uses");
    }
    let mut found = vec![];
    let mut any = false;
    for name in &below {
        let Some(sort) = sort(file_name(name)) else { continue };
        any = true;
        let subject = format!("{}/{name}", directory.name());
        let (parent, _) = name.rsplit_once('/').unwrap_or(("", name));
        let parent = directory.path(parent).trim_end_matches('/').to_owned();
        match read(directory, name, sort).await {
            Ok(locked) => {
                report(&subject, &locked, &below, name);
                found.push(LockFile { subject, directory: parent, is_npm: sort == Sort::Npm, locked });
            }
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.finding("lock-damaged", subject).report(),
        }
    }
    if !any {
        no_lock(directory.name(), "there is no lock file in it (package-lock.json, Cargo.lock, requirements.txt)");
    }
    Ok(found)
}

fn no_lock(subject: &str, why: &str) {
    finding!(Severity::Unknown, "no-lock-file", subject, "{why}")
        .remedy("npm install --package-lock-only, cargo generate-lockfile or pip freeze > requirements.txt, and keep the file")
        .report();
}

async fn read(directory: &Directory, name: &str, sort: Sort) -> Result<Locked, TaskError> {
    let bytes = files::read(&directory.path(name), LARGEST).await?;
    let text = || String::from_utf8_lossy(&bytes);
    let parsed = match sort {
        Sort::Npm => npm::parse(&bytes),
        Sort::Cargo => cargo::parse(&text()),
        Sort::Python => Ok(python::parse(&text())),
        Sort::Foreign => {
            return Err(TaskError::new("lock files of this tool are not understood")
                .remedy("keep a package-lock.json or a requirements.txt beside it (npm install --package-lock-only, uv export, poetry export)"));
        }
    };
    parsed.map_err(|damage| TaskError::new(damage).remedy("make it anew with the tool that it is of"))
}

/// What a lock file does not say.
fn report(subject: &str, locked: &Locked, files: &BTreeSet<&str>, name: &str) {
    let parent = name.rsplit_once('/').map_or(String::new(), |(parent, _)| format!("{parent}/"));
    let is_read = |include: &String| {
        let path = format!("{parent}{}", include.trim_start_matches("./"));
        files.contains(path.as_str()) && sort(file_name(&path)) == Some(Sort::Python)
    };
    let elsewhere: Vec<&String> = locked.includes.iter().filter(|include| !is_read(include)).collect();
    if !elsewhere.is_empty() {
        finding!(Severity::Unknown, "not-pinned", subject, "it includes {}, which was not read", listed(&elsewhere, 5))
            .remedy("bind a directory in which that file lies too, under a name such as requirements-base.txt")
            .report();
    }
    if !locked.not_pinned.is_empty() {
        finding!(
            Severity::Unknown,
            "not-pinned",
            subject,
            "{} without an exact version: {}",
            counted(locked.not_pinned.len(), "requirement"),
            listed(&locked.not_pinned, 5)
        )
        .remedy("pip freeze > requirements.txt    -- in the environment that runs it")
        .report();
    }
    if !locked.not_comparable.is_empty() {
        finding!(
            Severity::Unknown,
            "not-comparable",
            subject,
            "{} from elsewhere than the registry, or with versions that nobody can compare: {}",
            counted(locked.not_comparable.len(), "package"),
            listed(&locked.not_comparable, 5)
        )
        .remedy("look at them by hand: no advisory names them")
        .report();
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Manifests that have no lock file beside them or above, where a workspace keeps the one of all its members.
pub(crate) fn without_lock<'a>(files: &BTreeSet<&'a str>) -> Vec<&'a str> {
    let mut by_directory: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for path in files {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        by_directory.entry(directory).or_default().insert(name);
    }
    let has = |directory: &str, locks: &[&str]| {
        by_directory.get(directory).is_some_and(|names| locks.iter().any(|lock| names.contains(lock)))
    };
    let is_open = |path: &&str| {
        let (mut directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(locks) = locks_of(name) else { return false };
        loop {
            if has(directory, locks) {
                return false;
            }
            match directory.rsplit_once('/') {
                Some((above, _)) => directory = above,
                None if directory.is_empty() => return true,
                None => directory = "",
            }
        }
    };
    files.iter().copied().filter(is_open).collect()
}
