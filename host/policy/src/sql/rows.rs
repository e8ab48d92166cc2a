//! Statements that change rows: INSERT, UPDATE, DELETE, MERGE and TRUNCATE.
//!
//! The target is written, and everything else that such a statement names is read: so the rest of it is walked like a
//! SELECT. RETURNING hands rows of the target back, which is reading it.

use pg_query::protobuf::{CmdType, DropBehavior, OnConflictAction};

use super::PostgresGrant;
use super::objects::{Allowed, Reach, may_state, may_write};
use super::refusal::Refusal;
use super::relations::may_read;
use super::tree::{Node, Value};
use super::walk::{Change, Walk};

/// Whether a node is one of the four that [`change`] judges.
pub(super) fn is_change(node: &Node) -> bool {
    matches!(node.kind, "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt")
}

/// A whole statement, with the changes in its WITH.
pub(super) fn statement(grant: &PostgresGrant, root: &Node) -> Result<Allowed, Refusal> {
    let mut walk = Walk::changing(grant);
    let change = change(&mut walk, root)?;
    let mut objects = vec![change.object];
    objects.extend(walk.changes.into_iter().map(|change| change.object));
    Ok(Allowed { returning: change.returning, ..Allowed::new(change.words, objects) })
}

/// One of the four, alone or in a WITH.
pub(super) fn change(walk: &mut Walk<'_>, statement: &Node) -> Result<Change, Refusal> {
    let grant = walk.grant;
    let words = match statement.kind {
        "InsertStmt" => "INSERT",
        "UpdateStmt" => "UPDATE",
        "DeleteStmt" => "DELETE",
        _ => "MERGE",
    };
    may_state(grant, words)?;
    for also in also_needed(statement)? {
        may_state(grant, also)?;
    }
    let target = statement.node("relation");
    let object = may_write(grant, target, Reach::Users)?;
    let returning = statement.node("returning_clause").is_some();
    if let Some(target) = target.filter(|_| returning) {
        may_read(grant, target)?;
    }
    walk.within(statement, |walk| walk.fields_but(statement, &["with_clause", "relation"]))?;
    Ok(Change { words, object, returning })
}

/// The words that a statement needs beside its own, as the server needs the privileges for them.
fn also_needed(statement: &Node) -> Result<Vec<&'static str>, Refusal> {
    let mut words = Vec::new();
    if statement.kind == "InsertStmt" {
        let conflict = statement.node("on_conflict_clause").map(|clause| clause.number("action"));
        if conflict.is_some_and(|action| action != i64::from(OnConflictAction::OnconflictNothing as i32)) {
            words.push("UPDATE");
        }
    }
    if statement.kind == "MergeStmt" {
        for clause in statement.list("merge_when_clauses") {
            let Value::Node(clause) = clause else { return Err(Refusal::Unparsable) };
            let command =
                i32::try_from(clause.number("command_type")).ok().and_then(|number| CmdType::try_from(number).ok());
            match command {
                Some(CmdType::CmdInsert) => words.push("INSERT"),
                Some(CmdType::CmdUpdate) => words.push("UPDATE"),
                Some(CmdType::CmdDelete) => words.push("DELETE"),
                Some(CmdType::CmdNothing) => {}
                _ => return Err(Refusal::never("an action of MERGE that is not known")),
            }
        }
    }
    Ok(words)
}

/// TRUNCATE, which empties tables whole.
pub(super) fn truncate(grant: &PostgresGrant, root: &Node) -> Result<Allowed, Refusal> {
    let cascade = root.number("behavior") == i64::from(DropBehavior::DropCascade as i32);
    let words = if cascade { "TRUNCATE CASCADE" } else { "TRUNCATE" };
    may_state(grant, words)?;
    let objects = root.list("relations").iter().map(|relation| may_write(grant, relation.node(), Reach::Users));
    Ok(Allowed::new(words, objects.collect::<Result<_, _>>()?))
}
