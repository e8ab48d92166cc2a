//! A command as the audit, a plan and a refusal may show it: keys and option words stay, values go.

use std::fmt::Write;

/// Options, which say what a command does rather than with what.
const OPTIONS: &[&str] = &[
    "ABSTTL",
    "AFTER",
    "ALPHA",
    "ASC",
    "ASYNC",
    "BEFORE",
    "BY",
    "BYLEX",
    "BYRADIUS",
    "BYSCORE",
    "CH",
    "COPY",
    "COUNT",
    "DESC",
    "ENTRIESREAD",
    "EX",
    "EXAT",
    "FIELDS",
    "FNX",
    "FORCE",
    "FREQ",
    "FXX",
    "GET",
    "GT",
    "ID",
    "IDLE",
    "IDLETIME",
    "INCR",
    "JUSTID",
    "KEEPTTL",
    "LADDR",
    "LEFT",
    "LIMIT",
    "LT",
    "MATCH",
    "MAX",
    "MAXLEN",
    "MIN",
    "MINID",
    "MKSTREAM",
    "NOMKSTREAM",
    "NOSAVE",
    "NOW",
    "NX",
    "PERSIST",
    "PX",
    "PXAT",
    "REPLACE",
    "RESET",
    "REV",
    "RIGHT",
    "SAMPLES",
    "SAVE",
    "SCHEDULE",
    "SKIPME",
    "STORE",
    "STOREDIST",
    "SYNC",
    "TYPE",
    "USER",
    "WITHSCORES",
    "WITHVALUES",
    "XX",
];

/// Reading commands whose arguments are names of the server's own: sections, settings, users, events.
const PLAIN: &[&str] = &[
    "acl|cat",
    "acl|getuser",
    "acl|log",
    "client|list",
    "command|docs",
    "command|info",
    "config|get",
    "info",
    "latency|graph",
    "latency|histogram",
    "latency|history",
    "memory|usage",
    "slowlog|get",
];

/// So many arguments are shown.
const MOST_ARGUMENTS: usize = 16;
/// So many characters of one.
const LONGEST: usize = 64;
/// So many of an object, which is compared and so has to keep keys apart.
const LONGEST_OBJECT: usize = 512;

/// Bytes as a text on one line without spaces, cut to `most` characters.
pub fn escaped(bytes: &[u8], most: usize) -> String {
    let mut text = String::new();
    let mut count = 0;
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            count += 1;
            if count > most {
                return text + "…";
            }
            if character.is_control() || character.is_whitespace() || character == '\\' {
                let mut buffer = [0; 4];
                for byte in character.encode_utf8(&mut buffer).bytes() {
                    let _ = write!(text, "\\x{byte:02x}");
                }
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            count += 1;
            if count > most {
                return text + "…";
            }
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// A key for the audit.
pub(super) fn key(bytes: &[u8]) -> String {
    escaped(bytes, LONGEST)
}

/// The command with its keys, for the audit. `is_key` says of each place whether a key stands there.
pub(super) fn command(name: &str, contained: bool, command: &[Vec<u8>], is_key: impl Fn(usize) -> bool) -> String {
    let mut text = name.replace('|', " ");
    let first = 1 + usize::from(contained);
    for (place, argument) in command.iter().enumerate().skip(first) {
        if place - first >= MOST_ARGUMENTS {
            let _ = write!(text, " … {} more", command.len() - place);
            break;
        }
        text.push(' ');
        if is_key(place) || PLAIN.contains(&name) || is_setting(name, place) {
            text.push_str(&key(argument));
        } else {
            text.push_str(option(argument).unwrap_or("?"));
        }
    }
    text
}

/// What is done, with keys and values taken out: two commands that do the same to other keys are the same.
pub(super) fn operation(name: &str, contained: bool, command: &[Vec<u8>], is_key: impl Fn(usize) -> bool) -> String {
    let mut text = name.replace('|', " ");
    let mut values = 0;
    let mut put = |text: &mut String, word: Option<&str>| match word {
        Some(word) => {
            values = 0;
            text.push(' ');
            text.push_str(word);
        }
        None => {
            values += 1;
            match values {
                1 => text.push_str(" ?"),
                2 => text.push('…'),
                _ => {}
            }
        }
    };
    for (place, argument) in command.iter().enumerate().skip(1 + usize::from(contained)) {
        if !is_key(place) {
            put(&mut text, option(argument));
        }
    }
    text
}

/// What a command acts on, where it has no keys: a setting, a user, or the server.
pub(super) fn object(name: &str, command: &[Vec<u8>]) -> String {
    let named: Vec<_> = match name {
        "acl|setuser" => command.iter().skip(2).take(1).collect(),
        "acl|deluser" => command.iter().skip(2).collect(),
        _ => command.iter().enumerate().filter(|(place, _)| is_setting(name, *place)).map(|(_, part)| part).collect(),
    };
    if named.is_empty() {
        return "server".into();
    }
    let names: Vec<_> = named.into_iter().map(|name| whole(name)).collect();
    names.join(" ")
}

/// A key or name as an object: whole, or cut with a sum that keeps it apart from others.
pub(super) fn whole(bytes: &[u8]) -> String {
    if bytes.len() <= LONGEST_OBJECT {
        return escaped(bytes, LONGEST_OBJECT);
    }
    let sum = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{}#{sum:016x}", escaped(bytes, LONGEST_OBJECT))
}

/// CONFIG SET names and values in turn.
fn is_setting(name: &str, place: usize) -> bool {
    name == "config|set" && place >= 2 && place.is_multiple_of(2)
}

fn option(argument: &[u8]) -> Option<&'static str> {
    OPTIONS.iter().find(|option| option.as_bytes().eq_ignore_ascii_case(argument)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_one_line_and_short() {
        assert_eq!(escaped(b"a b\n\xff\\", 64), "a\\x20b\\x0a\\xff\\x5c");
        assert_eq!(escaped("größe".as_bytes(), 3), "grö…");
    }

    #[test]
    fn values_go_and_options_stay() {
        let words = |text: &str| -> Vec<Vec<u8>> { text.split(' ').map(|word| word.as_bytes().to_vec()).collect() };
        let set = words("SET user:1 secret EX 10 nx");
        assert_eq!(command("set", false, &set, |place| place == 1), "set user:1 ? EX ? NX");
        assert_eq!(operation("set", false, &set, |place| place == 1), "set ? EX ? NX");
        let hset = words("hset h a 1 b 2");
        assert_eq!(operation("hset", false, &hset, |place| place == 1), "hset ?…");
        let setting = words("CONFIG SET requirepass hunter2 maxmemory 1gb");
        assert_eq!(command("config|set", true, &setting, |_| false), "config set requirepass ? maxmemory ?");
        assert_eq!(object("config|set", &setting), "requirepass maxmemory");
    }

    #[test]
    fn long_objects_stay_apart() {
        let (one, other) = ([b'a'; 600], [[b'a'; 599].as_slice(), b"b"].concat());
        assert_ne!(whole(&one), whole(&other));
    }
}
