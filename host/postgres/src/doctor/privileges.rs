//! What a manifest calls a privilege: membership in a role of the server's, ownership, sequences, replication.

use tokio_postgres::Error;

use super::{Lack, Role, ask};
use crate::session::Session;

/// The first release that has `pg_maintain`: before it only an owner may vacuum.
const MAINTAIN_SINCE: u32 = 170_000;

/// Whether a privilege is one of those who own tables.
pub(super) fn is_of_owners(wanted: &str) -> bool {
    wanted.split('|').any(|alternative| alternative.trim() == "owner")
}

/// `None` where one of the alternatives is there. Otherwise what helps is the first of them that this server knows.
pub(super) async fn lack(session: &Session, role: &Role, wanted: &str) -> Result<Option<Lack>, Error> {
    if role.superuser {
        return Ok(None);
    }
    let mut first = None;
    for alternative in wanted.split('|').map(str::trim).filter(|alternative| !alternative.is_empty()) {
        match alternative_lack(session, role, alternative).await? {
            Answer::Has => return Ok(None),
            Answer::Lacks(lack) => first = first.or(Some(lack)),
            Answer::Unknown => {}
        }
    }
    Ok(Some(first.unwrap_or_else(|| Lack {
        problem: format!("the server has no role {wanted}"),
        remedy: format!("-- {wanted} comes with another release, or with an extension"),
    })))
}

enum Answer {
    Has,
    Lacks(Lack),
    Unknown,
}

async fn alternative_lack(session: &Session, role: &Role, wanted: &str) -> Result<Answer, Error> {
    let me = &role.quoted;
    let lacks = |problem: String, remedy: String| Ok(Answer::Lacks(Lack { problem, remedy }));
    match wanted {
        "superuser" => lacks(format!("{me} is no superuser"), format!("ALTER ROLE {me} SUPERUSER;")),
        "replication" if role.replication => Ok(Answer::Has),
        "replication" => lacks(format!("{me} may not replicate"), format!("ALTER ROLE {me} REPLICATION;")),
        "owner" => owner(session, me).await,
        "sequences" => sequences(session, me).await,
        name => {
            let name = name.replace('\'', "''");
            let rows = ask(
                session,
                &format!(
                    "SELECT pg_catalog.quote_ident(rolname), pg_catalog.pg_has_role(oid, 'USAGE') \
                     FROM pg_catalog.pg_roles WHERE rolname = '{name}'"
                ),
            )
            .await?;
            match rows.first().map(Vec::as_slice) {
                Some([_, has]) if has == "t" => Ok(Answer::Has),
                Some([group, _]) => {
                    lacks(format!("{me} is not a member of {group}"), format!("GRANT {group} TO {me};"))
                }
                _ => Ok(Answer::Unknown),
            }
        }
    }
}

/// Whether the role owns every table of the database that is not the system's.
async fn owner(session: &Session, me: &str) -> Result<Answer, Error> {
    let rows = ask(
        session,
        "SELECT pg_catalog.quote_ident(r.rolname), pg_catalog.count(*), pg_catalog.min(c.oid::pg_catalog.regclass::\
         pg_catalog.text) FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_roles AS r ON r.oid = c.relowner WHERE c.relkind IN ('r', 'm', 'p') \
         AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
         AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE') GROUP BY r.rolname ORDER BY 2 DESC, 1",
    )
    .await?;
    let Some([owner, count, table]) = rows.first().map(Vec::as_slice) else { return Ok(Answer::Has) };
    let owners: Vec<_> = rows.iter().filter_map(|row| row.first()).map(String::as_str).collect();
    let remedy = if session.version >= MAINTAIN_SINCE {
        format!("GRANT pg_maintain TO {me};")
    } else {
        format!("GRANT {} TO {me};", owners.join(", "))
    };
    Ok(Answer::Lacks(Lack { problem: format!("{me} does not own {count} tables of {owner}, such as {table}"), remedy }))
}

/// Whether the role may read every sequence that is not the system's.
async fn sequences(session: &Session, me: &str) -> Result<Answer, Error> {
    // Within a CASE, since the server may ask it of a table otherwise, which is an error.
    let rows = ask(
        session,
        "SELECT pg_catalog.count(*), pg_catalog.min(c.oid::pg_catalog.regclass::pg_catalog.text), pg_catalog.string_agg(\
         DISTINCT pg_catalog.quote_ident(n.nspname), ', ') FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n \
         ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' \
         AND CASE WHEN c.relkind = 'S' THEN NOT pg_catalog.has_sequence_privilege(c.oid, 'SELECT,USAGE') ELSE false END",
    )
    .await?;
    let Some([count, sequence, schemas]) = rows.first().map(Vec::as_slice).filter(|row| row[0] != "0") else {
        return Ok(Answer::Has);
    };
    Ok(Answer::Lacks(Lack {
        problem: format!("{me} may not read {count} sequences, such as {sequence}"),
        remedy: format!("GRANT SELECT ON ALL SEQUENCES IN SCHEMA {schemas} TO {me};"),
    }))
}
