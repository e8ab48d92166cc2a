//! A grant: ACL words, in order.

use super::{
    Access, CommandTable, KeyPattern, RedisGrantError,
    reads::{self, Reads},
    table::Found,
    word::{READ_ONLY, Target, Word},
};

/// What a binding allows of a Redis server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedisGrant {
    words: Vec<Word>,
    patterns: Vec<KeyPattern>,
    read_only: bool,
}

impl RedisGrant {
    /// Reads a grant's words: `+info`, `+memory|usage`, `+@read`, `-keys`, `~cache:*`, `%R~*`, and `read-only`, which
    /// keeps of all others only what reads.
    ///
    /// # Errors
    /// Names the word that is none.
    pub fn parse(words: &[String]) -> Result<Self, RedisGrantError> {
        let words = words.iter().map(|word| Word::parse(word)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::of(words))
    }

    fn of(words: Vec<Word>) -> Self {
        let read_only = words.contains(&Word::ReadOnly);
        let access = if read_only { Access::READ } else { Access::BOTH };
        let patterns = words.iter().filter_map(|word| match word {
            Word::Keys(pattern) => Some(pattern.narrowed(access)),
            _ => None,
        });
        Self { patterns: patterns.collect(), read_only, words }
    }

    /// The grant as words again.
    pub fn to_words(&self) -> Vec<String> {
        self.words.iter().map(ToString::to_string).collect()
    }

    pub(super) fn list(&self) -> &[Word] {
        &self.words
    }

    /// Its key patterns, as far as they allow anything.
    pub fn patterns(&self) -> impl Iterator<Item = &KeyPattern> {
        self.patterns.iter()
    }

    /// Whether it keeps only what reads.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// What of it only reads.
    #[must_use]
    pub fn reading_only(&self) -> Self {
        let mut words = self.words.clone();
        if !self.read_only {
            words.push(Word::ReadOnly);
        }
        Self::of(words)
    }

    /// Whether a word gives commands that always change something. A command that nobody knows is taken to.
    pub fn changes(&self) -> bool {
        let known = CommandTable::known();
        let changing = |name: &str| {
            let Some(entry) = known.named(name) else { return true };
            if entry.subcommands.is_empty() {
                return reads::reads(name, bare(entry)) == Reads::Never;
            }
            entry.subcommands.values().any(|entry| {
                let name = entry.name.as_str();
                let given = !reads::is_named_only(name, bare(entry)) && !reads::changes_the_connection(name, entry);
                given && reads::reads(name, bare(entry)) == Reads::Never
            })
        };
        !self.read_only
            && self.words.iter().any(|word| match word {
                Word::Give(Target::All) => true,
                Word::Give(Target::Category(category)) => category != "read",
                Word::Give(Target::Command(name)) => changing(name),
                _ => false,
            })
    }

    /// Whether a key may be named to the plugin.
    pub fn may_read(&self, key: &[u8]) -> bool {
        self.covering(key, Access::READ).is_some()
    }

    /// The pattern of every key that may be named, where it is a single one.
    pub fn only_readable(&self) -> Option<&KeyPattern> {
        let mut readable = self.patterns().filter(|pattern| pattern.access().read);
        let first = readable.next()?;
        readable.next().is_none().then_some(first)
    }

    /// The words of the least ACL user that this grant needs on the server: the host reads the command table beside
    /// what it is asked for.
    pub fn least_user(&self) -> Vec<String> {
        let mut words: Vec<String> = self
            .words
            .iter()
            .filter(|word| !matches!(word, Word::Keys(_) | Word::ReadOnly))
            .map(ToString::to_string)
            .collect();
        if !words.iter().any(|word| word == "+command" || word == "+@all") {
            words.push("+command".into());
        }
        words.extend(
            self.patterns.iter().filter(|pattern| pattern.access() != Access::default()).map(ToString::to_string),
        );
        debug_assert!(!words.iter().any(|word| word == READ_ONLY));
        words
    }

    /// The commands of a table that the grant gives, by full name.
    pub fn given<'t>(&self, table: &'t CommandTable) -> Vec<&'t super::CommandEntry> {
        let given = |entry: &&super::CommandEntry| {
            let head: Vec<Vec<u8>> = entry.name.split('|').map(|part| part.as_bytes().to_vec()).collect();
            let container = !entry.subcommands.is_empty() && entry.name != "command";
            !container && self.ruling(table, &head).is_ok()
        };
        let mut entries: Vec<_> = table.entries().filter(given).collect();
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        entries
    }
}

pub(super) fn bare(entry: &super::CommandEntry) -> Found<'_> {
    Found { entry, contained: false, coarse: false, lone: false }
}
