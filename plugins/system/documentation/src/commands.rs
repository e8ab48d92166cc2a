//! The commands that a block of shell names. Not a shell: what is quoted, computed or a placeholder is passed over, so
//! that what is told is a command that somebody would type and that is not there.

use crate::fences::Block;

/// A command and the line of the document that it stands in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Command {
    pub line: usize,
    pub name: String,
}

const SHELLS: [&str; 6] = ["bash", "sh", "shell", "zsh", "console", "shell-session"];
/// Words of the shell itself, behind which a command stands.
const KEYWORDS: [&str; 11] = ["if", "then", "else", "elif", "while", "until", "do", "time", "!", "{", "("];
/// Words of the shell itself that end a command, or are one.
const BUILT_IN: [&str; 52] = [
    "fi", "done", "esac", "case", "for", "function", "select", "in", "}", ")", "[", "[[", "]]", "((", "cd", "echo",
    "export", "set", "source", ".", ":", "test", "true", "false", "read", "exit", "return", "local", "eval", "trap",
    "ulimit", "umask", "unset", "alias", "wait", "shift", "printf", "pwd", "type", "declare", "readonly", "let",
    "pushd", "popd", "jobs", "kill", "bg", "fg", "hash", "history", "mapfile", "break",
];
/// Programs that start the one that is named behind them.
const WRAPPERS: [&str; 7] = ["sudo", "env", "nohup", "xargs", "exec", "command", "nice"];
/// Their options that take a value.
const VALUED: [&str; 6] = ["-u", "-g", "-n", "-I", "-P", "-C"];

/// The commands of a block; none where it is of no shell.
pub fn commands(block: &Block) -> Vec<Command> {
    if !SHELLS.contains(&block.language.as_str()) {
        return vec![];
    }
    let prompted = block.language.starts_with("console") || block.language == "shell-session";
    let mut found = vec![];
    let mut own: Vec<String> = vec![];
    let mut document_ends: Option<String> = None;
    let mut carried = String::new();
    for (place, line) in block.lines.iter().enumerate() {
        if let Some(end) = &document_ends {
            if line.trim() == end {
                document_ends = None;
            }
            continue;
        }
        let trimmed = line.trim_start();
        let typed = match (trimmed.strip_prefix("$ "), prompted) {
            (Some(typed), _) => typed,
            (None, true) => match trimmed.strip_prefix("# ") {
                Some(typed) => typed,
                None => continue,
            },
            (None, false) => trimmed,
        };
        if let Some(begun) = typed.strip_suffix('\\') {
            carried.push_str(begun);
            continue;
        }
        let whole = std::mem::take(&mut carried) + typed;
        document_ends = here_document(&whole);
        let words = words(&whole);
        own.extend(words.windows(2).filter(|pair| pair[1] == "()").map(|pair| pair[0].clone()));
        let names = named(&words).into_iter().filter(|name| !own.contains(name));
        found.extend(names.map(|name| Command { line: block.line + place + 1, name }));
    }
    found
}

/// The word that ends what follows as input, as in `cat << EOF`.
fn here_document(line: &str) -> Option<String> {
    let (_, behind) = line.split_once("<<").filter(|(_, behind)| !behind.starts_with('<'))?;
    let word = behind.trim_start_matches('-').split_whitespace().next()?;
    Some(word.trim_matches(['"', '\'', '\\']).to_owned())
}

/// Words and operators; what is quoted or computed becomes a word that is no name.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![];
    let mut word = String::new();
    let mut quote: Option<char> = None;
    let mut letters = line.chars().peekable();
    let end = |word: &mut String, words: &mut Vec<String>| {
        if !word.is_empty() {
            words.push(std::mem::take(word));
        }
    };
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), letter) if open == letter => quote = None,
            (Some(_), _) => word.push('"'),
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.push('"');
            }
            (None, '#') if word.is_empty() => break,
            (None, letter) if letter.is_whitespace() => end(&mut word, &mut words),
            (None, '(') if letters.peek() == Some(&')') => {
                letters.next();
                end(&mut word, &mut words);
                words.push("()".into());
            }
            (None, '|' | '&' | ';' | '`') | (None, '(' | ')')
                if !word.ends_with('$') && !word.ends_with(['>', '<']) =>
            {
                end(&mut word, &mut words);
                words.push(if letter == '(' { "(" } else { ";" }.into());
            }
            (None, letter) => word.push(letter),
        }
    }
    end(&mut word, &mut words);
    words
}

/// The words that stand where a command stands.
fn named(words: &[String]) -> Vec<String> {
    let mut found = vec![];
    let mut expected = true;
    let mut wrapped = false;
    let mut value = false;
    for (place, word) in words.iter().enumerate() {
        let word = word.as_str();
        if word == ";" || KEYWORDS.contains(&word) {
            (expected, wrapped, value) = (true, false, false);
            continue;
        }
        if !expected || word == "()" || words.get(place + 1).is_some_and(|next| next == "()") {
            continue;
        }
        let redirected = word.contains(['<', '>']);
        if value || is_assignment(word) || redirected || (wrapped && word.starts_with('-')) {
            value = (wrapped && VALUED.contains(&word)) || (redirected && word.ends_with(['<', '>']));
            continue;
        }
        if is_name(word) && !BUILT_IN.contains(&word) {
            found.push(word.to_owned());
        }
        wrapped = WRAPPERS.contains(&word);
        expected = wrapped;
    }
    found
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    })
}

/// Not a path, not computed, not a placeholder.
fn is_name(word: &str) -> bool {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || "._+-".contains(letter);
    word.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && word.chars().all(letter)
        && !word.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_' || letter.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(language: &str, text: &str) -> Vec<String> {
        let block = Block { line: 10, language: language.into(), lines: text.lines().map(str::to_owned).collect() };
        commands(&block).into_iter().map(|command| command.name).collect()
    }

    #[test]
    fn commands_stand_at_the_beginning_and_behind_operators() {
        assert_eq!(
            told("bash", "redis-cli --scan --pattern '*' | xargs redis-cli EXPIRE 86400"),
            ["redis-cli", "xargs", "redis-cli"]
        );
        assert_eq!(
            told("sh", "export A=\"$B --x\"\nA=1 sudo -u postgres psql -c 'a; b' && ls > out; ps"),
            ["sudo", "psql", "ls", "ps"]
        );
        assert_eq!(told("bash", "if grep -q x y; then\n  nvm install lts/*\nfi"), ["grep", "nvm"]);
        assert_eq!(told("bash", "for f in a b; do gzip $f; done  # see tar"), ["gzip"]);
        assert_eq!(told("bash", "pg_dump -Fc \\\n  shop > x"), ["pg_dump"]);
        assert_eq!(told("bash", "up() {\n  docker up\n}\nup"), ["docker"]);
        assert_eq!(told("bash", "x=$(date +%s)\n./run.sh\n/usr/bin/true\n$EDITOR a\nHOST"), Vec::<String>::new());
    }

    #[test]
    fn what_is_input_or_output_is_no_command() {
        assert_eq!(
            told("bash", "cat << EOF > /etc/logrotate.d/app\n/var/log/app/*.log {\n  daily\n}\nEOF\nls"),
            ["cat", "ls"]
        );
        assert_eq!(told("console", "$ ls\ntotal 0\n# reboot\nnot a command"), ["ls", "reboot"]);
        assert_eq!(told("sql", "VACUUM FULL a;"), Vec::<String>::new());
    }

    #[test]
    fn each_has_its_line() {
        let block = Block { line: 10, language: "sh".into(), lines: vec!["".into(), "ls".into()] };
        assert_eq!(commands(&block), [Command { line: 12, name: "ls".into() }]);
    }
}
