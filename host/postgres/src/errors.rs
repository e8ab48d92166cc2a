//! Errors in the contract's words. A resource's name stands where its address, role or password would.

use std::{error::Error as _, io, time::Duration};

use hostler_world::types::{Error, Failure};
use thiserror::Error as ThisError;
use tokio_postgres::error::{DbError, SqlState};

use crate::{problem::Problem, tls};

/// Why no connection could be opened. Each text names the resource and what to do.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum ConnectError {
    /// The resource's own configuration is wrong.
    #[error("{resource}: {problem}")]
    Configuration {
        /// `postgres.main`.
        resource: String,
        /// What is wrong, and what to do.
        problem: Problem,
    },
    /// Nobody answers.
    #[error("{resource} cannot be reached: {problem}")]
    Unreachable {
        /// `postgres.main`.
        resource: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Somebody answers, and says nothing.
    #[error("{resource} did not open a session within {} s: the server hangs, or what listens there is none", .limit.as_secs())]
    Silent {
        /// `postgres.main`.
        resource: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The server says no.
    #[error("{} (SQLSTATE {code})", refusal(resource, problem))]
    Refused {
        /// `postgres.main`.
        resource: String,
        /// SQLSTATE.
        code: String,
        /// What the code means.
        problem: String,
        /// What to do.
        hint: &'static str,
    },
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        match error {
            // The code stands beside the message, and whoever tells of both would tell it twice.
            ConnectError::Refused { resource, code, problem, hint } if !is_passing(&code) => Error::Failed(Failure {
                code,
                message: refusal(&resource, &problem),
                detail: None,
                hint: Some(hint.into()),
            }),
            ConnectError::Configuration { resource, problem } => {
                Error::Unavailable(format!("{resource}: {}", problem.without_path()))
            }
            other => Error::Unavailable(other.to_string()),
        }
    }
}

fn refusal(resource: &str, problem: &str) -> String {
    format!("{resource} refused the connection: {problem}")
}

/// Whether the server says that it is not ready, rather than that it does not want this role.
fn is_passing(code: &str) -> bool {
    ["57P01", "57P02", "57P03"].contains(&code)
}

/// What happened while a connection was opened. `loose` says that a password file was left out.
pub(crate) fn connecting(resource: &str, error: &tokio_postgres::Error, loose: bool) -> ConnectError {
    let resource = resource.to_owned();
    let unreachable = |problem: &str| ConnectError::Unreachable { resource: resource.clone(), problem: problem.into() };
    if let Some(answer) = error.as_db_error() {
        return refused(resource, answer);
    }
    let Some(cause) = error.source() else {
        return unreachable("it closed the connection at once; is it PostgreSQL that listens there?");
    };
    if let Some(problem) = cause.downcast_ref::<io::Error>() {
        if let Some(handshake) = problem.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return unreachable(tls::explain(handshake));
        }
        return unreachable(match problem.kind() {
            io::ErrorKind::ConnectionRefused => "nothing listens there; is the server running?",
            io::ErrorKind::NotFound => "no server has its socket there; is it running?",
            io::ErrorKind::PermissionDenied => "this user may not open the server's socket",
            io::ErrorKind::TimedOut => "no answer in time; is there a firewall between?",
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                "it closed the connection at once; is it PostgreSQL that listens there?"
            }
            // As the library's decoder says it of a message that is cut off.
            io::ErrorKind::Other if problem.to_string() == "bytes remaining on stream" => {
                "it closed the connection in the middle of an answer"
            }
            io::ErrorKind::InvalidInput => "its host is no name that TLS could check",
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => "there is no route to it",
            io::ErrorKind::InvalidData => "what listens there does not speak PostgreSQL's protocol",
            _ => "its name does not resolve, or the network fails",
        });
    }
    // The library says these in its own words, which hold nothing of the resource's.
    match cause.to_string().as_str() {
        "password missing" if loose => ConnectError::Configuration {
            resource,
            problem: "the server wants a password, and the password file was left out because others may read it: \
                      chmod 600 it; hostler doctor names it"
                .into(),
        },
        "password missing" => ConnectError::Configuration {
            resource,
            problem: "the server wants a password, and there is none: set password_file".into(),
        },
        "server does not support TLS" => unreachable("the server has no TLS, and its sslmode wants it"),
        "server did not use channel binding" => unreachable("the server did not bind the password to the TLS session"),
        "unsupported authentication method" | "unsupported SASL mechanism" => {
            unreachable("the server wants a way of authentication that is not supported (GSSAPI, Kerberos)")
        }
        _ => unreachable("the server does not prove that it knows the password, or does not follow the protocol"),
    }
}

fn refused(resource: String, answer: &DbError) -> ConnectError {
    let code = answer.code();
    let (problem, hint) = if *code == SqlState::INVALID_PASSWORD {
        ("the password is wrong", "look at password_file, PGPASSFILE and the role's password")
    } else if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
        ("the role may not log in that way", "the role may not exist, or pg_hba.conf has no line that lets it in")
    } else if *code == SqlState::INVALID_CATALOG_NAME {
        ("the database does not exist", "look at dbname")
    } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        ("the role may not connect to the database", "GRANT CONNECT ON DATABASE … TO … lets it in")
    } else if *code == SqlState::TOO_MANY_CONNECTIONS {
        ("it has no connection left", "raise max_connections or the role's limit, or lower the grant's connections")
    } else if *code == SqlState::CANNOT_CONNECT_NOW {
        ("it is starting up, shutting down or recovering", "try again later")
    } else if *code == SqlState::PROTOCOL_VIOLATION {
        ("it does not take startup options", "connect to the server itself: a pooler cannot hold a session")
    } else {
        ("the session was not opened", "the server's log says why")
    };
    ConnectError::Refused { resource, code: code.code().into(), problem: problem.into(), hint }
}

/// Whether the session was over before it could do anything, as far as the error tells.
pub(crate) fn is_lost(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        // Ended by an administrator, by a crash or shutdown, or for having been idle.
        Some(code) => ["57P01", "57P02", "57P03", "57P05", "25P03"].contains(&code.code()),
        None => error.is_closed() || error.source().is_some_and(|cause| cause.is::<io::Error>()),
    }
}

/// Replaces in a server's text what must not leave the host.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    pub(crate) resource: String,
    pub(crate) user: String,
    pub(crate) database: String,
    pub(crate) secrets: Vec<String>,
}

impl Names {
    fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = replace_words(&text, secret, &self.resource);
        }
        for word in ["role", "user"] {
            text = text.replace(&format!("{word} \"{}\"", self.user), &format!("the role of {}", self.resource));
        }
        text
    }

    /// What a statement ended with, after `ran` of at most `limit`.
    pub(crate) fn statement(&self, error: &tokio_postgres::Error, ran: Duration, limit: Duration) -> Error {
        let Some(answer) = error.as_db_error() else { return self.other(error) };
        let code = answer.code();
        if *code == SqlState::QUERY_CANCELED && ran + Duration::from_millis(20) >= limit {
            return Error::TimedOut(milliseconds(limit));
        }
        let hint = match answer.hint() {
            Some(hint) => Some(self.clean(hint)),
            None if *code == SqlState::LOCK_NOT_AVAILABLE => {
                Some("another session holds the lock: try again, or raise lock_timeout in the options".into())
            }
            None if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
                Some("hostler doctor says which privileges the role lacks".into())
            }
            None if *code == SqlState::INDETERMINATE_DATATYPE => {
                Some("write the parameter with its type, as in $1::pg_catalog.text".into())
            }
            None => None,
        };
        Error::Failed(Failure {
            code: code.code().into(),
            message: self.clean(answer.message()),
            detail: answer.detail().map(|detail| self.clean(detail)),
            hint,
        })
    }

    fn other(&self, error: &tokio_postgres::Error) -> Error {
        let cause = error.source().map(ToString::to_string);
        let io = error.source().is_some_and(|cause| cause.is::<io::Error>());
        let words = error.to_string();
        if error.is_closed() || words.starts_with("error communicating") {
            return Error::Unavailable(format!("{} closed the connection in the middle of the call", self.resource));
        }
        match (words.starts_with("error serializing"), cause) {
            (true, Some(cause)) if !io => Error::Invalid(cause),
            (true, _) => Error::Invalid("a parameter cannot be sent".into()),
            _ => hostler_capability::failed("08P01", format!("{}: {words}", self.resource)),
        }
    }

    pub(crate) fn notice(&self, notice: &DbError) -> hostler_world::postgres::Notice {
        hostler_world::postgres::Notice {
            severity: notice.parsed_severity().map_or_else(|| notice.severity().to_owned(), |word| word.to_string()),
            code: notice.code().code().into(),
            message: self.clean(notice.message()),
            detail: notice.detail().map(|detail| self.clean(detail)),
            hint: notice.hint().map(|hint| self.clean(hint)),
        }
    }
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Replaces whole words: the host `db` is no part of `dbname`.
fn replace_words(text: &str, word: &str, with: &str) -> String {
    let is_part = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find(word) {
        let (before, after) = (&rest[..place], &rest[place + word.len()..]);
        done.push_str(before);
        let inside = is_part(done.chars().next_back()) || is_part(after.chars().next());
        done.push_str(if inside { word } else { with });
        rest = after;
    }
    done.push_str(rest);
    done
}

#[cfg(test)]
mod tests {
    use super::{ConnectError, Error, Names};

    #[test]
    fn a_refusal_has_its_code_once() {
        let refused = ConnectError::Refused {
            resource: "postgres.main".into(),
            code: "28P01".into(),
            problem: "the password is wrong".into(),
            hint: "look at password_file",
        };
        assert_eq!(refused.to_string(), "postgres.main refused the connection: the password is wrong (SQLSTATE 28P01)");
        let Error::Failed(failure) = refused.into() else { panic!("the server said no") };
        assert_eq!((failure.code.as_str(), failure.message.contains("28P01")), ("28P01", false));
    }

    #[test]
    fn an_address_becomes_the_name_of_the_resource() {
        let names = Names {
            resource: "postgres.main".into(),
            user: "hostler".into(),
            database: "shop".into(),
            secrets: vec!["db1".into(), "10.0.0.1".into(), "hunter2".into()],
        };
        assert_eq!(
            names.clean("no entry for host \"10.0.0.1\", user \"hostler\": db1 knows hunter2, not db10 or xdb1"),
            "no entry for host \"postgres.main\", the role of postgres.main: postgres.main knows postgres.main, \
             not db10 or xdb1"
        );
    }
}
