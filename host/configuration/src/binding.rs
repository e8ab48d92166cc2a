//! Bindings: a request of a plugin, the resources bound to it, and what the operator grants of it.

use hostler_manifest::Access;
use hostler_policy::sql::PostgresGrant;

use crate::Resource;

/// One resource bound to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The resource's name without its kind: what a plugin sees as the target, and errors and the audit name.
    pub name: String,
    /// The resource.
    pub resource: Resource,
}

/// What a binding allows: at most the request.
#[derive(Debug, Clone, PartialEq)]
pub enum Grant {
    /// Of a PostgreSQL database.
    Postgres(PostgresGrant),
    /// Of a Redis server: ACL words.
    Redis(Vec<String>),
    /// Of a directory.
    Directory(Access),
    /// Of a program: the resource's own forms hold; whether a changing form may be used at all.
    Program {
        /// Whether changing forms are granted.
        changes: bool,
    },
    /// Of an endpoint: the HTTP methods.
    Endpoint(Vec<String>),
    /// The machine's figures.
    Machine,
    /// The history of the tasks that the patterns name.
    History(Vec<String>),
}

/// A request with what is bound to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// The request's name in the manifest.
    pub request: String,
    /// Whether the request takes many.
    pub many: bool,
    /// The resources; exactly one where the request does not take many.
    pub targets: Vec<Target>,
    /// What is granted.
    pub grant: Grant,
}
