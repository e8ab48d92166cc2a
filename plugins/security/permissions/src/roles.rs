//! Roles and what each may beyond its own tables. What counts is what a role can become: a member of a superuser's role is
//! one by `SET ROLE`, and whoever may run programs on the server is one by the next statement.

use hostler_sdk::postgres::Database;
use hostler_sdk::prelude::*;
use hostler_sdk::quote_identifier;

use crate::right::{Found, Level, Right};

const ROLES: &str = "
    SELECT r.rolname::text AS name, r.rolsuper AS superuser, r.rolcreaterole AS createrole, r.rolbypassrls AS bypassrls,
        r.rolreplication AS replication, r.rolcanlogin AS login,
        CASE WHEN isfinite(r.rolvaliduntil) THEN extract(epoch FROM now() - r.rolvaliduntil)::float8 END AS expired_for,
        (SELECT string_agg(s.rolname::text, ', ' ORDER BY s.rolname) FROM pg_roles s
            WHERE s.rolsuper AND s.oid <> r.oid AND NOT r.rolsuper AND pg_has_role(r.oid, s.oid, 'MEMBER')) AS through,
        (SELECT string_agg(s.rolname::text, ', ' ORDER BY s.rolname) FROM pg_roles s
            WHERE s.rolname IN ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files')
                AND NOT r.rolsuper AND pg_has_role(r.oid, s.oid, 'MEMBER')) AS server_access
    FROM pg_roles r WHERE r.rolname NOT LIKE 'pg\\_%' ORDER BY 1";

/// From this version on, who may create roles may only grant what they have.
const BOUNDED_CREATEROLE: u32 = 160_000;

/// One role.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) superuser: bool,
    pub(crate) createrole: bool,
    pub(crate) bypassrls: bool,
    pub(crate) replication: bool,
    pub(crate) login: bool,
    /// Since when its password serves no more; negative while it does, nothing where it always will.
    pub(crate) expired_for: Option<f64>,
    /// Superusers that it can become.
    pub(crate) through: Option<String>,
    /// Predefined roles by which it reaches the server's files and programs.
    pub(crate) server_access: Option<String>,
}

impl Role {
    pub(crate) async fn all(database: &Database) -> Result<Vec<Self>, TaskError> {
        Self::read(&database.query(ROLES, &[]).await?.rows().await?)
    }

    pub(crate) fn read(rows: &Rows) -> Result<Vec<Self>, TaskError> {
        let role = |row: Row| {
            Ok(Self {
                name: row.get("name")?,
                superuser: row.get("superuser")?,
                createrole: row.get("createrole")?,
                bypassrls: row.get("bypassrls")?,
                replication: row.get("replication")?,
                login: row.get("login")?,
                expired_for: row.get("expired_for")?,
                through: row.get("through")?,
                server_access: row.get("server_access")?,
            })
        };
        rows.iter().map(role).collect()
    }

    /// Its rights that are watched. A superuser has all of them, and is told once.
    pub(crate) fn rights(&self, version: u32, found: &mut Found) {
        let quoted = quote_identifier(&self.name);
        let mut add = |level, kind, means: String, remedy: String| {
            found.right(Right { level, area: "postgres", kind, name: self.name.clone(), means, remedy });
        };
        if self.superuser {
            add(Level::Everything, "superuser", "is a superuser".into(), format!("ALTER ROLE {quoted} NOSUPERUSER;"));
            return;
        }
        if let Some(through) = &self.through {
            let remedy = format!("REVOKE {through} FROM {quoted};");
            add(Level::Everything, "superuser", format!("can become the superuser {through} by SET ROLE"), remedy);
        }
        if let Some(access) = &self.server_access {
            let means = format!("reaches the server's files or programs through {access}, as good as a superuser");
            add(Level::Everything, "server-access", means, format!("REVOKE {access} FROM {quoted};"));
        }
        if self.createrole {
            let (level, means) = if version < BOUNDED_CREATEROLE {
                (Level::Everything, "may create roles, and before PostgreSQL 16 give itself any but a superuser's")
            } else {
                (Level::Some, "may create roles")
            };
            add(level, "createrole", means.into(), format!("ALTER ROLE {quoted} NOCREATEROLE;"));
        }
        if self.bypassrls {
            let means = "sees every row whatever row level security says";
            add(Level::Some, "bypassrls", means.into(), format!("ALTER ROLE {quoted} NOBYPASSRLS;"));
        }
        if self.replication {
            let means = "may copy the whole server by replication";
            add(Level::Some, "replication", means.into(), format!("ALTER ROLE {quoted} NOREPLICATION;"));
        }
    }
}
