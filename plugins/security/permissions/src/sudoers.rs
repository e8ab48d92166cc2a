//! sudoers, as far as a reader needs it: which lines there are, which of them give everything, and what they include.
//! Every line counts, aliases and defaults too, since each can change what another one means.

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sudoers {
    /// Lines with single spaces, and whether each lets somebody run everything.
    pub(crate) lines: Vec<(String, bool)>,
    /// Paths that it includes.
    pub(crate) includes: Vec<String>,
}

pub(crate) fn parse(text: &str) -> Sudoers {
    let mut found = Sudoers::default();
    for line in text.replace("\\\n", " ").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [directive, path, ..] = words.as_slice()
            && matches!(*directive, "@include" | "@includedir" | "#include" | "#includedir")
        {
            found.includes.push((*path).trim_matches('"').to_owned());
            continue;
        }
        let line = without_comment(&words.join(" ")).trim().to_owned();
        if !line.is_empty() {
            let everything = gives_everything(&line);
            found.lines.push((line, everything));
        }
    }
    found
}

/// A # begins a comment unless a number follows, which is a user's or a group's.
fn without_comment(line: &str) -> &str {
    let comment = line.char_indices().find(|(place, letter)| {
        let escaped = line[..*place].ends_with('\\');
        *letter == '#' && !escaped && !line[place + 1..].starts_with(|next: char| next.is_ascii_digit())
    });
    comment.map_or(line, |(place, _)| &line[..place])
}

/// `user host = (runas) TAG: command, …`, of which one command is ALL.
fn gives_everything(line: &str) -> bool {
    if line.starts_with("Defaults") {
        return line.contains("!authenticate");
    }
    let alias = ["User_Alias", "Runas_Alias", "Host_Alias", "Cmnd_Alias", "Cmd_Alias"];
    if alias.iter().any(|alias| line.starts_with(alias)) {
        return line.starts_with('C') && commands(line).any(|command| command == "ALL");
    }
    commands(line).any(|command| command == "ALL")
}

fn commands(line: &str) -> impl Iterator<Item = &str> {
    let behind = line.split_once('=').map_or("", |(_, behind)| behind);
    behind.split([',', ':', '=']).map(|part| {
        let part = part.trim();
        part.rsplit_once(')').map_or(part, |(_, command)| command.trim())
    })
}
