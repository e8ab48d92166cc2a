//! What `doctor` finds: each resource tried, each bound privilege looked for, each with its remedy.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::ErrorKind,
    path::Path,
};

use hostler_capability::{Binding, Error, Grant, Resource, Severity};
use hostler_configuration::{Configuration, TaskConfiguration};
use hostler_manifest::{Access, Manifest, Request};
use hostler_postgres::ConnectError;
use hostler_registry::RegistryError;
use hostler_shell::ShellCapability;

use crate::{Host, Named, ServiceError, capabilities::hidden};

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
    writes: bool,
}

impl Host {
    /// Tries every resource and every task, or those of one task or procedure.
    ///
    /// # Errors
    /// Where `only` is neither.
    pub async fn examine(&self, only: Option<&str>) -> Result<Vec<Examined>, ServiceError> {
        let configuration = &self.configuration;
        let mut examined = Vec::new();
        let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
        let tasks: Vec<&TaskConfiguration> = match only.map(|only| self.named(only)).transpose()? {
            None => configuration.tasks.values().collect(),
            Some(Named::Task(task)) => vec![task],
            Some(Named::Procedure(_, tasks)) => tasks,
        };
        for task in tasks {
            match self.job(task) {
                Ok(job) => {
                    for binding in &job.bindings {
                        want(&mut wanted, binding, &job.manifest);
                    }
                    let finding = format!("{} {} is ready", job.manifest.plugin.name, job.manifest.plugin.version);
                    examined.push(good(format!("tasks.{}", task.name), finding));
                }
                Err(error) => {
                    let remedy = remedy_of_task(&error, &task.name);
                    examined.push(bad(format!("tasks.{}", task.name), error.to_string(), remedy));
                }
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
        Ok(examined)
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

fn want(wanted: &mut BTreeMap<String, Wanted>, binding: &Binding, manifest: &Manifest) {
    for target in &binding.targets {
        let entry = wanted.entry(format!("{}.{}", target.resource.kind(), target.name)).or_default();
        if let Some(Request::Postgres(request)) = manifest.requests.get(&binding.request) {
            entry.privileges.extend(request.privileges.iter().cloned());
        }
        if let Grant::Redis(words) = &binding.grant {
            entry.words.extend(words.iter().cloned());
        }
        entry.writes |= matches!(binding.grant, Grant::Directory(Access::Write));
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
                Err(error) => vec![bad(name.into(), error.to_string(), Some(remedy_of_postgres(&error, name)))],
            }
        }
        Resource::Redis(resource) => {
            let words: Vec<String> = wanted.words.iter().cloned().collect();
            match hostler_redis::examine(short, resource, &words).await {
                Ok(found) if found.needs.is_empty() => {
                    vec![good(name.into(), redis_answers(&found))]
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
                Err(error) => vec![bad(name.into(), in_words(&error), Some(remedy_of_redis(&error, name)))],
            }
        }
        Resource::Directory(resource) => vec![directory(name, &resource.path, wanted.writes)],
        Resource::Program(resource) => {
            let capability = ShellCapability::new(hidden(configuration));
            let found = hostler_shell::examine(&capability, resource).await;
            told(name, "can be started", found.problem, found.notes, None)
        }
        Resource::Endpoint(resource) => {
            let found = hostler_network::examine(short, resource).await;
            let remedy = format!("see whether the server runs and can be reached from here, and what {name}.url says");
            told(name, "answers", found.problem, found.notes, Some(remedy))
        }
        Resource::Machine | Resource::History => vec![],
    }
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

/// What an examination found, and each note of it.
fn told(name: &str, well: &str, problem: Option<String>, notes: Vec<String>, remedy: Option<String>) -> Vec<Examined> {
    let mut examined = vec![match problem {
        Some(problem) => bad(name.into(), problem, remedy),
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

/// What to do where a database does not let the host in.
fn remedy_of_postgres(error: &ConnectError, name: &str) -> String {
    match error {
        ConnectError::Configuration { .. } => format!("correct {name} in the configuration"),
        ConnectError::Refused { hint, .. } if !hint.is_empty() => (*hint).into(),
        ConnectError::Refused { .. } => "see the server's log".into(),
        ConnectError::Unreachable { .. } | ConnectError::Silent { .. } => {
            format!("see whether the server runs, listens, and can be reached from here: what {name}.dsn says")
        }
    }
}

fn remedy_of_redis(error: &Error, name: &str) -> String {
    match error {
        Error::Failed(failure) if failure.code == "NOAUTH" || failure.code == "WRONGPASS" => {
            format!("correct {name}.user and {name}.password_file; `hostler roles` prints the user")
        }
        Error::Failed(failure) if failure.code == "NOPERM" => "give the user what `hostler roles` prints".into(),
        _ => format!("see whether the server runs, listens, and can be reached from here: what {name}.url says"),
    }
}

fn redis_answers(found: &hostler_redis::Examination) -> String {
    let mut words = format!("Redis {} answers, as {}", found.version, found.user);
    if !found.untried.is_empty() {
        let untried = found.untried.join(", ");
        words.push_str(&format!("; not tried, since its user may not ask ACL DRYRUN: {untried}"));
    }
    words
}

fn directory(name: &str, path: &Path, writes: bool) -> Examined {
    let shown = path.display();
    if let Err(error) = std::fs::read_dir(path) {
        let remedy = match error.kind() {
            ErrorKind::NotFound => format!("mkdir -p {shown}, or correct {name}.path"),
            ErrorKind::NotADirectory => format!("correct {name}.path"),
            _ => format!("give the host's user the right to read {shown}: ls -ld {shown}"),
        };
        return bad(name.into(), format!("{shown} cannot be read: {error}"), Some(remedy));
    }
    // A file without a name shows whether it may be written, and leaves nothing behind.
    match writes.then(|| tempfile::tempfile_in(path)) {
        Some(Err(error)) => {
            let remedy = format!("give the host's user the right to write {shown}: ls -ld {shown}");
            bad(name.into(), format!("{shown} cannot be written, and a task writes it: {error}"), Some(remedy))
        }
        Some(Ok(_)) => good(name.into(), "can be read and written".into()),
        None => good(name.into(), "can be read".into()),
    }
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

    #[test]
    fn a_directory_that_a_task_writes_has_to_be_writable() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(super::directory("directory.a", directory.path(), true).severity, Severity::Ok);
        assert_eq!(std::fs::read_dir(directory.path()).expect("listed").count(), 0, "nothing is left in it");
        let absent = super::directory("directory.a", &directory.path().join("absent"), false);
        assert!(absent.severity == Severity::Critical && absent.remedy.is_some_and(|remedy| remedy.contains("mkdir")));
        // procfs is not writable, not even by root.
        let refused = super::directory("directory.a", Path::new("/proc/self"), true);
        assert!(refused.finding.contains("a task writes it"), "{refused:?}");
    }
}
