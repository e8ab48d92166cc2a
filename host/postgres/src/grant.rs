//! What the policy decided, remembered by the statement's text: parsing takes 0.1 ms, and tasks repeat themselves.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use hostler_policy::sql::{ChangeStatement, PostgresGrant, ReadStatement, Refusal};

use crate::pool::held;

const MOST_GRANTS: usize = 64;
const MOST_STATEMENTS: usize = 512;
const LONGEST: usize = 16 * 1024;

/// Decisions of one kind.
struct Decided<T>(Mutex<HashMap<String, Result<Arc<T>, Refusal>>>);

impl<T> Default for Decided<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Decided<T> {
    fn get(&self, sql: &str, decide: impl FnOnce() -> Result<T, Refusal>) -> Result<Arc<T>, Refusal> {
        if let Some(known) = held(&self.0).get(sql) {
            return known.clone();
        }
        let decision = decide().map(Arc::new);
        if sql.len() <= LONGEST {
            let mut known = held(&self.0);
            if known.len() >= MOST_STATEMENTS {
                known.clear();
            }
            known.insert(sql.into(), decision.clone());
        }
        decision
    }
}

/// A grant, with what it decided.
pub(crate) struct Granted {
    pub(crate) grant: PostgresGrant,
    reads: Decided<ReadStatement>,
    copies: Decided<ReadStatement>,
    changes: Decided<ChangeStatement>,
}

impl Granted {
    fn new(grant: PostgresGrant) -> Self {
        Self { grant, reads: Decided::default(), copies: Decided::default(), changes: Decided::default() }
    }

    pub(crate) fn query(&self, sql: &str) -> Result<Arc<ReadStatement>, Refusal> {
        self.reads.get(sql, || self.grant.query(sql))
    }

    pub(crate) fn copy_out(&self, sql: &str) -> Result<Arc<ReadStatement>, Refusal> {
        self.copies.get(sql, || self.grant.copy_out(sql))
    }

    pub(crate) fn execute(&self, sql: &str) -> Result<Arc<ChangeStatement>, Refusal> {
        self.changes.get(sql, || self.grant.execute(sql))
    }

    /// Whether another database of the server may be opened.
    pub(crate) fn covers_database(&self, name: &str) -> bool {
        self.grant.databases.iter().any(|pattern| matches(pattern, name))
    }
}

/// `*` stands for anything.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(mut part) = parts.next() else { return rest.is_empty() };
    for next in parts {
        let Some(place) = rest.find(part) else { return false };
        rest = &rest[place + part.len()..];
        part = next;
    }
    rest.ends_with(part)
}

/// The grants of all tasks, so that the next run of a task finds what the last one decided.
#[derive(Default)]
pub(crate) struct Grants(Mutex<Vec<Arc<Granted>>>);

impl Grants {
    pub(crate) fn of(&self, grant: &PostgresGrant) -> Arc<Granted> {
        let mut known = held(&self.0);
        if let Some(granted) = known.iter().find(|granted| granted.grant == *grant) {
            return granted.clone();
        }
        if known.len() >= MOST_GRANTS {
            known.remove(0);
        }
        let granted = Arc::new(Granted::new(grant.clone()));
        known.push(granted.clone());
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, wanted) in [
            ("*", "shop", true),
            ("shop", "shop", true),
            ("shop", "shop2", false),
            ("shop*", "shop2", true),
            ("*_old", "shop_old", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("ab*b", "ab", false),
        ] {
            assert_eq!(matches(pattern, name), wanted, "{pattern} {name}");
        }
    }
}
