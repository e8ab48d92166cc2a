//! Standard output: colour on a terminal only, NO_COLOR honoured, and a closed pipe is no error.

use std::io::{IsTerminal, Write};

use crate::format::Style;

/// How text may look here.
pub(super) fn style(verbose: bool) -> Style {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    Style { colour: wanted && std::io::stdout().is_terminal(), verbose }
}

/// Prints text that has its own newlines.
pub(super) fn out(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
