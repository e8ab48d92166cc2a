//! Requests: what a plugin asks to be allowed.
//!
//! One structure a kind, each with a `reason` that is shown to the operator word for word. The same field names serve
//! in a binding, where the operator narrows them.

use serde::{Deserialize, Serialize};

/// One request of a plugin, by kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Request {
    /// A PostgreSQL database.
    Postgres(PostgresRequest),
    /// A Redis server.
    Redis(RedisRequest),
    /// A directory of the machine.
    Directory(DirectoryRequest),
    /// A program of the machine.
    Program(ProgramRequest),
    /// A network endpoint.
    Endpoint(EndpointRequest),
    /// The machine's own figures.
    Machine(MachineRequest),
    /// What earlier runs left.
    History(HistoryRequest),
}

/// Beyond reading the system catalogue, what a plugin asks of a database.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PostgresRequest {
    /// Why, in words for the operator.
    pub reason: String,
    /// Whether several databases may be bound.
    pub many: bool,
    /// Whether the plugin works without it.
    pub optional: bool,
    /// Relations it reads beside the catalogue: `schema.name`, `*` allowed in each half.
    pub read: Vec<String>,
    /// Objects that its statements act on.
    pub write: Vec<String>,
    /// Changing statements, such as `VACUUM` or `REINDEX CONCURRENTLY`.
    pub statements: Vec<String>,
    /// Functions that change, called by `execute` alone.
    pub call: Vec<String>,
    /// Functions of extensions that only read.
    pub functions: Vec<String>,
    /// Session settings it may set for a statement.
    pub settings: Vec<String>,
    /// Other databases of the same server, `*` for all.
    pub databases: Vec<String>,
    /// How many connections it may hold at a time; 4 where it does not say.
    pub connections: Option<u32>,
    /// What the role needs, such as `pg_monitor` or `pg_maintain | owner`; for `doctor` and `roles`.
    pub privileges: Vec<String>,
}

/// What a plugin asks of a Redis server, in Redis' own ACL words.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedisRequest {
    /// Why, in words for the operator.
    pub reason: String,
    /// Whether several servers may be bound.
    pub many: bool,
    /// Whether the plugin works without it.
    pub optional: bool,
    /// `+info`, `+memory|usage`, `+@read`, `-keys`, and key patterns `~cache:*`.
    pub allow: Vec<String>,
}

/// Whether a directory is read only, or written too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Read only.
    #[default]
    Read,
    /// Read and written.
    Write,
}

/// What a plugin asks of a directory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DirectoryRequest {
    /// Why, in words for the operator.
    pub reason: String,
    /// Whether several directories may be bound.
    pub many: bool,
    /// Whether the plugin works without it.
    pub optional: bool,
    /// Whether it writes.
    pub access: Access,
}

/// Whether a form of a program reads or changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It only reads, so that it runs in check mode too.
    Reads,
    /// It changes something; what an operator does not say is this.
    #[default]
    Changes,
}

/// What a plugin asks of a program. It only proposes: which arguments hold is what the operator wrote at the program.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProgramRequest {
    /// Why, in words for the operator.
    pub reason: String,
    /// Whether the plugin works without it.
    pub optional: bool,
    /// The program it has in mind, such as `systemctl`.
    pub program: String,
    /// The argument patterns it uses, to be copied into `allow`.
    pub arguments: Vec<Vec<String>>,
    /// Whether these forms change something.
    pub effect: Effect,
    /// Forms beside them that only read, where those change something.
    pub reads: Vec<Vec<String>>,
    /// Names of the environment variables it sets.
    pub environment: Vec<String>,
}

/// What a plugin asks of a network endpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EndpointRequest {
    /// Why, in words for the operator.
    pub reason: String,
    /// Whether several endpoints may be bound.
    pub many: bool,
    /// Whether the plugin works without it.
    pub optional: bool,
    /// HTTP methods; GET and HEAD where it does not say.
    pub methods: Vec<String>,
}

/// The machine's own figures: memory, load, mounts, processes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MachineRequest {
    /// Why, in words for the operator.
    pub reason: String,
    /// Whether the plugin works without it.
    pub optional: bool,
}

/// What earlier runs left.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HistoryRequest {
    /// Why, in words for the operator.
    pub reason: String,
    /// Whether the plugin works without it.
    pub optional: bool,
    /// Tasks whose history it reads, `*` allowed.
    pub tasks: Vec<String>,
}

macro_rules! each {
    ($request:expr, $bound:ident => $body:expr) => {
        match $request {
            Request::Postgres($bound) => $body,
            Request::Redis($bound) => $body,
            Request::Directory($bound) => $body,
            Request::Program($bound) => $body,
            Request::Endpoint($bound) => $body,
            Request::Machine($bound) => $body,
            Request::History($bound) => $body,
        }
    };
}

impl Request {
    /// The kind, as the manifest and the configuration spell it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgres",
            Self::Redis(_) => "redis",
            Self::Directory(_) => "directory",
            Self::Program(_) => "program",
            Self::Endpoint(_) => "endpoint",
            Self::Machine(_) => "machine",
            Self::History(_) => "history",
        }
    }

    /// The interface of the contract that serves this kind.
    pub fn interface(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgres",
            Self::Redis(_) => "redis",
            Self::Directory(_) => "files",
            Self::Program(_) => "shell",
            Self::Endpoint(_) => "network",
            Self::Machine(_) => "machine",
            Self::History(_) => "history",
        }
    }

    /// Why, in the plugin author's words.
    pub fn reason(&self) -> &str {
        each!(self, request => &request.reason)
    }

    /// Whether the plugin works without it.
    pub fn optional(&self) -> bool {
        each!(self, request => request.optional)
    }

    /// Whether several resources may be bound to it.
    pub fn many(&self) -> bool {
        match self {
            Self::Postgres(request) => request.many,
            Self::Redis(request) => request.many,
            Self::Directory(request) => request.many,
            Self::Endpoint(request) => request.many,
            Self::Program(_) | Self::Machine(_) | Self::History(_) => false,
        }
    }

    /// Whether it asks to change something, as far as the manifest alone tells. What a Redis command does is not known
    /// here: `hostler_configuration::changes` has the whole answer.
    pub(crate) fn changes(&self) -> bool {
        match self {
            Self::Postgres(request) => !request.statements.is_empty() || !request.call.is_empty(),
            Self::Redis(_) => false,
            Self::Directory(request) => request.access == Access::Write,
            Self::Program(request) => request.effect == Effect::Changes,
            Self::Endpoint(request) => request.methods.iter().any(|method| method != "GET" && method != "HEAD"),
            Self::Machine(_) | Self::History(_) => false,
        }
    }
}
