//! Which commands read, which a category never gives, and which no grant gives.
//!
//! The lists are by full name, `container|subcommand`, and were reviewed one by one: a command stands among those that
//! read only if no form of it changes data, settings, counters, logs or other clients. What is in no list is judged by
//! the server's flags, and what those do not call `readonly` changes.

use super::table::{CommandEntry, Found};

/// They read, although the server does not flag them `readonly` (or flags only their container).
const READ: &[&str] = &[
    "acl|cat",
    "acl|dryrun",
    "acl|getuser",
    "acl|help",
    "acl|list",
    "acl|users",
    "acl|whoami",
    "client|getname",
    "client|getredir",
    "client|help",
    "client|id",
    "client|info",
    "client|list",
    "client|trackinginfo",
    "cluster|help",
    "cluster|info",
    "cluster|keyslot",
    "cluster|links",
    "cluster|myid",
    "cluster|nodes",
    "cluster|shards",
    "cluster|slots",
    "command",
    "command|count",
    "command|docs",
    "command|getkeys",
    "command|getkeysandflags",
    "command|help",
    "command|info",
    "command|list",
    "config|get",
    "config|help",
    "dbsize",
    "info",
    "lastsave",
    "latency|doctor",
    "latency|graph",
    "latency|help",
    "latency|histogram",
    "latency|history",
    "latency|latest",
    "memory|doctor",
    "memory|help",
    "memory|malloc-stats",
    "memory|stats",
    "memory|usage",
    "module|help",
    "module|list",
    "object|encoding",
    "object|freq",
    "object|help",
    "object|idletime",
    "object|refcount",
    "ping",
    "role",
    "slowlog|get",
    "slowlog|help",
    "slowlog|len",
    "time",
    "xinfo|consumers",
    "xinfo|groups",
    "xinfo|help",
    "xinfo|stream",
];

/// They are flagged `readonly` and do not belong to maintenance that reads.
const NEVER_READ: &[&str] = &["lolwut"];

/// They change the state of a connection or turn it into a stream, and connections are shared.
const CONNECTION: &[&str] = &[
    "asking",
    "auth",
    "client|caching",
    "client|capa",
    "client|import-source",
    "client|no-evict",
    "client|no-touch",
    "client|reply",
    "client|setinfo",
    "client|setname",
    "client|tracking",
    "discard",
    "exec",
    "hello",
    "monitor",
    "multi",
    "psubscribe",
    "psync",
    "punsubscribe",
    "quit",
    "readonly",
    "readwrite",
    "replconf",
    "reset",
    "script|debug",
    "select",
    "ssubscribe",
    "subscribe",
    "sunsubscribe",
    "sync",
    "unsubscribe",
    "unwatch",
    "watch",
];

/// They hold the server or the caller up, although no flag says so.
const SLOW: &[&str] = &["keys", "wait", "waitaof"];

/// They name or reach keys beyond their arguments. Scripts are among them: what a script touches is its own affair.
const EVERY_KEY_READ: &[&str] = &["cluster|getkeysinslot", "keys", "randomkey", "scan"];
const EVERY_KEY: &[&str] =
    &["debug", "eval", "eval_ro", "evalsha", "evalsha_ro", "fcall", "fcall_ro", "flushall", "flushdb", "swapdb"];

/// When a command reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    Always,
    /// ACL LOG, which reads with a count and forgets with RESET.
    UnlessReset,
    Never,
}

impl Reads {
    pub(super) fn with(self, command: &[Vec<u8>]) -> bool {
        match self {
            Self::Always => true,
            Self::UnlessReset => command.get(2).is_none_or(|count| count.iter().all(u8::is_ascii_digit)),
            Self::Never => false,
        }
    }
}

pub(super) fn reads(name: &str, found: Found<'_>) -> Reads {
    let entry = found.entry;
    if name == "acl|log" {
        return Reads::UnlessReset;
    }
    if READ.binary_search(&name).is_ok() {
        return Reads::Always;
    }
    let excluded = entry.has_flag("write") || entry.has_flag("module") || entry.is_in("scripting");
    if found.coarse || excluded || NEVER_READ.contains(&name) || !entry.has_flag("readonly") {
        return Reads::Never;
    }
    Reads::Always
}

pub(super) fn changes_the_connection(name: &str, entry: &CommandEntry) -> bool {
    CONNECTION.contains(&name) || entry.is_in("transaction")
}

/// Whether it leaves the database that the resource's address names. ACL key patterns hold in every database alike, so
/// that they do not keep it inside. FLUSHALL and SWAPDB do so by what they are, and are given by their names alone.
pub(super) fn reaches_another_database(name: &str, command: &[Vec<u8>]) -> bool {
    name == "move" || (name == "copy" && command.iter().skip(3).any(|word| word.eq_ignore_ascii_case(b"db")))
}

/// Whether only its own name gives it, never a category or its container.
pub(super) fn is_named_only(name: &str, found: Found<'_>) -> bool {
    let entry = found.entry;
    let holds_up = entry.has_flag("blocking") || entry.is_in("blocking") || SLOW.contains(&name);
    let foreign = entry.is_in("scripting") || entry.has_flag("pubsub") || entry.has_flag("module");
    let powerful = entry.has_flag("admin") || entry.is_in("admin") || entry.is_in("dangerous") || found.coarse;
    holds_up || foreign || (powerful && reads(name, found) == Reads::Never)
}

/// Whether it reaches keys that its arguments do not tell, and whether it may change them.
pub(super) fn reaches_every_key(name: &str, entry: &CommandEntry) -> Option<super::Access> {
    if EVERY_KEY_READ.contains(&name) {
        return Some(super::Access::READ);
    }
    let silent = entry.has_flag("module") && entry.key_specs.is_empty() && entry.positions.0 == 0;
    (silent || EVERY_KEY.contains(&name)).then_some(super::Access::BOTH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::CommandTable;

    #[test]
    fn the_list_is_in_order() {
        assert!(READ.is_sorted());
    }

    #[test]
    fn every_name_of_the_lists_is_a_command() {
        // Names of versions beyond the list of known commands, and of forks.
        let newer = ["client|capa", "client|import-source", "client|no-touch", "client|setinfo", "waitaof"];
        for name in READ.iter().chain(NEVER_READ).chain(CONNECTION).chain(SLOW).chain(EVERY_KEY_READ).chain(EVERY_KEY) {
            assert!(newer.contains(name) || CommandTable::known().named(name).is_some(), "{name}");
        }
    }

    #[test]
    fn what_a_category_gives_beyond_data_is_reviewed() {
        let mut given = vec![];
        for entry in CommandTable::known().entries().filter(|entry| entry.subcommands.is_empty()) {
            let found = Found { entry, contained: false, coarse: false, lone: false };
            let data = entry.has_flag("write") || entry.has_flag("readonly");
            if !data && !is_named_only(&entry.name, found) && !changes_the_connection(&entry.name, entry) {
                given.push(entry.name.as_str());
            }
        }
        given.retain(|name| READ.binary_search(name).is_err());
        given.sort_unstable();
        assert_eq!(
            given,
            [
                "acl|genpass",
                "acl|log",
                "cluster|countkeysinslot",
                "cluster|getkeysinslot",
                "echo",
                "memory|purge",
                "pubsub|help",
                "xgroup|help"
            ]
        );
    }
}
