//! A job: a plugin with its bindings, settings and limits, checked and ready to run.

use std::{collections::BTreeSet, sync::Arc};

use hostler_capability::{Binding, Grant, Limits, Resource};
use hostler_manifest::{Manifest, Mode};
use hostler_runtime::Prepared;

use crate::Basis;

/// Everything about a task that is known before it runs.
pub struct Job {
    /// The task's name; for a plugin that is not installed, the plugin's.
    pub task: String,
    /// What the plugin says of itself.
    pub manifest: Manifest,
    /// The SHA-256 of its file, in hexadecimal.
    pub digest: String,
    /// The plugin, compiled and linked.
    pub prepared: Arc<Prepared>,
    /// What is bound to its requests.
    pub bindings: Vec<Binding>,
    /// Its settings, a JSON object.
    pub settings: String,
    /// What a plan of it is made from.
    pub basis: Basis,
    /// What it may use.
    pub limits: Limits,
    /// When it may change something.
    pub window: Option<hostler_configuration::Window>,
}

impl Job {
    /// Whether it may change something.
    pub fn changes(&self) -> bool {
        self.manifest.plugin.mode == Mode::Apply
    }

    /// The operator's resources that it holds, by kind and name. The machine and the history are shared by all.
    pub fn resources(&self) -> BTreeSet<String> {
        let shared = |resource: &Resource| matches!(resource, Resource::Machine | Resource::History);
        self.bindings
            .iter()
            .flat_map(|binding| binding.targets.iter().map(move |target| (binding, target)))
            .filter(|(_, target)| !shared(&target.resource))
            .map(|(binding, target)| format!("{}.{}", kind(&binding.grant), target.name))
            .collect()
    }

    /// What the lock of its runs is called: a plugin on its targets.
    pub fn lock(&self) -> String {
        let resources: Vec<_> = self.resources().into_iter().collect();
        if resources.is_empty() {
            self.task.clone()
        } else {
            format!("{} on {}", self.manifest.plugin.name, resources.join(", "))
        }
    }
}

fn kind(grant: &Grant) -> &'static str {
    match grant {
        Grant::Postgres(_) => "postgres",
        Grant::Redis(_) => "redis",
        Grant::Directory(_) => "directory",
        Grant::Program { .. } => "program",
        Grant::Endpoint(_) => "endpoint",
        Grant::Machine => "machine",
        Grant::History(_) => "history",
    }
}
