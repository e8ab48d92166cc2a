//! Names of Redis keys, as a report may show them: grouped by what they begin with, and without the tokens that many
//! of them carry. Whoever reads a report is not meant to take over a session by it.

/// What stands for the prefix of a key that has none.
const NONE: &[u8] = b"(none)";
/// A part of a name that is longer than this, with letters and digits in it, is taken for a token.
const LONG: usize = 16;
/// Characters of a token that are shown, so that two of them can be told apart.
const BEGINNING: usize = 4;
/// Characters of a name that are shown.
const SHOWN: usize = 80;

/// What a key begins with, up to and with its first separator: `cart:` of `cart:7`. Words inside a name are parted by
/// `-` and `_` too, so these count only where there is no other one.
#[must_use]
pub fn prefix(key: &[u8]) -> &[u8] {
    let first = |separators: &[u8]| key.iter().position(|byte| separators.contains(byte)).filter(|place| *place > 0);
    match first(b":/|.").or_else(|| first(b"-_")) {
        Some(end) => &key[..=end],
        None => NONE,
    }
}

/// A key's name, with each part that looks like a token cut to its beginning.
#[must_use]
pub fn shown(key: &[u8]) -> String {
    let text = String::from_utf8_lossy(key);
    let mut name = String::new();
    for part in text.split_inclusive([':', '/', '|', '.']) {
        let digits = part.chars().filter(char::is_ascii_digit).count();
        let letters = part.chars().any(|letter| letter.is_ascii_alphabetic());
        if part.chars().count() > LONG && digits > 3 && letters {
            name.extend(part.chars().take(BEGINNING));
            name.push('…');
        } else {
            name.push_str(part);
        }
    }
    let mut short: String = name.chars().take(SHOWN).collect();
    if short.len() < name.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_a_name_is_cut() {
        assert_eq!(shown(b"session:8f3a9c1e77aa4b1fb2"), "session:8f3a…");
        assert_eq!(shown(b"cart:12345:items"), "cart:12345:items");
        assert_eq!(shown(&[0xff; 200]).chars().count(), 81);
    }

    #[test]
    fn a_prefix_ends_with_the_first_separator() {
        for (key, expected) in [
            ("cart:1", "cart:"),
            ("user_sessions:1", "user_sessions:"),
            ("popular_products", "popular_"),
            ("plain", "(none)"),
            (":odd", "(none)"),
        ] {
            assert_eq!(prefix(key.as_bytes()), expected.as_bytes(), "{key}");
        }
    }
}
