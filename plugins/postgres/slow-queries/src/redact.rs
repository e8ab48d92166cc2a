//! A statement's text without what was asked for: literals may be names, addresses, passwords. pg_stat_statements leaves
//! them in the statements that it does not normalise, such as ALTER ROLE.

/// Letters that are shown.
const SHOWN: usize = 300;

/// The text with its literals as `?`, in one line, cut.
pub(crate) fn redacted(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut shown = String::new();
    let mut at = 0;
    while at < letters.len() {
        let before = shown.chars().next_back();
        let letter = letters[at];
        if letter == '\'' {
            at = after_string(&letters, at, before.is_some_and(|before| matches!(before, 'E' | 'e')));
            shown.push('?');
        } else if let Some(end) = dollar_quoted(&letters, at) {
            shown.push('?');
            at = end;
        } else if letter.is_ascii_digit()
            && !before.is_some_and(|before| before.is_alphanumeric() || "_$\"".contains(before))
        {
            while at < letters.len() && (letters[at].is_ascii_alphanumeric() || letters[at] == '.') {
                at += 1;
            }
            shown.push('?');
        } else {
            if !letter.is_whitespace() {
                shown.push(letter);
            } else if before.is_some_and(|before| before != ' ') {
                shown.push(' ');
            }
            at += 1;
        }
    }
    let shown = shown.trim_end();
    let mut cut: String = shown.chars().take(SHOWN).collect();
    if cut.len() < shown.len() {
        cut.push('…');
    }
    cut
}

/// Where a string that begins at `at` is over; a quote in it is doubled, or escaped where the string says so. One that
/// was cut off has no end.
fn after_string(letters: &[char], mut at: usize, escapes: bool) -> usize {
    at += 1;
    while at < letters.len() {
        match letters[at] {
            '\\' if escapes => at += 2,
            '\'' if letters.get(at + 1) == Some(&'\'') => at += 2,
            '\'' => return at + 1,
            _ => at += 1,
        }
    }
    letters.len()
}

/// Where a dollar-quoted string that begins at `at` is over. `$1` is a parameter.
fn dollar_quoted(letters: &[char], at: usize) -> Option<usize> {
    if letters[at] != '$' || letters.get(at + 1).is_none_or(char::is_ascii_digit) {
        return None;
    }
    let length = letters[at + 1..].iter().position(|letter| !(letter.is_alphanumeric() || *letter == '_'))?;
    let tag = &letters[at..=at + 1 + length];
    if tag.last() != Some(&'$') {
        return None;
    }
    let rest = &letters[at + tag.len()..];
    let end = rest.windows(tag.len()).position(|window| window == tag);
    Some(end.map_or(letters.len(), |end| at + tag.len() + end + tag.len()))
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn no_literal_is_shown() {
        for (text, shown) in [
            ("SELECT  *\n FROM t1 WHERE a = 'it''s' AND b=42.5", "SELECT * FROM t1 WHERE a = ? AND b=?"),
            ("ALTER ROLE app PASSWORD 'hunter2'", "ALTER ROLE app PASSWORD ?"),
            ("SELECT E'a\\'b', $1, $$secret$$, $x$ a $$ b $x$", "SELECT E?, $1, ?, ?"),
            ("SELECT 'cut of", "SELECT ?"),
            ("SELECT $t$cut", "SELECT ?"),
            ("SELECT \"col 2\", x_3, 0x1F", "SELECT \"col ?\", x_3, ?"),
        ] {
            assert_eq!(redacted(text), shown, "{text}");
        }
        assert_eq!(redacted(&"a ".repeat(400)).chars().count(), 301);
    }
}
