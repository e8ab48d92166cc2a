//! Which PostgreSQL statements a grant allows.
//!
//! A plugin sends SQL, and the database's role is the strongest wall behind it; this is the wall in front. Neither a
//! list of forbidden words nor a read-only transaction is one: inside such a transaction `set_config('role', …)`,
//! `pg_terminate_backend` and `lo_create` succeed, and `table_to_xml('pg_authid', …)` returns its rows. So each
//! statement is parsed by PostgreSQL's own grammar, every node of the tree is looked at, and what no rule allows is
//! refused: relations, functions, operators, types, settings, fields, and kinds of node that nobody has heard of.
//!
//! The rules rest on what the host fixes for every session: `search_path = pg_catalog`, so that a name without a
//! schema is the catalogue's; `standard_conforming_strings = on` and UTF-8, so that the server reads a text as it was
//! read here; and no temporary relation ever, since one would come before the catalogue.
//!
//! ```
//! use hostler_policy::sql::PostgresGrant;
//!
//! let grant = PostgresGrant { statements: vec!["VACUUM".into()], write: vec!["public.*".into()], ..Default::default() };
//! assert!(grant.query("SELECT relname FROM pg_stat_user_tables -- the largest first").is_ok());
//! assert!(grant.query("SELECT rolpassword FROM pg_authid").is_err());
//!
//! let change = grant.execute("VACUUM (ANALYZE, SKIP_LOCKED) public.orders;").unwrap();
//! assert_eq!((change.words.as_str(), change.objects[0].as_str()), ("VACUUM", "public.orders"));
//!
//! let refusal = grant.execute("VACUUM FULL public.orders").err().unwrap();
//! assert_eq!(refusal.rule(), r#"statements = ["VACUUM FULL"]"#);
//! ```

mod change;
mod define;
mod functions;
mod grant;
mod lists;
mod maintain;
mod objects;
mod pattern;
mod read;
mod refusal;
mod relations;
mod rights;
mod rows;
mod serialise;
mod settings;
mod statement;
mod tree;
mod walk;

#[cfg(test)]
mod properties;

pub use change::ChangeStatement;
pub use grant::PostgresGrant;
pub use pattern::{pattern_covers, pattern_halves, pattern_is_name, pattern_matches};
pub use read::{ReadKind, ReadStatement};
pub use refusal::Refusal;
pub use rights::{NeededRight, Right};

impl PostgresGrant {
    /// Judges a statement that reads: SELECT, WITH, TABLE, VALUES, SHOW, or EXPLAIN of one of these.
    ///
    /// # Errors
    ///
    /// The first thing in the statement that the grant does not allow.
    pub fn query(&self, sql: &str) -> Result<ReadStatement, Refusal> {
        read::query(self, sql)
    }

    /// Judges a statement that changes.
    ///
    /// # Errors
    ///
    /// The first thing in the statement that the grant does not allow.
    pub fn execute(&self, sql: &str) -> Result<ChangeStatement, Refusal> {
        change::execute(self, sql)
    }

    /// Judges the query of `COPY (query) TO STDOUT`.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and for SHOW and EXPLAIN, which cannot be copied.
    pub fn copy_out(&self, sql: &str) -> Result<ReadStatement, Refusal> {
        read::copy_out(self, sql)
    }

    /// Judges a session setting that a statement is to run with. The value is safe to write between quotes.
    ///
    /// # Errors
    ///
    /// Where the setting is not granted, is not one that a task may set at all, or cannot have the value.
    pub fn setting(&self, name: &str, value: &str) -> Result<(), Refusal> {
        settings::may_set(self, name, value)
    }
}
