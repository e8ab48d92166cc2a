//! A PostgreSQL connection string, as libpq reads it: `host=db1 dbname=shop`, or `postgresql://db1/shop`.
//!
//! It is read here and nowhere else: the capability that connects, the one that hands a server to a program, and what is
//! printed of a resource all see the same. tokio-postgres reads both forms too, but refuses what it does not know
//! (`service`, `sslrootcert`, `passfile`), and its errors quote the string. So the string becomes keywords and values
//! here, and no error ever quotes a value.

mod keywords;
mod service;
mod uri;

use std::fmt;

use thiserror::Error;

pub(crate) use keywords::keywords;
pub use service::{ServiceError, ServiceFile};
pub use uri::percent_decoded;

/// Why a connection string could not be read. It names the place, never what stands there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DsnError {
    /// Something that is neither a keyword nor a value.
    #[error("the connection string is wrong at byte {0}: write keyword=value, with '…' around a value with spaces")]
    Place(usize),
    /// A quote without its end.
    #[error("a quoted value in the connection string has no end")]
    Unterminated,
    /// A `%` without two hexadecimal digits, or bytes that are no text.
    #[error("the connection URI has a wrong %-escape: write % as %25, @ as %40, / as %2F, : as %3A")]
    Escape,
    /// Something wrong in a URI.
    #[error("the connection URI is wrong: {0}")]
    Uri(&'static str),
}

/// A connection string as keywords and values, of which each is taken once: what is left over was not understood.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ConnectionString(Vec<(String, String)>);

impl fmt::Debug for ConnectionString {
    /// The keywords alone: a value may be a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.iter().map(|(keyword, _)| keyword)).finish()
    }
}

impl ConnectionString {
    /// Reads either form.
    ///
    /// # Errors
    /// Where the place is that is wrong, never what stands there.
    pub fn parse(text: &str) -> Result<Self, DsnError> {
        let text = text.trim();
        let rest = text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://"));
        Ok(Self(match rest {
            Some(rest) => uri::pairs(rest)?,
            None => keywords(text)?,
        }))
    }

    /// The value of a keyword, of several the last; nothing where it is empty.
    #[must_use]
    pub fn value(&self, keyword: &str) -> Option<&str> {
        let last = self.0.iter().rev().find(|(known, _)| known == keyword);
        last.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// As [`Self::value`], and the keyword is not left over.
    pub fn take(&mut self, keyword: &str) -> Option<String> {
        let value = self.value(keyword).map(str::to_owned);
        self.0.retain(|(known, _)| known != keyword);
        value
    }

    /// A keyword that nobody took yet.
    #[must_use]
    pub fn left_over(&self) -> Option<&str> {
        self.0.first().map(|(keyword, _)| keyword.as_str())
    }

    /// Whether a keyword is there, be it empty.
    #[must_use]
    pub fn has(&self, keyword: &str) -> bool {
        self.0.iter().any(|(known, _)| known == keyword)
    }

    /// What a service says holds where the connection string does not.
    pub fn extend(&mut self, pairs: Vec<(String, String)>) {
        for (keyword, value) in pairs {
            if !self.has(&keyword) {
                self.0.push((keyword, value));
            }
        }
    }

    /// The keywords that are not empty, in order, of several of one name the last.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_last = |(index, (keyword, _)): &(usize, &(String, String))| {
            !self.0[index + 1..].iter().any(|(later, _)| later == keyword)
        };
        let last = self.0.iter().enumerate().filter(is_last).map(|(_, (keyword, value))| (&**keyword, &**value));
        last.filter(|(_, value)| !value.is_empty())
    }
}

/// The user and the database of a connection string; nothing where it says nothing, or leaves it to a service file.
#[must_use]
pub fn user_and_database(dsn: &str) -> (Option<String>, Option<String>) {
    let Ok(words) = ConnectionString::parse(dsn) else { return (None, None) };
    let value = |keyword| words.value(keyword).map(str::to_owned);
    let (user, database) = (value("user"), value("dbname"));
    // Where it names none, a database is called as its user is; a service may name one.
    let database = database.or_else(|| user.clone().filter(|_| !words.has("service")));
    (user, database)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_database_of_both_forms() {
        for (dsn, user, database) in [
            ("host=db1 dbname=shop user=hostler password='a b'", Some("hostler"), Some("shop")),
            ("host=db1 user=hostler", Some("hostler"), Some("hostler")),
            ("service=shop user=hostler", Some("hostler"), None),
            ("service=shop", None, None),
            ("postgres://hostler:pa@ss@db1:5432/shop?sslmode=require", Some("hostler"), Some("shop")),
            ("postgresql://db1/shop?user=a%20b", Some("a b"), Some("shop")),
            ("postgres://db1", None, None),
            ("postgres://x%zz@db1/", None, None),
        ] {
            let expected = (user.map(str::to_owned), database.map(str::to_owned));
            assert_eq!(user_and_database(dsn), expected, "{dsn}");
        }
    }

    #[test]
    fn the_last_of_several_values_holds_and_an_empty_one_is_none() {
        let mut words = ConnectionString::parse("host=a host=b dbname='' port=1").expect("it is right");
        assert_eq!((words.value("host"), words.value("dbname"), words.has("dbname")), (Some("b"), None, true));
        assert_eq!(words.iter().collect::<Vec<_>>(), [("host", "b"), ("port", "1")]);
        words.extend(vec![("port".into(), "2".into()), ("user".into(), "u".into())]);
        assert_eq!((words.value("port"), words.value("user")), (Some("1"), Some("u")));
        assert_eq!((words.take("host").as_deref(), words.take("host")), (Some("b"), None));
        assert_eq!(words.left_over(), Some("dbname"));
    }

    #[test]
    fn errors_name_the_place_and_never_the_value() {
        let error = |text| ConnectionString::parse(text).expect_err("it is wrong");
        assert_eq!(error("host=a secret"), DsnError::Place(7));
        assert_eq!(error("password='secret"), DsnError::Unterminated);
        assert_eq!(error("postgresql://a%zz/"), DsnError::Escape);
        assert_eq!(error("postgresql://[::1"), DsnError::Uri("an address in [ without ]"));
        assert_eq!(error("postgresql://a?sslmode"), DsnError::Uri("a parameter without ="));
        let words = ConnectionString::parse("user=u password=secret").expect("it is right");
        assert!(!format!("{words:?}").contains("secret"));
    }
}
