//! What `npm outdated` says. It ends with 1 where something is outdated, which is no failure; what it says tells.

use std::collections::BTreeMap;

use hostler_sdk::matches_pattern;
use hostler_sdk::prelude::*;
use hostler_sdk::shell::Completed;
use serde_json::Value;

use crate::Settings;

/// A direct dependency with something newer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outdated {
    pub name: String,
    /// Empty where it is not installed.
    pub current: String,
    /// The newest within its range.
    pub wanted: String,
    pub latest: String,
}

impl Outdated {
    /// Whether there is something newer within the range.
    fn within(&self) -> bool {
        !self.current.is_empty() && self.current != self.wanted
    }

    /// How many major versions it is behind.
    fn majors(&self) -> u64 {
        let major = |version: &str| version.split('.').next().and_then(|major| major.parse::<u64>().ok());
        let from = if self.current.is_empty() { &self.wanted } else { &self.current };
        match (major(from), major(&self.latest)) {
            (Some(from), Some(latest)) => latest.saturating_sub(from),
            _ => 0,
        }
    }
}

/// Reads the answer.
pub(crate) fn parse(done: &Completed) -> Result<Vec<Outdated>, TaskError> {
    let said = String::from_utf8_lossy(&done.stdout);
    let error = || {
        let said = String::from_utf8_lossy(&done.stderr);
        let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
        let line = lines().find(|line| line.starts_with("npm error ") && !line.starts_with("npm error code"));
        let line: String = line.or_else(|| lines().next()).unwrap_or("it said nothing").chars().take(300).collect();
        TaskError::new(format!("npm outdated failed: {line}"))
    };
    if !matches!(done.exit_code, Some(0 | 1)) || done.truncated {
        return Err(error());
    }
    let answer: BTreeMap<String, Value> = serde_json::from_str(said.trim()).map_err(|_| error())?;
    if answer.contains_key("error") {
        return Err(error());
    }
    let mut found = vec![];
    for (name, entries) in answer {
        // A package of several workspaces has a list.
        let entries = match entries {
            Value::Array(entries) => entries,
            entry => vec![entry],
        };
        for entry in entries {
            let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
            found.push(Outdated {
                name: name.clone(),
                current: text("current"),
                wanted: text("wanted"),
                latest: text("latest"),
            });
        }
    }
    Ok(found)
}

/// Tells what is outdated; says how much is within the ranges.
pub(crate) fn report(found: &[Outdated], settings: &Settings) -> usize {
    let mut table = Table::new("Newer versions", &["package", "installed", "within the range", "newest"]);
    for one in found {
        table.row(&[&one.name, &one.current, &one.wanted, &one.latest]);
    }
    table.report();
    let within = found.iter().filter(|one| one.within()).count();
    let behind: Vec<&Outdated> = found.iter().filter(|one| one.majors() > 0).collect();
    Metric::gauge("node_packages_outdated", within as f64).report();
    Metric::gauge("node_packages_major_behind", behind.len() as f64).report();
    let ignored = |one: &Outdated| settings.ignore.iter().any(|pattern| matches_pattern(pattern, &one.name));
    for one in behind.into_iter().filter(|one| one.majors() >= settings.majors && !ignored(one)) {
        let current = if one.current.is_empty() { &one.wanted } else { &one.current };
        finding!(
            Severity::Warning,
            "major-behind",
            one.name.clone(),
            "{current} is {} behind {}, warning from {} on",
            counted(one.majors(), "major version"),
            one.latest,
            settings.majors
        )
        .remedy(format!("read its change log, then: npm install {}@{}", one.name, one.latest))
        .report();
    }
    within
}
