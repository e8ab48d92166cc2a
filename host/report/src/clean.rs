//! Text fit for a terminal, names fit for a metric, a file name fit for a directory.

/// The longest line of text, in letters.
const LONGEST_LINE: usize = 2_000;
/// The longest text of several lines, in letters.
const LONGEST_TEXT: usize = 64_000;

/// One line: no control characters, bounded.
pub(crate) fn line(text: &str) -> String {
    short(text, LONGEST_LINE)
}

/// One line of so many letters at most.
pub(crate) fn short(text: &str, most: usize) -> String {
    bounded(plain(text).map(|letter| if letter.is_control() || is_break(letter) { ' ' } else { letter }), most)
}

/// Several lines: no control characters but newlines and tabs, bounded.
pub(crate) fn text(text: &str) -> String {
    let letters = plain(text).map(|letter| if is_break(letter) { '\n' } else { letter });
    bounded(letters.filter(|letter| matches!(letter, '\n' | '\t') || !letter.is_control()), LONGEST_TEXT)
}

/// A metric's or label's name: letters, digits and underscores, not beginning with a digit.
pub(crate) fn name(text: &str) -> String {
    let mut name: String =
        text.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).take(128).collect();
    if !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        name.insert(0, '_');
    }
    name
}

/// A file name without a path, and not hidden.
pub(crate) fn file_name(text: &str) -> String {
    let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = line(last).trim_start_matches('.').trim().chars().take(64).collect();
    if name.is_empty() { "attachment".into() } else { name }
}

/// A media type, or that of bytes of which nothing is known.
pub(crate) fn media_type(text: &str) -> String {
    let token = |part: &str| {
        !part.is_empty() && part.chars().all(|letter| letter.is_ascii_alphanumeric() || "!#$&-^_.+".contains(letter))
    };
    let mut parts = text.split(';').next().unwrap_or_default().trim().splitn(2, '/');
    let fits = text.len() <= 128 && parts.next().is_some_and(token) && parts.next().is_some_and(token);
    if fits { short(text, 128) } else { "application/octet-stream".into() }
}

/// Whether this is an alert range of the Monitoring Plugins: `[@][start:][end]`, where a start may be `~`.
pub(crate) fn is_range(text: &str) -> bool {
    let number = |text: &str| text.len() <= 64 && text.parse().is_ok_and(f64::is_finite);
    let text = text.strip_prefix('@').unwrap_or(text);
    match text.split_once(':') {
        Some((start, end)) => (start == "~" || number(start)) && (end.is_empty() || number(end)),
        None => number(text),
    }
}

fn bounded(mut letters: impl Iterator<Item = char>, most: usize) -> String {
    let mut kept: String = letters.by_ref().take(most).collect();
    if letters.next().is_some() {
        kept.pop();
        kept.push('…');
    }
    kept
}

/// Breaks that are no newline.
fn is_break(letter: char) -> bool {
    matches!(letter, '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// The letters without a terminal's escape sequences, without the marks that turn the direction of text, which make a
/// line read as what it is not, and without the two that are no letters, which XML cannot carry.
fn plain(text: &str) -> impl Iterator<Item = char> {
    let mut rest = text;
    let letters = std::iter::from_fn(move || {
        loop {
            rest = match sequence(rest) {
                0 => break,
                length => &rest[length..],
            };
        }
        let letter = rest.chars().next()?;
        rest = &rest[letter.len_utf8()..];
        Some(letter)
    });
    letters.filter(|letter| {
        !matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            && !matches!(letter, '\u{fffe}' | '\u{ffff}')
    })
}

/// How many bytes an escape sequence at the beginning takes: of one that does not end, its first letter alone, so that no
/// text goes with it.
fn sequence(text: &str) -> usize {
    let (first, rest) = match text.strip_prefix('\u{1b}') {
        Some(rest) => match rest.chars().next() {
            Some(second @ ('[' | ']' | 'P' | 'X' | '^' | '_')) => (second, &rest[1..]),
            Some(' '..='/') => (' ', rest),
            // Two letters in all.
            Some('0'..='~') => return 2,
            _ => return 1,
        },
        None if text.starts_with('\u{9b}') => ('[', &text['\u{9b}'.len_utf8()..]),
        None => return 0,
    };
    let begun = text.len() - rest.len();
    let end = match first {
        '[' => ending(rest, ' '..='?', '@'..='~'),
        ' ' => ending(rest, ' '..='/', '0'..='~'),
        _ => rest
            .find(['\u{7}', '\u{9c}'])
            .into_iter()
            .chain(rest.find("\u{1b}\\").map(|at| at + 1))
            .min()
            .map(|at| at + rest[at..].chars().next().map_or(0, char::len_utf8)),
    };
    end.map_or(text.chars().next().map_or(0, char::len_utf8), |end| begun + end)
}

/// Where a sequence of `middle` letters ends with one of `last`.
fn ending(text: &str, middle: std::ops::RangeInclusive<char>, last: std::ops::RangeInclusive<char>) -> Option<usize> {
    let (at, letter) = text.char_indices().find(|(_, letter)| !middle.contains(letter))?;
    last.contains(&letter).then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_escape_sequence_reaches_no_terminal() {
        for (given, kept) in [
            ("a\x1b[31mb\nc", "ab c"),
            ("a\u{9b}1;2Hb", "ab"),
            ("a\x1b]0;title\x07b\x1b]8;;http://x\x1b\\c", "abc"),
            ("a\x1b(Bb\x1bcd", "abd"),
            ("cut \x1b[31", "cut [31"),
            ("cut \x1b]0;never ended", "cut ]0;never ended"),
            ("\x1b\x1b[1m\x1b", ""),
            ("\x1bé", "é"),
            ("ok\u{202e}lacitirc", "oklacitirc"),
            ("a\u{2028}b\u{7f}", "a b "),
            ("a\u{fffe}b\u{ffff}", "ab"),
        ] {
            assert_eq!(line(given), kept, "{given:?}");
        }
        assert_eq!(text("a\nb\x07\tc\u{2028}\x1b[1md\r\n"), "a\nb\tc\nd\n");
    }

    #[test]
    fn what_is_long_is_cut_and_says_so() {
        assert_eq!(short("größer", 4), "grö…");
        assert_eq!(short("größer", 6), "größer");
        assert_eq!(line(&"x".repeat(5_000)).chars().count(), LONGEST_LINE);
    }

    #[test]
    fn names_fit_their_place() {
        assert_eq!(name("9 lives"), "_9_lives");
        assert_eq!(name(""), "_");
        for (given, kept) in
            [("../../etc/.passwd", "passwd"), ("/", "attachment"), ("a\\b.txt", "b.txt"), ("...", "attachment")]
        {
            assert_eq!(file_name(given), kept, "{given:?}");
        }
        for kept in ["text/x-diff", "image/svg+xml", "text/plain; charset=utf-8"] {
            assert_eq!(media_type(kept), kept);
        }
        for wrong in ["", "text", "text/", "te xt/plain", "\x1b/x"] {
            assert_eq!(media_type(wrong), "application/octet-stream", "{wrong:?}");
        }
    }

    #[test]
    fn ranges_are_those_of_the_monitoring_plugins() {
        for range in ["10", "10:", "~:10", "10:20", "@10:20", "-1.5:1e3", "0"] {
            assert!(is_range(range), "{range}");
        }
        for wrong in ["", "a", ":", "~", "1:2:3", "10;20", "1 2", "nan", "inf:", "@", "10|x=1"] {
            assert!(!is_range(wrong), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_brings_a_control_character(given in "(.|\\x1b|\\x9b|\\[|\\]|[0-9;m\\\\\\n\\x07])*") {
            prop_assert!(!line(&given).chars().any(char::is_control));
            prop_assert!(!text(&given).chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\t')));
        }

        #[test]
        fn plain_text_stays_as_it_is(given in "[ -~äöü€]*") {
            prop_assert_eq!(line(&given), given);
        }
    }
}
