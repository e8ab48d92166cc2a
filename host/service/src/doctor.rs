//! What `doctor` finds: each resource tried, each bound privilege looked for, each with its remedy.

use std::collections::{BTreeMap, BTreeSet};

use hostler_capability::{Binding, Error, Grant, Resource, Severity};
use hostler_configuration::Configuration;
use hostler_manifest::{Manifest, Request};
use hostler_shell::ShellCapability;

use crate::{Host, capabilities::hidden};

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// `postgres.main`, or a task.
    pub subject: String,
    /// Ok, a warning where something works in part, critical where it does not.
    pub severity: Severity,
    /// What was found.
    pub finding: String,
    /// What to do.
    pub remedy: Option<String>,
}

/// What a resource is asked for by the tasks that are bound to it.
#[derive(Default)]
struct Wanted {
    privileges: BTreeSet<String>,
    words: BTreeSet<String>,
}

impl Host {
    /// Tries every resource and every task, or those of one task.
    pub async fn examine(&self, only: Option<&str>) -> Vec<Examined> {
        let configuration = &self.configuration;
        let mut examined = Vec::new();
        let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
        for task in configuration.tasks.values().filter(|task| only.is_none_or(|only| task.name == only)) {
            match self.job(task) {
                Ok(job) => {
                    for binding in &job.bindings {
                        want(&mut wanted, binding, &job.manifest);
                    }
                    let finding = format!("{} {} is ready", job.manifest.plugin.name, job.manifest.plugin.version);
                    examined.push(good(format!("tasks.{}", task.name), finding));
                }
                Err(error) => examined.push(bad(format!("tasks.{}", task.name), error.to_string(), None)),
            }
        }
        let nothing = Wanted::default();
        for (name, resource) in configuration.resources.iter() {
            let asked = wanted.get(name);
            if only.is_some() && asked.is_none() {
                continue;
            }
            examined.extend(examine(configuration, name, resource, asked.unwrap_or(&nothing)).await);
        }
        examined
    }
}

fn want(wanted: &mut BTreeMap<String, Wanted>, binding: &Binding, manifest: &Manifest) {
    for target in &binding.targets {
        let entry = wanted.entry(format!("{}.{}", target.resource.kind(), target.name)).or_default();
        if let Some(Request::Postgres(request)) = manifest.requests.get(&binding.request) {
            entry.privileges.extend(request.privileges.iter().cloned());
        }
        if let Grant::Redis(words) = &binding.grant {
            entry.words.extend(words.iter().cloned());
        }
    }
}

async fn examine(configuration: &Configuration, name: &str, resource: &Resource, wanted: &Wanted) -> Vec<Examined> {
    let short = name.split_once('.').map_or(name, |(_, short)| short);
    match resource {
        Resource::Postgres(resource) => {
            let privileges: Vec<String> = wanted.privileges.iter().cloned().collect();
            let environment = hostler_postgres::Environment::of_this_process();
            match hostler_postgres::examine(short, resource, &privileges, &environment).await {
                Ok(found) if found.lacks.is_empty() => {
                    let role = if found.in_recovery { "a standby" } else { "a primary" };
                    let version = format!("{}.{}", found.version / 10_000, found.version % 10_000);
                    vec![good(name.into(), format!("PostgreSQL {version} answers, {role}"))]
                }
                Ok(found) => found
                    .lacks
                    .into_iter()
                    .map(|lack| Examined {
                        subject: name.into(),
                        severity: Severity::Warning,
                        finding: lack.problem,
                        remedy: Some(lack.remedy),
                    })
                    .collect(),
                Err(error) => vec![bad(name.into(), error.to_string(), None)],
            }
        }
        Resource::Redis(resource) => {
            let words: Vec<String> = wanted.words.iter().cloned().collect();
            match hostler_redis::examine(short, resource, &words).await {
                Ok(found) if found.needs.is_empty() => {
                    vec![good(name.into(), format!("Redis {} answers, as {}", found.version, found.user))]
                }
                Ok(found) => found
                    .needs
                    .into_iter()
                    .map(|lack| Examined {
                        subject: name.into(),
                        severity: Severity::Warning,
                        finding: lack.problem,
                        remedy: Some(lack.remedy),
                    })
                    .collect(),
                Err(error) => vec![bad(name.into(), in_words(&error), None)],
            }
        }
        Resource::Directory(resource) => vec![match std::fs::read_dir(&resource.path) {
            Ok(_) => good(name.into(), "can be read".into()),
            Err(error) => bad(
                name.into(),
                format!("cannot be read: {error}"),
                Some(format!("ls -ld {}", resource.path.display())),
            ),
        }],
        Resource::Program(resource) => {
            let capability = ShellCapability::new(hidden(configuration));
            let found = hostler_shell::examine(&capability, resource).await;
            told(name, "can be started", found.problem, found.notes)
        }
        Resource::Endpoint(resource) => {
            let found = hostler_network::examine(short, resource).await;
            told(name, "answers", found.problem, found.notes)
        }
        Resource::Machine | Resource::History => vec![],
    }
}

fn good(subject: String, finding: String) -> Examined {
    Examined { subject, severity: Severity::Ok, finding, remedy: None }
}

fn bad(subject: String, finding: String, remedy: Option<String>) -> Examined {
    Examined { subject, severity: Severity::Critical, finding, remedy }
}

/// What an examination found, and each note of it.
fn told(name: &str, well: &str, problem: Option<String>, notes: Vec<String>) -> Vec<Examined> {
    let mut examined = vec![match problem {
        Some(problem) => bad(name.into(), problem, None),
        None => good(name.into(), well.into()),
    }];
    examined.extend(notes.into_iter().map(|note| Examined {
        subject: name.into(),
        severity: Severity::Warning,
        finding: note,
        remedy: None,
    }));
    examined
}

/// An error of the contract, in words.
fn in_words(error: &Error) -> String {
    match error {
        Error::Denied(denial) => format!("refused by {}", denial.rule),
        Error::Invalid(problem) | Error::Unavailable(problem) => problem.clone(),
        Error::Failed(failure) => {
            let hint = failure.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{}: {}{hint}", failure.code, failure.message)
        }
        Error::TimedOut(after) => format!("no answer within {after} ms"),
        Error::Limit(limit) => format!("the limit {limit} is used up"),
        Error::Stopped => "stopped".into(),
    }
}
