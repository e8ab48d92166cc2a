//! One word of a grant, such as `+memory|usage` or `%R~cache:*`.

use super::{Access, KeyPattern, RedisGrantError};

/// Redis' categories of commands, those of its bundled modules among them. A category that is misspelt would give
/// nothing and take nothing away without anybody noticing, so another one is an error.
const CATEGORIES: &[&str] = &[
    "admin",
    "bitmap",
    "blocking",
    "bloom",
    "cms",
    "connection",
    "cuckoo",
    "dangerous",
    "fast",
    "geo",
    "hash",
    "hyperloglog",
    "json",
    "keyspace",
    "list",
    "pubsub",
    "read",
    "scripting",
    "search",
    "set",
    "slow",
    "sortedset",
    "stream",
    "string",
    "tdigest",
    "timeseries",
    "topk",
    "transaction",
    "write",
];

/// The word that keeps of a grant only what reads. It is not one of Redis', whose words cannot say it.
pub(super) const READ_ONLY: &str = "read-only";

/// What a `+` gives or a `-` takes away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// `@all`.
    All,
    /// `@read`.
    Category(String),
    /// `info`, `memory` with every subcommand, or `memory|usage`.
    Command(String),
}

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// `+…`.
    Give(Target),
    /// `-…`.
    Take(Target),
    /// `~…`, `%R~…`, `%W~…`, `%RW~…`.
    Keys(KeyPattern),
    /// `read-only`.
    ReadOnly,
}

impl Word {
    pub(super) fn parse(word: &str) -> Result<Self, RedisGrantError> {
        let wrong = |problem: &str| RedisGrantError { word: word.into(), problem: problem.into() };
        match word {
            "allcommands" => return Ok(Self::Give(Target::All)),
            "nocommands" => return Ok(Self::Take(Target::All)),
            "allkeys" => return Ok(Self::Keys(KeyPattern::new("*", Access::BOTH))),
            READ_ONLY => return Ok(Self::ReadOnly),
            "" => return Err(wrong("it is empty")),
            _ => {}
        }
        if let Some(rest) = word.strip_prefix('+') {
            return target(rest).map(Self::Give).map_err(|problem| wrong(&problem));
        }
        if let Some(rest) = word.strip_prefix('-') {
            return target(rest).map(Self::Take).map_err(|problem| wrong(&problem));
        }
        if let Some((access, pattern)) = key_pattern(word) {
            if pattern.is_empty() {
                return Err(wrong("the key pattern is empty; ~* is every key"));
            }
            let Some(access) = access else {
                return Err(wrong("before ~ stands %R (reading), %W (writing) or %RW (both)"));
            };
            return Ok(Self::Keys(KeyPattern::new(pattern, access)));
        }
        Err(wrong(match word.as_bytes()[0] {
            b'&' | b'>' | b'<' | b'#' | b'!' | b'(' => {
                "channels, passwords and selectors belong to the server's user, not to a grant"
            }
            b'@' => "a category is given by +@… and taken away by -@…",
            _ => "a word is +command, +command|subcommand, +@category, the same with -, ~key-pattern, or read-only",
        }))
    }
}

fn key_pattern(word: &str) -> Option<(Option<Access>, &str)> {
    if let Some(pattern) = word.strip_prefix('~') {
        return Some((Some(Access::BOTH), pattern));
    }
    let (letters, pattern) = word.strip_prefix('%')?.split_once('~')?;
    let access = match letters.to_ascii_uppercase().as_str() {
        "R" => Some(Access::READ),
        "W" => Some(Access::WRITE),
        "RW" | "WR" => Some(Access::BOTH),
        _ => None,
    };
    Some((access, pattern))
}

fn target(text: &str) -> Result<Target, String> {
    let text = text.to_ascii_lowercase();
    if let Some(category) = text.strip_prefix('@') {
        return match category {
            "all" => Ok(Target::All),
            known if CATEGORIES.contains(&known) => Ok(Target::Category(known.into())),
            _ => Err(format!("there is no such category; there are @{}", CATEGORIES.join(" @"))),
        };
    }
    let fits = |part: &str| {
        !part.is_empty()
            && part.len() <= 64
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    let (name, subcommand) = text.split_once('|').map_or((text.as_str(), None), |(name, sub)| (name, Some(sub)));
    if fits(name) && subcommand.is_none_or(fits) {
        return Ok(Target::Command(text));
    }
    Err("after the sign stands a command such as info, a subcommand such as memory|usage, or @category".into())
}

impl std::fmt::Display for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => formatter.write_str("@all"),
            Self::Category(name) => write!(formatter, "@{name}"),
            Self::Command(name) => formatter.write_str(name),
        }
    }
}

impl std::fmt::Display for Word {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Give(target) => write!(formatter, "+{target}"),
            Self::Take(target) => write!(formatter, "-{target}"),
            Self::Keys(pattern) => write!(formatter, "{pattern}"),
            Self::ReadOnly => formatter.write_str(READ_ONLY),
        }
    }
}
