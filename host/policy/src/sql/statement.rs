//! From what a plugin sent to the one statement that is judged: its text, its tree, and what the audit may show of it.
//!
//! The order matters. Comments and the trailing semicolon go first, by the server's own scanner, and what is left is
//! parsed: so the text that is judged is, byte for byte, the text that is sent, and a comment cannot swallow what the
//! host writes around it.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pg_query::protobuf::{ScanToken, Token};

use super::refusal::Refusal;
use super::tree::{Node, Value};

/// Longer statements are not looked at. What a plugin sends in quantity, it sends as parameters.
pub(super) const LONGEST: usize = 256 * 1024;

/// How much of a statement the audit shows.
const SHOWN: usize = 300;

/// The parser points the standard error stream of the whole process elsewhere while it works, so that two at once
/// would leave it pointing nowhere.
static PARSER: Mutex<()> = Mutex::new(());

fn parser() -> MutexGuard<'static, ()> {
    PARSER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One statement, parsed.
pub(super) struct Statement {
    /// Without comments and semicolon.
    pub(super) text: String,
    /// Without literals, cut.
    pub(super) redacted: String,
    /// Its root: `SelectStmt`, `VacuumStmt`, ...
    pub(super) root: Node,
}

impl Statement {
    /// Reads exactly one statement.
    pub(super) fn read(sql: &str) -> Result<Statement, Refusal> {
        if sql.len() > LONGEST {
            return Err(Refusal::TooLong { limit: LONGEST });
        }
        let text = bare(sql)?;
        let tokens = scan(&text)?;
        if tokens.iter().any(is_comment) {
            return Err(Refusal::Unparsable);
        }
        let root = parse(&text)?;
        if tokens.iter().any(is_semicolon) {
            return Err(Refusal::NotOne);
        }
        Ok(Statement { redacted: redact(&text, &tokens), text, root })
    }
}

/// The statement without comments, and without semicolons at its end.
fn bare(sql: &str) -> Result<String, Refusal> {
    let tokens = scan(sql)?;
    let last = tokens.iter().rposition(|token| !is_comment(token) && !is_semicolon(token)).ok_or(Refusal::NotOne)?;
    let mut text = String::with_capacity(sql.len());
    let mut from = 0;
    for (index, token) in tokens.iter().enumerate() {
        if is_comment(token) || index > last {
            let (start, end) = range(token);
            text.push_str(sql.get(from..start).ok_or(Refusal::Unparsable)?);
            text.push(' ');
            from = end;
        }
    }
    text.push_str(sql.get(from..).ok_or(Refusal::Unparsable)?);
    Ok(text.trim().to_owned())
}

/// The statement with each literal replaced by `?`.
fn redact(text: &str, tokens: &[ScanToken]) -> String {
    let mut shown = String::new();
    let mut from = 0;
    for token in tokens {
        let (start, end) = range(token);
        if !is_literal(token) || start < from {
            continue;
        }
        shown.push_str(text.get(from..start).unwrap_or_default());
        shown.push('?');
        from = end;
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    let mut shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = shown.char_indices().nth(SHOWN) {
        shown.truncate(cut);
    }
    shown
}

fn range(token: &ScanToken) -> (usize, usize) {
    (usize::try_from(token.start).unwrap_or_default(), usize::try_from(token.end).unwrap_or_default())
}

fn is_comment(token: &ScanToken) -> bool {
    [Token::SqlComment as i32, Token::CComment as i32].contains(&token.token)
}

fn is_semicolon(token: &ScanToken) -> bool {
    token.token == Token::Ascii59 as i32
}

fn is_literal(token: &ScanToken) -> bool {
    const LITERALS: [Token; 6] =
        [Token::Iconst, Token::Fconst, Token::Sconst, Token::Usconst, Token::Bconst, Token::Xconst];
    LITERALS.iter().any(|literal| token.token == *literal as i32)
}

fn scan(sql: &str) -> Result<Vec<ScanToken>, Refusal> {
    let _held = parser();
    match panic::catch_unwind(AssertUnwindSafe(|| pg_query::scan(sql))) {
        Ok(Ok(result)) => Ok(result.tokens),
        Ok(Err(_)) | Err(_) => Err(Refusal::Unparsable),
    }
}

fn parse(sql: &str) -> Result<Node, Refusal> {
    let held = parser();
    let result = match panic::catch_unwind(AssertUnwindSafe(|| pg_query::parse(sql, 0))) {
        Ok(Ok(result)) => result,
        Ok(Err(_)) | Err(_) => return Err(Refusal::Unparsable),
    };
    drop(held);
    let tree = Node::read(&result.protobuf)?;
    let Value::List(statements) = tree.field("stmts") else { return Err(Refusal::Unparsable) };
    let [Value::Node(raw)] = statements.as_slice() else { return Err(Refusal::NotOne) };
    raw.node("stmt").cloned().ok_or(Refusal::Unparsable)
}
