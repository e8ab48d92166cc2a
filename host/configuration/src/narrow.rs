//! Less than the whole request: how a binding narrows a grant, and what shows that one grant is wider than another.

use hostler_manifest::{Access, Effect, Request};
use hostler_policy::{
    redis::RedisGrant,
    sql::{PostgresGrant, pattern_covers},
};
use serde::{Deserialize, de::IgnoredAny};

use crate::{ConfigurationError, Grant, section::Section};

/// Connections to a database that a plugin may hold where its request does not say.
pub const DEFAULT_CONNECTIONS: u32 = 4;

/// What a binding leaves of a request, by the kind of its resources.
#[derive(Debug, Clone, PartialEq)]
pub enum Narrowing {
    /// Of a PostgreSQL database.
    Postgres(PostgresNarrowing),
    /// Of a Redis server.
    Redis(RedisNarrowing),
    /// Of a directory.
    Directory(DirectoryNarrowing),
    /// Of a program.
    Program(ProgramNarrowing),
    /// Of an endpoint.
    Endpoint(EndpointNarrowing),
    /// Of the machine: there is nothing to narrow.
    Machine,
    /// Of the history.
    History(HistoryNarrowing),
}

/// What is left of a request for a PostgreSQL database; what is not written stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PostgresNarrowing {
    #[serde(rename = "resource")]
    _resource: Option<IgnoredAny>,
    #[serde(rename = "resources")]
    _resources: Option<IgnoredAny>,
    /// Relations it reads beside the catalogue.
    pub read: Option<Vec<String>>,
    /// Objects that its statements act on.
    pub write: Option<Vec<String>>,
    /// Changing statements.
    pub statements: Option<Vec<String>>,
    /// Functions that change.
    pub call: Option<Vec<String>>,
    /// Functions of extensions that only read.
    pub functions: Option<Vec<String>>,
    /// Session settings.
    pub settings: Option<Vec<String>>,
    /// Other databases of the same server.
    pub databases: Option<Vec<String>>,
    /// Connections held at a time.
    pub connections: Option<std::num::NonZeroU32>,
}

/// What is left of a request for a Redis server.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedisNarrowing {
    #[serde(rename = "resource")]
    _resource: Option<IgnoredAny>,
    #[serde(rename = "resources")]
    _resources: Option<IgnoredAny>,
    /// ACL words.
    pub allow: Option<Vec<String>>,
}

/// What is left of a request for a directory.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DirectoryNarrowing {
    #[serde(rename = "resource")]
    _resource: Option<IgnoredAny>,
    #[serde(rename = "resources")]
    _resources: Option<IgnoredAny>,
    /// Whether it is written.
    pub access: Option<Access>,
}

/// What is left of a request for a program.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProgramNarrowing {
    #[serde(rename = "resource")]
    _resource: Option<IgnoredAny>,
    #[serde(rename = "resources")]
    _resources: Option<IgnoredAny>,
    /// Whether the forms that change something may be used.
    pub changes: Option<bool>,
}

/// What is left of a request for an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EndpointNarrowing {
    #[serde(rename = "resource")]
    _resource: Option<IgnoredAny>,
    #[serde(rename = "resources")]
    _resources: Option<IgnoredAny>,
    /// HTTP methods.
    pub methods: Option<Vec<String>>,
}

/// What is left of a request for the history.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HistoryNarrowing {
    #[serde(rename = "resource")]
    _resource: Option<IgnoredAny>,
    #[serde(rename = "resources")]
    _resources: Option<IgnoredAny>,
    /// Tasks whose history is read.
    pub tasks: Option<Vec<String>>,
}

/// Nothing but the resource.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Alone {
    #[serde(default, rename = "resource")]
    _resource: Option<IgnoredAny>,
    #[serde(default, rename = "resources")]
    _resources: Option<IgnoredAny>,
}

/// One entry by which a grant is wider than another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wider {
    /// The field, as manifest and binding spell it.
    pub field: &'static str,
    /// The entry, as it is written.
    pub entry: String,
    /// What is wrong, as the end of a sentence.
    pub problem: String,
}

impl Narrowing {
    pub(crate) fn read(kind: &str, section: &Section<'_>, errors: &mut Vec<ConfigurationError>) -> Option<Self> {
        Some(match kind {
            "postgres" => Self::Postgres(section.read(errors)?),
            "redis" => Self::Redis(section.read(errors)?),
            "directory" => Self::Directory(section.read(errors)?),
            "program" => Self::Program(section.read(errors)?),
            "endpoint" => {
                let narrowing: EndpointNarrowing = section.read(errors)?;
                if narrowing.methods.as_ref().is_some_and(Vec::is_empty) {
                    errors.push(section.wrong("methods", "names no method; leave it out, or the whole request"));
                }
                Self::Endpoint(narrowing)
            }
            "history" => Self::History(section.read(errors)?),
            _ => {
                section.read::<Alone>(errors)?;
                Self::Machine
            }
        })
    }

    /// The grant with what is written here in place of its own. It may be wider: [`wider`] tells.
    pub(crate) fn apply(&self, grant: Grant) -> Grant {
        match (self, grant) {
            (Self::Postgres(narrowing), Grant::Postgres(mut grant)) => {
                let lists = [
                    (&mut grant.read, &narrowing.read),
                    (&mut grant.write, &narrowing.write),
                    (&mut grant.statements, &narrowing.statements),
                    (&mut grant.call, &narrowing.call),
                    (&mut grant.functions, &narrowing.functions),
                    (&mut grant.settings, &narrowing.settings),
                    (&mut grant.databases, &narrowing.databases),
                ];
                for (granted, written) in lists {
                    if let Some(written) = written {
                        granted.clone_from(written);
                    }
                }
                if let Some(connections) = narrowing.connections {
                    grant.connections = connections.get();
                }
                Grant::Postgres(grant)
            }
            (Self::Redis(narrowing), Grant::Redis(words)) => Grant::Redis(narrowing.allow.clone().unwrap_or(words)),
            (Self::Directory(narrowing), Grant::Directory(access)) => {
                Grant::Directory(narrowing.access.unwrap_or(access))
            }
            (Self::Program(narrowing), Grant::Program { changes }) => {
                Grant::Program { changes: narrowing.changes.unwrap_or(changes) }
            }
            (Self::Endpoint(narrowing), Grant::Endpoint(methods)) => {
                let upper = |methods: &Vec<String>| methods.iter().map(|method| method.to_uppercase()).collect();
                Grant::Endpoint(narrowing.methods.as_ref().map_or(methods, upper))
            }
            (Self::History(narrowing), Grant::History(tasks)) => {
                Grant::History(narrowing.tasks.clone().unwrap_or(tasks))
            }
            (_, grant) => grant,
        }
    }
}

/// The grant of a whole request.
pub fn grant_of(request: &Request) -> Grant {
    match request {
        Request::Postgres(request) => Grant::Postgres(PostgresGrant {
            read: request.read.clone(),
            write: request.write.clone(),
            statements: request.statements.clone(),
            call: request.call.clone(),
            functions: request.functions.clone(),
            settings: request.settings.clone(),
            databases: request.databases.clone(),
            connections: request.connections.unwrap_or(DEFAULT_CONNECTIONS).max(1),
        }),
        Request::Redis(request) => Grant::Redis(request.allow.clone()),
        Request::Directory(request) => Grant::Directory(request.access),
        Request::Program(request) => Grant::Program { changes: request.effect == Effect::Changes },
        Request::Endpoint(request) if request.methods.is_empty() => Grant::Endpoint(vec!["GET".into(), "HEAD".into()]),
        Request::Endpoint(request) => {
            Grant::Endpoint(request.methods.iter().map(|method| method.to_uppercase()).collect())
        }
        Request::Machine(_) => Grant::Machine,
        Request::History(request) => Grant::History(request.tasks.clone()),
    }
}

/// Every entry of `inner` that `outer` does not cover.
pub fn wider(outer: &Grant, inner: &Grant) -> Vec<Wider> {
    match (outer, inner) {
        (Grant::Postgres(outer), Grant::Postgres(inner)) => wider_postgres(outer, inner),
        (Grant::Redis(outer), Grant::Redis(inner)) => wider_redis(outer, inner).into_iter().collect(),
        (Grant::Directory(Access::Read), Grant::Directory(Access::Write)) => {
            vec![one("access", "write", "it asks to read alone")]
        }
        (Grant::Program { changes: false }, Grant::Program { changes: true }) => {
            vec![one("changes", "true", "it asks for forms that only read")]
        }
        (Grant::Endpoint(outer), Grant::Endpoint(inner)) => {
            entries("methods", outer, inner, |outer, inner| outer == inner || (outer == "GET" && inner == "HEAD"))
        }
        (Grant::History(outer), Grant::History(inner)) => entries("tasks", outer, inner, pattern_covers),
        (outer, inner) if std::mem::discriminant(outer) == std::mem::discriminant(inner) => Vec::new(),
        _ => vec![one("kind", "another kind", "it asks for another kind of resource")],
    }
}

/// Whether the words of a request for a Redis server give nothing that always changes something. What is no grant is
/// taken to.
pub fn redis_only_reads(words: &[String]) -> bool {
    RedisGrant::parse(words).is_ok_and(|grant| !grant.changes())
}

/// Whether a request asks to change something, whatever its kind.
pub fn changes(request: &Request) -> bool {
    match request {
        Request::Redis(request) => !redis_only_reads(&request.allow),
        Request::Postgres(request) => !request.statements.is_empty() || !request.call.is_empty(),
        Request::Directory(request) => request.access == Access::Write,
        Request::Program(request) => request.effect == Effect::Changes,
        Request::Endpoint(request) => !request.methods.iter().all(|method| hostler_policy::endpoint::reads(method)),
        Request::Machine(_) | Request::History(_) => false,
    }
}

fn wider_postgres(outer: &PostgresGrant, inner: &PostgresGrant) -> Vec<Wider> {
    let words = |outer: &str, inner: &str| {
        outer.split_whitespace().map(str::to_uppercase).eq(inner.split_whitespace().map(str::to_uppercase))
    };
    let mut found = entries("read", &outer.read, &inner.read, pattern_covers);
    found.extend(entries("write", &outer.write, &inner.write, pattern_covers));
    found.extend(entries("statements", &outer.statements, &inner.statements, words));
    found.extend(entries("call", &outer.call, &inner.call, pattern_covers));
    found.extend(entries("functions", &outer.functions, &inner.functions, pattern_covers));
    found.extend(entries("settings", &outer.settings, &inner.settings, |outer, inner| {
        outer.eq_ignore_ascii_case(inner)
    }));
    found.extend(entries("databases", &outer.databases, &inner.databases, pattern_covers));
    if inner.connections > outer.connections {
        let problem = format!("it asks for {}", outer.connections);
        found.push(one("connections", &inner.connections.to_string(), &problem));
    }
    found
}

fn wider_redis(outer: &[String], inner: &[String]) -> Option<Wider> {
    let shown = inner.join(" ");
    let covered = RedisGrant::parse(outer)
        .map_err(|error| error.to_string())
        .and_then(|outer| RedisGrant::parse(inner).map_err(|error| error.to_string()).map(|inner| (outer, inner)))
        .and_then(|(outer, inner)| outer.covers(&inner).map_err(|error| error.to_string()));
    covered.err().map(|problem| Wider { field: "allow", entry: shown, problem })
}

fn entries(field: &'static str, outer: &[String], inner: &[String], covers: impl Fn(&str, &str) -> bool) -> Vec<Wider> {
    let uncovered = inner.iter().filter(|inner| !outer.iter().any(|outer| covers(outer, inner)));
    let has = match outer {
        [] => "it asks for none".to_owned(),
        outer => format!("it asks for {}", outer.join(", ")),
    };
    uncovered.map(|entry| one(field, entry, &has)).collect()
}

fn one(field: &'static str, entry: &str, has: &str) -> Wider {
    Wider { field, entry: entry.to_owned(), problem: format!("`{entry}` is not covered, {has}") }
}
