//! Versions of Python packages, as PEP 440 reads and orders them: `1.0.dev1 < 1.0a1 < 1.0rc1 < 1.0 < 1.0.post1`, zeros at
//! the end of no weight, and many spellings of one version.

use std::cmp::Ordering;

/// A version, in the order of its fields.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    epoch: u64,
    release: Vec<u64>,
    pre: Pre,
    post: Option<u64>,
    dev: Dev,
    local: Vec<Local>,
}

/// A development release of the version itself comes before its alphas.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Pre {
    BeforeAll,
    Phase(u8, u64),
    Final,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Dev {
    Number(u64),
    Final,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Local {
    Text(String),
    Number(u64),
}

impl PartialOrd for Local {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Local {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            (Self::Number(one), Self::Number(other)) => one.cmp(other),
            (Self::Text(_), Self::Number(_)) => Ordering::Less,
            (Self::Number(_), Self::Text(_)) => Ordering::Greater,
        }
    }
}

/// What is left to read.
struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn number(&mut self) -> Option<u64> {
        let end = self.0.len() - self.0.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let number = self.0[..end].parse().ok()?;
        self.0 = &self.0[end..];
        Some(number)
    }

    fn separator(&mut self) {
        self.0 = self.0.strip_prefix(['.', '-', '_']).unwrap_or(self.0);
    }

    /// One of the words, behind a separator or not, with its number; zero where it has none.
    fn word(&mut self, words: &[(&str, u8)]) -> Option<(u8, u64)> {
        let begin = self.0;
        self.separator();
        for (word, meaning) in words {
            if let Some(rest) = self.0.strip_prefix(word) {
                self.0 = rest;
                let behind = self.0;
                self.separator();
                let number = self.number();
                if number.is_none() {
                    self.0 = behind;
                }
                return Some((*meaning, number.unwrap_or(0)));
            }
        }
        self.0 = begin;
        None
    }
}

impl Version {
    /// Reads a version; nothing where it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let (public, local) =
            text.split_once('+').map_or((text.as_str(), None), |(public, local)| (public, Some(local)));
        let mut reader = Reader(public.strip_prefix('v').unwrap_or(public));
        let mut first = reader.number()?;
        let mut epoch = 0;
        if let Some(rest) = reader.0.strip_prefix('!') {
            reader.0 = rest;
            (epoch, first) = (first, reader.number()?);
        }
        let mut release = vec![first];
        while reader.0.starts_with('.') && reader.0[1..].starts_with(|next: char| next.is_ascii_digit()) {
            reader.0 = &reader.0[1..];
            release.push(reader.number()?);
        }
        while release.len() > 1 && release.last() == Some(&0) {
            release.pop();
        }
        let phase = reader.word(&[
            ("alpha", 0),
            ("beta", 1),
            ("preview", 2),
            ("pre", 2),
            ("rc", 2),
            ("a", 0),
            ("b", 1),
            ("c", 2),
        ]);
        let post = match reader.0.strip_prefix('-') {
            Some(rest) if rest.starts_with(|next: char| next.is_ascii_digit()) => {
                reader.0 = rest;
                reader.number()
            }
            _ => reader.word(&[("post", 0), ("rev", 0), ("r", 0)]).map(|(_, number)| number),
        };
        let dev = reader.word(&[("dev", 0)]).map(|(_, number)| number);
        if !reader.0.is_empty() {
            return None;
        }
        let pre = match (phase, post, dev) {
            (Some((phase, number)), ..) => Pre::Phase(phase, number),
            (None, None, Some(_)) => Pre::BeforeAll,
            _ => Pre::Final,
        };
        let local = match local {
            Some(local) => locals(local)?,
            None => vec![],
        };
        Some(Self { epoch, release, pre, post, dev: dev.map_or(Dev::Final, Dev::Number), local })
    }
}

fn locals(text: &str) -> Option<Vec<Local>> {
    let part = |part: &str| {
        let plain = !part.is_empty() && part.chars().all(|letter| letter.is_ascii_alphanumeric());
        plain.then(|| part.parse().map_or_else(|_| Local::Text(part.to_owned()), Local::Number))
    };
    text.split(['.', '-', '_']).map(part).collect()
}

/// A name as PEP 503 compares it.
pub(crate) fn name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for letter in text.trim().chars() {
        if "-_.".contains(letter) {
            if !name.ends_with('-') {
                name.push('-');
            }
        } else {
            name.push(letter.to_ascii_lowercase());
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_stand_in_the_order_of_pep_440() {
        let order = [
            "0.9",
            "1.dev1",
            "1.0.dev456",
            "1.0a1",
            "1.0a2.dev456",
            "1.0a12.dev456",
            "1.0a12",
            "1.0b1.dev456",
            "1.0b2",
            "1.0b2.post345.dev456",
            "1.0b2.post345",
            "1.0rc1.dev456",
            "1.0rc1",
            "1.0",
            "1.0+abc.5",
            "1.0+abc.7",
            "1.0+5",
            "1.0.post456.dev34",
            "1.0.post456",
            "1.0.15",
            "1.1.dev1",
            "1.10",
            "2!0.1",
        ];
        let parse = |text: &str| Version::parse(text).unwrap_or_else(|| panic!("{text}"));
        for pair in order.windows(2) {
            assert!(parse(pair[0]) < parse(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn one_version_has_many_spellings_and_some_texts_are_none() {
        let same = [
            ("1.0", "1"),
            ("1.0.0", "v1.0"),
            ("1.0alpha1", "1.0-a.1"),
            ("1.0c1", "1.0rc1"),
            ("1.0-1", "1.0.post1"),
            ("1.0RC1", "1.0.rc1"),
            ("1.0rev2", "1.0.post2"),
            ("1.0+ubuntu-1", "1.0+ubuntu.1"),
            ("1.0dev", "1.0.dev0"),
        ];
        for (one, other) in same {
            assert_eq!(Version::parse(one), Version::parse(other), "{one} {other}");
        }
        for text in ["", "x", "1.0.*", "1.0 2", "1.0+", "1..0", "git+https://a", "1.0.dev1.a1"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
        assert_eq!(name("Flask_SQLAlchemy..x"), "flask-sqlalchemy-x");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = Version::parse(&text);
        }

        #[test]
        fn releases_are_ordered_by_their_numbers(one in proptest::collection::vec(0_u64..30, 1..4),
                                                 other in proptest::collection::vec(0_u64..30, 1..4)) {
            let text = |numbers: &[u64]| numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
            let filled = |numbers: &[u64]| { let mut filled = numbers.to_vec(); filled.resize(4, 0); filled };
            prop_assert_eq!(Version::parse(&text(&one)).cmp(&Version::parse(&text(&other))), filled(&one).cmp(&filled(&other)));
        }
    }
}
