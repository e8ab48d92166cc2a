//! The least PostgreSQL role and the least Redis user that the tasks need: the strongest wall is the server's own.
//!
//! What is printed is run as it stands, by an administrator, on every release that is supported: where releases differ
//! the statement itself asks the server. It comes from what is bound, so that a narrower binding is a smaller role.

mod postgres;
mod redis;

use std::{collections::BTreeSet, fmt::Write};

use hostler_capability::{Binding, Grant, Resource};
use hostler_manifest::{Request, did_you_mean};

use crate::{Host, Job, ServiceError};

/// What the tasks that are bound to one resource need of it.
#[derive(Debug, Default)]
struct Needs {
    tasks: BTreeSet<String>,
    privileges: BTreeSet<String>,
    grants: Vec<Grant>,
}

impl Host {
    /// SQL and ACL lines, by resource, or of one resource alone: then it can be handed to the server as it is.
    ///
    /// # Errors
    /// Where there is no such resource, or a task cannot be made ready.
    pub fn roles(&self, only: Option<&str>) -> Result<String, ServiceError> {
        if let Some(name) = only.filter(|name| self.configuration.resources.get(name).is_none()) {
            let known: Vec<String> = self.configuration.resources.iter().map(|(name, _)| name.to_owned()).collect();
            let meant = did_you_mean(name, known.iter().map(String::as_str)).map(str::to_owned);
            return Err(ServiceError::UnknownResource { name: name.into(), meant, known });
        }
        let jobs: Result<Vec<Job>, _> = self.configuration.tasks.values().map(|task| self.job(task)).collect();
        let jobs = jobs?;
        let mut text = String::new();
        for (name, resource) in self.configuration.resources.iter() {
            let has_users = matches!(resource, Resource::Postgres(_) | Resource::Redis(_));
            if !has_users || only.is_some_and(|only| only != name) {
                continue;
            }
            if !text.is_empty() {
                text.push('\n');
            }
            let needs = Needs::of(name, &jobs);
            let comment = if matches!(resource, Resource::Postgres(_)) { "--" } else { "#" };
            if needs.tasks.is_empty() {
                let _ = writeln!(text, "{comment} {name}: no task is bound to it, and it needs no role");
                continue;
            }
            let tasks: Vec<&str> = needs.tasks.iter().map(String::as_str).collect();
            let _ = writeln!(text, "{comment} {name}, for {}", tasks.join(", "));
            match resource {
                Resource::Postgres(resource) => postgres::role(&mut text, resource, &needs),
                Resource::Redis(resource) => redis::user(&mut text, resource, &needs),
                _ => {}
            }
        }
        if text.is_empty() {
            text.push_str(
                "-- only PostgreSQL databases and Redis servers have roles and users, and none of them is meant here\n",
            );
        }
        Ok(text)
    }
}

impl Needs {
    fn of(name: &str, jobs: &[Job]) -> Self {
        let mut needs = Self::default();
        for job in jobs {
            for binding in job.bindings.iter().filter(|binding| is_bound(binding, name)) {
                needs.tasks.insert(job.task.clone());
                if let Some(Request::Postgres(request)) = job.manifest.requests.get(&binding.request) {
                    needs.privileges.extend(request.privileges.iter().cloned());
                }
                if !needs.grants.contains(&binding.grant) {
                    needs.grants.push(binding.grant.clone());
                }
            }
        }
        needs
    }
}

fn is_bound(binding: &Binding, name: &str) -> bool {
    binding.targets.iter().any(|target| format!("{}.{}", target.resource.kind(), target.name) == name)
}
