//! What the server says of its commands: the reply of COMMAND, with the reading of it left to whoever has the reply.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    sync::LazyLock,
};

/// Commands whose first argument is a subcommand, on servers older than 7, whose table does not say so.
const CONTAINERS: &[&str] = &[
    "acl", "client", "cluster", "command", "config", "function", "latency", "memory", "module", "object", "pubsub",
    "script", "sentinel", "slowlog", "xgroup", "xinfo",
];

/// Where the search for a command's keys begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BeginSearch {
    /// At this argument.
    Index(i64),
    /// Behind this word.
    Keyword(String),
    /// The server cannot say.
    Unknown,
}

/// How the keys are found from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindKeys {
    /// To the last key (counted from the first, or from the end where it is negative), by steps, of a limit's share.
    Range {
        /// The last key.
        last: i64,
        /// From one key to the next.
        step: i64,
        /// 0 and 1: all; 2: the first half of what is left.
        limit: i64,
    },
    /// As many as an argument says.
    KeyNumber {
        /// That argument, counted from where the search begins.
        index: i64,
        /// The first key, counted likewise.
        first: i64,
        /// From one key to the next.
        step: i64,
    },
    /// The server cannot say.
    Unknown,
}

/// One specification of a command's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySpec {
    /// `RO`, `RW`, `OW`, `RM`, `access`, `not_key`, `incomplete`, …
    pub flags: BTreeSet<String>,
    /// Where the search begins.
    pub begin: BeginSearch,
    /// How the keys are found.
    pub find: FindKeys,
}

/// One command, or one subcommand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandEntry {
    /// In lower case; a subcommand with its container: `memory|usage`.
    pub name: String,
    /// How many arguments, the name among them; at least so many where it is negative; 0 where it is not known.
    pub arity: i64,
    /// `readonly`, `write`, `blocking`, …
    pub flags: BTreeSet<String>,
    /// ACL categories, without `@`.
    pub categories: BTreeSet<String>,
    /// First key, last key and step, as older servers say.
    pub positions: (i64, i64, i64),
    /// Where its keys are, as newer servers say.
    pub key_specs: Vec<KeySpec>,
    /// By their own names, without the container.
    pub subcommands: HashMap<String, CommandEntry>,
}

impl CommandEntry {
    /// Whether the server flags it so.
    pub fn has_flag(&self, flag: &str) -> bool {
        self.flags.contains(flag)
    }

    /// Whether it is in an ACL category.
    pub fn is_in(&self, category: &str) -> bool {
        self.categories.contains(category)
    }
}

/// A server's commands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandTable {
    entries: HashMap<String, CommandEntry>,
}

/// A command that was found in the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'t> {
    pub(super) entry: &'t CommandEntry,
    /// Whether its first argument is a subcommand.
    pub(super) contained: bool,
    /// The table has only the container, so that the flags say nothing of the subcommand.
    pub(super) coarse: bool,
    /// It is a container without a subcommand.
    pub(super) lone: bool,
}

impl CommandTable {
    /// A table of a server's commands.
    pub fn new(entries: impl IntoIterator<Item = CommandEntry>) -> Self {
        Self { entries: entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect() }
    }

    /// How many commands it has, without subcommands.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every command and subcommand.
    pub fn entries(&self) -> impl Iterator<Item = &CommandEntry> {
        self.entries.values().flat_map(|entry| std::iter::once(entry).chain(entry.subcommands.values()))
    }

    /// Redis' own commands with their flags and categories, without keys: to compare grants where no server is asked.
    pub fn known() -> &'static Self {
        static KNOWN: LazyLock<CommandTable> = LazyLock::new(|| read_known(include_str!("lists/commands.txt")));
        &KNOWN
    }

    /// A command by its name as a grant writes it.
    pub fn named(&self, name: &str) -> Option<&CommandEntry> {
        match name.split_once('|') {
            Some((container, subcommand)) => self.entries.get(container)?.subcommands.get(subcommand),
            None => self.entries.get(name),
        }
    }

    /// A command by its first arguments, with its full name.
    pub(super) fn find(&self, command: &[Vec<u8>]) -> Option<(Found<'_>, Cow<'_, str>)> {
        let entry = self.entries.get(&name(command.first()?)?)?;
        let found = Found { entry, contained: false, coarse: false, lone: false };
        let coarse = entry.subcommands.is_empty();
        if coarse && !CONTAINERS.contains(&entry.name.as_str()) {
            return Some((found, Cow::Borrowed(entry.name.as_str())));
        }
        let Some(subcommand) = command.get(1) else {
            return Some((Found { lone: true, ..found }, Cow::Borrowed(entry.name.as_str())));
        };
        let subcommand = name(subcommand)?;
        let found = Found { contained: true, coarse, ..found };
        if coarse {
            return Some((found, Cow::Owned(format!("{}|{subcommand}", entry.name))));
        }
        let entry = entry.subcommands.get(&subcommand)?;
        Some((Found { entry, ..found }, Cow::Borrowed(entry.name.as_str())))
    }
}

fn name(argument: &[u8]) -> Option<String> {
    let fits = !argument.is_empty() && argument.len() <= 64 && argument.iter().all(u8::is_ascii_graphic);
    fits.then(|| String::from_utf8_lossy(argument).to_ascii_lowercase())
}

fn read_known(text: &str) -> CommandTable {
    let words =
        |text: &str| -> BTreeSet<String> { text.split(',').filter(|word| *word != "-").map(str::to_owned).collect() };
    let mut table = CommandTable::default();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut parts = line.split(' ');
        let (Some(name), Some(flags), Some(categories)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let (container, subcommand) = name.split_once('|').map_or((name, None), |(name, sub)| (name, Some(sub)));
        let entry = table.entries.entry(container.into()).or_default();
        let entry = match subcommand {
            Some(subcommand) => entry.subcommands.entry(subcommand.into()).or_default(),
            None => entry,
        };
        entry.name = name.into();
        entry.flags = words(flags);
        entry.categories = words(categories);
    }
    table
}
