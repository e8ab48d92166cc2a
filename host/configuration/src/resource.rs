//! Resources: what an operator has, and may bind to a plugin's requests.

use std::{collections::BTreeMap, num::NonZeroU32, path::PathBuf};

use hostler_manifest::Effect;
use serde::Deserialize;

/// A PostgreSQL database, as `[postgres.NAME]` writes it.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresResource {
    /// A connection string, in libpq's keyword or URI form; `service=NAME` looks in `service_file`.
    pub dsn: String,
    /// A file that holds the password alone, readable by its owner only.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// A libpq connection service file; PGSERVICEFILE where it does not say.
    #[serde(default)]
    pub service_file: Option<PathBuf>,
    /// The most sessions that the host has in one of its databases at a time; no limit of its own where it does not
    /// say. With one, a run's lock cannot have a session beside the run's work: it holds for this host alone.
    #[serde(default)]
    pub connections: Option<NonZeroU32>,
}

/// A Redis server, as `[redis.NAME]` writes it.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisResource {
    /// `redis://HOST:PORT/DATABASE`, `rediss://…`, `redis+unix:///PATH`.
    pub url: String,
    /// The ACL user; the server's default user where it does not say.
    #[serde(default)]
    pub user: Option<String>,
    /// A file that holds the password alone.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// The certificates that vouch for the server; the machine's own where it does not say.
    #[serde(default)]
    pub root_certificates: Option<PathBuf>,
}

/// A directory, as `[directory.NAME]` writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryResource {
    /// An absolute path.
    pub path: PathBuf,
    /// Whether a program may run inside it although a task writes it.
    #[serde(default)]
    pub trust_contents: bool,
}

/// How strictly a program is confined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confinement {
    /// Every wall, or the program does not start.
    #[default]
    Strict,
    /// The walls that the machine has; each run says which are missing.
    BestEffort,
    /// None; each run says so.
    Off,
}

/// One form in which a program may be called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramForm {
    /// A pattern for each argument: text, `{text}`, `{1-8}`, `{a|b}`, `{path}`, `{output}`, `{…}` inside text; a last
    /// `...` repeats the one before it.
    pub arguments: Vec<String>,
    /// Whether this form reads or changes.
    #[serde(default)]
    pub effect: Effect,
}

/// A program, as `[program.NAME]` writes it.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramResource {
    /// An absolute path.
    pub path: PathBuf,
    /// The forms in which it may be called.
    #[serde(default)]
    pub allow: Vec<ProgramForm>,
    /// Names of environment variables that a plugin may set.
    #[serde(default)]
    pub environment: Vec<String>,
    /// Variables that the operator sets for it.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Whether it may use the network.
    #[serde(default)]
    pub network: bool,
    /// How strictly it is confined.
    #[serde(default)]
    pub confine: Confinement,
}

/// A network endpoint, as `[endpoint.NAME]` writes it.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointResource {
    /// `https://HOST:PORT/PREFIX`, `http://…`, `tcp://HOST:PORT` or `tls://HOST:PORT`.
    pub url: String,
    /// A file that holds an HTTP header line, such as `Authorization: Bearer …`, which the host adds.
    #[serde(default)]
    pub header_file: Option<PathBuf>,
    /// The certificates that vouch for it; the machine's own where it does not say.
    #[serde(default)]
    pub root_certificates: Option<PathBuf>,
    /// Networks, such as `10.0.0.0/8`, in which its name may resolve. Where it does not say, a name may not lead to
    /// a loopback, link-local or private address; an address written as such may.
    #[serde(default)]
    pub networks: Vec<String>,
}

/// A resource of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// A PostgreSQL database.
    Postgres(PostgresResource),
    /// A Redis server.
    Redis(RedisResource),
    /// A directory.
    Directory(DirectoryResource),
    /// A program.
    Program(ProgramResource),
    /// A network endpoint.
    Endpoint(EndpointResource),
    /// The host's own: the machine.
    Machine,
    /// The host's own: what earlier runs left.
    History,
}

impl Resource {
    /// The kind, as the configuration and the requests of a manifest spell it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgres",
            Self::Redis(_) => "redis",
            Self::Directory(_) => "directory",
            Self::Program(_) => "program",
            Self::Endpoint(_) => "endpoint",
            Self::Machine => "machine",
            Self::History => "history",
        }
    }
}
