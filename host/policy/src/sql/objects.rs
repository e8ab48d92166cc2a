//! What changing statements have in common: their objects, their options, and the words they are granted by.

use super::PostgresGrant;
use super::pattern::{is_system, pattern_matches, written};
use super::refusal::Refusal;
use super::relations;
use super::tree::{Node, Value, names};

/// What is known of a changing statement when it is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) words: String,
    pub(super) objects: Vec<String>,
    pub(super) transactional: bool,
    pub(super) returning: bool,
}

impl Allowed {
    /// A statement that can stand in a transaction and returns no rows.
    pub(super) fn new(words: impl Into<String>, objects: Vec<String>) -> Allowed {
        Allowed { words: words.into(), objects, transactional: true, returning: false }
    }

    /// One that the server refuses inside of a transaction.
    pub(super) fn alone(self) -> Allowed {
        Allowed { transactional: false, ..self }
    }
}

/// Whether the grant has these words, however the operator spaced and cased them.
pub(super) fn may_state(grant: &PostgresGrant, words: &str) -> Result<(), Refusal> {
    let same = |granted: &String| {
        let mut granted = granted.split_whitespace();
        words.split(' ').all(|word| granted.next().is_some_and(|other| other.eq_ignore_ascii_case(word)))
            && granted.next().is_none()
    };
    if grant.statements.iter().any(same) { Ok(()) } else { Err(Refusal::Statement { words: words.to_owned() }) }
}

/// Which schemas a statement may reach into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Those of the database's users.
    Users,
    /// The catalogue and the TOAST tables too, for statements that only tidy up, where the grant spells the schema out.
    System,
}

/// A relation that a statement acts on, as `schema.name`.
pub(super) fn may_write(grant: &PostgresGrant, relation: Option<&Node>, reach: Reach) -> Result<String, Refusal> {
    let relation = relation.filter(|relation| relation.kind == "RangeVar").ok_or(Refusal::Unparsable)?;
    if relation.text("relpersistence") == "t" {
        return Err(Refusal::never("a temporary relation"));
    }
    let (schema, name) = relations::parts(relation)?;
    may_write_name(grant, &[schema, name], reach)
}

/// An object by its parts.
pub(super) fn may_write_name(grant: &PostgresGrant, name: &[&str], reach: Reach) -> Result<String, Refusal> {
    let [schema, object] = name else {
        return match name {
            [object] => Err(Refusal::Unqualified { name: written(&[object]) }),
            _ => Err(Refusal::never("an object written with its database")),
        };
    };
    if schema.is_empty() {
        return Err(Refusal::Unqualified { name: written(&[object]) });
    }
    let tidied = reach == Reach::System && ["pg_catalog", "pg_toast", "information_schema"].contains(schema);
    if is_system(schema) && !tidied {
        return Err(Refusal::never(format!("changing the schema {}", written(&[schema]))));
    }
    covered(grant, written(&[schema, object]))
}

/// An object without a schema: an extension, a database.
pub(super) fn may_write_single(grant: &PostgresGrant, name: &str) -> Result<String, Refusal> {
    covered(grant, written(&[name]))
}

fn covered(grant: &PostgresGrant, object: String) -> Result<String, Refusal> {
    if grant.write.iter().any(|pattern| pattern_matches(pattern, &object)) {
        return Ok(object);
    }
    Err(Refusal::Write { object })
}

/// The names in a list of lists, as DROP has them.
pub(super) fn name_lists(list: &[Value]) -> Vec<Vec<&str>> {
    list.iter()
        .map(|value| match value.node() {
            Some(node) if node.kind == "List" => names(node.list("items")),
            _ => Vec::new(),
        })
        .collect()
}

/// The options of a statement, each of a name in `known`.
pub(super) fn options<'a>(list: &'a [Value], known: &[&str], of: &str) -> Result<Vec<&'a Node>, Refusal> {
    list.iter()
        .map(|value| {
            let option =
                value.node().filter(|option| option.kind == "DefElem" && option.text("defnamespace").is_empty());
            let option = option.filter(|option| known.contains(&option.text("defname")));
            option.ok_or_else(|| Refusal::never(format!("an option of {of} that is not known")))
        })
        .collect()
}

/// Whether an option is on. What does not plainly say that it is off, is.
pub(super) fn is_on(options: &[&Node], name: &str) -> bool {
    options.iter().filter(|option| option.text("defname") == name).any(|option| match option.field("arg") {
        Value::Node(argument) => match argument.kind {
            "Boolean" => argument.flag("boolval"),
            "Integer" => argument.number("ival") != 0,
            "String" => !["off", "false"].contains(&argument.text("sval").to_ascii_lowercase().as_str()),
            _ => true,
        },
        _ => true,
    })
}

/// Requires that fields of a statement are empty: each of them would bring in something that no rule looks at.
pub(super) fn without(node: &Node, fields: &[&str], of: &str) -> Result<(), Refusal> {
    match fields.iter().find(|field| !node.field(field).is_empty()) {
        Some(field) => Err(Refusal::never(format!("{of} with {}", field.replace('_', " ")))),
        None => Ok(()),
    }
}
