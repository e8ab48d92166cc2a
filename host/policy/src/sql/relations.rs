//! Which relations a statement may read.
//!
//! The session's search path is pg_catalog alone, so a name without a schema is the catalogue's, and everything else
//! carries its schema and is granted. The catalogue is open, since maintenance lives on it, less what holds credentials
//! (pg_authid, pg_user_mapping), what holds values of tables (pg_statistic, pg_stats, pg_largeobject), and what holds
//! addresses, paths and commands of the server (pg_settings, pg_hba_file_rules, pg_stat_wal_receiver). Those are
//! readable where the grant spells one out; no `*` reaches them.

use super::PostgresGrant;
use super::pattern::{is_system, pattern_is, pattern_matches, written};
use super::refusal::Refusal;
use super::tree::Node;

/// Relations of pg_catalog that are read only where they are granted by name.
const SECRET: [&str; 15] = [
    "pg_authid",
    "pg_shadow",
    "pg_subscription",
    "pg_db_role_setting",
    "pg_settings",
    "pg_file_settings",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_config",
    "pg_stat_wal_receiver",
    "pg_foreign_server",
    "pg_foreign_table",
    "pg_foreign_data_wrapper",
    "pg_prepared_statements",
    "pg_cursors",
];

/// Families of them.
const SECRET_PREFIXES: [&str; 4] = ["pg_user_mapping", "pg_statistic", "pg_stats", "pg_largeobject"];

/// The schema and the name of a relation; the schema is empty where none was written. A third part, the database, is
/// refused: the server only accepts its own, and the grant speaks of that.
pub(super) fn parts(relation: &Node) -> Result<(&str, &str), Refusal> {
    if !relation.text("catalogname").is_empty() {
        return Err(Refusal::never("a relation written with its database"));
    }
    Ok((relation.text("schemaname"), relation.text("relname")))
}

/// Whether the grant lets `relation`, which is no name of a WITH in scope, be read.
pub(super) fn may_read(grant: &PostgresGrant, relation: &Node) -> Result<(), Refusal> {
    let (schema, name) = parts(relation)?;
    let schema = match schema {
        "" if name.starts_with("pg_") => "pg_catalog",
        "" => return Err(Refusal::Unqualified { name: written(&[name]) }),
        schema => schema,
    };
    let relation = written(&[schema, name]);
    match schema {
        "pg_catalog" | "information_schema" => {
            if is_open(schema, name) || grant.read.iter().any(|pattern| pattern_is(pattern, &relation)) {
                return Ok(());
            }
            Err(Refusal::Secret { relation })
        }
        schema if is_system(schema) => Err(Refusal::never(format!("reading the schema {}", written(&[schema])))),
        _ if grant.read.iter().any(|pattern| pattern_matches(pattern, &relation)) => Ok(()),
        _ => Err(Refusal::Read { relation }),
    }
}

/// Whether a name may be given to a WITH: one that a reader of the audit could take for a secret relation may not.
pub(super) fn may_name(name: &str) -> Result<(), Refusal> {
    if name.starts_with("pg_") && !is_open("pg_catalog", name) {
        return Err(Refusal::never(format!("a WITH called {}", written(&[name]))));
    }
    Ok(())
}

fn is_open(schema: &str, name: &str) -> bool {
    if schema == "information_schema" {
        // The views that begin with `_pg_` and those of options carry the options of foreign servers and users.
        return !name.starts_with('_') && !name.ends_with("_options");
    }
    name.starts_with("pg_") && !SECRET.contains(&name) && !SECRET_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
