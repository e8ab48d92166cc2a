//! The functions that the grants name. What a pattern does not find is not installed, which plugins do without.

use std::collections::{BTreeMap, BTreeSet};

use hostler_policy::sql::{pattern_is_name, pattern_matches};

use super::{
    Role, ask,
    found::{Found, wanted_by},
    needs::{Needs, Tasks},
};
use crate::session::Session;

/// Looks whether the role may execute them, and see into their schemas.
pub(super) async fn look(
    session: &Session,
    role: &Role,
    needs: &Needs,
    place: &str,
    present: &mut BTreeSet<String>,
    found: &mut Found,
) {
    if needs.functions.is_empty() {
        return;
    }
    let rows = ask(
        session,
        "SELECT pg_catalog.quote_ident(n.nspname), pg_catalog.quote_ident(n.nspname) || '.' || \
         pg_catalog.quote_ident(p.proname), p.oid::pg_catalog.regprocedure, \
         pg_catalog.has_schema_privilege(n.oid, 'USAGE'), pg_catalog.has_function_privilege(p.oid, 'EXECUTE'), \
         n.nspname ~ '^pg_' OR n.nspname = 'information_schema' \
         FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace ORDER BY 3",
    )
    .await;
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => {
            return found.unasked(session, &format!("{place}which functions {} may call", role.quoted), &error);
        }
    };
    let me = &role.quoted;
    let mut closed: BTreeMap<&str, Tasks> = BTreeMap::new();
    for (pattern, tasks) in &needs.functions {
        for row in &rows {
            let [schema, name, function, usage, execute, system] = row.as_slice() else { continue };
            // One of the system's own has to be spelled out, as the policy has it.
            if !pattern_matches(pattern, name) || (system == "t" && !pattern_is_name(pattern)) {
                continue;
            }
            present.insert(pattern.clone());
            found.asked += 1;
            if usage != "t" {
                closed.entry(schema).or_default().extend(tasks.iter().cloned());
            }
            if execute != "t" {
                found.lacks(
                    format!("{place}{me} may not call {function}{}", wanted_by(tasks)),
                    format!("GRANT EXECUTE ON ROUTINE {} TO {me};", qualified(schema, function)),
                );
            }
        }
    }
    for (schema, tasks) in closed {
        found.lacks(
            format!("{place}{me} may not look into the schema {schema}{}", wanted_by(&tasks)),
            format!("GRANT USAGE ON SCHEMA {schema} TO {me};"),
        );
    }
}

/// With the schema, which the server leaves out where it is on the session's search path.
fn qualified(schema: &str, function: &str) -> String {
    if function.starts_with(&format!("{schema}.")) { function.into() } else { format!("{schema}.{function}") }
}
