//! Patterns in settings: what an operator writes to leave something out.

/// Whether a text is what a pattern says, from its beginning to its end; `*` stands for any text, also for none.
#[must_use]
pub fn matches_pattern(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*') {
        let Some(place) = text.find(piece) else { return false };
        text = &text[place + piece.len()..];
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_the_ends_hold() {
        for (pattern, text, expected) in [
            ("old/*", "old/a.pem", true),
            ("*.cer", "a/b.cer", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*c*", "abcd", true),
            ("*x*", "abc", false),
            ("a*a", "a", false),
            ("*", "", true),
            ("**", "/", true),
            ("*b*c*", "abbc", true),
            ("/a*b", "/ac", false),
            ("/var/lib/docker/*", "/var/lib/docker/overlay2/x", true),
            ("é*", "ééa", true),
        ] {
            assert_eq!(matches_pattern(pattern, text), expected, "{pattern} {text}");
        }
    }
}
