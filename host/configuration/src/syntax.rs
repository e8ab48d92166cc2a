//! From a file's text to its table, with what is no TOML.
//!
//! The parser's own display would repeat the line, and a line may hold a password; so an error has the parser's words
//! and, at most, the key at the line's beginning.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::{ConfigurationError, Place, place::Source};

/// Parses a file, as far as it can be.
pub(crate) fn parse<'i>(source: &'i Source, errors: &mut Vec<ConfigurationError>) -> DeTable<'i> {
    let (table, problems) = DeTable::parse_recoverable(&source.text);
    let table = table.into_inner();
    let mut last = None;
    let mut twice: Vec<Vec<String>> = Vec::new();
    for problem in &problems {
        let span = problem.span().unwrap_or(0..0);
        let place = source.place(&span);
        // One slip often leads to several errors on its line.
        if last.as_ref() == Some(&place) {
            continue;
        }
        last = Some(place.clone());
        let path = problem.message().starts_with("duplicate key").then(|| path_at(source, place.line, &span)).flatten();
        let Some(path) = path else {
            let near = source.text.lines().nth(place.line - 1).and_then(harmless_beginning);
            let near = near.map(|beginning| format!(", near `{beginning}`")).unwrap_or_default();
            errors.push(ConfigurationError::Syntax { place, problem: format!("{}{near}", problem.message()) });
            continue;
        };
        // The keys of a table that is there twice are there twice, too.
        if twice.iter().any(|table| path.starts_with(table)) {
            continue;
        }
        let key = path.join(".");
        errors.push(match first(source, &table, &path).filter(|first| first.line < place.line) {
            Some(first) => ConfigurationError::Twice { key, first, second: place },
            None => ConfigurationError::Value { place, key, problem: "is defined twice".into() },
        });
        twice.push(path);
    }
    table
}

/// The header, or the key, with which a line begins; nothing where it could be part of a value.
fn harmless_beginning(line: &str) -> Option<&str> {
    let line = line.trim();
    let bare = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_-.".contains(letter))
    };
    if let Some(header) = line.strip_prefix('[') {
        return bare(header.trim_end_matches(']').trim()).then_some(line);
    }
    let key = line.split_once('=')?.0.trim();
    bare(key).then_some(key)
}

/// The dotted path of the key at `span`: of a header, or of a key below the header above it.
fn path_at(source: &Source, line: usize, span: &Range<usize>) -> Option<Vec<String>> {
    let lines: Vec<&str> = source.text.lines().take(line).collect();
    let (current, above) = lines.split_last()?;
    if let Some(path) = header(current) {
        return Some(path);
    }
    let mut path = above.iter().rev().find_map(|line| header(line)).unwrap_or_default();
    path.push(source.text.get(span.clone())?.trim_matches('"').to_owned());
    Some(path)
}

/// The path that a header writes.
fn header(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('[')?.split_once(']')?.0;
    Some(inner.split('.').map(|part| part.trim().trim_matches('"').to_owned()).collect())
}

/// Where a path was defined first: as a header, or else as a key.
fn first(source: &Source, table: &DeTable<'_>, path: &[String]) -> Option<Place> {
    let line = source.text.lines().position(|line| header(line).is_some_and(|header| header == path));
    line.map(|line| Place { file: source.path.clone(), line: line + 1 })
        .or_else(|| key_span(table, path).map(|span| source.place(&span)))
}

fn key_span(table: &DeTable<'_>, path: &[String]) -> Option<Range<usize>> {
    let (name, rest) = path.split_first()?;
    let (key, value) = table.get_key_value(name.as_str())?;
    match (rest, value.get_ref()) {
        ([], _) => Some(key.span()),
        (rest, DeValue::Table(table)) => key_span(table, rest),
        _ => None,
    }
}
