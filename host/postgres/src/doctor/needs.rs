//! What the grants of all tasks need together: the same need of several tasks is looked at once, and told of them all.

use std::collections::{BTreeMap, BTreeSet};

use hostler_policy::sql::{NeededRight, PostgresGrant, Right, pattern_is_name};

/// Who needs something.
pub(super) type Tasks = BTreeSet<String>;

/// What is needed, each with who needs it.
#[derive(Debug, Clone, Default)]
pub(super) struct Needs {
    /// Rights on relations and schemas.
    pub(super) rights: BTreeMap<NeededRight, Tasks>,
    /// Functions, by pattern.
    pub(super) functions: BTreeMap<String, Tasks>,
    /// Other databases, by pattern, with what is needed in them.
    pub(super) databases: BTreeMap<String, Tasks>,
    grants: Vec<(String, PostgresGrant)>,
}

impl Needs {
    pub(super) fn of(grants: &[(String, PostgresGrant)]) -> Self {
        let mut needs = Self { grants: grants.to_vec(), ..Self::default() };
        for (task, grant) in grants {
            for right in grant.rights() {
                needs.rights.entry(right).or_default().insert(task.clone());
            }
            for function in grant.functions.iter().chain(&grant.call) {
                needs.functions.entry(function.clone()).or_default().insert(task.clone());
            }
            for database in &grant.databases {
                needs.databases.entry(database.clone()).or_default().insert(task.clone());
            }
        }
        needs
    }

    /// What is needed by those who may open another database.
    pub(super) fn within(&self, covered: impl Fn(&PostgresGrant) -> bool) -> Self {
        let grants: Vec<_> = self.grants.iter().filter(|(_, grant)| covered(grant)).cloned().collect();
        Self::of(&grants)
    }

    /// The objects that are named one by one, each with the statements and those who need it; not those that the same
    /// grants may make.
    pub(super) fn named(&self) -> BTreeMap<&str, (BTreeSet<&str>, Tasks)> {
        let mut named: BTreeMap<&str, (BTreeSet<&str>, Tasks)> = BTreeMap::new();
        let made = |pattern: &str| {
            self.rights.keys().any(|needed| needed.statement == "CREATE TABLE" && needed.pattern == pattern)
        };
        for (needed, tasks) in &self.rights {
            if needed.right != Right::Other && pattern_is_name(&needed.pattern) && !made(&needed.pattern) {
                let (statements, of) = named.entry(&needed.pattern).or_default();
                statements.insert(&needed.statement);
                of.extend(tasks.iter().cloned());
            }
        }
        named
    }
}
