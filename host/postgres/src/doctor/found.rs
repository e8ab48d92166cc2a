//! What was found so far, in words: what is lacking, and what is not known.

use std::{collections::BTreeSet, time::Duration};

use hostler_world::types::Error;

use crate::session::Session;

/// Something that the role lacks, or that is not known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// What is wrong.
    pub problem: String,
    /// The statement that an administrator runs, or what else to do.
    pub remedy: String,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) asked: usize,
    /// How often something could not be looked at: what was not seen may be there then.
    pub(super) silent: usize,
    pub(super) lacks: Vec<Lack>,
    pub(super) unknown: Vec<Lack>,
}

impl Found {
    pub(super) fn lacks(&mut self, problem: String, remedy: String) {
        self.lacks.push(Lack { problem, remedy });
    }

    pub(super) fn unknown(&mut self, problem: String, remedy: String) {
        self.unknown.push(Lack { problem, remedy });
    }

    /// A question that the server did not answer.
    pub(super) fn unasked(&mut self, session: &Session, what: &str, error: &tokio_postgres::Error) {
        self.silent += 1;
        let why = match session.names.statement(error, Duration::ZERO, Duration::MAX) {
            Error::Failed(failure) => format!("{} (SQLSTATE {})", failure.message, failure.code),
            Error::Unavailable(words) | Error::Invalid(words) => words,
            _ => "no answer".into(),
        };
        self.unknown(
            format!("{what} is not known: the server was asked, and said: {why}"),
            "run hostler doctor again; where it stays so, the server's log says more".into(),
        );
    }
}

/// Names, of many the first, and whom they are for.
pub(super) fn several(names: &BTreeSet<String>, what: &str) -> String {
    let first = names.first().map(String::as_str).unwrap_or_default();
    match names.len() {
        1 => first.into(),
        count => format!("{count} {what}, such as {first}"),
    }
}

/// Who needs it: ` (for tasks.a, tasks.b)`.
pub(super) fn wanted_by(tasks: &BTreeSet<String>) -> String {
    let tasks: Vec<&str> = tasks.iter().map(String::as_str).collect();
    if tasks.is_empty() { String::new() } else { format!(" (for {})", tasks.join(", ")) }
}
