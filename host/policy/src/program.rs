//! May this program be called with these arguments?
//!
//! A program is granted by forms: one pattern an argument, and whether the form reads or changes. Arguments are held
//! against the patterns one by one and never put together into a line, so that there is nothing to quote and nothing
//! to escape from. Where several forms match, **the first in the operator's order holds**: what is narrower stands
//! first. What a pattern does not cover is refused, and the refusal names the pattern, never the argument, which may
//! be anybody's data.

mod pattern;

use hostler_manifest::Effect;
use thiserror::Error;

use pattern::Pattern;
pub use pattern::PatternError;

/// The word that repeats the pattern before it.
const REPEAT: &str = "...";
/// The most arguments a call may have.
const MOST_ARGUMENTS: usize = 4096;
/// The most bytes that one argument may have, as the kernel has it.
const LONGEST_ARGUMENT: usize = 128 * 1024 - 1;

/// An argument as a plugin gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// Text as it is.
    Text(String),
    /// A path below a bound directory, which the host translates.
    Path(String),
    /// Text, and such a path right behind it.
    TextPath(String, String),
}

/// What an argument turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentKind {
    /// Text alone.
    Text,
    /// It has a path that exists.
    Path,
    /// It has a path that the program makes.
    Output,
}

/// The form that covers a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    /// Its place among the forms.
    pub index: usize,
    /// Whether it reads or changes.
    pub effect: Effect,
    /// What each argument is, in order.
    pub kinds: Vec<ArgumentKind>,
}

/// Why no form covers a call.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProgramRefusal {
    /// The operator wrote no form at all.
    #[error("the program has no form: write allow = [{{ arguments = [...] }}] at it")]
    NoForms,
    /// More arguments than anything takes.
    #[error("more than {MOST_ARGUMENTS} arguments")]
    TooMany,
    /// An argument that no process can be given.
    #[error("argument {number} is longer than {LONGEST_ARGUMENT} bytes or has a NUL in it")]
    Unusable {
        /// Its number, from 1.
        number: usize,
    },
    /// A form is none; the configuration is checked for this before anything runs.
    #[error("form {form} of the program is wrong: {problem}")]
    Form {
        /// Its number, from 1.
        form: usize,
        /// What is wrong.
        problem: PatternError,
    },
    /// No form has so many arguments.
    #[error("no form of the program takes {given} arguments")]
    Count {
        /// How many were given.
        given: usize,
    },
    /// The nearest form stops at an argument.
    #[error("argument {number} is not covered: form {form}, the nearest, has \"{pattern}\" there")]
    Argument {
        /// The argument's number, from 1.
        number: usize,
        /// The nearest form's number, from 1.
        form: usize,
        /// Its pattern there.
        pattern: String,
    },
}

/// Checks one pattern as an operator writes it; `...` is one here, and [`check_form`] says where it may stand.
///
/// # Errors
/// What is wrong with it.
pub fn check_pattern(pattern: &str) -> Result<(), PatternError> {
    if pattern == REPEAT { Ok(()) } else { Pattern::parse(pattern).map(drop) }
}

/// Checks the patterns of one form together.
///
/// # Errors
/// What is wrong with one of them, or that `...` is not the last, or has nothing before it.
pub fn check_form(patterns: &[String]) -> Result<(), PatternError> {
    Form::parse(patterns).map(drop)
}

/// Whether a form has an `{output}`, which a form that only reads cannot have.
pub fn makes_output(patterns: &[String]) -> bool {
    Form::parse(patterns).is_ok_and(|form| form.patterns.iter().any(|pattern| pattern.kind() == ArgumentKind::Output))
}

/// The first form that covers the arguments.
///
/// # Errors
/// Why none does, in words for the plugin and the operator.
pub fn decide(forms: &[(&[String], Effect)], arguments: &[Argument]) -> Result<Matched, ProgramRefusal> {
    if forms.is_empty() {
        return Err(ProgramRefusal::NoForms);
    }
    if arguments.len() > MOST_ARGUMENTS {
        return Err(ProgramRefusal::TooMany);
    }
    if let Some(index) = arguments.iter().position(|argument| !usable(argument)) {
        return Err(ProgramRefusal::Unusable { number: index + 1 });
    }
    let mut nearest: Option<(usize, usize)> = None;
    for (index, (patterns, effect)) in forms.iter().enumerate() {
        let form = Form::parse(patterns).map_err(|problem| ProgramRefusal::Form { form: index + 1, problem })?;
        if !form.takes(arguments.len()) {
            continue;
        }
        let stops = arguments.iter().enumerate().position(|(place, argument)| !form.at(place).covers(argument));
        match stops {
            None => {
                let kinds = (0..arguments.len()).map(|place| form.at(place).kind()).collect();
                return Ok(Matched { index, effect: *effect, kinds });
            }
            Some(place) if nearest.is_none_or(|(_, farthest)| place > farthest) => nearest = Some((index, place)),
            Some(_) => {}
        }
    }
    Err(match nearest {
        None => ProgramRefusal::Count { given: arguments.len() },
        Some((index, place)) => {
            let patterns = forms[index].0;
            let last = patterns.len() - usize::from(patterns.last().is_some_and(|last| last == REPEAT));
            let pattern = patterns[place.min(last.saturating_sub(1))].clone();
            ProgramRefusal::Argument { number: place + 1, form: index + 1, pattern }
        }
    })
}

/// The patterns of one form, read.
struct Form {
    patterns: Vec<Pattern>,
    repeats: bool,
}

impl Form {
    fn parse(patterns: &[String]) -> Result<Self, PatternError> {
        let repeats = patterns.last().is_some_and(|last| last == REPEAT);
        let written = if repeats { &patterns[..patterns.len() - 1] } else { patterns };
        if repeats && written.is_empty() {
            return Err(PatternError::RepeatsNothing);
        }
        if written.iter().any(|pattern| pattern == REPEAT) {
            return Err(PatternError::RepeatNotLast);
        }
        let patterns = written.iter().map(|pattern| Pattern::parse(pattern)).collect::<Result<_, _>>()?;
        Ok(Self { patterns, repeats })
    }

    fn takes(&self, count: usize) -> bool {
        if self.repeats { count >= self.patterns.len() } else { count == self.patterns.len() }
    }

    /// The pattern of an argument; only asked for a place that [`Form::takes`] covers.
    fn at(&self, place: usize) -> &Pattern {
        &self.patterns[place.min(self.patterns.len() - 1)]
    }
}

fn usable(argument: &Argument) -> bool {
    let fits = |text: &str| text.len() <= LONGEST_ARGUMENT && !text.contains('\0');
    match argument {
        Argument::Text(text) => fits(text),
        Argument::Path(path) => fits(path),
        Argument::TextPath(text, path) => fits(text) && fits(path),
    }
}

#[cfg(test)]
mod tests;
