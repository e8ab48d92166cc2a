//! Statements that change: what `execute` takes.
//!
//! Each kind of statement that a grant can allow has a rule; every other kind is refused by its name, and no grant
//! changes that. So whatever attaches code or rights to the database (functions, triggers, rules, policies, owners,
//! GRANT), touches files (COPY), or changes the session (SET, LOCK, LISTEN, BEGIN) needs no rule to be refused.

use super::PostgresGrant;
use super::define;
use super::functions::is_granted;
use super::lists::is_never_called;
use super::maintain;
use super::objects::Allowed;
use super::pattern::{is_system, written};
use super::refusal::{Refusal, words_of};
use super::rows;
use super::statement::Statement;
use super::tree::{Node, Value};
use super::walk::Walk;

/// A statement that may be sent to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeStatement {
    /// Exactly the one statement, without comments and trailing semicolon.
    pub text: String,
    /// The words of the grant that it was matched on, such as `VACUUM`; `CALL` for a function that the grant names.
    pub words: String,
    /// What it acts on, such as `public.orders`, or the function that it calls.
    pub objects: Vec<String>,
    /// For the audit: each literal is `?`, and no more than 300 characters.
    pub redacted: String,
    /// Whether it can stand in a transaction. The server refuses VACUUM and everything CONCURRENTLY there, and a
    /// procedure may end the transaction it is called in.
    pub transactional: bool,
    /// Whether it returns rows.
    pub returning: bool,
}

pub(super) fn execute(grant: &PostgresGrant, sql: &str) -> Result<ChangeStatement, Refusal> {
    let Statement { text, redacted, root } = Statement::read(sql)?;
    let Allowed { words, mut objects, transactional, returning } = judge(grant, &root)?;
    let mut seen = std::collections::HashSet::new();
    objects.retain(|object| seen.insert(object.clone()));
    Ok(ChangeStatement { text, words, objects, redacted, transactional, returning })
}

fn judge(grant: &PostgresGrant, root: &Node) -> Result<Allowed, Refusal> {
    match root.kind {
        "VacuumStmt" => maintain::vacuum(grant, root),
        "ReindexStmt" => maintain::reindex(grant, root),
        "ClusterStmt" => maintain::cluster(grant, root),
        "RefreshMatViewStmt" => maintain::refresh(grant, root),
        "AlterExtensionStmt" => maintain::update_extension(grant, root),
        "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt" => rows::statement(grant, root),
        "TruncateStmt" => rows::truncate(grant, root),
        "DropStmt" => define::drop(grant, root),
        "CreateStmt" => define::create_table(grant, root),
        "CreateTableAsStmt" => define::create_table_as(grant, root),
        "IndexStmt" => define::create_index(grant, root),
        "AlterTableStmt" => define::alter_table(grant, root),
        "CreatedbStmt" => define::create_database(grant, root),
        "DropdbStmt" => define::drop_database(grant, root),
        "CallStmt" => call(grant, root.node("funccall").ok_or(Refusal::Unparsable)?).map(Allowed::alone),
        "SelectStmt" => select(grant, root),
        "VariableShowStmt" | "ExplainStmt" => Err(Refusal::NotChanging { words: words_of(root.kind) }),
        kind => Err(Refusal::never(words_of(kind))),
    }
}

/// A SELECT changes in two ways: it calls a granted function and does nothing else, or its WITH does.
fn select(grant: &PostgresGrant, select: &Node) -> Result<Allowed, Refusal> {
    if let Some(function) = lone_call(select) {
        return call(grant, function).map(|allowed| Allowed { returning: true, ..allowed });
    }
    let mut walk = Walk::changing(grant);
    walk.node(select)?;
    let first = walk.changes.first().ok_or_else(|| Refusal::NotChanging { words: "SELECT".to_owned() })?;
    let objects = walk.changes.iter().map(|change| change.object.clone()).collect();
    Ok(Allowed { returning: true, ..Allowed::new(first.words, objects) })
}

/// The function of `SELECT f(…)`, where that is all there is.
fn lone_call(select: &Node) -> Option<&Node> {
    let [Value::Node(target)] = select.list("target_list") else { return None };
    // Enumerations are numbers, of which the two here say that there is no set operation and no LIMIT with ties.
    let rest = select.fields.iter().filter(|(field, _)| *field != "target_list");
    let alone = rest.into_iter().all(|(_, value)| value.is_empty() || matches!(value, Value::Number(_)));
    let call = target.node("val").filter(|call| call.kind == "FuncCall")?;
    (alone && target.kind == "ResTarget" && target.list("indirection").is_empty()).then_some(call)
}

fn call(grant: &PostgresGrant, call: &Node) -> Result<Allowed, Refusal> {
    let name = call.name("funcname");
    let (schema, function) = match name.as_slice() {
        [function] => ("pg_catalog", *function),
        [schema, function] => (*schema, *function),
        _ => return Err(Refusal::never("a function written with its database")),
    };
    let written = written(&[schema, function]);
    if is_system(schema) && is_never_called(function) {
        return Err(Refusal::never(format!("the function {written}")));
    }
    if !is_granted(&grant.call, schema, function) {
        return Err(Refusal::Call { function: written });
    }
    let plain = ["agg_order", "agg_filter", "over", "agg_within_group", "agg_star", "agg_distinct", "func_variadic"];
    let constant = plain.iter().all(|field| call.field(field).is_empty()) && call.list("args").iter().all(is_constant);
    if !constant {
        return Err(Refusal::Arguments { function: written });
    }
    call.list("args").iter().try_for_each(|argument| Walk::reading(grant).value(argument))?;
    Ok(Allowed::new("CALL", vec![written]))
}

/// A constant or a parameter, cast or not, by name or not, or an array of these.
fn is_constant(value: &Value) -> bool {
    let Some(node) = value.node() else { return false };
    match node.kind {
        "AConst" | "ParamRef" => true,
        "TypeCast" | "NamedArgExpr" => is_constant(node.field("arg")),
        "AArrayExpr" => node.list("elements").iter().all(is_constant),
        _ => false,
    }
}
