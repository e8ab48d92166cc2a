//! Is one grant no wider than another? A binding may only narrow its request.
//!
//! The answer has to be right whatever server it meets, so it is no more often yes than can be proved: each word that
//! the inner grant gives has to be given whole by a word of the outer one, and what the outer one takes away after
//! that, the inner one has to take away as well, unless the two have nothing to do with each other. Whether a command
//! is in a category is taken from the list of Redis' own commands; of others a category covers none.

use super::{
    CommandTable, RedisGrant,
    grant::bare,
    reads,
    word::{Target, Word},
};

impl RedisGrant {
    /// Whether `inner` allows at most what this grant does.
    ///
    /// # Errors
    /// The word of `inner` that is wider, and why.
    pub fn covers(&self, inner: &Self) -> Result<(), String> {
        if self.is_read_only() && !inner.is_read_only() {
            return Err("the request only reads, and this does not; add read-only".into());
        }
        for (place, word) in inner.list().iter().enumerate() {
            match word {
                Word::Give(target) => self.gives(target, &inner.list()[place + 1..])?,
                Word::Keys(_) | Word::Take(_) | Word::ReadOnly => {}
            }
        }
        for pattern in inner.patterns() {
            if pattern.access() != super::Access::default() && !self.patterns().any(|outer| outer.covers(pattern)) {
                return Err(format!("{pattern} reaches keys that the request does not"));
            }
        }
        Ok(())
    }

    fn gives(&self, target: &Target, after: &[Word]) -> Result<(), String> {
        let taken_by_inner =
            |taken: &Target| after.iter().any(|word| matches!(word, Word::Take(inner) if takes_all(inner, taken)));
        let mut problem = format!("the request does not give {target}");
        for (place, word) in self.list().iter().enumerate() {
            if !matches!(word, Word::Give(outer) if gives_all(outer, target)) {
                continue;
            }
            let taken = self.list()[place + 1..]
                .iter()
                .find(|word| matches!(word, Word::Take(taken) if may_meet(taken, target) && !taken_by_inner(taken)));
            match taken {
                None => return Ok(()),
                Some(word) => {
                    problem = format!("the request takes some of {target} away by {word}; add {word} behind it")
                }
            }
        }
        Err(problem)
    }
}

/// Whether giving `outer` gives all that giving `inner` does.
fn gives_all(outer: &Target, inner: &Target) -> bool {
    if outer == inner {
        return true;
    }
    match (outer, inner) {
        (Target::All, Target::Category(_)) => true,
        (Target::All | Target::Category(_), Target::Command(name)) => by_category(outer, name),
        (Target::Command(container), Target::Command(name)) => {
            name.split_once('|').is_some_and(|(own, _)| own == container) && by_category(&Target::All, name)
        }
        _ => false,
    }
}

/// Whether a category gives a command, and every subcommand of it, by more than its own name.
fn by_category(outer: &Target, name: &str) -> bool {
    let Some(entry) = CommandTable::known().named(name) else { return false };
    let includes = |entry: &super::CommandEntry| match outer {
        Target::Category(category) => entry.is_in(category),
        _ => true,
    };
    if entry.subcommands.is_empty() {
        return includes(entry) && !reads::is_named_only(name, bare(entry));
    }
    // Giving a container gives every subcommand but those given by name alone; those of newer servers are not known.
    false
}

/// Whether taking `outer` away takes all away that taking `inner` does.
fn takes_all(outer: &Target, inner: &Target) -> bool {
    if outer == inner || *outer == Target::All {
        return true;
    }
    match (outer, inner) {
        (Target::Command(container), Target::Command(name)) => {
            name.split_once('|').is_some_and(|(own, _)| own == container)
        }
        _ => false,
    }
}

/// Whether there may be a command in both.
fn may_meet(taken: &Target, given: &Target) -> bool {
    let within = |container: &str, name: &str| name.split_once('|').is_some_and(|(own, _)| own == container);
    match (taken, given) {
        (Target::Command(one), Target::Command(other)) => one == other || within(one, other) || within(other, one),
        (Target::Category(category), Target::Command(name)) | (Target::Command(name), Target::Category(category)) => {
            let Some(entry) = CommandTable::known().named(name) else { return true };
            !entry.subcommands.is_empty() || entry.is_in(category)
        }
        _ => true,
    }
}
