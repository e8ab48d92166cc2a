//! A PostgreSQL role as SQL: it may connect, belongs to the roles that the plugins name, and may read, call and change
//! what the bindings name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use hostler_capability::Grant;
use hostler_configuration::{PostgresResource, user_and_database};
use hostler_policy::sql::pattern_halves;

use super::Needs;

pub(super) fn role(text: &mut String, resource: &PostgresResource, needs: &Needs) {
    let (user, database) = user_and_database(&resource.dsn);
    if user.is_none() {
        text.push_str("-- its dsn names no user; hostler stands for it here\n");
    }
    let role = quote(user.as_deref().unwrap_or("hostler"));
    match &database {
        Some(database) => {
            let _ = writeln!(text, "-- run by a superuser, in the database {}", quote(database));
        }
        None => text.push_str("-- run by a superuser, in the database that the dsn leads to\n"),
    }
    // A role that is there already stays as it is.
    let _ = writeln!(text, "DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;");
    let _ = writeln!(text, "-- its password: \\password {role} in psql, and into the resource's password_file");
    match &database {
        Some(database) => drop(writeln!(text, "GRANT CONNECT ON DATABASE {} TO {role};", quote(database))),
        None => text.push_str(&each(
            "pg_database d",
            "d.datname = current_database()",
            &format!("GRANT CONNECT ON DATABASE %I TO {role}"),
            "d.datname",
        )),
    }
    for privilege in &needs.privileges {
        privileged(text, privilege, &role);
    }
    objects(text, needs, &role);
}

/// What a manifest calls a privilege: a role of the server, `owner`, `sequences`, `replication`, `superuser`; `a | b`
/// is one of them, and on a release that lacks the first the next one helps.
fn privileged(text: &mut String, privilege: &str, role: &str) {
    let alternatives: Vec<&str> =
        privilege.split('|').map(str::trim).filter(|alternative| !alternative.is_empty()).collect();
    for (place, alternative) in alternatives.iter().enumerate() {
        match *alternative {
            "owner" => {
                let instead = if place == 0 { "" } else { ", where the release lacks the role above" };
                let _ = writeln!(
                    text,
                    "-- owner{instead}: only the owner of a table may vacuum it before PostgreSQL 17. For each owner:\n\
                     -- GRANT OWNER TO {role};  -- all rights of that owner; where that is too much, leave it out: the plugin says what it left"
                );
            }
            "sequences" => text.push_str(
                &("-- how far sequences have come\n".to_owned()
                    + &each(
                        "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace",
                        "c.relkind = 'S' AND n.nspname !~ '^pg_'",
                        &format!("GRANT SELECT ON SEQUENCE %I.%I TO {role}"),
                        "n.nspname, c.relname",
                    )),
            ),
            "replication" => drop(writeln!(text, "ALTER ROLE {role} REPLICATION;")),
            "superuser" => drop(writeln!(text, "-- ALTER ROLE {role} SUPERUSER;  -- asked for; no wall is left then")),
            name if alternatives.len() == 1 => drop(writeln!(text, "GRANT {} TO {role};", quote(name))),
            name => text.push_str(&each(
                "pg_roles r",
                &format!("r.rolname = {}", literal(name)),
                &format!("GRANT %I TO {role}"),
                "r.rolname",
            )),
        }
    }
}

/// What the grants name: relations that are read, functions, and what INSERT and its kind act on.
fn objects(text: &mut String, needs: &Needs, role: &str) {
    let mut tables: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut functions: BTreeSet<&str> = BTreeSet::new();
    let mut databases: BTreeSet<&str> = BTreeSet::new();
    // Whoever names an object has to see into its schema, whatever is done to it.
    let mut schemas: BTreeSet<String> = BTreeSet::new();
    for grant in &needs.grants {
        let Grant::Postgres(grant) = grant else { continue };
        for pattern in &grant.read {
            tables.entry(pattern).or_default().insert("SELECT");
        }
        for words in &grant.statements {
            let Some(right) = table_right(words) else { continue };
            for pattern in &grant.write {
                tables.entry(pattern).or_default().insert(right);
            }
        }
        let acted_on: &[String] = if grant.statements.is_empty() { &[] } else { &grant.write };
        let named = grant.read.iter().chain(acted_on).filter(|pattern| pattern.contains('.'));
        schemas.extend(named.map(|pattern| halves(pattern).0));
        functions.extend(grant.functions.iter().chain(&grant.call).map(String::as_str));
        databases.extend(grant.databases.iter().map(String::as_str));
    }
    for schema in schemas {
        usage(text, &schema, role);
    }
    for (pattern, rights) in tables {
        let rights: Vec<&str> = rights.into_iter().collect();
        relations(text, pattern, &rights.join(", "), role);
    }
    if !functions.is_empty() {
        let (from, wanted) =
            ("pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace", any_of(&functions, "p.proname"));
        let names: Vec<&str> = functions.into_iter().collect();
        let _ = writeln!(text, "-- the functions {}, as far as they are installed", names.join(", "));
        text.push_str(&each(
            from,
            &format!("n.nspname !~ '^pg_' AND ({wanted})"),
            &format!("GRANT USAGE ON SCHEMA %I TO {role}"),
            "n.nspname",
        ));
        text.push_str(&each(from, &wanted, &format!("GRANT EXECUTE ON ROUTINE %s TO {role}"), "p.oid::regprocedure"));
    }
    for pattern in databases {
        text.push_str(&each(
            "pg_database d",
            &format!("d.datallowconn AND {}", matching("d.datname", pattern)),
            &format!("GRANT CONNECT ON DATABASE %I TO {role}"),
            "d.datname",
        ));
        let _ = writeln!(text, "-- run all of this in each of those databases, too");
    }
}

/// The right on a table that a statement takes; nothing where it takes more than a right.
fn table_right(words: &str) -> Option<&'static str> {
    let first = words.split_whitespace().next()?;
    ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"].into_iter().find(|right| first.eq_ignore_ascii_case(right))
}

/// Whether a schema is the operator's, in SQL.
const OF_THE_OPERATOR: &str = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

fn usage(text: &mut String, schema: &str, role: &str) {
    if schema.contains('*') {
        let grant = format!("GRANT USAGE ON SCHEMA %I TO {role}");
        text.push_str(&each("pg_namespace n", &schemas(schema), &grant, "n.nspname"));
    } else if !schema.starts_with("pg_") && schema != "information_schema" {
        let _ = writeln!(text, "GRANT USAGE ON SCHEMA {} TO {role};", quote(schema));
    }
}

fn schemas(pattern: &str) -> String {
    match pattern {
        "*" => OF_THE_OPERATOR.into(),
        pattern => format!("{OF_THE_OPERATOR} AND {}", matching("n.nspname", pattern)),
    }
}

fn relations(text: &mut String, pattern: &str, rights: &str, role: &str) {
    let (schema, name) = halves(pattern);
    if !pattern.contains('*') {
        let _ = writeln!(text, "GRANT {rights} ON {}.{} TO {role};", quote(&schema), quote(&name));
        return;
    }
    text.push_str(&each(
        "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace",
        &format!(
            "c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {} AND {}",
            schemas(&schema),
            matching("c.relname", &name)
        ),
        &format!("GRANT {rights} ON %I.%I TO {role}"),
        "n.nspname, c.relname",
    ));
    let _ = writeln!(text, "-- {pattern} is granted on what is there now; run it again when there is more");
}

/// A statement for each row of the catalogue.
fn each(from: &str, wanted: &str, statement: &str, names: &str) -> String {
    // The statement is a literal within a block that `$$` quotes.
    let statement = statement.replace('\'', "''");
    format!(
        "DO $$ DECLARE s text; BEGIN\n  FOR s IN SELECT DISTINCT format('{statement}', {names})\n    FROM {from}\n    \
         WHERE {wanted}\n  LOOP EXECUTE s; END LOOP;\nEND $$;\n"
    )
}

/// What one of several patterns names.
fn any_of(patterns: &BTreeSet<&str>, column: &str) -> String {
    let one = |pattern: &&str| {
        let (schema, name) = halves(pattern);
        match schema.as_str() {
            "*" => matching(column, &name),
            schema => format!("{} AND {}", matching("n.nspname", schema), matching(column, &name)),
        }
    };
    patterns.iter().map(one).collect::<Vec<_>>().join(" OR ")
}

/// `schema.name` without the quotes of each, and of a single name any schema.
fn halves(pattern: &str) -> (String, String) {
    let bare = |part: &str| match part.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => part.to_owned(),
    };
    let (schema, name) = pattern_halves(pattern).unwrap_or(("*", pattern));
    (bare(schema), bare(name))
}

/// A column that matches a pattern in which `*` stands for any text.
fn matching(column: &str, pattern: &str) -> String {
    match pattern {
        "*" => "true".into(),
        pattern if !pattern.contains('*') => format!("{column} = {}", literal(pattern)),
        pattern => {
            let like = pattern.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_").replace('*', "%");
            format!("{column} LIKE {}", literal(&like))
        }
    }
}

fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''").replace('$', "");
    if doubled.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

/// An identifier, in quotation marks where it needs them.
fn quote(name: &str) -> String {
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
    // Words that PostgreSQL keeps for itself, as far as they are likely names.
    let reserved = ["user", "all", "end", "default", "order", "table", "group", "check", "primary", "select"];
    if plain && !reserved.contains(&name) { name.into() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use hostler_capability::Grant;
    use hostler_policy::sql::PostgresGrant;

    use super::*;

    fn printed(dsn: &str, privileges: &[&str], grant: PostgresGrant) -> String {
        let needs = Needs {
            privileges: privileges.iter().map(|privilege| (*privilege).to_owned()).collect(),
            grants: vec![Grant::Postgres(grant)],
            ..Needs::default()
        };
        let mut text = String::new();
        role(&mut text, &PostgresResource { dsn: dsn.into(), ..PostgresResource::default() }, &needs);
        text
    }

    #[test]
    fn a_role_is_named_as_the_dsn_names_it_and_quoted_where_it_has_to_be() {
        let text = printed("host=db1 user='Shop Keeper' dbname=shop", &["pg_monitor"], PostgresGrant::default());
        assert!(text.contains("GRANT CONNECT ON DATABASE shop TO \"Shop Keeper\";\n"), "{text}");
        assert!(text.contains("GRANT pg_monitor TO \"Shop Keeper\";\n"), "{text}");
        let text = printed("service=shop", &[], PostgresGrant::default());
        assert!(text.contains("names no user") && text.contains("current_database()"), "{text}");
    }

    #[test]
    fn what_a_binding_does_not_name_is_not_granted() {
        let narrow = printed("user=h dbname=d", &[], PostgresGrant::default());
        assert!(!narrow.contains("SELECT ON") && !narrow.contains("EXECUTE ON"), "{narrow}");
        let grant = PostgresGrant {
            read: vec!["public.metrics".into(), "pg_catalog.pg_authid".into(), "\"a.b\".c".into()],
            write: vec!["shop.orders".into()],
            statements: vec!["DELETE".into(), "VACUUM".into()],
            ..PostgresGrant::default()
        };
        let text = printed("user=h dbname=d", &[], grant);
        for line in [
            "GRANT USAGE ON SCHEMA \"a.b\" TO h;\n",
            "GRANT USAGE ON SCHEMA public TO h;\nGRANT USAGE ON SCHEMA shop TO h;\n",
            "GRANT SELECT ON pg_catalog.pg_authid TO h;\nGRANT SELECT ON public.metrics TO h;\n",
            "GRANT DELETE ON shop.orders TO h;\n",
            "GRANT SELECT ON \"a.b\".c TO h;\n",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("SCHEMA pg_catalog"), "{text}");
    }
}
