//! Tables, views and indexes that the grants name: whether the server lets the role do to them what the grants allow.
//!
//! All relations are asked for at once, and held against the patterns by the policy's own rule, so that a pattern means
//! here exactly what it means when a statement is judged.

use std::collections::{BTreeMap, BTreeSet};

use hostler_policy::sql::{NeededRight, Right, pattern_covers, pattern_is_name, pattern_matches};

use super::{
    Role, ask,
    found::{Found, several, wanted_by},
    needs::{Needs, Tasks},
};
use crate::session::Session;

/// The first release that has MAINTAIN: before it only an owner may vacuum.
const MAINTAIN_SINCE: u32 = 170_000;

/// So many names stand in one GRANT.
const MOST_NAMES: usize = 20;

/// A relation, and what the role may do with it.
struct Relation {
    schema: String,
    /// With its schema, both quoted where they have to be.
    name: String,
    kind: char,
    owner: String,
    /// What is granted on: of an index, its table.
    object: String,
    usage: bool,
    owns: bool,
    owns_schema: bool,
    owns_database: bool,
    maintains: bool,
    /// Whether the rights on what is beneath it are those of whoever asks.
    invoker: bool,
    /// SELECT, INSERT, UPDATE, DELETE, TRUNCATE.
    rights: [bool; 5],
    /// SELECT, INSERT, UPDATE on some of its columns.
    columns: [bool; 3],
}

/// What stands in the way, grouped so that one line and one statement serve many relations.
#[derive(Default)]
struct Lacking {
    names: BTreeSet<String>,
    objects: BTreeSet<String>,
    statements: BTreeSet<String>,
    tasks: Tasks,
    /// Whether every relation of the schema is meant.
    whole: bool,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// USAGE on a schema.
    Usage(String),
    /// A right, in a schema.
    Right(Right, String),
    /// To be this owner.
    Owner(String),
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Doubt {
    /// A right on some columns.
    Columns(Right),
    /// A change whose condition reads.
    Condition(Right),
    /// A view that asks for the caller's rights.
    Invoker,
    /// A table of another server.
    Foreign,
}

/// Looks at every relation that the grants name. `present` gets the patterns that found one.
pub(super) async fn look(
    session: &Session,
    role: &Role,
    needs: &Needs,
    place: &str,
    present: &mut BTreeSet<String>,
    found: &mut Found,
) {
    if needs.rights.keys().all(|needed| matches!(needed.right, Right::Other | Right::Create)) {
        return;
    }
    let relations = match relations(session).await {
        Ok(relations) => relations,
        Err(error) => {
            let what = format!("{place}what {} may do with the tables that the bindings name", role.quoted);
            return found.unasked(session, &what, &error);
        }
    };
    let (mut lacking, mut doubts) = (BTreeMap::<Way, Lacking>::new(), BTreeMap::<Doubt, Lacking>::new());
    for (needed, tasks) in &needs.rights {
        if matches!(needed.right, Right::Other | Right::Create) {
            continue;
        }
        for relation in relations.iter().filter(|relation| pattern_matches(&needed.pattern, &relation.name)) {
            if pattern_is_name(&needed.pattern) {
                present.insert(needed.pattern.clone());
            }
            if !needed.acts_on(relation.kind) {
                continue;
            }
            found.asked += 1;
            if !relation.usage {
                lacking.entry(Way::Usage(relation.schema.clone())).or_default().add(relation, needed, tasks);
            }
            let doubt = if relation.allows(needed) {
                relation.doubt(needed)
            } else if relation.allows_some_columns(needed.right) {
                Some(Doubt::Columns(needed.right))
            } else {
                let way = relation.way(needed, session.version);
                lacking.entry(way).or_default().add(relation, needed, tasks);
                None
            };
            // A superuser is asked for nothing.
            if let Some(doubt) = doubt.filter(|_| !role.superuser) {
                doubts.entry(doubt).or_default().add(relation, needed, tasks);
            }
        }
    }
    for (way, lacking) in &lacking {
        let (problem, remedy) = way.words(role, lacking, &session.names.resource);
        found.lacks(format!("{place}{problem}{}", wanted_by(&lacking.tasks)), remedy);
    }
    for (doubt, lacking) in &doubts {
        let (problem, remedy) = doubt.words(role, lacking);
        found.unknown(format!("{place}{problem}{}", wanted_by(&lacking.tasks)), remedy);
    }
}

async fn relations(session: &Session) -> Result<Vec<Relation>, tokio_postgres::Error> {
    let has = |right: &str| format!("pg_catalog.has_table_privilege(COALESCE(i.indrelid, c.oid), '{right}')");
    let some = |right: &str| format!("pg_catalog.has_any_column_privilege(COALESCE(i.indrelid, c.oid), '{right}')");
    let maintain = if session.version >= MAINTAIN_SINCE { has("MAINTAIN") } else { "false".into() };
    let rights = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"].map(has).join(", ");
    let columns = ["SELECT", "INSERT", "UPDATE"].map(some).join(", ");
    let question = format!(
        "SELECT pg_catalog.quote_ident(n.nspname), pg_catalog.quote_ident(n.nspname) || '.' || \
         pg_catalog.quote_ident(c.relname), c.relkind, \
         CASE WHEN o.rolsuper THEN '' ELSE pg_catalog.quote_ident(o.rolname) END, \
         pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(t.relname), \
         pg_catalog.has_schema_privilege(n.oid, 'USAGE'), pg_catalog.pg_has_role(c.relowner, 'USAGE'), \
         pg_catalog.pg_has_role(n.nspowner, 'USAGE'), pg_catalog.pg_has_role(d.datdba, 'USAGE') AND NOT c.relisshared, \
         {maintain}, c.relkind = 'v' AND COALESCE(pg_catalog.array_to_string(c.reloptions, ',') ~ \
         'security_invoker=(true|on|1|yes)', false), {rights}, {columns} \
         FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_roles AS o ON o.oid = c.relowner \
         JOIN pg_catalog.pg_database AS d ON d.datname = pg_catalog.current_database() \
         LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid \
         JOIN pg_catalog.pg_class AS t ON t.oid = COALESCE(i.indrelid, c.oid) \
         JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace \
         WHERE c.relkind <> 'c' AND NOT pg_catalog.pg_is_other_temp_schema(n.oid) ORDER BY 2"
    );
    let rows = ask(session, &question).await?;
    Ok(rows.iter().filter_map(|row| Relation::of(row)).collect())
}

impl Relation {
    /// Nothing where it was dropped while it was asked about: the server knows of no right then.
    fn of(row: &[String]) -> Option<Self> {
        let [schema, name, kind, owner, object, flags @ ..] = row else { return None };
        if flags.len() != 14 || flags.iter().any(String::is_empty) {
            return None;
        }
        let is = |index: usize| flags[index] == "t";
        Some(Self {
            schema: schema.clone(),
            name: name.clone(),
            kind: kind.chars().next()?,
            owner: owner.clone(),
            object: object.clone(),
            usage: is(0),
            owns: is(1),
            owns_schema: is(2),
            owns_database: is(3),
            maintains: is(4),
            invoker: is(5),
            rights: [is(6), is(7), is(8), is(9), is(10)],
            columns: [is(11), is(12), is(13)],
        })
    }

    fn allows(&self, needed: &NeededRight) -> bool {
        let statement = needed.statement.as_str();
        match needed.right {
            Right::Select => self.rights[0],
            Right::Insert => self.rights[1],
            Right::Update => self.rights[2],
            Right::Delete => self.rights[3],
            Right::Truncate => self.rights[4],
            // The owner of a database tidies it up as a whole.
            Right::Maintain => {
                let whole = statement.starts_with("VACUUM") || statement == "ANALYZE";
                self.owns || self.maintains || (whole && self.owns_database)
            }
            Right::Own => self.owns || (statement.starts_with("DROP ") && self.owns_schema),
            Right::Create | Right::Other => true,
        }
    }

    fn allows_some_columns(&self, right: Right) -> bool {
        match right {
            Right::Select => self.columns[0],
            Right::Insert => self.columns[1],
            Right::Update => self.columns[2],
            _ => false,
        }
    }

    /// What a right alone does not decide.
    fn doubt(&self, needed: &NeededRight) -> Option<Doubt> {
        match needed.right {
            Right::Update | Right::Delete if !self.columns[0] => Some(Doubt::Condition(needed.right)),
            Right::Select | Right::Insert | Right::Update | Right::Delete if self.invoker => Some(Doubt::Invoker),
            Right::Select | Right::Insert | Right::Update | Right::Delete if self.kind == 'f' => Some(Doubt::Foreign),
            _ => None,
        }
    }

    fn way(&self, needed: &NeededRight, version: u32) -> Way {
        match needed.right {
            Right::Own => Way::Owner(self.owner.clone()),
            Right::Maintain if version < MAINTAIN_SINCE => Way::Owner(self.owner.clone()),
            right => Way::Right(right, self.schema.clone()),
        }
    }
}

impl Lacking {
    fn add(&mut self, relation: &Relation, needed: &NeededRight, tasks: &Tasks) {
        self.names.insert(relation.name.clone());
        self.objects.insert(relation.object.clone());
        self.statements.insert(needed.statement.clone());
        self.tasks.extend(tasks.iter().cloned());
        self.whole |= pattern_covers(&needed.pattern, &format!("{}.*", relation.schema));
    }

    /// What makes a role the owner. A superuser's rights are not given away for a table.
    fn ownership(&self, owner: &str, me: &str, resource: &str) -> String {
        if !owner.is_empty() {
            return format!(
                "GRANT {owner} TO {me};  -- all rights of {owner}: where that is too much, narrow write in the binding"
            );
        }
        if self.objects.len() > MOST_NAMES {
            return format!(
                "hostler roles {resource}  # they are a superuser's: give them an owner of their own first"
            );
        }
        let each = self.objects.iter().map(|object| format!("ALTER TABLE {object} OWNER TO {me};"));
        each.collect::<Vec<_>>().join(" ")
    }

    /// A GRANT that says no more than the binding, or who prints it where it would be long.
    fn grant(&self, right: &str, schema: &str, me: &str, resource: &str) -> String {
        let objects: Vec<&str> = self.objects.iter().map(String::as_str).collect();
        if self.whole && objects.len() > 3 {
            format!("GRANT {right} ON ALL TABLES IN SCHEMA {schema} TO {me};")
        } else if objects.len() > MOST_NAMES {
            format!("hostler roles {resource}  # prints the GRANT for each of the {}", objects.len())
        } else {
            format!("GRANT {right} ON {} TO {me};", objects.join(", "))
        }
    }
}

impl Way {
    fn words(&self, role: &Role, lacking: &Lacking, resource: &str) -> (String, String) {
        let me = &role.quoted;
        match self {
            Self::Usage(schema) => (
                format!("{me} may not look into the schema {schema}, and so reaches nothing in it"),
                format!("GRANT USAGE ON SCHEMA {schema} TO {me};"),
            ),
            Self::Right(right, schema) => {
                let right = right.word().unwrap_or_default();
                let names = several(&lacking.names, &format!("relations of the schema {schema}"));
                (format!("{me} lacks {right} on {names}"), lacking.grant(right, schema, me, resource))
            }
            Self::Owner(owner) => {
                let statements: Vec<&str> = lacking.statements.iter().map(String::as_str).collect();
                let whose = if owner.is_empty() { "superusers".into() } else { format!("{owner}'s") };
                let names = several(&lacking.names, &format!("relations of {whose}"));
                let problem = format!("{me} may not {} {names}: only the owner may", statements.join(", "));
                (problem, lacking.ownership(owner, me, resource))
            }
        }
    }
}

impl Doubt {
    fn words(&self, role: &Role, lacking: &Lacking) -> (String, String) {
        let me = &role.quoted;
        let names = several(&lacking.names, "relations");
        let objects: Vec<&str> = lacking.objects.iter().take(MOST_NAMES).map(String::as_str).collect();
        let grant = |right: &str| format!("GRANT {right} ON {} TO {me};", objects.join(", "));
        match self {
            Self::Columns(right) => {
                let right = right.word().unwrap_or_default();
                let problem = format!(
                    "{me} has {right} on some columns of {names} only, and which of them are needed is not known"
                );
                (problem, grant(right))
            }
            Self::Condition(right) => {
                let right = right.word().unwrap_or_default();
                let problem =
                    format!("{me} has {right} on {names}, and no SELECT, which a {right} with a condition needs too");
                (problem, grant("SELECT"))
            }
            Self::Invoker => (
                format!(
                    "{names}: a view with security_invoker, and the rights on what is beneath it were not looked at"
                ),
                format!("name the tables beneath it in the binding, or try it: SET ROLE {me}; SELECT …"),
            ),
            Self::Foreign => (
                format!("{names}: a foreign table, and what the other server allows was not looked at"),
                format!("try it: SET ROLE {me}; SELECT …"),
            ),
        }
    }
}
