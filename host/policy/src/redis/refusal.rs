//! What is wrong with a grant's word, and why a command was refused, in the words of an operator.

use thiserror::Error;

/// A word of a grant that is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{word:?} is not a word of a Redis grant: {problem}")]
pub struct RedisGrantError {
    /// The word.
    pub word: String,
    /// What is wrong with it, and what was meant.
    pub problem: String,
}

/// Why a command was refused. Keys are named, values never.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RedisRefusal {
    /// A command without a name.
    #[error("a command has a name")]
    Empty,
    /// The server's table does not have it.
    #[error("the server has no command {0}")]
    Unknown(String),
    /// It has too many or too few arguments, which the server would say too.
    #[error("{0} has another number of arguments")]
    Arguments(String),
    /// No word gives it.
    #[error("no word of allow gives {0}; it takes +{0}")]
    NotGiven(String),
    /// A later word takes it away again.
    #[error("{word} takes {name} away")]
    Taken {
        /// The command.
        name: String,
        /// The word.
        word: String,
    },
    /// A category or its container gives it, which is not enough.
    #[error("{0} is given by its own name alone; it takes +{0}")]
    NamedOnly(String),
    /// It changes the connection, which runs share.
    #[error("{0} changes the connection that runs share; no grant gives it")]
    Connection(String),
    /// It reaches another database of the server than the resource's own.
    #[error("{0} reaches another database than the resource's; no grant gives it")]
    OtherDatabase(String),
    /// The grant only reads.
    #[error("read-only: {0} may change something")]
    ReadOnly(String),
    /// It reaches every key, or keys that cannot be told from its arguments.
    #[error("{name} reaches keys that its arguments do not tell; it takes {pattern}")]
    EveryKey {
        /// The command.
        name: String,
        /// `~*` or `%R~*`.
        pattern: &'static str,
    },
    /// A key that no pattern covers.
    #[error("no key pattern of allow covers {need} {key}")]
    Key {
        /// `reading` or `changing`.
        need: &'static str,
        /// The key, escaped and cut.
        key: String,
    },
    /// A query that does not only read.
    #[error("{0} may change something, and a query only reads; ask for it by execute")]
    NotAQuery(String),
}

impl RedisRefusal {
    /// The rule, as the operator would write it.
    pub fn rule(&self) -> String {
        self.to_string()
    }

    /// Whether the command itself is malformed, so that no grant would help.
    pub fn is_malformed(&self) -> bool {
        matches!(self, Self::Empty | Self::Arguments(_))
    }
}
