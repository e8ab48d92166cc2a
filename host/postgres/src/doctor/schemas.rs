//! Schemas in which objects are made.

use std::collections::BTreeMap;

use hostler_policy::sql::{Right, pattern_halves, pattern_is_name, pattern_matches};

use super::{
    Role, ask,
    found::{Found, wanted_by},
    needs::{Needs, Tasks},
};
use crate::session::Session;

/// Looks whether the role may make objects where the grants say that it does.
pub(super) async fn look(session: &Session, role: &Role, needs: &Needs, place: &str, found: &mut Found) {
    let mut wanted: BTreeMap<&str, Tasks> = BTreeMap::new();
    for (needed, tasks) in needs.rights.iter().filter(|(needed, _)| needed.right == Right::Create) {
        if let Some((schema, _)) = pattern_halves(&needed.pattern) {
            wanted.entry(schema).or_default().extend(tasks.iter().cloned());
        }
    }
    if wanted.is_empty() {
        return;
    }
    let rows = ask(
        session,
        "SELECT pg_catalog.quote_ident(n.nspname), pg_catalog.has_schema_privilege(n.oid, 'CREATE'), \
         n.nspname ~ '^pg_' OR n.nspname = 'information_schema' FROM pg_catalog.pg_namespace AS n ORDER BY 1",
    )
    .await;
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => return found.unasked(session, &format!("{place}where {} may make tables", role.quoted), &error),
    };
    for (pattern, tasks) in wanted {
        let named = pattern_is_name(pattern);
        let mut seen = false;
        for row in &rows {
            let [schema, creates, system] = row.as_slice() else { continue };
            if !pattern_matches(pattern, schema) || (system == "t" && !named) {
                continue;
            }
            seen = true;
            found.asked += 1;
            if creates != "t" {
                found.lacks(
                    format!("{place}{} may not make tables in the schema {schema}{}", role.quoted, wanted_by(&tasks)),
                    format!("GRANT CREATE ON SCHEMA {schema} TO {};", role.quoted),
                );
            }
        }
        if named && !seen {
            found.lacks(
                format!("{place}there is no schema {pattern}, in which tables are to be made{}", wanted_by(&tasks)),
                "make it, or correct write in the binding".into(),
            );
        }
    }
}
