//! Where a command's keys are, by the server's own specifications.
//!
//! Where Redis stops at the first place at which a keyword stands, this goes on: a command that takes its last
//! `STORE` would else be judged by its first. What is found so is a superset of the keys, never less.

use super::{Access, BeginSearch, CommandEntry, FindKeys, KeySpec, reads::Reads};

/// The keys are not where the specification says, or nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Misplaced;

/// Whether the arguments tell all keys.
pub(super) fn are_told(entry: &CommandEntry) -> bool {
    let told = |spec: &KeySpec| {
        spec.begin != BeginSearch::Unknown && spec.find != FindKeys::Unknown && !spec.flags.contains("incomplete")
    };
    if entry.key_specs.is_empty() {
        return !entry.has_flag("movablekeys");
    }
    entry.key_specs.iter().all(told)
}

/// Calls with each key's place and what is done with it, until told to stop.
pub(super) fn each<E: From<Misplaced>>(
    entry: &CommandEntry,
    reads: Reads,
    command: &[Vec<u8>],
    mut with: impl FnMut(usize, Access) -> Result<(), E>,
) -> Result<(), E> {
    let count = i64::try_from(command.len()).map_err(|_| Misplaced)?;
    let mut range = |first: i64, last: i64, step: i64, access| {
        if first < 1 || last >= count || last < first || step < 1 {
            return Err(Misplaced.into());
        }
        let mut place = first;
        while place <= last {
            with(usize::try_from(place).map_err(|_| Misplaced)?, access)?;
            place = place.saturating_add(step);
        }
        Ok(())
    };
    if entry.key_specs.is_empty() {
        let (first, last, step) = entry.positions;
        if first == 0 {
            return Ok(());
        }
        let access = if reads == Reads::Always { Access::READ } else { Access::BOTH };
        return range(first, if last < 0 { count.saturating_add(last) } else { last }, step, access);
    }
    for spec in entry.key_specs.iter().filter(|spec| !spec.flags.contains("not_key")) {
        let access = access(spec);
        let mut from = |first: i64| match spec.find {
            FindKeys::Range { last, step, limit } => {
                let last = match (last, limit) {
                    (0.., _) => first.saturating_add(last),
                    (_, ..=1) => count.saturating_add(last),
                    (_, limit) => first.saturating_add(count.saturating_sub(first) / limit).saturating_add(last),
                };
                range(first, last, step, access)
            }
            FindKeys::KeyNumber { index, first: offset, step } => {
                let place = usize::try_from(first.saturating_add(index)).map_err(|_| Misplaced)?;
                let keys = command.get(place).and_then(|number| number_of(number)).ok_or(Misplaced)?;
                if keys == 0 {
                    return Ok(());
                }
                let first = first.saturating_add(offset);
                range(first, first.saturating_add((keys - 1).saturating_mul(step)), step, access)
            }
            FindKeys::Unknown => Ok(()),
        };
        match &spec.begin {
            BeginSearch::Index(index) => from(*index)?,
            BeginSearch::Keyword(word) => {
                for (place, _) in
                    command.iter().enumerate().skip(1).filter(|(_, part)| part.eq_ignore_ascii_case(word.as_bytes()))
                {
                    from(i64::try_from(place).map_err(|_| Misplaced)? + 1)?;
                }
            }
            BeginSearch::Unknown => {}
        }
    }
    Ok(())
}

fn access(spec: &KeySpec) -> Access {
    let has = |flag: &str| spec.flags.contains(flag);
    if has("variable_flags") {
        return Access::BOTH;
    }
    let write = !has("RO");
    Access { read: !write || has("RW") || has("access"), write }
}

/// A count as the server reads it; anything else than plain digits is not one.
fn number_of(text: &[u8]) -> Option<i64> {
    let digits = !text.is_empty() && text.len() <= 9 && text.iter().all(u8::is_ascii_digit);
    digits.then(|| text.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that lies about where its keys are gets a refusal, and no arithmetic beyond its bounds.
    #[test]
    fn places_beyond_every_number_are_refused_or_end() {
        let command = [b"x".to_vec(), b"a".to_vec(), b"b".to_vec()];
        for numbers in [i64::MIN, -1, 1, 2, i64::MAX] {
            for other in [i64::MIN, -1, 1, 2, i64::MAX] {
                for find in [
                    FindKeys::Range { last: numbers, step: other, limit: 2 },
                    FindKeys::Range { last: -1, step: numbers, limit: other },
                    FindKeys::KeyNumber { index: numbers, first: other, step: numbers },
                ] {
                    let begin = BeginSearch::Index(if numbers == 1 { 1 } else { other });
                    let spec = KeySpec { flags: ["RO".to_owned()].into(), begin, find };
                    let entry = CommandEntry { key_specs: vec![spec], ..CommandEntry::default() };
                    let told = each::<Misplaced>(&entry, Reads::Always, &command, |place, _| {
                        assert!(place < command.len());
                        Ok(())
                    });
                    let _ = told;
                }
                let entry = CommandEntry { positions: (1, numbers, other), ..CommandEntry::default() };
                let mut places = 0;
                let told = each::<Misplaced>(&entry, Reads::Always, &command, |_, _| {
                    places += 1;
                    Ok(())
                });
                assert_eq!(told.is_ok(), places > 0, "{numbers} {other}");
            }
        }
    }
}
