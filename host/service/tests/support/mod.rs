//! A host in a directory of its own, with the real plugins of this repository.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{fs, path::Path, sync::Arc};

use hostler_capability::Mode;
use hostler_configuration::Configuration;
use hostler_registry::{Consent, examine_file};
use hostler_service::{Approval, Host, Outcome, RunOptions, TaskOutcome};
use hostler_tests::{component, root};
use tempfile::TempDir;

/// A host that can be configured anew.
pub struct Place {
    directory: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory") }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Opens the host with a configuration. `{directory}` in it is its own directory.
    pub fn open(&self, configuration: &str, plugins: &[&str]) -> Arc<Host> {
        let file = self.path().join("hostler.toml");
        let cache = root().join("target/test-cache");
        let text = format!("[host]\nstate = \"state\"\ncache = \"{}\"\n{configuration}", cache.display());
        fs::write(&file, text.replace("{directory}", &self.path().display().to_string())).expect("a file");
        let configuration = Configuration::load(&file).unwrap_or_else(|errors| panic!("{errors}"));
        let host = Host::open(configuration).unwrap_or_else(|error| panic!("{error}"));
        for plugin in plugins {
            let candidate = examine_file(&component(plugin)).unwrap_or_else(|error| panic!("{error}"));
            host.registry.install(&candidate, &Consent::to(&candidate)).unwrap_or_else(|error| panic!("{error}"));
        }
        Arc::new(host)
    }
}

pub async fn plan(host: &Arc<Host>, name: &str) -> Outcome {
    host.run_named(name, RunOptions::new(Mode::Check)).await.unwrap_or_else(|error| panic!("{error}"))
}

pub async fn run(host: &Arc<Host>, name: &str, approved: Option<Approval>) -> Outcome {
    let mut options = RunOptions::new(Mode::Apply);
    options.approved = approved.map(Arc::new);
    host.run_named(name, options).await.unwrap_or_else(|error| panic!("{error}"))
}

/// The outcome of one task.
pub fn of<'o>(outcome: &'o Outcome, task: &str) -> &'o TaskOutcome {
    outcome.tasks.iter().find(|outcome| outcome.task == task).unwrap_or_else(|| panic!("no {task} in {outcome:?}"))
}
