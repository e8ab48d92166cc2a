//! Versions and ranges as npm writes them, as far as `engines` and `.nvmrc` use them. Pre-releases count as their
//! release: nobody's engines are about them.

use std::fmt;

/// A version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// A whole version, with or without `v`; a pre-release is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let partial = Partial::parse(text)?;
        Some(Self(partial.major?, partial.minor?, partial.patch?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A version of which the end may be open: `22`, `22.x`, `*`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Partial {
    major: Option<u32>,
    minor: Option<u32>,
    patch: Option<u32>,
}

impl Partial {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim_start_matches('v');
        let mut parts = text.split('.');
        let mut open = false;
        let mut next = || -> Option<Option<u32>> {
            match parts.next() {
                None | Some("x" | "X" | "*") => {
                    open = true;
                    Some(None)
                }
                Some(number) if !open => number.parse().ok().map(Some),
                Some(_) => None,
            }
        };
        let partial = Self { major: next()?, minor: next()?, patch: next()? };
        (parts.next().is_none() && !text.is_empty()).then_some(partial)
    }

    fn least(self) -> Version {
        Version(self.major.unwrap_or(0), self.minor.unwrap_or(0), self.patch.unwrap_or(0))
    }

    /// The first version behind all that it covers; nothing where it covers every one.
    fn beyond(self) -> Option<Version> {
        let major = self.major?;
        Some(match (self.minor, self.patch) {
            (None, _) => Version(major + 1, 0, 0),
            (Some(minor), None) => Version(major, minor + 1, 0),
            (Some(minor), Some(patch)) => Version(major, minor, patch + 1),
        })
    }

    /// Where `^` ends: the leftmost figure that is not 0 stays.
    fn caret(self) -> Option<Version> {
        let major = self.major?;
        Some(match (major, self.minor, self.patch) {
            (0, Some(0), Some(patch)) => Version(0, 0, patch + 1),
            (0, Some(minor), _) => Version(0, minor + 1, 0),
            _ => Version(major + 1, 0, 0),
        })
    }

    /// Where `~` ends.
    fn tilde(self) -> Option<Version> {
        let major = self.major?;
        Some(self.minor.map_or(Version(major + 1, 0, 0), |minor| Version(major, minor + 1, 0)))
    }
}

/// Whether a version lies in a range; nothing where the range cannot be understood.
pub(crate) fn satisfies(version: Version, range: &str) -> Option<bool> {
    let mut any = false;
    for alternative in range.split("||") {
        any |= within(version, alternative.trim())?;
    }
    Some(any)
}

fn within(version: Version, range: &str) -> Option<bool> {
    if let Some((from, to)) = range.split_once(" - ") {
        let (from, to) = (Partial::parse(from.trim())?, Partial::parse(to.trim())?);
        return Some(version >= from.least() && to.beyond().is_none_or(|end| version < end));
    }
    // An operator may stand apart from its version.
    let mut joined = range.to_owned();
    for operator in [">=", "<=", ">", "<", "=", "^", "~"] {
        while joined.contains(&format!("{operator} ")) {
            joined = joined.replace(&format!("{operator} "), operator);
        }
    }
    let mut all = true;
    for comparator in joined.split_whitespace() {
        all &= compares(version, comparator)?;
    }
    Some(all)
}

fn compares(version: Version, comparator: &str) -> Option<bool> {
    let digits = comparator.trim_start_matches(['<', '>', '=', '^', '~']);
    let operator = &comparator[..comparator.len() - digits.len()];
    let partial = Partial::parse(digits)?;
    let (least, beyond) = (partial.least(), partial.beyond());
    let below = |end: Option<Version>| end.is_none_or(|end| version < end);
    Some(match operator {
        "" | "=" => version >= least && below(beyond),
        ">=" => version >= least,
        "<=" => below(beyond),
        "<" => partial.major.is_some() && version < least,
        ">" => beyond.is_some_and(|end| version >= end),
        "^" => version >= least && below(partial.caret()),
        "~" | "~>" => version >= least && below(partial.tilde()),
        _ => return None,
    })
}
