//! The grant itself, as a binding writes it. Nothing in it is a rule: the modules beside this one hold statements to it.

use serde::Serialize;

/// What a grant on a PostgreSQL request allows beyond reading the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PostgresGrant {
    /// Relations that may be read: patterns `schema.name`, with `*` in each half. A `*` in the schema does not reach
    /// `pg_*` and information_schema, and relations of the catalogue that hold secrets are named in full.
    pub read: Vec<String>,
    /// Objects that statements act on: patterns `schema.name`, and a single `name` for extensions and databases.
    pub write: Vec<String>,
    /// Statements by their words, with the options that change lock or reach: `VACUUM`, `VACUUM FULL`.
    pub statements: Vec<String>,
    /// Functions and procedures that change, as `schema.function`, called alone by `execute`.
    pub call: Vec<String>,
    /// Functions that only read, as `schema.function`: those of extensions, and of pg_catalog where spelled out.
    pub functions: Vec<String>,
    /// Session settings that a statement may be run with.
    pub settings: Vec<String>,
    /// Other databases of the same server that may be opened.
    pub databases: Vec<String>,
    /// How many connections the task may hold at once.
    pub connections: u32,
}

impl Default for PostgresGrant {
    /// The catalogue, read over four connections, and nothing else.
    fn default() -> Self {
        PostgresGrant {
            read: Vec::new(),
            write: Vec::new(),
            statements: Vec::new(),
            call: Vec::new(),
            functions: Vec::new(),
            settings: Vec::new(),
            databases: Vec::new(),
            connections: 4,
        }
    }
}
