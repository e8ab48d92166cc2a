//! One table of a file, read into a structure.
//!
//! A structure's own `Deserialize` says what is known and what is expected, so that no list of keys is kept twice. It
//! stops at the first error; therefore the key that failed is taken out and the rest tried again, until all that is
//! wrong is found.

use std::ops::Range;

use hostler_manifest::did_you_mean;
use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeTable, DeValue, ValueDeserializer},
};

use crate::{ConfigurationError, Place, place::Source};

/// A table with its name and its place.
#[derive(Clone)]
pub(crate) struct Section<'i> {
    /// The dotted name.
    pub(crate) path: String,
    /// Where it begins.
    pub(crate) span: Range<usize>,
    pub(crate) table: DeTable<'i>,
    pub(crate) source: &'i Source,
}

impl<'i> Section<'i> {
    /// A table below this one; an error where the key is there and holds something else.
    pub(crate) fn below(&self, key: &str, meaning: &str, errors: &mut Vec<ConfigurationError>) -> Option<Section<'i>> {
        let (name, value) = self.table.get_key_value(key)?;
        let path = format!("{}.{key}", self.path);
        match value.get_ref() {
            DeValue::Table(table) => {
                Some(Section { path, span: name.span(), table: table.clone(), source: self.source })
            }
            other => {
                errors.push(ConfigurationError::WrongType {
                    place: self.source.place(&name.span()),
                    key: path,
                    expected: meaning.into(),
                    found: in_words(other).into(),
                });
                None
            }
        }
    }

    /// Where the table begins.
    pub(crate) fn place(&self) -> Place {
        self.source.place(&self.span)
    }

    /// Where a key is; where the table begins, if it is not there.
    pub(crate) fn key_place(&self, key: &str) -> Place {
        let span = self.table.get_key_value(key).map_or(self.span.clone(), |(name, _)| name.span());
        self.source.place(&span)
    }

    /// Where an item of a list is; where the list's key is, if it is not there.
    pub(crate) fn item_place(&self, key: &str, index: usize) -> Place {
        match self.table.get(key).map(Spanned::get_ref) {
            Some(DeValue::Array(items)) => items.get(index).map(|item| self.source.place(&item.span())),
            _ => None,
        }
        .unwrap_or_else(|| self.key_place(key))
    }

    /// A value that is out of place.
    pub(crate) fn wrong(&self, key: &str, problem: impl Into<String>) -> ConfigurationError {
        ConfigurationError::Value {
            place: self.key_place(key.split(['.', '[']).next().unwrap_or(key)),
            key: format!("{}.{key}", self.path),
            problem: problem.into(),
        }
    }

    /// Reads the table, and adds whatever is wrong with it to `errors`.
    pub(crate) fn read<T: DeserializeOwned>(&self, errors: &mut Vec<ConfigurationError>) -> Option<T> {
        let mut table = self.table.clone();
        let mut removed: Vec<String> = Vec::new();
        let before = errors.len();
        loop {
            let attempt = Spanned::new(self.span.clone(), DeValue::Table(table.clone()));
            let error = match T::deserialize(ValueDeserializer::from(attempt)) {
                Ok(value) => return removed.is_empty().then_some(value),
                Err(error) => error,
            };
            let found = error.span().and_then(|span| find(&table, &span));
            if let Some(field) = error.message().strip_prefix("missing field ") {
                let field = field.trim_matches('`');
                let inside = found.map_or_else(|| self.path.clone(), |found| format!("{}.{}", self.path, found.path));
                // Where another key was meant to be this one, that has been said.
                let meant = errors[before..].iter().any(
                    |error| matches!(error, ConfigurationError::UnknownKey { meant: Some(meant), .. } if meant == field),
                );
                if !meant && !removed.iter().any(|key| key == field) {
                    let span = error.span().unwrap_or(self.span.clone());
                    errors.push(ConfigurationError::MissingKey {
                        place: self.source.place(&span),
                        key: format!("{inside}.{field}"),
                    });
                }
                return None;
            }
            let Some(found) = found else {
                errors.push(ConfigurationError::Value {
                    place: self.place(),
                    key: self.path.clone(),
                    problem: error.message().to_owned(),
                });
                return None;
            };
            errors.push(self.explain(error.message(), &found));
            table.remove(found.top.as_str());
            removed.push(found.top);
        }
    }

    fn explain(&self, message: &str, found: &Found) -> ConfigurationError {
        let place = self.source.place(&found.span);
        let key = format!("{}.{}", self.path, found.path);
        if message.starts_with("unknown field ") {
            let mut names = message.split('`').skip(1).step_by(2);
            let given = names.next().unwrap_or_default();
            let known: Vec<String> = names.map(str::to_owned).collect();
            let meant = did_you_mean(given, known.iter().map(String::as_str)).map(str::to_owned);
            return ConfigurationError::UnknownKey { place, key, meant, known };
        }
        if message.starts_with("invalid ")
            && let Some((_, expected)) = message.rsplit_once(", expected ")
        {
            let expected = expectation(expected);
            return ConfigurationError::WrongType { place, key, expected, found: found.kind.into() };
        }
        ConfigurationError::Value { place, key, problem: message.to_owned() }
    }
}

/// What an error is about.
struct Found {
    /// The key of the table in which it is.
    top: String,
    /// The dotted path.
    path: String,
    span: Range<usize>,
    /// The type of the value, in words.
    kind: &'static str,
}

/// The key or value with exactly this span.
fn find(table: &DeTable<'_>, span: &Range<usize>) -> Option<Found> {
    table.iter().find_map(|(key, value)| {
        let name = key.get_ref().to_string();
        let whole =
            || Found { top: name.clone(), path: name.clone(), span: key.span(), kind: in_words(value.get_ref()) };
        if key.span() == *span {
            return Some(whole());
        }
        if let Some(inner) = inside(value.get_ref(), span) {
            return Some(Found { path: format!("{name}{}", inner.path), top: name, ..inner });
        }
        (value.span() == *span).then(whole)
    })
}

fn inside(value: &DeValue<'_>, span: &Range<usize>) -> Option<Found> {
    match value {
        DeValue::Table(table) => find(table, span).map(|found| Found { path: format!(".{}", found.path), ..found }),
        DeValue::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
            let position = format!("[{index}]");
            if let Some(found) = inside(item.get_ref(), span) {
                return Some(Found { path: format!("{position}{}", found.path), ..found });
            }
            (item.span() == *span).then(|| Found {
                top: String::new(),
                path: position,
                span: item.span(),
                kind: in_words(item.get_ref()),
            })
        }),
        _ => None,
    }
}

/// A value's type, in words.
pub(crate) fn in_words(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(integer) if integer.as_str().starts_with('-') => "a negative number",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn expectation(expected: &str) -> String {
    match expected {
        "a string" | "string" => "text",
        "path string" => "a path, as text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        "u32" | "u64" | "usize" => "a whole number",
        other if other.starts_with("struct ") => "a table",
        other => other,
    }
    .to_owned()
}
