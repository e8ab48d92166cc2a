//! What the resources are asked for by the tasks that are bound to them.

use std::collections::{BTreeMap, BTreeSet};

use hostler_capability::Grant;
use hostler_configuration::TaskConfiguration;
use hostler_manifest::{Access, Request};
use hostler_policy::sql::PostgresGrant;
use hostler_postgres::beside_grant;

use crate::Job;

/// What one resource is asked for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Privileges of a PostgreSQL role, as manifests call them.
    pub(super) privileges: BTreeSet<String>,
    /// What is granted on a database, each with the task.
    pub(super) grants: Vec<(String, PostgresGrant)>,
    /// Words of Redis grants, each grant's together: one that only reads says nothing of another's.
    pub(super) words: BTreeSet<Vec<String>>,
    /// Whether a directory is written.
    pub(super) writes: bool,
    tasks: BTreeSet<String>,
    unready: BTreeSet<String>,
}

impl Asked {
    /// What was not looked at, as the rest of a sentence: a resource is not well for a task that nobody knows.
    pub(super) fn left_open(&self) -> String {
        let unready: Vec<&str> = self.unready.iter().map(String::as_str).collect();
        match (unready.as_slice(), self.tasks.is_empty()) {
            ([], true) => "; no task is bound to it".into(),
            ([], false) => String::new(),
            (unready, _) => format!("; what {} needs of it is not known yet", unready.join(", ")),
        }
    }
}

/// What each resource is asked for, by its full name.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    resources: BTreeMap<String, Asked>,
    nothing: Asked,
}

impl Wanted {
    /// Adds what a task needs.
    pub(super) fn add(&mut self, job: &Job) {
        let task = format!("tasks.{}", job.task);
        for binding in &job.bindings {
            for target in &binding.targets {
                let asked = self.resources.entry(format!("{}.{}", target.resource.kind(), target.name)).or_default();
                asked.tasks.insert(task.clone());
                match &binding.grant {
                    Grant::Postgres(grant) => {
                        if let Some(Request::Postgres(request)) = job.manifest.requests.get(&binding.request) {
                            asked.privileges.extend(beside_grant(&request.privileges, grant).cloned());
                        }
                        asked.grants.push((task.clone(), grant.clone()));
                    }
                    Grant::Redis(words) => drop(asked.words.insert(words.clone())),
                    Grant::Directory(Access::Write) => asked.writes = true,
                    _ => {}
                }
            }
        }
    }

    /// Adds a task that cannot be made ready: of what it needs only the resources are known.
    pub(super) fn add_unready(&mut self, task: &TaskConfiguration) {
        for target in task.bindings.values().flat_map(|bound| &bound.targets) {
            let name = format!("{}.{}", target.resource.kind(), target.name);
            self.resources.entry(name).or_default().unready.insert(format!("tasks.{}", task.name));
        }
    }

    /// Whether a task that is looked at is bound to it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.resources.contains_key(name)
    }

    /// What a resource is asked for.
    pub(super) fn of(&self, name: &str) -> &Asked {
        self.resources.get(name).unwrap_or(&self.nothing)
    }
}
