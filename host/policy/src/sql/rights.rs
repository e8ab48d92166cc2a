//! What a server's role needs for what a grant allows: the same knowledge from the server's side.
//!
//! The grant says which statements may act on what; the server asks its own rights of the role again. Both have to be
//! there, and whoever prints a role, or looks at one, learns here which right a statement needs, and on what kinds of
//! object.

use super::PostgresGrant;
use super::pattern::{pattern_halves, pattern_is_name};

/// A right that PostgreSQL asks of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// SELECT.
    Select,
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// TRUNCATE.
    Truncate,
    /// MAINTAIN, from PostgreSQL 17 on; before it the object's owner alone may.
    Maintain,
    /// To own the object: no right on it is enough.
    Own,
    /// CREATE in the object's schema.
    Create,
    /// More than a right on one object.
    Other,
}

impl Right {
    /// As GRANT writes it; nothing where it cannot be granted on an object.
    #[must_use]
    pub fn word(self) -> Option<&'static str> {
        Some(match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Truncate => "TRUNCATE",
            Self::Maintain => "MAINTAIN",
            Self::Create => "CREATE",
            Self::Own | Self::Other => return None,
        })
    }
}

/// A right that the role needs, on what a pattern of the grant names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NeededRight {
    /// The right.
    pub right: Right,
    /// The pattern.
    pub pattern: String,
    /// The statement that needs it, by the grant's words; SELECT for what is read.
    pub statement: String,
    /// The kinds of object that the statement acts on, by the letters of `pg_class.relkind`.
    kinds: &'static str,
}

impl NeededRight {
    /// Whether the statement acts on this kind of object (`pg_class.relkind`) at all.
    #[must_use]
    pub fn acts_on(&self, kind: char) -> bool {
        // Views take changes where they are made for it, and are only meant where they are named.
        let named = matches!(self.right, Right::Select | Right::Insert | Right::Update | Right::Delete)
            && pattern_is_name(&self.pattern);
        self.kinds.contains(kind) || (named && "vmSt".contains(kind))
    }
}

impl PostgresGrant {
    /// The rights on relations that a role needs for everything that this grant allows. Those of the catalogue, which
    /// every role may read, are not among them.
    #[must_use]
    pub fn rights(&self) -> Vec<NeededRight> {
        let mut rights: Vec<NeededRight> = self.read.iter().map(|pattern| needed(pattern, READ)).collect();
        for statement in &self.statements {
            let words: Vec<String> = statement.split_whitespace().map(str::to_ascii_uppercase).collect();
            let words = words.join(" ");
            for (right, kinds) in of_statement(&words) {
                // A name without a schema is an extension's or a database's.
                let on_relations = *right != Right::Other;
                let patterns = self.write.iter().filter(|pattern| pattern_halves(pattern).is_some() == on_relations);
                rights.extend(patterns.map(|pattern| needed(pattern, (*right, &words, kinds))));
            }
        }
        rights
    }
}

const READ: (Right, &str, &str) = (Right::Select, "SELECT", "rpvmf");

fn needed(pattern: &str, (right, statement, kinds): (Right, &str, &'static str)) -> NeededRight {
    NeededRight { right, pattern: pattern.into(), statement: statement.into(), kinds }
}

/// What a statement needs, by the words of the grant.
fn of_statement(words: &str) -> &'static [(Right, &'static str)] {
    let begins = |with: &str| words == with || words.strip_prefix(with).is_some_and(|rest| rest.starts_with(' '));
    let table: [(&str, &'static [(Right, &'static str)]); 20] = [
        ("INSERT", &[(Right::Insert, "rpf")]),
        ("UPDATE", &[(Right::Update, "rpf")]),
        ("DELETE", &[(Right::Delete, "rpf")]),
        ("TRUNCATE", &[(Right::Truncate, "rpf")]),
        // Its actions are granted by their own words.
        ("MERGE", &[]),
        ("VACUUM", &[(Right::Maintain, "rpmt")]),
        ("ANALYZE", &[(Right::Maintain, "rpmf")]),
        ("REINDEX", &[(Right::Maintain, "rpmi")]),
        ("CLUSTER", &[(Right::Maintain, "rpm")]),
        ("REFRESH MATERIALIZED VIEW", &[(Right::Maintain, "m")]),
        ("DROP TABLE", &[(Right::Own, "rpf")]),
        ("DROP INDEX", &[(Right::Own, "iI")]),
        ("DROP VIEW", &[(Right::Own, "v")]),
        ("DROP MATERIALIZED VIEW", &[(Right::Own, "m")]),
        ("ALTER TABLE", &[(Right::Own, "rpf")]),
        ("CREATE INDEX", &[(Right::Own, "rpm"), (Right::Create, "")]),
        ("CREATE UNIQUE INDEX", &[(Right::Own, "rpm"), (Right::Create, "")]),
        ("CREATE TABLE PARTITION OF", &[(Right::Own, "p"), (Right::Create, "")]),
        ("CREATE TABLE", &[(Right::Create, "")]),
        ("SELECT", &[]),
    ];
    table.iter().find(|(with, _)| begins(with)).map_or(&[(Right::Other, "")], |(_, rights)| rights)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(grant: &PostgresGrant) -> Vec<String> {
        let rights = grant.rights();
        rights.iter().map(|needed| format!("{:?} {} {}", needed.right, needed.pattern, needed.statement)).collect()
    }

    #[test]
    fn each_statement_needs_its_right_on_what_it_acts_on() {
        let grant = PostgresGrant {
            read: vec!["public.metrics".into()],
            write: vec!["shop.*".into(), "amcheck".into()],
            statements: vec!["delete".into(), "VACUUM  full".into(), "ALTER EXTENSION UPDATE".into()],
            ..PostgresGrant::default()
        };
        assert_eq!(
            told(&grant),
            [
                "Select public.metrics SELECT",
                "Delete shop.* DELETE",
                "Maintain shop.* VACUUM FULL",
                "Other amcheck ALTER EXTENSION UPDATE"
            ]
        );
        assert_eq!(told(&PostgresGrant { statements: vec![], ..grant }), ["Select public.metrics SELECT"]);
    }

    #[test]
    fn a_pattern_means_tables_and_a_name_what_it_names() {
        let grant = |pattern: &str| PostgresGrant {
            write: vec![pattern.into()],
            statements: vec!["INSERT".into()],
            ..PostgresGrant::default()
        };
        let acts = |pattern: &str, kind| grant(pattern).rights()[0].acts_on(kind);
        assert!(acts("shop.*", 'r') && !acts("shop.*", 'v') && !acts("shop.*", 'i'));
        assert!(acts("shop.open_orders", 'v') && !acts("shop.open_orders", 'i'));
    }

    /// The words of every rule stand in the table, or are of a kind that no right on a relation is enough for.
    #[test]
    fn no_statement_on_relations_is_forgotten() {
        for words in [
            "ALTER TABLE DETACH PARTITION CONCURRENTLY",
            "REINDEX CONCURRENTLY",
            "TRUNCATE CASCADE",
            "CREATE TABLE PARTITION OF",
        ] {
            assert!(of_statement(words).iter().all(|(right, _)| *right != Right::Other), "{words}");
        }
        for words in ["CREATE DATABASE", "DROP DATABASE FORCE", "ALTER EXTENSION UPDATE", "CREATE TABLES"] {
            assert_eq!(of_statement(words), [(Right::Other, "")], "{words}");
        }
    }
}
