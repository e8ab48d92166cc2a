//! Text fit for a terminal, names fit for a metric, a file name fit for a directory.

/// The longest line of text.
const LONGEST_LINE: usize = 2_000;
/// The longest text of several lines.
const LONGEST_TEXT: usize = 64_000;

/// One line: no control characters, bounded.
pub(crate) fn line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).filter(printable).take(LONGEST_LINE).collect()
}

/// Several lines: no control characters but newlines and tabs, bounded.
pub(crate) fn text(text: &str) -> String {
    let keep = |letter: &char| matches!(letter, '\n' | '\t') || !letter.is_control();
    text.chars().filter(keep).filter(printable).take(LONGEST_TEXT).collect()
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
    let name: String = line(last).trim_start_matches('.').chars().take(128).collect();
    if name.is_empty() { "attachment".into() } else { name }
}

/// Not one of the marks that turn the direction of text, which make a line read as what it is not.
fn printable(letter: &char) -> bool {
    !matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_sequence_reaches_no_terminal() {
        assert_eq!(line("a\x1b[31mb\nc"), "a [31mb c");
        assert_eq!(text("a\nb\x07"), "a\nb");
        assert_eq!(line("ok\u{202e}lacitirc"), "oklacitirc");
    }

    #[test]
    fn names_fit_their_place() {
        assert_eq!(name("9 lives"), "_9_lives");
        assert_eq!(file_name("../../etc/.passwd"), "passwd");
        assert_eq!(file_name("/"), "attachment");
    }
}
