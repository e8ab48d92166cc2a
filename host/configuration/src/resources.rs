//! All resources of an operator, by `KIND.NAME`, and how each kind is read and checked.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use hostler_manifest::Effect;
use hostler_policy::{
    endpoint::{Endpoint, EndpointRefusal, check_network},
    program::{check_form, check_pattern, makes_output},
    redis::RedisAddress,
};

use crate::{
    ConfigurationError, ConnectionString, DirectoryResource, EndpointResource, PostgresResource, ProgramForm,
    ProgramResource, RedisResource, Resource, Warning, credential::credential_file, redact::has_password,
    section::Section,
};

/// The kinds of resources that a configuration names.
pub(crate) const KINDS: [&str; 5] = ["postgres", "redis", "directory", "program", "endpoint"];
/// The host's own resources, which are always there.
pub(crate) const OWN: [&str; 2] = ["machine", "history"];

/// All resources of an operator, by `KIND.NAME`; the host's own, `machine` and `history`, are always among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources(BTreeMap<String, Resource>);

impl Resources {
    /// The resource of a full name: `postgres.main`, `machine`.
    pub fn get(&self, name: &str) -> Option<&Resource> {
        match name {
            "machine" => Some(&Resource::Machine),
            "history" => Some(&Resource::History),
            name => self.0.get(name),
        }
    }

    /// Adds one, named without its kind.
    pub fn insert(&mut self, name: &str, resource: Resource) {
        self.0.insert(format!("{}.{name}", resource.kind()), resource);
    }

    /// The full names and the resources, in order; without the host's own.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Resource)> {
        self.0.iter().map(|(name, resource)| (name.as_str(), resource))
    }

    /// The full names of one kind.
    pub fn of_kind(&self, kind: &str) -> Vec<String> {
        self.0.iter().filter(|(_, resource)| resource.kind() == kind).map(|(name, _)| name.clone()).collect()
    }

    /// Every full name, the host's own too.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).chain(OWN)
    }
}

/// Reads one resource. Its paths become absolute.
pub(crate) fn read(
    kind: &str,
    section: &Section<'_>,
    errors: &mut Vec<ConfigurationError>,
    warnings: &mut Vec<Warning>,
) -> Option<Resource> {
    let before = errors.len();
    let directory = section.source.directory();
    let mut warn = |key: &str, notice: &str| {
        warnings.push(Warning {
            place: section.key_place(key),
            key: format!("{}.{key}", section.path),
            notice: notice.into(),
        });
    };
    let resource = match kind {
        "postgres" => {
            let mut resource: PostgresResource = section.read(errors)?;
            beside(&mut resource.password_file, directory);
            beside(&mut resource.service_file, directory);
            if let Err(problem) = check_dsn(&resource.dsn) {
                errors.push(section.wrong("dsn", problem));
            }
            if has_password(&resource.dsn) {
                warn("dsn", "holds a password; password_file keeps it out of this file");
            }
            Resource::Postgres(resource)
        }
        "redis" => {
            let mut resource: RedisResource = section.read(errors)?;
            beside(&mut resource.password_file, directory);
            beside(&mut resource.root_certificates, directory);
            if let Err(problem) = check_redis(&resource.url) {
                errors.push(section.wrong("url", problem));
            }
            if has_password(&resource.url) {
                warn("url", "holds a password; password_file keeps it out of this file");
            }
            Resource::Redis(resource)
        }
        "directory" => {
            let mut resource: DirectoryResource = section.read(errors)?;
            if resource.path.as_os_str().is_empty() {
                errors.push(section.wrong("path", "is empty"));
            }
            resource.path = directory.join(&resource.path);
            Resource::Directory(resource)
        }
        "program" => {
            let mut resource: ProgramResource = section.read(errors)?;
            errors.extend(check_forms(&resource, section));
            for (key, problem) in check_program(&resource) {
                errors.push(section.wrong(&key, problem));
            }
            resource.path = directory.join(&resource.path);
            Resource::Program(resource)
        }
        "endpoint" => {
            let mut resource: EndpointResource = section.read(errors)?;
            beside(&mut resource.header_file, directory);
            beside(&mut resource.root_certificates, directory);
            if let Err(problem) = check_endpoint(&resource.url) {
                errors.push(section.wrong("url", problem));
            }
            for (index, network) in resource.networks.iter().enumerate() {
                if let Err(error) = check_network(network) {
                    errors.push(section.wrong(&format!("networks[{index}]"), format!("is wrong: {error}")));
                }
            }
            Resource::Endpoint(resource)
        }
        _ => return None,
    };
    (errors.len() == before).then_some(resource)
}

fn beside(path: &mut Option<PathBuf>, directory: &Path) {
    if let Some(path) = path {
        *path = credential_file(path).unwrap_or_else(|| directory.join(&path));
    }
}

/// The form: which keywords hold is the client's to say.
pub(crate) fn check_dsn(dsn: &str) -> Result<(), String> {
    let url = ["postgres://", "postgresql://"].iter().any(|scheme| dsn.starts_with(scheme));
    if !url && (!dsn.contains('=') || dsn.contains("://")) {
        return Err(
            "is no connection string; write \"host=db1 dbname=shop user=hostler\", \"service=NAME\" or \"postgres://…\""
                .into(),
        );
    }
    ConnectionString::parse(dsn).map(drop).map_err(|error| format!("cannot be read: {error}"))
}

pub(crate) fn check_redis(url: &str) -> Result<(), String> {
    RedisAddress::parse(url).map(drop).map_err(|error| error.to_string())
}

pub(crate) fn check_endpoint(url: &str) -> Result<(), String> {
    match Endpoint::parse(url) {
        Ok(_) => Ok(()),
        Err(EndpointRefusal::Url { problem }) => Err(format!("is wrong: {problem}")),
        Err(error) => Err(format!("is wrong: {error}")),
    }
}

/// What is wrong with the forms of a program, each at its own line: there may be many.
fn check_forms(resource: &ProgramResource, section: &Section<'_>) -> Vec<ConfigurationError> {
    let wrong = |(form, written): (usize, &ProgramForm)| {
        let key = format!("allow[{form}]");
        let patterns = written.arguments.iter().enumerate();
        let pattern = patterns.clone().find_map(|(index, pattern)| Some((index, check_pattern(pattern).err()?)));
        let (key, problem) = if let Some((index, error)) = pattern {
            (format!("{key}.arguments[{index}]"), format!("is wrong: {error}"))
        } else if let Err(error) = check_form(&written.arguments) {
            (format!("{key}.arguments"), format!("is wrong: {error}"))
        } else if written.effect == Effect::Reads && makes_output(&written.arguments) {
            (key, "makes an {output}, and says that it only reads".into())
        } else {
            return None;
        };
        let place = section.item_place("allow", form);
        Some(ConfigurationError::Value { place, key: format!("{}.{key}", section.path), problem })
    };
    resource.allow.iter().enumerate().filter_map(wrong).collect()
}

fn check_program(resource: &ProgramResource) -> Vec<(String, String)> {
    let mut problems: Vec<(String, String)> = Vec::new();
    let path = resource.path.as_os_str();
    if path.is_empty() || !path.as_encoded_bytes().contains(&b'/') {
        problems.push(("path".into(), "has to be a path such as \"/usr/bin/pg_dump\"; PATH is not searched".into()));
    }
    let is_variable = |name: &str| {
        !name.is_empty() && !name.contains(['=', '\0']) && !name.starts_with(|first: char| first.is_ascii_digit())
    };
    for name in resource.environment.iter().filter(|name| !is_variable(name)) {
        problems.push((format!("environment.{name}"), "is no name of an environment variable".into()));
    }
    for name in resource.variables.keys().filter(|name| !is_variable(name)) {
        problems.push((format!("variables.{name}"), "is no name of an environment variable".into()));
    }
    problems
}
