//! One argument's pattern.
//!
//! `{text}` never covers what begins with `-`: a plugin that may name a table must not be able to name an option. A
//! path is only ever one that was given as a path, because the host has to translate it; and it ends its argument, as
//! what the host puts there is its own.

use thiserror::Error;

use super::{Argument, ArgumentKind};

/// Why a pattern is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// A brace without its other half.
    #[error("\"{pattern}\" has a brace without its other half; a brace as such cannot be written")]
    Brace {
        /// The pattern.
        pattern: String,
    },
    /// Something in braces that means nothing.
    #[error(
        "{{{inside}}} in \"{pattern}\" means nothing: there are {{text}}, {{1-8}}, {{a|b}}, {{path}} and {{output}}"
    )]
    Unknown {
        /// The pattern.
        pattern: String,
        /// What stands in the braces.
        inside: String,
    },
    /// A range that no number lies in.
    #[error("{{{inside}}} in \"{pattern}\" is no range: write the smaller number first, without leading zeros")]
    Range {
        /// The pattern.
        pattern: String,
        /// What stands in the braces.
        inside: String,
    },
    /// A choice with an empty word.
    #[error("{{{inside}}} in \"{pattern}\" has an empty choice")]
    EmptyChoice {
        /// The pattern.
        pattern: String,
        /// What stands in the braces.
        inside: String,
    },
    /// A path in the middle of an argument, or behind something that is not plain text.
    #[error("in \"{pattern}\" the path has to come last, and only plain text may stand before it")]
    PathNotLast {
        /// The pattern.
        pattern: String,
    },
    /// A NUL, which no argument can have.
    #[error("a pattern cannot have a NUL")]
    Nul,
    /// `...` with nothing before it.
    #[error("\"...\" repeats the pattern before it, and there is none")]
    RepeatsNothing,
    /// `...` in the middle.
    #[error("\"...\" has to be the last")]
    RepeatNotLast,
}

/// What a text pattern is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    Text,
    Range(u64, u64),
    Choice(Vec<String>),
}

/// A pattern, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pattern {
    /// Text, held against the pieces.
    Text(Vec<Piece>),
    /// A path, with the text before it.
    Path(String, ArgumentKind),
}

impl Pattern {
    pub(super) fn parse(pattern: &str) -> Result<Self, PatternError> {
        if pattern.contains('\0') {
            return Err(PatternError::Nul);
        }
        let mut pieces = Vec::new();
        let mut rest = pattern;
        while !rest.is_empty() {
            let unmatched = || PatternError::Brace { pattern: pattern.into() };
            match rest.find(['{', '}']) {
                None => {
                    pieces.push(Piece::Literal(rest.into()));
                    break;
                }
                Some(0) if rest.starts_with('{') => {
                    let end = rest.find('}').ok_or_else(unmatched)?;
                    let inside = &rest[1..end];
                    rest = &rest[end + 1..];
                    if inside == "path" || inside == "output" {
                        let kind = if inside == "path" { ArgumentKind::Path } else { ArgumentKind::Output };
                        return path(pattern, rest, &pieces, kind);
                    }
                    pieces.push(piece(pattern, inside)?);
                }
                Some(0) => return Err(unmatched()),
                Some(start) => {
                    pieces.push(Piece::Literal(rest[..start].into()));
                    rest = &rest[start..];
                }
            }
        }
        Ok(Self::Text(pieces))
    }

    pub(super) fn kind(&self) -> ArgumentKind {
        match self {
            Self::Text(_) => ArgumentKind::Text,
            Self::Path(_, kind) => *kind,
        }
    }

    pub(super) fn covers(&self, argument: &Argument) -> bool {
        match (self, argument) {
            (Self::Text(pieces), Argument::Text(text)) => covers(pieces, text),
            (Self::Path(before, _), Argument::Path(_)) => before.is_empty(),
            (Self::Path(before, _), Argument::TextPath(text, _)) => before == text,
            _ => false,
        }
    }
}

fn path(pattern: &str, rest: &str, pieces: &[Piece], kind: ArgumentKind) -> Result<Pattern, PatternError> {
    let before = match pieces {
        [] => Some(String::new()),
        [Piece::Literal(text)] => Some(text.clone()),
        _ => None,
    };
    match before {
        Some(before) if rest.is_empty() => Ok(Pattern::Path(before, kind)),
        _ => Err(PatternError::PathNotLast { pattern: pattern.into() }),
    }
}

fn piece(pattern: &str, inside: &str) -> Result<Piece, PatternError> {
    let (pattern_text, inside_text) = (pattern.to_owned(), inside.to_owned());
    if inside.contains('{') {
        return Err(PatternError::Brace { pattern: pattern_text });
    }
    if inside == "text" {
        return Ok(Piece::Text);
    }
    if inside.contains('|') {
        let choices: Vec<String> = inside.split('|').map(str::to_owned).collect();
        if choices.iter().any(String::is_empty) {
            return Err(PatternError::EmptyChoice { pattern: pattern_text, inside: inside_text });
        }
        return Ok(Piece::Choice(choices));
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match inside.split_once('-') {
        Some((first, last)) if digits(first) && digits(last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Piece::Range(first, last)),
            _ => Err(PatternError::Range { pattern: pattern_text, inside: inside_text }),
        },
        _ => Err(PatternError::Unknown { pattern: pattern_text, inside: inside_text }),
    }
}

/// A number in its one spelling: no sign, no leading zeros.
fn number(text: &str) -> Option<u64> {
    let value: u64 = text.parse().ok()?;
    (value.to_string() == text).then_some(value)
}

/// Follows all places in the text that the pieces so far can end at, so that the time is linear in the text however
/// many `{text}` stand in a pattern.
fn covers(pieces: &[Piece], text: &str) -> bool {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for piece in pieces {
        let mut next = vec![false; text.len() + 1];
        for place in (0..=text.len()).filter(|place| reached[*place]) {
            let rest = &text[place..];
            match piece {
                Piece::Literal(literal) if rest.starts_with(literal.as_str()) => next[place + literal.len()] = true,
                Piece::Literal(_) => {}
                Piece::Choice(choices) => {
                    for choice in choices.iter().filter(|choice| rest.starts_with(choice.as_str())) {
                        next[place + choice.len()] = true;
                    }
                }
                Piece::Range(first, last) => {
                    let digits = rest.bytes().take(20).take_while(u8::is_ascii_digit).count();
                    for length in 1..=digits {
                        let value = number(&rest[..length]);
                        next[place + length] |= value.is_some_and(|value| (*first..=*last).contains(&value));
                    }
                }
                Piece::Text if rest.starts_with('-') || rest.is_empty() => {}
                Piece::Text => {
                    // From the first place on, everything behind is reached: no later place adds any.
                    for (offset, character) in rest.char_indices() {
                        next[place + offset + character.len_utf8()] = true;
                    }
                    break;
                }
            }
        }
        reached = next;
    }
    reached[text.len()]
}
