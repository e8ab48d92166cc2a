//! The resource's own database, and the others of its server that a grant lets a task open: each is looked into.

use std::collections::BTreeSet;

use hostler_configuration::PostgresResource;
use hostler_policy::sql::{Right, pattern_is_name};

use super::{
    Role, ask, extensions,
    found::{Found, wanted_by},
    functions,
    needs::Needs,
    open, relations, schemas,
};
use crate::{environment::Environment, grant, session::Session};

/// More databases than these are not looked into, and named as such.
const MOST: usize = 20;

/// Looks at all that the grants name.
pub(super) async fn look(
    name: &str,
    resource: &PostgresResource,
    environment: &Environment,
    session: &Session,
    role: &Role,
    needs: &Needs,
    found: &mut Found,
) {
    let mut present = BTreeSet::new();
    let before = found.silent;
    within(session, role, needs, "", &mut present, found).await;
    let mut looked = vec![format!("the database {}", session.names.database)];
    if !needs.databases.is_empty() {
        for database in others(session, role, needs, found).await {
            let place = format!("in the database {database}: ");
            let covers = |pattern: &String| grant::matches(pattern, &database);
            let needs = needs.within(|grant| grant.databases.iter().any(covers));
            match open(name, resource, Some(&database), environment).await {
                Ok(session) => within(&session, role, &needs, &place, &mut present, found).await,
                Err(error) => {
                    found.silent += 1;
                    let problem = format!("{place}what {} may do is not known: {}", role.quoted, error.finding());
                    found.unknown(problem, error.remedy());
                }
            }
            looked.push(database);
        }
    }
    let whole = found.silent == before;
    absent(needs, &present, &looked, whole, found);
    let other = needs.rights.iter().filter(|(needed, _)| needed.right == Right::Other);
    for (needed, tasks) in other.filter(|(needed, _)| needed.statement != extensions::STATEMENT) {
        found.unknown(
            format!(
                "whether {} may {} on {} is not looked at{}",
                role.quoted,
                needed.statement,
                needed.pattern,
                wanted_by(tasks)
            ),
            "its owner may; hostler plan shows what the task would do".into(),
        );
    }
}

async fn within(
    session: &Session,
    role: &Role,
    needs: &Needs,
    place: &str,
    present: &mut BTreeSet<String>,
    found: &mut Found,
) {
    schemas::look(session, role, needs, place, found).await;
    extensions::look(session, role, needs, place, found).await;
    relations::look(session, role, needs, place, present, found).await;
    functions::look(session, role, needs, place, present, found).await;
}

/// The other databases that may be opened, and are let in to.
async fn others(session: &Session, role: &Role, needs: &Needs, found: &mut Found) -> Vec<String> {
    let rows = ask(
        session,
        "SELECT d.datname, pg_catalog.quote_ident(d.datname), pg_catalog.has_database_privilege(d.oid, 'CONNECT') \
         FROM pg_catalog.pg_database AS d WHERE d.datallowconn AND d.datname <> pg_catalog.current_database() ORDER BY 1",
    )
    .await;
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => {
            found.unasked(session, "which databases the server has", &error);
            return vec![];
        }
    };
    let mut open = Vec::new();
    for (pattern, tasks) in &needs.databases {
        let covered = |row: &&Vec<String>| row.first().is_some_and(|name| grant::matches(pattern, name));
        let mut rows = rows.iter().filter(covered).peekable();
        if rows.peek().is_none() && !pattern.contains('*') && *pattern != session.names.database {
            found.lacks(
                format!("there is no database {pattern}, or none that takes connections{}", wanted_by(tasks)),
                "correct databases in the binding, or make it".into(),
            );
        }
        for row in rows {
            let [name, quoted, connects] = row.as_slice() else { continue };
            found.asked += 1;
            if connects != "t" {
                found.lacks(
                    format!("{} may not connect to the database {quoted}{}", role.quoted, wanted_by(tasks)),
                    format!("GRANT CONNECT ON DATABASE {quoted} TO {};", role.quoted),
                );
            } else if !open.contains(name) {
                open.push(name.clone());
            }
        }
    }
    if open.len() > MOST {
        found.silent += 1;
        found.unknown(
            format!("{} more databases were not looked into, such as {}", open.len() - MOST, open[MOST]),
            "narrow databases in the bindings to look into those that matter".into(),
        );
        open.truncate(MOST);
    }
    open
}

/// What is named and was seen nowhere.
fn absent(needs: &Needs, present: &BTreeSet<String>, looked: &[String], whole: bool, found: &mut Found) {
    let place = looked.join(", ");
    let relations = needs.named();
    let relations = relations.iter().map(|(name, (_, tasks))| (*name, "read or write", tasks));
    let functions = needs.functions.iter().filter(|(name, _)| pattern_is_name(name));
    let functions = functions.map(|(name, tasks)| (name.as_str(), "functions or call", tasks));
    for (name, keys, tasks) in relations.chain(functions).filter(|(name, ..)| !present.contains(*name)) {
        let problem = format!("{name} does not exist in {place}{}", wanted_by(tasks));
        let remedy = format!(
            "make it, or correct {keys} in the binding; names are as the server has them, in \"…\" where they hold capitals or dots"
        );
        if whole { found.lacks(problem, remedy) } else { found.unknown(problem, remedy) }
    }
}
