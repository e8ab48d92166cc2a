//! Why a statement is refused, and what an operator would write to allow it.
//!
//! A refusal reaches the plugin, the audit and the operator. So it names relations, functions and words, which the
//! operator has to know to decide, and never a literal, which may be anybody's data.

use thiserror::Error;

/// A statement that the grant does not allow.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The server's grammar does not accept it, or it is nested beyond reason.
    #[error("the statement does not parse as PostgreSQL, or is nested too deeply")]
    Unparsable,
    /// Too long to be looked at.
    #[error("the statement is longer than {limit} bytes: send data as parameters")]
    TooLong {
        /// The longest that is looked at.
        limit: usize,
    },
    /// Nothing, or more than one statement.
    #[error("one statement a call: this is none, or several")]
    NotOne,
    /// Sent to `query`, and not one that reads.
    #[error("query reads (SELECT, WITH, TABLE, VALUES, SHOW, EXPLAIN of these): {words} goes through execute")]
    NotReading {
        /// The statement's words.
        words: String,
    },
    /// Sent to `execute`, and one that only reads.
    #[error("{words} changes nothing: it goes through query")]
    NotChanging {
        /// The statement's words.
        words: String,
    },
    /// Refused whatever the grant says.
    #[error("{what} is refused under every grant")]
    Never {
        /// What it is.
        what: String,
    },
    /// A statement whose words the grant does not have.
    #[error("{words} is not granted: the task's grant would need statements = [\"{words}\"]")]
    Statement {
        /// The words, with the options that change its lock or its reach.
        words: String,
    },
    /// A changing statement that names no object.
    #[error("{words} without an object reaches everything: name the tables")]
    NoObject {
        /// The statement's words.
        words: String,
    },
    /// A name without a schema that is none of the catalogue's.
    #[error("{name} has no schema: write it with its schema, as in public.{name}")]
    Unqualified {
        /// The name as it was written.
        name: String,
    },
    /// A relation that the grant does not let the task read.
    #[error("{relation} may not be read: the task's grant would need read = [\"{relation}\"]")]
    Read {
        /// The relation.
        relation: String,
    },
    /// A relation of the catalogue that holds secrets or values of tables.
    #[error("{relation} holds secrets or values of tables: only read = [\"{relation}\"], in full, allows it")]
    Secret {
        /// The relation.
        relation: String,
    },
    /// An object that the grant does not let the task change.
    #[error("{object} may not be changed: the task's grant would need write = [\"{object}\"]")]
    Write {
        /// The object.
        object: String,
    },
    /// A function that is none of the reviewed ones, and that the grant does not name.
    #[error("{function} may not be called: for a function that only reads, functions = [\"{function}\"] allows it")]
    Function {
        /// The function.
        function: String,
    },
    /// A function or procedure that changes, called alone, which the grant does not name.
    #[error("{function} may not be called: for one that changes, call = [\"{function}\"] allows it")]
    Call {
        /// The function or procedure.
        function: String,
    },
    /// A call whose arguments are more than constants and parameters.
    #[error("{function} is called with constants and parameters alone")]
    Arguments {
        /// The function or procedure.
        function: String,
    },
    /// A setting that may not be read.
    #[error("the setting {setting} may not be read: read = [\"pg_catalog.pg_settings\"] allows every setting")]
    ReadSetting {
        /// The setting, or what was written in place of its name.
        setting: String,
    },
    /// A setting that the grant does not let the task set.
    #[error("{setting} may not be set: the task's grant would need settings = [\"{setting}\"]")]
    Setting {
        /// The setting.
        setting: String,
    },
    /// A value that a setting may not have.
    #[error("that value is none for {setting}: {wanted}")]
    Value {
        /// The setting.
        setting: String,
        /// What it takes.
        wanted: &'static str,
    },
}

impl Refusal {
    /// The rule that was missing, as the operator would write it, or that none helps.
    #[must_use]
    pub fn rule(&self) -> String {
        match self {
            Refusal::Statement { words } => format!("statements = [\"{words}\"]"),
            Refusal::Read { relation } | Refusal::Secret { relation } => format!("read = [\"{relation}\"]"),
            Refusal::Write { object } => format!("write = [\"{object}\"]"),
            Refusal::Function { function } => format!("functions = [\"{function}\"]"),
            Refusal::Call { function } => format!("call = [\"{function}\"]"),
            Refusal::ReadSetting { .. } => "read = [\"pg_catalog.pg_settings\"]".to_owned(),
            Refusal::Setting { setting } => format!("settings = [\"{setting}\"]"),
            Refusal::Unparsable | Refusal::TooLong { .. } | Refusal::NotOne => "one statement that parses".to_owned(),
            Refusal::NotReading { .. } => "query reads".to_owned(),
            Refusal::NotChanging { .. } => "execute changes".to_owned(),
            Refusal::NoObject { .. } => "execute names its objects".to_owned(),
            Refusal::Unqualified { .. } => "search_path = pg_catalog".to_owned(),
            Refusal::Arguments { .. } => "call takes constants and parameters".to_owned(),
            Refusal::Value { .. } => "a value of the setting".to_owned(),
            Refusal::Never { .. } => "always refused".to_owned(),
        }
    }

    /// A refusal that no grant lifts.
    pub(super) fn never(what: impl Into<String>) -> Refusal {
        Refusal::Never { what: what.into() }
    }
}

/// What a kind of statement is called in SQL: `AlterTableStmt` is `ALTER TABLE`. The grammar's own names are mostly that;
/// the others are for the reader alone, since no rule is matched on them.
pub(super) fn words_of(kind: &str) -> String {
    let words = match kind {
        "VariableSetStmt" => "SET",
        "VariableShowStmt" => "SHOW",
        "CreateStmt" => "CREATE TABLE",
        "CreatedbStmt" => "CREATE DATABASE",
        "DropdbStmt" => "DROP DATABASE",
        "CreateTrigStmt" => "CREATE TRIGGER",
        "CreateEventTrigStmt" => "CREATE EVENT TRIGGER",
        "DefineStmt" => "CREATE of a type, an operator or an aggregate",
        "IndexStmt" => "CREATE INDEX",
        "RefreshMatViewStmt" => "REFRESH MATERIALIZED VIEW",
        "RenameStmt" => "ALTER RENAME",
        "RuleStmt" => "CREATE RULE",
        "SecLabelStmt" => "SECURITY LABEL",
        "TransactionStmt" => "transaction control",
        "ViewStmt" => "CREATE VIEW",
        _ => return spelled(kind),
    };
    words.to_owned()
}

fn spelled(kind: &str) -> String {
    let mut words = String::new();
    for letter in kind.strip_suffix("Stmt").unwrap_or(kind).chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_uppercase());
    }
    words
}
