//! How text looks: colour, width, and what may reach a terminal at all.
//!
//! Texts of plugins and servers arrive cleaned. They are cleaned here once more, at the last place where they pass,
//! so that a terminal's safety does not hang on every place before this one.

use hostler_capability::Severity;

/// How text may look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// Whether colour may be used.
    pub colour: bool,
    /// Whether findings that are ok, and tables, are shown too.
    pub verbose: bool,
    /// Columns of the terminal; lines are broken there, and nowhere where it is none.
    pub width: Option<usize>,
}

/// How far what belongs to a line is set in: as wide as a severity.
pub(super) const INDENT: usize = 9;

impl Style {
    pub(crate) fn paint(self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// The word in capitals, as wide as the widest.
    pub(crate) fn severity(self, severity: Severity) -> String {
        let word = severity.word().to_uppercase();
        let pad = " ".repeat(8_usize.saturating_sub(word.len()));
        self.paint(code(severity), &word) + &pad
    }

    /// Text broken at the terminal's width, its first line after `used` columns, the others set in by `indent`.
    pub(crate) fn wrapped(self, text: &str, used: usize, indent: usize) -> String {
        let text = shown(text);
        let Some(width) = self.width.filter(|width| *width >= indent + 24) else { return text };
        let mut broken = String::with_capacity(text.len());
        let mut column = used;
        for (number, word) in text.split(' ').enumerate() {
            let length = word.chars().count();
            if number > 0 && column + 1 + length > width {
                broken.push('\n');
                broken.push_str(&" ".repeat(indent));
                column = indent;
            } else if number > 0 {
                broken.push(' ');
                column += 1;
            }
            broken.push_str(word);
            column += length;
        }
        broken
    }
}

fn code(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "32",
        Severity::Warning => "33",
        Severity::Critical => "1;31",
        Severity::Unknown => "35",
    }
}

/// One line fit for a terminal: no control characters, and none that turn the direction of text.
pub(crate) fn shown(text: &str) -> String {
    let turns = |letter: &char| matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let plain = |letter: char| {
        if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') { ' ' } else { letter }
    };
    text.chars().filter(|letter| !turns(letter)).map(plain).collect::<String>().trim_end().to_owned()
}

/// The lines of a text, each fit for a terminal; empty ones at its end are left out.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = String> {
    text.trim_end().lines().map(shown)
}

/// `1 change`, `2 changes`.
pub(crate) fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// Milliseconds for people: `12 ms`, `3.4 s`, `2 min`.
pub(crate) fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        1000..120_000 => format!("{:.1} s", milliseconds as f64 / 1000.0),
        120_000..7_200_000 => format!("{} min", milliseconds / 60_000),
        _ => format!("{:.1} h", milliseconds as f64 / 3_600_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_the_width_and_only_there() {
        let style = Style { width: Some(36), ..Style::default() };
        assert_eq!(
            style.wrapped("one two three four five six seven eight", 9, 9),
            "one two three four five six\n         seven eight"
        );
        let long = "a".repeat(80);
        assert_eq!(style.wrapped(&long, 9, 9), long, "a word is left whole, to be copied");
        assert_eq!(Style::default().wrapped(&"x ".repeat(99), 0, 0).lines().count(), 1, "no terminal, no breaks");
    }

    #[test]
    fn nothing_moves_a_terminals_cursor() {
        assert_eq!(shown("a\x1b[2Jb\u{9b}31mc\u{202e}d\r\x07\n"), "a [2Jb 31mcd");
        assert_eq!(lines("one\x1b]0;x\x07\ntwo\n\n").collect::<Vec<_>>(), ["one ]0;x", "two"]);
    }

    #[test]
    fn durations_are_for_people() {
        let all = [999, 3_400, 120_000, 9_000_000].map(duration);
        assert_eq!(all, ["999 ms", "3.4 s", "2 min", "2.5 h"]);
        assert_eq!([count(1, "change"), count(0, "change")], ["1 change", "0 changes"]);
    }
}
