//! A database: whether the role is let in, and what it lacks of what the tasks need.

use hostler_configuration::{FileProblem, PostgresResource};
use hostler_postgres::{ConnectError, Environment, Examination, left_out};

use super::{Examined, bad, good, unknown, wanted::Asked, warning};

pub(super) async fn examine(name: &str, short: &str, resource: &PostgresResource, asked: &Asked) -> Vec<Examined> {
    let environment = Environment::of_this_process();
    let wanted = hostler_postgres::Asked {
        privileges: asked.privileges.iter().cloned().collect(),
        grants: asked.grants.clone(),
    };
    let found = hostler_postgres::examine(short, resource, &wanted, &environment).await;
    let left_out = left_out(resource, &environment);
    let mut examined = match &found {
        Ok(found) => of_role(name, found),
        Err(error) => vec![bad(name.into(), error.finding(), Some(remedy(error, name)))],
    };
    // Where the server lets the role in, a file that is not there is missed by nobody.
    let missed = matches!(&found, Err(ConnectError::Refused { .. } | ConnectError::Configuration { .. }));
    let left_out = left_out.filter(|error| missed || matches!(error.problem, FileProblem::Loose(_)));
    examined.extend(left_out.map(|error| {
        let finding = format!("{}: no password is read from it, as with libpq", error.finding());
        warning(name, finding, Some(error.remedy()))
    }));
    examined
}

fn of_role(name: &str, found: &Examination) -> Vec<Examined> {
    let kind = if found.in_recovery { "a standby" } else { "a primary" };
    let version = format!("{}.{}", found.version / 10_000, found.version % 10_000);
    let mut words = format!("PostgreSQL {version} answers as the role {}, {kind}", found.role);
    if found.lacks.is_empty() && found.unknown.is_empty() && found.asked > 0 {
        words.push_str(", and the role may do what its tasks need");
    }
    let mut examined = vec![good(name.into(), words)];
    examined.extend(found.lacks.iter().map(|lack| warning(name, lack.problem.clone(), Some(lack.remedy.clone()))));
    examined.extend(found.unknown.iter().map(|lack| unknown(name, lack.problem.clone(), Some(lack.remedy.clone()))));
    examined
}

/// What to do, and for a role that is not let in the command that prints it.
fn remedy(error: &ConnectError, name: &str) -> String {
    let remedy = error.remedy();
    let of_role = matches!(error, ConnectError::Refused { code, .. } if code == "28000" || code == "42501");
    if of_role { format!("{remedy}\nhostler roles {name} prints the role with its rights, as SQL") } else { remedy }
}
