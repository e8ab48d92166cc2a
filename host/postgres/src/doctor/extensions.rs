//! Extensions that wait for an update. Those that are as new as the machine's files need no right: nobody may have to be
//! made a member of a superuser for what is not to be done.

use std::collections::BTreeMap;

use hostler_policy::sql::{Right, pattern_is_name, pattern_matches};

use super::{
    Role, ask,
    found::{Found, wanted_by},
    needs::{Needs, Tasks},
};
use crate::session::Session;

/// The statement that is looked at here.
pub(super) const STATEMENT: &str = "ALTER EXTENSION UPDATE";

/// Its owner may, where its scripts do not ask for a superuser or are trusted to be run as one.
const EXTENSIONS: &str = "
    SELECT e.extname, pg_catalog.quote_ident(e.extname), e.extversion, a.default_version, pg_catalog.pg_has_role(e.extowner, 'USAGE'),
        pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(e.extowner)),
        coalesce(v.trusted OR NOT v.superuser, false)
    FROM pg_catalog.pg_extension AS e
    JOIN pg_catalog.pg_available_extensions AS a ON a.name = e.extname
    LEFT JOIN pg_catalog.pg_available_extension_versions AS v ON v.name = a.name AND v.version = a.default_version
    ORDER BY 2";

/// Looks whether the role may update those of this database that wait for it.
pub(super) async fn look(session: &Session, role: &Role, needs: &Needs, place: &str, found: &mut Found) {
    let mut wanted: BTreeMap<&str, Tasks> = BTreeMap::new();
    for (needed, tasks) in &needs.rights {
        if needed.right == Right::Other && needed.statement == STATEMENT {
            wanted.entry(&needed.pattern).or_default().extend(tasks.iter().cloned());
        }
    }
    if wanted.is_empty() {
        return;
    }
    let rows = match ask(session, EXTENSIONS).await {
        Ok(rows) => rows,
        Err(error) => {
            return found.unasked(session, &format!("{place}which extensions {} may update", role.quoted), &error);
        }
    };
    for (pattern, tasks) in wanted {
        let mut seen = false;
        for row in &rows {
            let [plain, name, installed, newest, owns, owner, trusted] = row.as_slice() else { continue };
            if !pattern_matches(pattern, plain) {
                continue;
            }
            seen = true;
            found.asked += 1;
            if role.superuser || installed == newest || (owns == "t" && trusted == "t") {
                continue;
            }
            let by =
                if trusted == "t" { format!("{owner}, who owns it, or a superuser") } else { "a superuser".into() };
            found.lacks(
                format!(
                    "{place}{} may not update the extension {name} from {installed} to {newest}{}",
                    role.quoted,
                    wanted_by(&tasks)
                ),
                format!("ALTER EXTENSION {name} UPDATE;  -- as {by}"),
            );
        }
        if pattern_is_name(pattern) && !seen {
            found.lacks(
                format!("{place}there is no extension {pattern}{}", wanted_by(&tasks)),
                "correct write in the binding".into(),
            );
        }
    }
}
