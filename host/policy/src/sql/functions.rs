//! Which functions, operators, types and fields a statement may name.
//!
//! Reading is not harmless by itself: inside a read-only transaction a function can change the session's role, end
//! other sessions, write files, or return the rows of a table that it was given by name. So a function of pg_catalog is
//! callable where it is on one of the two lists, and any other where the grant names it. What SQL writes without
//! parentheses and the server turns into a function (EXTRACT, AT TIME ZONE, `t.name`) is held to the same lists.

use super::PostgresGrant;
use super::lists;
use super::pattern::{is_system, pattern_is, pattern_matches, written};
use super::refusal::Refusal;
use super::tree::{Node, Value, names};

/// Whether `call`, a function call, may be made by a statement that reads.
pub(super) fn may_call(grant: &PostgresGrant, call: &Node) -> Result<(), Refusal> {
    let name = call.name("funcname");
    let (schema, function) = match name.as_slice() {
        [function] => ("pg_catalog", *function),
        [schema, function] => (*schema, *function),
        _ => return Err(Refusal::never("a function written with its database")),
    };
    if schema != "pg_catalog" {
        return if is_granted(&grant.functions, schema, function) {
            Ok(())
        } else {
            Err(Refusal::Function { function: written(&[schema, function]) })
        };
    }
    if function == "current_setting" {
        return may_read_setting_of(grant, call);
    }
    if lists::is_never_called(function) {
        return Err(Refusal::never(format!("the function {}", written(&[schema, function]))));
    }
    if lists::is_safe_function(function) || is_granted(&grant.functions, schema, function) {
        return Ok(());
    }
    Err(Refusal::Function { function: written(&[schema, function]) })
}

/// Whether a list of the grant names a function. One of the system's own has to be spelled out.
pub(super) fn is_granted(patterns: &[String], schema: &str, function: &str) -> bool {
    let name = written(&[schema, function]);
    let covers = if is_system(schema) { pattern_is } else { pattern_matches };
    patterns.iter().any(|pattern| covers(pattern, &name))
}

/// Whether a setting may be read, by SHOW or by `current_setting`.
pub(super) fn may_read_setting(grant: &PostgresGrant, name: &str) -> Result<(), Refusal> {
    if lists::is_readable_setting(&name.to_ascii_lowercase()) || reads_all_settings(grant) {
        return Ok(());
    }
    Err(Refusal::ReadSetting { setting: written(&[name]) })
}

/// `current_setting` takes a name as a text, so the text has to be there to be looked at.
fn may_read_setting_of(grant: &PostgresGrant, call: &Node) -> Result<(), Refusal> {
    if reads_all_settings(grant) {
        return Ok(());
    }
    let literal = call.list("args").first().and_then(Value::node).filter(|argument| argument.kind == "AConst");
    match literal.and_then(|literal| literal.field("val").identifier()) {
        Some(name) if !call.flag("func_variadic") && lists::is_readable_setting(&name.to_ascii_lowercase()) => Ok(()),
        // The name is a literal of the plugin's, so it is not repeated.
        _ => Err(Refusal::ReadSetting { setting: "that current_setting names".to_owned() }),
    }
}

fn reads_all_settings(grant: &PostgresGrant) -> bool {
    grant.read.iter().any(|pattern| pattern_is(pattern, "pg_catalog.pg_settings"))
}

/// Whether a name is pg_catalog's: without a schema, or with that one.
pub(super) fn is_catalogue(name: &[&str]) -> bool {
    matches!(name, [part] | ["pg_catalog", part] if !part.is_empty())
}

/// Operators, collations and operator classes: the catalogue's own.
pub(super) fn may_name(what: &str, name: &[&str]) -> Result<(), Refusal> {
    if name.is_empty() || is_catalogue(name) {
        return Ok(());
    }
    Err(Refusal::never(format!("the {what} {} of another schema", written(name))))
}

/// Types: the catalogue's own, and those of information_schema, which are domains over them.
pub(super) fn may_name_type(kind: &Node) -> Result<(), Refusal> {
    let name = kind.name("names");
    if kind.flag("pct_type") {
        return Err(Refusal::never("a type taken from a column (%TYPE)"));
    }
    if is_catalogue(&name) || matches!(name.as_slice(), ["information_schema", _]) {
        return Ok(());
    }
    Err(Refusal::never(format!("the type {} of another schema", written(&name))))
}

/// Fields, as in `t.name` and `(expression).name`: where no column has the name, the server calls the function.
pub(super) fn may_select(fields: &[Value]) -> Result<(), Refusal> {
    match names(fields).iter().find(|field| !lists::is_safe_field(field)) {
        Some(field) => Err(Refusal::never(format!("the field {}, which calls a function,", written(&[field])))),
        None => Ok(()),
    }
}
