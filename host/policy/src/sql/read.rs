//! Statements that read: what `query` and `copy-out` take.

use super::PostgresGrant;
use super::functions::may_read_setting;
use super::refusal::{Refusal, words_of};
use super::statement::Statement;
use super::tree::{Node, Value};
use super::walk::Walk;

/// How a reading statement is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadKind {
    /// SELECT, WITH, TABLE or VALUES: it can stand in FROM.
    Select,
    /// SHOW: one text.
    Show,
    /// EXPLAIN: lines of text.
    Explain,
}

/// A statement that may be sent to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadStatement {
    /// Exactly the one statement, without comments and trailing semicolon. Of the kind [`ReadKind::Select`] it is safe
    /// to wrap as `SELECT … FROM (\n<text>\n) AS q`.
    pub text: String,
    /// How it is sent.
    pub kind: ReadKind,
    /// For the audit: each literal is `?`, and no more than 300 characters.
    pub redacted: String,
}

/// Options of EXPLAIN, all of which say what to show.
const EXPLAIN: [&str; 11] = [
    "analyze",
    "buffers",
    "costs",
    "format",
    "generic_plan",
    "memory",
    "serialize",
    "summary",
    "timing",
    "verbose",
    "wal",
];

pub(super) fn query(grant: &PostgresGrant, sql: &str) -> Result<ReadStatement, Refusal> {
    let Statement { text, redacted, root } = Statement::read(sql)?;
    let kind = match root.kind {
        "SelectStmt" => {
            Walk::reading(grant).node(&root)?;
            ReadKind::Select
        }
        "VariableShowStmt" => {
            may_read_setting(grant, root.text("name"))?;
            ReadKind::Show
        }
        "ExplainStmt" => {
            explain(grant, &root)?;
            ReadKind::Explain
        }
        kind => return Err(Refusal::NotReading { words: words_of(kind) }),
    };
    Ok(ReadStatement { text, kind, redacted })
}

pub(super) fn copy_out(grant: &PostgresGrant, sql: &str) -> Result<ReadStatement, Refusal> {
    let statement = query(grant, sql)?;
    match statement.kind {
        ReadKind::Select => Ok(statement),
        ReadKind::Show | ReadKind::Explain => Err(Refusal::never("copying out anything but the rows of a query")),
    }
}

/// EXPLAIN ANALYZE runs its statement, and EXPLAIN alone plans it: either way it is held to the rules of reading.
fn explain(grant: &PostgresGrant, explain: &Node) -> Result<(), Refusal> {
    for option in explain.list("options") {
        let known =
            option.node().filter(|option| option.kind == "DefElem" && EXPLAIN.contains(&option.text("defname")));
        if known.is_none() {
            return Err(Refusal::never("an option of EXPLAIN that is not known"));
        }
    }
    match explain.field("query") {
        Value::Node(query) if query.kind == "SelectStmt" => Walk::reading(grant).node(query),
        Value::Node(query) => Err(Refusal::NotReading { words: format!("EXPLAIN of {}", words_of(query.kind)) }),
        _ => Err(Refusal::Unparsable),
    }
}
