//! What a Redis grant allows, held against a matcher and places of keys that are written a second time.
//!
//! An input is the words of a grant, one a line, a line `==`, and a command, one argument a line.

use std::collections::BTreeSet;

use hostler_policy::redis::{
    BeginSearch, CommandEntry, CommandTable, FindKeys, KeyPattern, KeySpec, RedisAddress, RedisGrant,
};

/// Commands whose keys are looked at: the place of the first, of the last (counted from the end where it is negative),
/// the steps, and what is done.
const KEYS: [(&str, i64, i64, i64, &str); 10] = [
    ("get", 1, 1, 1, "RO"),
    ("ttl", 1, 1, 1, "RO"),
    ("expire", 1, 1, 1, "RW"),
    ("set", 1, 1, 1, "RW"),
    ("del", 1, -1, 1, "RM"),
    ("unlink", 1, -1, 1, "RM"),
    ("mset", 1, -1, 2, "OW"),
    ("rename", 1, 2, 1, "RW"),
    ("copy", 1, 2, 1, "RW"),
    ("memory|usage", 2, 2, 1, "RO"),
];

/// What changes the connection, which no grant gives.
const CONNECTION: [&str; 8] = ["auth", "hello", "select", "reset", "quit", "multi", "subscribe", "monitor"];

fn table() -> CommandTable {
    let with_keys = |entry: &CommandEntry| {
        let told = KEYS.iter().find(|(name, ..)| *name == entry.name);
        let spec = |(_, first, last, step, flag): &(&str, i64, i64, i64, &str)| KeySpec {
            flags: BTreeSet::from([(*flag).to_owned()]),
            begin: BeginSearch::Index(*first),
            find: FindKeys::Range { last: if *last < 0 { *last } else { last - first }, step: *step, limit: 0 },
        };
        CommandEntry { key_specs: told.map(spec).into_iter().collect(), ..entry.clone() }
    };
    let known = CommandTable::known();
    CommandTable::new(known.entries().filter(|entry| !entry.name.contains('|')).map(|entry| {
        let subcommands = entry.subcommands.iter().map(|(name, entry)| (name.clone(), with_keys(entry)));
        CommandEntry { subcommands: subcommands.collect(), ..with_keys(entry) }
    }))
}

/// Whether a pattern matches, as the server's manual says it, tried place by place.
fn glob(pattern: &[u8], key: &[u8]) -> bool {
    match (pattern, key) {
        ([], _) => key.is_empty(),
        ([b'*', rest @ ..], _) => (0..=key.len()).any(|from| glob(rest, &key[from..])),
        ([b'?', rest @ ..], [_, key @ ..]) => glob(rest, key),
        ([b'\\', escaped, rest @ ..], [first, key @ ..]) => escaped == first && glob(rest, key),
        ([byte, rest @ ..], [first, key @ ..]) => byte == first && glob(rest, key),
        _ => false,
    }
}

fn covered(patterns: &[&KeyPattern], key: &[u8], write: bool) -> bool {
    patterns.iter().any(|pattern| {
        let access = pattern.access();
        (if write { access.write } else { access.read })
            // Classes are compared with a running server elsewhere; the matcher here does without.
            && (pattern.text().contains('[') || glob(pattern.text().as_bytes(), key))
    })
}

/// The keys of what is allowed match the granted patterns, and a grant that only reads sends only what reads.
pub fn redis(data: &[u8]) {
    let at = data.windows(4).position(|bytes| bytes == b"\n==\n");
    let (words, command) = at.map_or((data, &b""[..]), |at| (&data[..at], &data[at + 4..]));
    let Ok(words) = std::str::from_utf8(words) else { return };
    let _ = RedisAddress::parse(words);
    let words: Vec<String> = words.lines().map(str::to_owned).collect();
    let stars = words.iter().map(|word| word.matches('*').count()).max().unwrap_or_default();
    if data.len() > 400 || stars > 6 {
        return;
    }
    let Ok(grant) = RedisGrant::parse(&words) else { return };
    let again = RedisGrant::parse(&grant.to_words()).expect("what it writes is a grant");
    assert_eq!(again, grant, "a grant is itself when it is written and read");
    let reading = grant.reading_only();
    assert!(reading.is_read_only() && !reading.changes());
    let command: Vec<Vec<u8>> = command.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    thread_local!(static TABLE: CommandTable = table());
    TABLE.with(|table| {
        judged(table, &grant, &command);
        judged(table, &reading, &command);
    });
}

/// The same for a table that is given.
pub fn judged(table: &CommandTable, grant: &RedisGrant, command: &[Vec<u8>]) {
    let Ok(decision) = grant.decide(table, command) else { return };
    assert!(decision.reads || !grant.is_read_only(), "{decision:?} changes, and the grant only reads");
    assert!(!CONNECTION.contains(&decision.name.as_str()), "{decision:?}");
    assert!(!grant.to_words().is_empty());
    let patterns: Vec<&KeyPattern> = grant.patterns().collect();
    for key in &decision.keys {
        assert!(command.contains(key), "a key stands in the command");
        assert!(covered(&patterns, key, false) || covered(&patterns, key, true), "{decision:?}");
    }
    let Some((_, first, last, step, flag)) = KEYS.iter().find(|(name, ..)| *name == decision.name) else { return };
    let Some(entry) = table.named(&decision.name).filter(|entry| entry.key_specs.len() == 1) else { return };
    if entry.key_specs[0].begin != BeginSearch::Index(*first) || !entry.key_specs[0].flags.contains(*flag) {
        return;
    }
    let count = i64::try_from(command.len()).expect("it is short");
    let end = if *last < 0 { count + last } else { *last };
    let mut place = *first;
    while place <= end {
        let key = &command[usize::try_from(place).expect("it counts up")];
        assert!(covered(&patterns, key, *flag != "RO"), "{key:?} of {command:?} is beyond {:?}", grant.to_words());
        place += step;
    }
}
