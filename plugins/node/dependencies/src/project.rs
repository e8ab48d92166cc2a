//! The project as it lies there: read once, and looked at again before a patch is handed back.

use std::collections::BTreeMap;

use hostler_sdk::files::{self, Directory};
use hostler_sdk::listed;
use hostler_sdk::prelude::*;
use serde_json::Value;

use crate::lock::{self, Drift, Lock, Package};
use crate::{LONGEST, Settings};

/// A project with a lock file.
#[derive(Debug)]
pub(crate) struct Project {
    pub directory: Directory,
    /// Where it lies below the directory; `.` where it is the directory.
    pub below: String,
    pub manifest_text: String,
    pub manifest: Value,
    pub lock_name: &'static str,
    pub lock_text: String,
    pub lock: Lock,
    pub has_tests: bool,
}

impl Project {
    /// Reads it; nothing where it has no lock file that can be used, which is told.
    pub(crate) async fn read(context: &Context, settings: &Settings) -> Result<Option<Self>, TaskError> {
        let directory = context.directory("project");
        let below = settings.path.trim_matches('/').to_owned();
        let at = |name: &str| directory.path(&if below == "." { name.to_owned() } else { format!("{below}/{name}") });
        let manifest_text = text(&at("package.json")).await.during("package.json")?;
        let manifest: Value = serde_json::from_str(&manifest_text).during("package.json")?;
        // npm prefers the one that is published along.
        let mut found = None;
        for name in ["npm-shrinkwrap.json", "package-lock.json"] {
            match text(&at(name)).await {
                Ok(text) => {
                    found = Some((name, text));
                    break;
                }
                Err(error) if error.is("ENOENT") => {}
                Err(error) => return Err(error.during(name)),
            }
        }
        let Some((lock_name, lock_text)) = found else {
            no_lock(&at).await;
            return Ok(None);
        };
        let lock = match Lock::parse(&lock_text) {
            Ok(lock) => lock,
            Err(error) => {
                error.finding("lock-unread", lock_name).report();
                return Ok(None);
            }
        };
        let has_tests = has_tests(&manifest);
        Ok(Some(Self { directory, below, manifest_text, manifest, lock_name, lock_text, lock, has_tests }))
    }

    /// A file's place below the bound directory.
    pub(crate) fn place(&self, name: &str) -> String {
        if self.below == "." { name.to_owned() } else { format!("{}/{name}", self.below) }
    }

    /// Its path.
    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.path(&self.place(name))
    }

    /// The directory that npm is started in.
    pub(crate) fn root(&self) -> String {
        if self.below == "." { self.directory.root() } else { self.directory.path(&self.below) }
    }

    /// Whether its files are still those that were read.
    pub(crate) async fn is_unchanged(&self) -> Result<bool, TaskError> {
        let same = text(&self.path(self.lock_name)).await? == self.lock_text;
        Ok(same && text(&self.path("package.json")).await? == self.manifest_text)
    }

    /// Tells where package.json, the lock file and what is installed part; says how many packages.
    pub(crate) async fn judge(&self) -> Result<String, TaskError> {
        let names = lock::differ(&lock::asked(&self.manifest), &self.lock.made_for);
        if !names.is_empty() {
            finding!(
                Severity::Warning,
                "lock-drift",
                self.lock_name,
                "it is not made for what package.json asks for, and npm ci refuses: {}",
                listed(&names, 5)
            )
            .remedy("npm install --package-lock-only    # and put the lock file into the repository")
            .report();
        }
        let Some(installed) = self.installed().await? else {
            return Ok("nothing is installed".into());
        };
        let drift = lock::drift(&self.lock, &installed);
        Metric::gauge("node_packages_drifted", drift.len() as f64).report();
        report_drift(&drift);
        Ok(format!("{} installed, {} drifted", counted(installed.len(), "package"), drift.len()))
    }

    /// What is installed: npm's own record, and the packages that the project asks for as they lie there, since a hand
    /// leaves no record. Nothing where nothing is installed.
    async fn installed(&self) -> Result<Option<BTreeMap<String, Package>>, TaskError> {
        match files::metadata(&self.path("node_modules")).await {
            Err(error) if error.is("ENOENT") => return Ok(None),
            other => drop(other?),
        }
        let record = text(&self.path("node_modules/.package-lock.json")).await.map_err(|error| {
            error
                .during("npm's record of what is installed")
                .remedy("npm ci    # npm 6, yarn and pnpm leave no such record")
        })?;
        let mut installed = Lock::parse(&record)?.packages;
        for (kind, name, _) in &self.lock.made_for {
            let place = format!("node_modules/{name}");
            if kind == "peerDependencies" || !installed.contains_key(&place) {
                continue;
            }
            match text(&self.path(&format!("{place}/package.json"))).await {
                Ok(text) => {
                    let manifest: Value = serde_json::from_str(&text).unwrap_or_default();
                    if let (Some(version), Some(package)) = (manifest["version"].as_str(), installed.get_mut(&place)) {
                        package.version = version.to_owned();
                    }
                }
                Err(error) if error.is("ENOENT") => drop(installed.remove(&place)),
                // A link to a directory of the project's own is not followed.
                Err(error) if error.is("ELOOP") || error.is("EXDEV") => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(installed))
    }
}

async fn text(path: &str) -> Result<String, TaskError> {
    Ok(String::from_utf8_lossy(&files::read(path, LONGEST).await?).into_owned())
}

async fn no_lock(at: &impl Fn(&str) -> String) {
    let mut other = None;
    for (name, tool) in [("yarn.lock", "yarn"), ("pnpm-lock.yaml", "pnpm"), ("bun.lock", "bun")] {
        if files::metadata(&at(name)).await.is_ok() {
            other = Some(tool);
        }
    }
    let (summary, remedy) = match other {
        Some(tool) => (
            format!("it is kept with {tool}, which this task does not look into"),
            format!("leave this task to projects of npm's, and run {tool}'s own commands"),
        ),
        None => (
            "it has no package-lock.json, so that each installation may be another".to_owned(),
            "npm install --package-lock-only    # and put the file into the repository".to_owned(),
        ),
    };
    Finding::new(Severity::Unknown, "no-lock", "package-lock.json", summary).remedy(remedy).report();
}

pub(crate) fn report_drift(drift: &[Drift]) {
    if drift.is_empty() {
        return;
    }
    let mut table = Table::new("Not as the lock file says", &["place", "lock file", "installed"]);
    for one in drift {
        table.row(&[&one.place, &one.locked, &one.installed]);
    }
    table.report();
    let names: Vec<&str> = drift.iter().map(|one| one.place.as_str()).collect();
    finding!(
        Severity::Warning,
        "installed-drift",
        "node_modules",
        "{} not as the lock file says: {}",
        if drift.len() == 1 { "1 package is".to_owned() } else { format!("{} packages are", drift.len()) },
        listed(&names, 5)
    )
    .remedy("npm ci    # installs just what the lock file says; add --omit=dev on a server that runs it")
    .report();
}

/// Whether it has tests: what `npm init` writes is none.
pub(crate) fn has_tests(manifest: &Value) -> bool {
    manifest["scripts"]["test"]
        .as_str()
        .is_some_and(|script| !script.trim().is_empty() && !script.contains("no test specified"))
}
