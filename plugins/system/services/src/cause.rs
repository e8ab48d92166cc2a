//! From what is in trouble to what causes it.

use std::collections::{BTreeMap, BTreeSet};

use crate::unit::Unit;

/// What is wrong with a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) code: &'static str,
    pub(crate) summary: String,
}

impl Trouble {
    pub(crate) fn new(code: &'static str, summary: impl Into<String>) -> Self {
        Self { code, summary: summary.into() }
    }
}

/// The causes, each with the units in trouble that depend on it.
pub(crate) fn fold(units: &BTreeMap<String, Unit>, troubles: &BTreeMap<String, Trouble>) -> BTreeMap<String, Vec<String>> {
    let mut folded: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in troubles.keys() {
        let root = root(units, troubles, name).unwrap_or_else(|| name.clone());
        let depend = folded.entry(root.clone()).or_default();
        if root != *name {
            depend.push(name.clone());
        }
    }
    folded
}

/// The unit in trouble at the end of what `name` needs, itself where it needs no other; nothing where there is none.
///
/// What stands between may be in no trouble of its own: a unit that was never started because of another is inactive.
pub(crate) fn root(units: &BTreeMap<String, Unit>, troubles: &BTreeMap<String, Trouble>, name: &str) -> Option<String> {
    let reached = needs(units, name);
    let roots: BTreeSet<&String> = reached
        .iter()
        .filter(|other| troubles.contains_key(**other))
        // Two that need each other are one trouble, told at the first of them.
        .filter(|other| needs(units, other).iter().all(|far| far >= *other || !troubles.contains_key(*far) || !needs(units, far).contains(*other)))
        .filter(|other| needs(units, other).iter().all(|far| far == *other || !troubles.contains_key(*far) || needs(units, far).contains(*other)))
        .copied()
        .collect();
    roots.first().map(|root| (*root).clone())
}

/// The unit, and what it needs that does not run, to the end.
fn needs<'a>(units: &'a BTreeMap<String, Unit>, name: &'a str) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&str> = vec![name];
    while let Some(next) = waiting.pop() {
        let Some((known, unit)) = units.get_key_value(next) else { continue };
        if next != name && unit.is_running() || !reached.insert(known) {
            continue;
        }
        waiting.extend(unit.needs.iter().map(String::as_str));
    }
    reached
}
