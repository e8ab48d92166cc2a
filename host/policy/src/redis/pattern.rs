//! Key patterns, with the meaning that Redis' own matcher gives them.
//!
//! The matcher decides what a plugin reaches, so it has to agree with the server's to the byte, in the odd cases too:
//! a class without an end ends with the pattern, a range may be written backwards, a backslash at the end is itself,
//! and no pattern but `*` alone matches an empty key. It is compared with a running server by a test. It is written
//! without recursion, so that no pattern makes it slow.

/// What a pattern allows to be done with a key, or a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Access {
    /// To read it, or to ask anything about it.
    pub read: bool,
    /// To change it.
    pub write: bool,
}

impl Access {
    /// Reading alone.
    pub const READ: Self = Self { read: true, write: false };
    /// Writing alone.
    pub const WRITE: Self = Self { read: false, write: true };
    /// Both.
    pub const BOTH: Self = Self { read: true, write: true };

    /// Whether it allows all that `other` does.
    pub fn covers(self, other: Self) -> bool {
        (self.read || !other.read) && (self.write || !other.write)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Many,
    One,
    Byte(u8),
    Class { negated: bool, ranges: Vec<(u8, u8)> },
}

/// Most patterns have a shape that is matched without walking tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    Every,
    Exact(Vec<u8>),
    Prefix(Vec<u8>),
    Tokens(Vec<Token>),
}

/// A key pattern and what it allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPattern {
    text: String,
    access: Access,
    shape: Shape,
}

impl KeyPattern {
    /// A pattern such as `cache:*`. Every text is one.
    pub fn new(text: &str, access: Access) -> Self {
        let tokens = tokens(text.as_bytes());
        let literal = |tokens: &[Token]| -> Option<Vec<u8>> {
            tokens.iter().map(|token| if let Token::Byte(byte) = token { Some(*byte) } else { None }).collect()
        };
        let shape = if text == "*" {
            Shape::Every
        } else if let Some(bytes) = literal(&tokens) {
            Shape::Exact(bytes)
        } else if let Some((Token::Many, rest)) = tokens.split_last()
            && let Some(bytes) = literal(rest)
            && !bytes.is_empty()
        {
            Shape::Prefix(bytes)
        } else {
            Shape::Tokens(tokens)
        };
        Self { text: text.into(), access, shape }
    }

    /// The pattern without what stands before it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it allows.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Whether it is `*`, every key.
    pub fn is_every(&self) -> bool {
        self.shape == Shape::Every
    }

    /// Whether a key matches.
    pub fn matches(&self, key: &[u8]) -> bool {
        match &self.shape {
            Shape::Every => true,
            // An empty key matches nothing but `*` on the server.
            Shape::Exact(bytes) => !key.is_empty() && key == bytes,
            Shape::Prefix(bytes) => key.starts_with(bytes),
            Shape::Tokens(tokens) => matches(tokens, key),
        }
    }

    /// Whether every key of `inner` is one of this pattern. Says no where it cannot tell.
    pub fn covers(&self, inner: &Self) -> bool {
        if !self.access.covers(inner.access) {
            return false;
        }
        if self.is_every() || self.text == inner.text {
            return true;
        }
        match (&self.shape, &inner.shape) {
            (_, Shape::Exact(bytes)) => self.matches(bytes) || bytes.is_empty(),
            (Shape::Prefix(outer), Shape::Prefix(inner)) => inner.starts_with(outer),
            (Shape::Prefix(outer), Shape::Tokens(tokens)) => starts(tokens).starts_with(outer),
            _ => false,
        }
    }

    /// A key that matches, to try a server with.
    pub fn sample(&self) -> Vec<u8> {
        match &self.shape {
            Shape::Every => b"hostler".to_vec(),
            Shape::Exact(bytes) => bytes.clone(),
            Shape::Prefix(bytes) => [bytes, b"hostler".as_slice()].concat(),
            Shape::Tokens(tokens) => tokens.iter().filter_map(sample).collect(),
        }
    }

    pub(super) fn narrowed(&self, access: Access) -> Self {
        let access = Access { read: self.access.read && access.read, write: self.access.write && access.write };
        Self { access, ..self.clone() }
    }
}

impl std::fmt::Display for KeyPattern {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let before = match (self.access.read, self.access.write) {
            (true, true) => "",
            (true, false) => "%R",
            _ => "%W",
        };
        write!(formatter, "{before}~{}", self.text)
    }
}

fn sample(token: &Token) -> Option<u8> {
    match token {
        Token::Many => None,
        Token::One => Some(b'x'),
        Token::Byte(byte) => Some(*byte),
        Token::Class { .. } => (b'0'..=b'z').chain(0..=u8::MAX).find(|byte| one(token, *byte)),
    }
}

/// The bytes that every key of the pattern starts with.
fn starts(tokens: &[Token]) -> Vec<u8> {
    tokens.iter().map_while(|token| if let Token::Byte(byte) = token { Some(*byte) } else { None }).collect()
}

fn tokens(pattern: &[u8]) -> Vec<Token> {
    let mut tokens = vec![];
    let mut rest = pattern;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'*' => {
                if tokens.last() != Some(&Token::Many) {
                    tokens.push(Token::Many);
                }
            }
            b'?' => tokens.push(Token::One),
            b'[' => {
                let (class, after) = class(rest);
                tokens.push(class);
                rest = after;
            }
            b'\\' => match rest.split_first() {
                Some((&escaped, after)) => {
                    tokens.push(Token::Byte(escaped));
                    rest = after;
                }
                None => tokens.push(Token::Byte(b'\\')),
            },
            byte => tokens.push(Token::Byte(byte)),
        }
    }
    tokens
}

/// What stands behind `[`, and what is left behind its `]`.
fn class(pattern: &[u8]) -> (Token, &[u8]) {
    let (negated, mut rest) = match pattern.split_first() {
        Some((b'^', after)) => (true, after),
        _ => (false, pattern),
    };
    let mut ranges = vec![];
    loop {
        match rest {
            [] => break,
            [b'\\', escaped, after @ ..] => {
                ranges.push((*escaped, *escaped));
                rest = after;
            }
            [b']', after @ ..] => {
                rest = after;
                break;
            }
            [start, b'-', end, after @ ..] => {
                ranges.push((*start.min(end), *start.max(end)));
                rest = after;
            }
            [byte, after @ ..] => {
                ranges.push((*byte, *byte));
                rest = after;
            }
        }
    }
    (Token::Class { negated, ranges }, rest)
}

fn one(token: &Token, byte: u8) -> bool {
    match token {
        Token::Many => false,
        Token::One => true,
        Token::Byte(wanted) => *wanted == byte,
        Token::Class { negated, ranges } => {
            ranges.iter().any(|(start, end)| (*start..=*end).contains(&byte)) != *negated
        }
    }
}

fn matches(tokens: &[Token], key: &[u8]) -> bool {
    if key.is_empty() {
        return false;
    }
    let (mut token, mut byte) = (0, 0);
    // Where to go on when what follows the last `*` does not fit: one byte later.
    let mut again: Option<(usize, usize)> = None;
    while byte < key.len() {
        match tokens.get(token) {
            Some(Token::Many) => {
                again = Some((token + 1, byte));
                token += 1;
            }
            Some(other) if one(other, key[byte]) => {
                token += 1;
                byte += 1;
            }
            _ => match &mut again {
                Some((after, from)) => {
                    *from += 1;
                    token = *after;
                    byte = *from;
                }
                None => return false,
            },
        }
    }
    tokens[token..].iter().all(|token| *token == Token::Many)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, key: &str) -> bool {
        KeyPattern::new(pattern, Access::BOTH).matches(key.as_bytes())
    }

    #[test]
    fn odd_patterns_mean_what_the_server_means() {
        for (pattern, key, expected) in [
            ("*", "", true),
            ("**", "", false),
            ("a*", "a", true),
            ("*a*", "a", true),
            ("h?llo", "hallo", true),
            ("h?llo", "hllo", false),
            ("h[^e]llo", "hello", false),
            ("h[^e]llo", "hallo", true),
            ("[z-a]", "m", true),
            ("[a", "a", true),
            ("[", "[", false),
            ("[^", "x", true),
            ("[]]", "]", false),
            ("[\\]]", "]", true),
            ("a\\", "a\\", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[a-]", "-", false),
            ("[a-]", "^", true),
            ("*abc", "ababc", true),
        ] {
            assert_eq!(matches(pattern, key), expected, "{pattern} and {key}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_is_not_slow() {
        let pattern = "*a".repeat(500) + "b";
        assert!(!matches(&pattern, &"a".repeat(2000)));
    }

    #[test]
    fn one_pattern_covers_another_where_that_is_certain() {
        let covers = |outer: &str, inner: &str| {
            KeyPattern::new(outer, Access::BOTH).covers(&KeyPattern::new(inner, Access::READ))
        };
        assert!(covers("*", "a*"));
        assert!(covers("cache:*", "cache:user:*"));
        assert!(covers("cache:*", "cache:[ab]?"));
        assert!(covers("cache:?", "cache:1"));
        assert!(!covers("cache:*", "cach*"));
        assert!(!covers("cache:*", "[c]ache:*"));
        let reading = KeyPattern::new("*", Access::READ);
        assert!(!reading.covers(&KeyPattern::new("a", Access::BOTH)));
    }
}
