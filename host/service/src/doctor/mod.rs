//! What `doctor` finds: each resource tried, each right looked for that a task needs, each with its remedy.
//!
//! It is read at night, by somebody who did not write the configuration: a line says what was tried and what was found,
//! and beneath it stands what to do. What could not be looked at is told as such, and is never passed over as well.

mod files;
mod postgres;
mod redis;
mod wanted;

use futures::future::join_all;
use hostler_capability::{Resource, Severity};
use hostler_configuration::{Configuration, TaskConfiguration};
use hostler_registry::RegistryError;
use hostler_shell::ShellCapability;

use crate::{Host, Job, Named, ServiceError, capabilities::hidden};
use wanted::Wanted;

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// `postgres.main`, or a task.
    pub subject: String,
    /// Ok, a warning where something works in part, critical where it does not, unknown where it could not be looked at.
    pub severity: Severity,
    /// What was found.
    pub finding: String,
    /// What to do.
    pub remedy: Option<String>,
}

impl Host {
    /// Tries every resource and every task, or those of one task or procedure.
    ///
    /// # Errors
    /// Where `only` is neither.
    pub async fn examine(&self, only: Option<&str>) -> Result<Vec<Examined>, ServiceError> {
        let configuration = &self.configuration;
        let mut examined = Vec::new();
        let mut wanted = Wanted::default();
        let tasks: Vec<&TaskConfiguration> = match only.map(|only| self.named(only)).transpose()? {
            None => configuration.tasks.values().collect(),
            Some(Named::Task(task)) => vec![task],
            Some(Named::Procedure(_, tasks)) => tasks,
        };
        for task in tasks {
            let job = self.job(task);
            match &job {
                Ok(job) => wanted.add(job),
                Err(_) => wanted.add_unready(task),
            }
            examined.push(of_task(task, job));
        }
        // Side by side: of many servers that are down each would be waited for otherwise.
        let resources = configuration.resources.iter().filter(|(name, _)| only.is_none() || wanted.has(name));
        let resources = join_all(resources.map(|(name, resource)| examine(configuration, name, resource, &wanted)));
        examined.extend(resources.await.into_iter().flatten());
        Ok(examined)
    }
}

fn of_task(task: &TaskConfiguration, job: Result<Job, ServiceError>) -> Examined {
    let subject = format!("tasks.{}", task.name);
    match job {
        Ok(job) => {
            let plugin = &job.manifest.plugin;
            let off =
                if task.enabled { "" } else { "; it is switched off (enabled = false), and no procedure runs it" };
            good(
                subject,
                format!("{} {} is installed, and fits its bindings and settings{off}", plugin.name, plugin.version),
            )
        }
        Err(error) => bad(subject, error.to_string(), remedy_of_task(&error, &task.name)),
    }
}

/// What to do where a task cannot be made ready and the error does not say.
fn remedy_of_task(error: &ServiceError, task: &str) -> Option<String> {
    match error {
        ServiceError::Registry(RegistryError::NotInstalled { .. }) => {
            Some(format!("hostler install FILE, or correct tasks.{task}.plugin; `hostler list` has what is installed"))
        }
        ServiceError::Binding(_) => Some("correct the lines named; `hostler show PLUGIN` has what it asks for".into()),
        ServiceError::Registry(_) => Some("hostler verify, then install the plugin again".into()),
        _ => None,
    }
}

async fn examine(configuration: &Configuration, name: &str, resource: &Resource, wanted: &Wanted) -> Vec<Examined> {
    let short = name.split_once('.').map_or(name, |(_, short)| short);
    let asked = wanted.of(name);
    let mut examined = match resource {
        Resource::Postgres(resource) => postgres::examine(name, short, resource, asked).await,
        Resource::Redis(resource) => match files::of_redis(name, resource) {
            found if found.is_empty() => redis::examine(name, short, resource, asked).await,
            found => found,
        },
        Resource::Directory(resource) => vec![files::directory(name, &resource.path, asked.writes)],
        Resource::Program(resource) => {
            let capability = ShellCapability::new(hidden(configuration));
            let found = hostler_shell::examine(&capability, resource).await;
            let well = format!("{} is there, and can be started", resource.path.display());
            told(name, &well, found.problem, found.notes, found.remedy)
        }
        Resource::Endpoint(resource) => match files::of_endpoint(name, resource) {
            found if found.is_empty() => {
                let found = hostler_network::examine(short, resource).await;
                let remedy =
                    format!("see whether its server runs and can be reached from here, and what {name}.url says");
                told(name, "answers; no request was sent", found.problem, found.notes, Some(remedy))
            }
            found => found,
        },
        Resource::Machine | Resource::History => vec![],
    };
    if let Some(first) = examined.first_mut().filter(|first| first.severity == Severity::Ok) {
        first.finding.push_str(&asked.left_open());
    }
    examined
}

/// What was found, without the name that already stands before it.
fn after_name(finding: String, subject: &str) -> String {
    let rest = finding.strip_prefix(subject).and_then(|rest| rest.strip_prefix(": ").or(rest.strip_prefix(' ')));
    rest.map_or(finding.clone(), str::to_owned)
}

fn good(subject: String, finding: String) -> Examined {
    Examined { subject, severity: Severity::Ok, finding, remedy: None }
}

fn bad(subject: String, finding: String, remedy: Option<String>) -> Examined {
    let finding = after_name(finding, &subject);
    Examined { subject, severity: Severity::Critical, finding, remedy }
}

fn warning(name: &str, finding: String, remedy: Option<String>) -> Examined {
    Examined { subject: name.into(), severity: Severity::Warning, finding, remedy }
}

/// What could not be looked at.
fn unknown(name: &str, finding: String, remedy: Option<String>) -> Examined {
    Examined { subject: name.into(), severity: Severity::Unknown, finding, remedy }
}

/// What an examination found, and each note of it.
fn told(name: &str, well: &str, problem: Option<String>, notes: Vec<String>, remedy: Option<String>) -> Vec<Examined> {
    let mut examined = vec![match problem {
        Some(problem) => bad(name.into(), problem, remedy),
        None => good(name.into(), well.into()),
    }];
    examined.extend(notes.into_iter().map(|note| warning(name, note, None)));
    examined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_once() {
        let told = |finding: &str| bad("redis.a".into(), finding.into(), None).finding;
        assert_eq!(told("redis.a: no route"), "no route");
        assert_eq!(told("redis.a cannot be reached"), "cannot be reached");
        assert_eq!(told("redis.ab is another"), "redis.ab is another");
    }
}
