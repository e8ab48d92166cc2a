//! Standard output: colour on a terminal only, NO_COLOR honoured, and a closed pipe is no error.

use std::{
    ffi::OsStr,
    io::{IsTerminal, Write},
};

use crate::format::Style;

/// How text may look here.
pub(super) fn style(verbose: bool) -> Style {
    let terminal = std::io::stdout().is_terminal();
    let width = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    let colour = colour(terminal, std::env::var_os("NO_COLOR").as_deref(), std::env::var_os("TERM").as_deref());
    Style { colour, verbose, width: width.filter(|_| terminal) }
}

/// As no-color.org has it: any value that is not empty takes colour away.
fn colour(terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    terminal && no_color.is_none_or(OsStr::is_empty) && term.is_none_or(|term| term != "dumb")
}

/// Prints text that has its own newlines.
pub(super) fn out(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals_whose_owner_wants_it() {
        let told = |terminal, no_color: Option<&str>, term: &str| {
            colour(terminal, no_color.map(OsStr::new), Some(OsStr::new(term)))
        };
        assert!(told(true, None, "xterm") && told(true, Some(""), "xterm"));
        assert!(!told(false, None, "xterm") && !told(true, Some("1"), "xterm") && !told(true, None, "dumb"));
    }
}
