//! Names and the patterns that cover them.
//!
//! A name has one part (an extension, a database) or two (`schema.relation`); a part that is no plain identifier is
//! written in double quotes, as in SQL, so that a dot inside a part cannot pass for the dot between two. In a pattern
//! `*` stands for any text within its part. A `*` in the schema never reaches the system's own schemas (`pg_*` and
//! `information_schema`): those are named in full or not meant.

/// A piece of a part: a character, or any text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Character(char),
    Any,
}

type Part = Vec<Piece>;

/// Whether `pattern` covers `name`. What is no pattern, or no name, matches nothing.
#[must_use]
pub fn pattern_matches(pattern: &str, name: &str) -> bool {
    parts(pattern, true).zip(parts(name, false)).is_some_and(|(outer, inner)| covers(&outer, &inner))
}

/// Whether everything that the pattern `inner` matches is matched by the pattern `outer`.
///
/// This is how a binding is held to its request: `public.*` is covered by `*.*`, and `*.*` not by `public.*`.
#[must_use]
pub fn pattern_covers(outer: &str, inner: &str) -> bool {
    parts(outer, true).zip(parts(inner, true)).is_some_and(|(outer, inner)| covers(&outer, &inner))
}

/// Whether a pattern names one object, without a `*` that stands for any text.
#[must_use]
pub fn pattern_is_name(pattern: &str) -> bool {
    pattern_is(pattern, pattern)
}

/// The pattern's schema and name, each as it is written; nothing where it has no schema, or is no pattern.
#[must_use]
pub fn pattern_halves(pattern: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let dot = pattern.char_indices().find(|(_, letter)| {
        quoted ^= *letter == '"';
        *letter == '.' && !quoted
    });
    parts(pattern, true).filter(|parts| parts.len() == 2)?;
    dot.map(|(place, _)| (&pattern[..place], &pattern[place + 1..]))
}

/// Whether `pattern` is `name` itself, without `*`.
pub(super) fn pattern_is(pattern: &str, name: &str) -> bool {
    parts(pattern, true).zip(parts(name, false)).is_some_and(|(pattern, name)| pattern == name)
}

/// A name as a grant and a report write it: parts joined by dots, in double quotes where they need them.
pub(super) fn written(name: &[&str]) -> String {
    name.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(".")
}

/// Whether a schema is the system's own.
pub(super) fn is_system(schema: &str) -> bool {
    schema.starts_with("pg_") || schema == "information_schema"
}

fn quoted(part: &str) -> String {
    let starts = part.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_$".contains(letter);
    if starts && part.chars().all(plain) { part.to_owned() } else { format!("\"{}\"", part.replace('"', "\"\"")) }
}

/// The parts of a name or a pattern, one or two; nothing where it is neither.
fn parts(text: &str, pattern: bool) -> Option<Vec<Part>> {
    let mut letters = text.chars().peekable();
    let mut parts = Vec::new();
    loop {
        let mut part = Part::new();
        if letters.next_if_eq(&'"').is_some() {
            loop {
                match letters.next()? {
                    '"' if letters.next_if_eq(&'"').is_none() => break,
                    letter => part.push(Piece::Character(letter)),
                }
            }
        } else {
            while let Some(letter) = letters.next_if(|letter| *letter != '.') {
                match letter {
                    '"' => return None,
                    '*' if pattern => part.push(Piece::Any),
                    letter => part.push(Piece::Character(letter)),
                }
            }
        }
        if part.is_empty() {
            return None;
        }
        parts.push(part);
        match letters.next() {
            None => break,
            Some('.') if parts.len() < 2 => {}
            Some(_) => return None,
        }
    }
    Some(parts)
}

fn covers(outer: &[Part], inner: &[Part]) -> bool {
    if outer.len() != inner.len() || !outer.iter().zip(inner).all(|(outer, inner)| part_covers(outer, inner)) {
        return false;
    }
    let [schema, _] = inner else { return true };
    // Only a `*` in the outer schema could reach a system schema that is not spelled out there.
    outer[0] == *schema || !system(schema)
}

/// Whether the inner schema is one of the system's own. One with a `*` never is, whatever it begins with.
fn system(schema: &Part) -> bool {
    let literal: Option<String> = schema
        .iter()
        .map(|piece| match piece {
            Piece::Character(letter) => Some(*letter),
            Piece::Any => None,
        })
        .collect();
    literal.is_some_and(|schema| is_system(&schema))
}

/// Whether `outer` covers `inner`, where a `*` of the inner one is covered by a `*` alone: it may stand for a letter
/// that nothing else in `outer` is.
fn part_covers(outer: &[Piece], inner: &[Piece]) -> bool {
    let (mut at, mut position) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while position < inner.len() {
        if outer.get(at) == Some(&Piece::Any) {
            star = Some((at, position));
            at += 1;
        } else if outer.get(at) == Some(&inner[position]) {
            at += 1;
            position += 1;
        } else if let Some((after, taken)) = star {
            at = after + 1;
            position = taken + 1;
            star = Some((after, taken + 1));
        } else {
            return false;
        }
    }
    outer[at..].iter().all(|piece| *piece == Piece::Any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_star_but_in_quotes_and_its_halves_keep_theirs() {
        for (pattern, name) in [("a.b", true), ("a.*", false), ("a*", false), ("\"*\".b", true), ("a.b.c", false)] {
            assert_eq!(pattern_is_name(pattern), name, "{pattern}");
        }
        assert_eq!(pattern_halves("shop.*"), Some(("shop", "*")));
        assert_eq!(pattern_halves("\"a.\"\"b\".c"), Some(("\"a.\"\"b\"", "c")));
        for none in ["amcheck", "\"a.b\"", "a.b.c", "a."] {
            assert_eq!(pattern_halves(none), None, "{none}");
        }
    }
}
