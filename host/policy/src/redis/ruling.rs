//! A grant's decision about one command, in two halves.
//!
//! What depends on the name alone (do the words give it, does it read, where are its keys) is a [`Ruling`]; what
//! depends on the arguments is its [`Ruling::admit`], which allocates nothing. A million commands of one name, as
//! `query-many` sends them, so cost a million times only the look at their keys.

use std::collections::BTreeMap;

use super::{
    Access, CommandTable, KeyPattern, RedisGrant, RedisRefusal,
    keys::{self, Misplaced},
    reads::{self, Reads},
    redact,
    table::Found,
    word::{Target, Word},
};

/// What a grant says of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandDecision {
    /// Whether it only reads.
    pub reads: bool,
    /// In lower case: `memory|usage`.
    pub name: String,
    /// The keys that it touches.
    pub keys: Vec<Vec<u8>>,
    /// For the audit: the keys cut, the values replaced by `?`.
    pub redacted: String,
    /// What is done, without keys and values: `expire ? NX`.
    pub operation: String,
    /// What it is done to: the key, a setting, or `server`.
    pub object: String,
    /// The granted key pattern that covers the keys; `server` where there are none.
    pub pattern: String,
    /// The word that gives it.
    pub rule: String,
}

/// What a grant says of every command of one name.
#[derive(Debug, Clone)]
pub struct Ruling<'t> {
    grant: &'t RedisGrant,
    found: Found<'t>,
    name: String,
    /// The arguments that make the name, as they were given.
    head: Vec<Vec<u8>>,
    reads: Reads,
    rule: String,
}

impl RedisGrant {
    /// What the grant says of one command.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn decide(&self, table: &CommandTable, command: &[Vec<u8>]) -> Result<CommandDecision, RedisRefusal> {
        self.ruling(table, command)?.decide(command)
    }

    /// What the grant says of every command of this one's name.
    ///
    /// # Errors
    /// Why all of them are refused.
    pub fn ruling<'t>(&'t self, table: &'t CommandTable, command: &[Vec<u8>]) -> Result<Ruling<'t>, RedisRefusal> {
        let first = command.first().ok_or(RedisRefusal::Empty)?;
        let Some((found, name)) = table.find(command) else {
            let unknown = command.iter().take(2).map(|part| redact::key(part)).collect::<Vec<_>>();
            // The second argument of an unknown command may be a value.
            let container = table.find(std::slice::from_ref(first)).is_some();
            return Err(RedisRefusal::Unknown(unknown[..if container { unknown.len() } else { 1 }].join(" ")));
        };
        let rule = self.word_for(&name, found)?;
        let reads = reads::reads(&name, found);
        if self.is_read_only() && reads == Reads::Never {
            return Err(RedisRefusal::ReadOnly(name.into()));
        }
        if let Some(need) = every_key(&name, found, reads) {
            self.needs_every_key(&name, need)?;
        }
        let head = command[..1 + usize::from(found.contained)].to_vec();
        Ok(Ruling { grant: self, found, name: name.into(), head, reads, rule })
    }

    /// The word that gives SCAN to a host that names to the plugin only keys which [`RedisGrant::may_read`], so that
    /// it does not take every key.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn scan_rule(&self, table: &CommandTable) -> Result<String, RedisRefusal> {
        let Some((found, name)) = table.find(&[b"scan".to_vec()]) else {
            return Err(RedisRefusal::Unknown("scan".into()));
        };
        let rule = self.word_for(&name, found)?;
        if self.patterns().any(|pattern| pattern.access().read) {
            return Ok(rule);
        }
        Err(RedisRefusal::EveryKey { name: name.into(), pattern: "a key pattern such as %R~*" })
    }

    /// The last word that says something of the command decides, as on the server.
    fn word_for(&self, name: &str, found: Found<'_>) -> Result<String, RedisRefusal> {
        if reads::changes_the_connection(name, found.entry) {
            return Err(RedisRefusal::Connection(name.into()));
        }
        let named_only = reads::is_named_only(name, found);
        let mut state = Err(RedisRefusal::NotGiven(name.into()));
        for word in self.list() {
            let (target, gives) = match word {
                Word::Give(target) => (target, true),
                Word::Take(target) => (target, false),
                Word::Keys(_) | Word::ReadOnly => continue,
            };
            let own = matches!(target, Target::Command(own) if own == name);
            if !own && !includes(target, name, found) {
                continue;
            }
            state = match (gives, own || !named_only) {
                (true, true) => Ok(word.to_string()),
                // A category does not give it; nor does it take away what its name gave.
                (true, false) => state.map_err(|_| RedisRefusal::NamedOnly(name.into())),
                (false, _) => Err(RedisRefusal::Taken { name: name.into(), word: word.to_string() }),
            };
        }
        state
    }

    fn needs_every_key(&self, name: &str, need: Access) -> Result<(), RedisRefusal> {
        if self.patterns().any(|pattern| pattern.is_every() && pattern.access().covers(need)) {
            return Ok(());
        }
        let pattern = if need.write { "~*" } else { "%R~*" };
        Err(RedisRefusal::EveryKey { name: name.into(), pattern })
    }

    /// The first granted pattern that covers a key.
    pub(super) fn covering(&self, key: &[u8], need: Access) -> Option<&KeyPattern> {
        self.patterns().find(|pattern| pattern.access().covers(need) && pattern.matches(key))
    }
}

fn includes(target: &Target, name: &str, found: Found<'_>) -> bool {
    match target {
        Target::All => true,
        // Of a server that tells only the container's categories, every one of them may be the subcommand's.
        Target::Category(category) => found.entry.is_in(category),
        Target::Command(command) => {
            *command == name || name.split_once('|').is_some_and(|(container, _)| container == command)
        }
    }
}

fn every_key(name: &str, found: Found<'_>, reads: Reads) -> Option<Access> {
    let told = keys::are_told(found.entry);
    let untold = (!told).then_some(if reads == Reads::Always { Access::READ } else { Access::BOTH });
    reads::reaches_every_key(name, found.entry).or(untold)
}

/// Why a walk over the keys ended early.
enum Stopped {
    Misplaced,
    Refused(RedisRefusal),
}

impl From<Misplaced> for Stopped {
    fn from(_: Misplaced) -> Self {
        Self::Misplaced
    }
}

impl Ruling<'_> {
    /// The command's name, in lower case: `memory|usage`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The word that gives it.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Whether this ruling is about that command. It may say no of one that is written in another case.
    pub fn is_about(&self, command: &[Vec<u8>]) -> bool {
        command.starts_with(&self.head) && (!self.found.lone || command.len() == 1)
    }

    /// Whether a command of this name may be sent, and whether it reads.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn admit(&self, command: &[Vec<u8>]) -> Result<bool, RedisRefusal> {
        let count = i64::try_from(command.len()).unwrap_or(i64::MAX);
        let arity = self.found.entry.arity;
        if (arity > 0 && count != arity) || count < arity.saturating_neg() {
            return Err(RedisRefusal::Arguments(self.name.clone()));
        }
        let reads = self.reads.with(command);
        if self.grant.is_read_only() && !reads {
            return Err(RedisRefusal::ReadOnly(self.name.clone()));
        }
        if reads::reaches_another_database(&self.name, command) {
            return Err(RedisRefusal::OtherDatabase(self.name.clone()));
        }
        let walked = keys::each(self.found.entry, self.reads, command, |place, need| {
            let key = &command[place];
            if self.grant.covering(key, need).is_some() {
                return Ok(());
            }
            let need = if need.write { "changing" } else { "reading" };
            Err(Stopped::Refused(RedisRefusal::Key { need, key: redact::key(key) }))
        });
        match walked {
            Ok(()) => Ok(reads),
            Err(Stopped::Refused(refusal)) => Err(refusal),
            Err(Stopped::Misplaced) => Err(RedisRefusal::Arguments(self.name.clone())),
        }
    }

    /// All that there is to say of a command of this name.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn decide(&self, command: &[Vec<u8>]) -> Result<CommandDecision, RedisRefusal> {
        let reads = self.admit(command)?;
        let places = self.places(command);
        let is_key = |place: usize| places.contains_key(&place);
        let keys: Vec<_> = places.keys().map(|place| command[*place].clone()).collect();
        let object = match keys.as_slice() {
            [] => redact::object(&self.name, command),
            keys => keys.iter().map(|key| redact::whole(key)).collect::<Vec<_>>().join(" "),
        };
        Ok(CommandDecision {
            reads,
            redacted: redact::command(&self.name, self.found.contained, command, is_key),
            operation: redact::operation(&self.name, self.found.contained, command, is_key),
            object,
            pattern: self.pattern(command, &places),
            name: self.name.clone(),
            keys,
            rule: self.rule.clone(),
        })
    }

    /// What is done and to which granted pattern: what a plan shows of many commands together.
    pub fn summary(&self, command: &[Vec<u8>]) -> (String, String) {
        let places = self.places(command);
        let is_key = |place: usize| places.contains_key(&place);
        let operation = redact::operation(&self.name, self.found.contained, command, is_key);
        (operation, self.pattern(command, &places))
    }

    /// The command for the audit.
    pub fn redacted(&self, command: &[Vec<u8>]) -> String {
        let places = self.places(command);
        redact::command(&self.name, self.found.contained, command, |place| places.contains_key(&place))
    }

    fn places(&self, command: &[Vec<u8>]) -> BTreeMap<usize, Access> {
        let mut places = BTreeMap::new();
        let _: Result<(), Misplaced> = keys::each(self.found.entry, self.reads, command, |place, need| {
            places.insert(place, need);
            Ok(())
        });
        places
    }

    /// The granted patterns of the keys, each once; what the command acts on where it has no keys.
    fn pattern(&self, command: &[Vec<u8>], places: &BTreeMap<usize, Access>) -> String {
        let mut patterns: Vec<&str> = vec![];
        for (place, need) in places {
            if let Some(pattern) = self.grant.covering(&command[*place], *need)
                && !patterns.contains(&pattern.text())
            {
                patterns.push(pattern.text());
            }
        }
        if patterns.is_empty() { redact::object(&self.name, command) } else { patterns.join(" ") }
    }
}
