//! What `hostler doctor` finds out about a database: whether it can be reached, and what the role lacks.
//!
//! The server is asked what its role may do (`has_table_privilege` and its kind), in a session that can change nothing;
//! no statement of a task is tried. What could not be asked, or is not decided by the rights that a server tells of, is
//! told as unknown: an answer that is missing is never taken for a good one.

mod databases;
mod extensions;
mod found;
mod functions;
mod needs;
mod privileges;
mod relations;
mod schemas;

use std::sync::Arc;

use hostler_configuration::{FileError, PostgresResource};
use hostler_policy::sql::{PostgresGrant, Right};
use tokio_postgres::SimpleQueryMessage;

use crate::{
    connect::connect,
    destination::Destination,
    environment::Environment,
    errors::{ConnectError, connecting},
    session::Session,
};

use found::Found;
pub use found::Lack;
use needs::Needs;

/// What a resource is asked for by what is bound to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Each is the name of a role to be a member of, `owner`, `sequences`, `superuser` or `replication`; `a | b` is one
    /// of them.
    pub privileges: Vec<String>,
    /// Who is granted what; the first is told beside what is lacking, such as `tasks.nightly`.
    pub grants: Vec<(String, PostgresGrant)>,
}

/// What a look at a database found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// 150018 for 15.18.
    pub version: u32,
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// The role, as SQL writes it.
    pub role: String,
    /// How many rights were asked about.
    pub asked: usize,
    /// What the role lacks.
    pub lacks: Vec<Lack>,
    /// What could not be found out, and what to do about that.
    pub unknown: Vec<Lack>,
}

/// The role of a session.
struct Role {
    quoted: String,
    superuser: bool,
    replication: bool,
}

/// Connects to a resource (`name` without its kind), and looks which of the wanted privileges and rights the role has.
///
/// # Errors
/// Why it cannot be reached.
pub async fn examine(
    name: &str,
    resource: &PostgresResource,
    asked: &Asked,
    environment: &Environment,
) -> Result<Examination, ConnectError> {
    let name = format!("postgres.{name}");
    let session = open(&name, resource, None, environment).await?;
    let rows = ask(
        &session,
        "SELECT pg_catalog.quote_ident(r.rolname), r.rolsuper, r.rolreplication, pg_catalog.pg_is_in_recovery() \
         FROM pg_catalog.pg_roles AS r WHERE r.rolname = CURRENT_USER",
    )
    .await
    .map_err(|error| connecting(&name, &error, false))?;
    let row = rows.into_iter().next().unwrap_or_default();
    let is = |index: usize| row.get(index).is_some_and(|value| value == "t");
    let role = Role { quoted: row.first().cloned().unwrap_or_default(), superuser: is(1), replication: is(2) };
    let mut found = Found::default();
    let needs = Needs::of(&asked.grants);
    for wanted in &asked.privileges {
        found.asked += 1;
        match privileges::lack(&session, &role, wanted).await {
            Ok(lack) => found.lacks.extend(lack),
            Err(error) => found.unasked(&session, &format!("whether {} has {wanted}", role.quoted), &error),
        }
    }
    databases::look(&name, resource, environment, &session, &role, &needs, &mut found).await;
    found.lacks.dedup();
    Ok(Examination {
        version: session.version,
        in_recovery: is(3),
        role: role.quoted,
        asked: found.asked,
        lacks: found.lacks,
        unknown: found.unknown,
    })
}

/// The privileges of a request that its grant does not stand for: whether a role owns what it tidies up is looked at
/// object by object, where the grant says which.
pub fn beside_grant<'a>(privileges: &'a [String], grant: &PostgresGrant) -> impl Iterator<Item = &'a String> {
    let maintains = grant.rights().iter().any(|needed| needed.right == Right::Maintain);
    privileges.iter().filter(move |wanted| !maintains || !privileges::is_of_owners(wanted))
}

/// What is wrong with libpq's password file, which is left out then; nothing where the resource has a password itself.
#[must_use]
pub fn left_out(resource: &PostgresResource, environment: &Environment) -> Option<FileError> {
    Destination::read(resource, None, environment).ok()?.left_out()
}

async fn open(
    name: &str,
    resource: &PostgresResource,
    database: Option<&str>,
    environment: &Environment,
) -> Result<Session, ConnectError> {
    let destination = Destination::read(resource, database, environment)
        .map_err(|problem| ConnectError::Configuration { resource: name.into(), problem })?;
    connect(name, &destination, &Arc::from("doctor"), "hostler doctor").await
}

/// The rows of an answer, in which NULL is empty.
async fn ask(session: &Session, question: &str) -> Result<Vec<Vec<String>>, tokio_postgres::Error> {
    let messages = session.client.simple_query(question).await?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|index| row.get(index).unwrap_or_default().to_owned()).collect())
        }
        _ => None,
    });
    Ok(rows.collect())
}
