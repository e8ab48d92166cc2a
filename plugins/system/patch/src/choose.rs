//! Which packages are upgraded: those that are named, and security fixes; and what of a simulation speaks against it.

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::listed;
use hostler_sdk::prelude::*;
use shared_packages::policy::{self, Sources};
use shared_packages::simulation::{EVERYTHING, Simulation, Upgrade};
use shared_packages::{is_one_of, is_security};

use crate::Settings;

/// What is to be done, and what is not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    pub wanted: Vec<Upgrade>,
    /// Databases with a security fix that are not named.
    pub databases: Vec<String>,
    /// Named and held back.
    pub held: Vec<String>,
    /// Named and not installed.
    pub unknown: Vec<String>,
}

/// A package's name as dpkg has it, with an architecture behind a colon: nothing that apt-get would take for an option,
/// a pattern, or a removal (`name-`).
pub(crate) fn check_names(names: &[String]) -> Result<(), TaskError> {
    for name in names {
        let (package, architecture) = name.split_once(':').unwrap_or((name, "all"));
        let allowed = |text: &str, more: &str| {
            text.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
                && text.ends_with(|last: char| last.is_ascii_alphanumeric())
                && text
                    .chars()
                    .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || more.contains(letter))
        };
        // g++ and libstdc++ end so; a last `+` or `-` alone would tell apt-get to install or to remove.
        let plain = package.strip_suffix("++").unwrap_or(package);
        if !allowed(plain, "+-.") || !allowed(architecture, "-") {
            return Err(TaskError::new(format!("settings.packages has {name:?}, which is no package's name"))
                .remedy("write names as `dpkg -l` shows them, one an item, without a version"));
        }
    }
    Ok(())
}

impl Choice {
    /// `begun`: those that an earlier run has chosen, and did not get done.
    pub(crate) async fn make(context: &Context, settings: &Settings, begun: &[String]) -> Result<Self, TaskError> {
        let said = context.program("simulate").arguments(EVERYTHING).output().await?;
        let simulation = Simulation::parse(&said)?;
        let pending = simulation.upgrades.iter().map(|upgrade| upgrade.name.clone());
        let asked: BTreeSet<String> = pending.chain(settings.packages.iter().cloned()).collect();
        if asked.is_empty() {
            return Ok(Self::default());
        }
        let sources = Sources::parse(&context.program("apt-cache").argument("policy").output().await?);
        let tables = context.program("apt-cache").argument("policy").arguments(asked).output().await?;
        let fixed = sources.with_fix(&tables, |origin| is_security(origin, &settings.security_origins));
        let mut choice = Self::of(&simulation, &fixed, &policy::installed(&tables), settings);
        choice.put_first(&simulation, begun);
        Ok(choice)
    }

    pub(crate) fn of(
        simulation: &Simulation,
        fixed: &BTreeSet<String>,
        installed: &BTreeMap<String, String>,
        settings: &Settings,
    ) -> Self {
        let mut choice = Self::default();
        for upgrade in simulation.upgrades.iter().filter(|upgrade| upgrade.installed.is_some()) {
            let newest = upgrade.origins.iter().any(|origin| is_security(origin, &settings.security_origins));
            let fix = settings.security && (newest || fixed.contains(&upgrade.name));
            if is_named(&upgrade.name, settings) {
                choice.wanted.push(upgrade.clone());
            } else if fix && !is_one_of(&upgrade.name, &settings.exclude) {
                match is_one_of(&upgrade.name, &settings.databases) {
                    true => choice.databases.push(upgrade.name.clone()),
                    false => choice.wanted.push(upgrade.clone()),
                }
            }
        }
        for name in &settings.packages {
            if simulation.held.contains(name) {
                choice.held.push(name.clone());
            } else if !installed.contains_key(name) && simulation.upgrade(name).is_none() {
                choice.unknown.push(name.clone());
            }
        }
        choice
    }

    /// What is half done stands in the way of all others.
    pub(crate) fn put_first(&mut self, simulation: &Simulation, begun: &[String]) {
        let first: Vec<Upgrade> = begun.iter().filter_map(|name| simulation.upgrade(name).cloned()).collect();
        self.wanted.retain(|upgrade| !begun.contains(&upgrade.name));
        self.databases.retain(|name| !begun.contains(name));
        self.wanted.splice(0..0, first);
    }

    pub(crate) fn report(&self, settings: &Settings) {
        if let Some(first) = self.databases.first() {
            finding!(
                Severity::Warning,
                "database-fix-waits",
                first,
                "{} of a database {} a security fix, and {} not named: {}",
                counted(self.databases.len(), "package"),
                agreed(self.databases.len(), "has", "have"),
                agreed(self.databases.len(), "is", "are"),
                listed(&self.databases, 5)
            )
            .detail("Its own scripts restart the database when it is upgraded, which ends every connection.")
            .remedy(format!(
                "in a task with a maintenance window: settings.packages = [{}], settings.security = false",
                self.databases.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
            ))
            .report();
        }
        for name in &self.held {
            finding!(Severity::Warning, "package-held", name, "it is named in settings.packages, and held back")
                .remedy(format!("apt-mark showhold; apt-get -s install {name}    # says why; apt-mark unhold {name}"))
                .report();
        }
        for name in &self.unknown {
            finding!(Severity::Unknown, "package-unknown", name, "it is named in settings.packages, and not installed")
                .remedy(format!("apt-cache policy {name}    # no package is ever installed anew here"))
                .report();
        }
        if self.wanted.len() > settings.limit {
            let left = self.wanted.len() - settings.limit;
            finding!(
                Severity::Warning,
                "stopped",
                "limit",
                "{} to be upgraded, and a run upgrades {} at most: {left} left",
                counted(self.wanted.len(), "package"),
                settings.limit
            )
            .remedy("run the task again: it goes on with those that are left")
            .report();
        }
    }
}

/// Whether an operator named it, with or without its architecture.
pub(crate) fn is_named(package: &str, settings: &Settings) -> bool {
    let name = package.split(':').next().unwrap_or(package);
    settings.packages.iter().any(|named| named == package || named == name)
}

/// What of a simulation of `wanted` speaks against it; empty where nothing does.
pub(crate) fn objections(simulation: &Simulation, wanted: &[Upgrade], settings: &Settings) -> Vec<String> {
    let mut found = vec![];
    if !simulation.removals.is_empty() {
        found.push(format!("would remove {}", listed(&simulation.removals, 5)));
    }
    let along: Vec<&str> = simulation
        .upgrades
        .iter()
        .map(|upgrade| upgrade.name.as_str())
        .filter(|name| !wanted.iter().any(|one| one.name == *name) && !is_named(name, settings))
        .collect();
    for (patterns, what) in [(&settings.databases, "of a database"), (&settings.exclude, "excluded")] {
        let names: Vec<&str> = along.iter().copied().filter(|name| is_one_of(name, patterns)).collect();
        if !names.is_empty() {
            found.push(format!("would bring along {}, {what}", listed(&names, 5)));
        }
    }
    found
}
