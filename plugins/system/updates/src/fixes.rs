//! Security fixes that wait, and since when.

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::prelude::*;
use hostler_sdk::{baseline_taken, judged_above, listed};
use serde::Serialize;
use shared_packages::is_security;
use shared_packages::simulation::Simulation;

use crate::Settings;

/// What the state is kept under.
pub(crate) const KEPT: &str = "security-fixes";
/// So many updates are listed.
const ROWS: usize = 300;

/// A fix as the task's runs have seen it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// The version that lacks it. While that is installed, a newer fix does not make the wait any shorter.
    pub installed: String,
    pub at: Timestamp,
    /// Whether it was there at the first run, and may be older than what is known.
    pub older: bool,
}

pub(crate) type Known = BTreeMap<String, Seen>;

/// The packages with a security fix that is not installed, with what is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fixes {
    installed: BTreeMap<String, String>,
    held: Vec<String>,
}

impl Fixes {
    /// `with_fix`: those that have one below the newest version.
    pub(crate) fn of(simulation: &Simulation, with_fix: &BTreeSet<String>, origins: &[String]) -> Self {
        let fixed = |name: &str| with_fix.contains(name);
        let upgrades = simulation.upgrades.iter().filter_map(|upgrade| {
            let installed = upgrade.installed.clone()?;
            let newest = upgrade.origins.iter().any(|origin| is_security(origin, origins));
            (newest || fixed(&upgrade.name)).then(|| (upgrade.name.clone(), installed))
        });
        let held: Vec<String> = simulation.held.iter().filter(|name| fixed(name)).cloned().collect();
        let mut installed: BTreeMap<String, String> = upgrades.collect();
        // What is held keeps its version: which one it is need not be known.
        installed.extend(held.iter().map(|name| (name.clone(), "held".to_owned())));
        Self { installed, held }
    }

    /// What is to be kept, and whether this is the first run.
    pub(crate) fn since(&self, known: Option<Known>, now: Timestamp) -> (Known, bool) {
        let first = known.is_none();
        let known = known.unwrap_or_default();
        let kept = self.installed.iter().map(|(name, installed)| {
            let before = known.get(name).filter(|seen| seen.installed == *installed);
            let new = Seen { installed: installed.clone(), at: now, older: first };
            (name.clone(), before.cloned().unwrap_or(new))
        });
        (kept.collect(), first)
    }

    pub(crate) fn report(
        &self,
        simulation: &Simulation,
        known: &Known,
        first: bool,
        settings: &Settings,
        now: Timestamp,
    ) -> String {
        self.list(simulation, known, now);
        let pending =
            simulation.upgrades.iter().filter(|upgrade| upgrade.installed.is_some()).count() + simulation.held.len();
        Metric::gauge("system_updates_pending", pending as f64).report();
        Metric::gauge("system_security_fixes_pending", known.len() as f64).report();
        if !self.held.is_empty() {
            finding!(
                Severity::Warning,
                "security-fix-held",
                self.held[0].as_str(),
                "{} {} held back and {} a security fix: {}",
                counted(self.held.len(), "package"),
                agreed(self.held.len(), "is", "are"),
                agreed(self.held.len(), "has", "have"),
                listed(&self.held, 5)
            )
            .remedy(format!(
                "apt-mark showhold; apt-get -s install {}    # says what is in the way",
                self.held.join(" ")
            ))
            .report();
        }
        let fixes = match known.len() {
            1 => "1 of them a security fix".to_owned(),
            many => format!("{many} of them security fixes"),
        };
        self.judge(known, first, settings, now);
        format!("{} {}, {fixes}", counted(pending, "update"), agreed(pending, "waits", "wait"))
    }

    fn judge(&self, known: &Known, first: bool, settings: &Settings, now: Timestamp) {
        let Some((name, oldest)) = known.iter().min_by_key(|(_, seen)| seen.at) else {
            Metric::gauge("system_security_fix_age_seconds", 0.0).report();
            return;
        };
        let age = oldest.at.until(now);
        Metric::gauge("system_security_fix_age_seconds", age.as_seconds()).report();
        let all: Vec<&String> = known.keys().collect();
        let install = format!(
            "apt-get install --only-upgrade {}",
            all.iter().take(20).map(|name| name.as_str()).collect::<Vec<_>>().join(" ")
        );
        let waiting = format!(
            "{} {} a security fix that is not installed",
            counted(all.len(), "package"),
            agreed(all.len(), "has", "have")
        );
        if first {
            let why = format!("{waiting}, and since when is not known: {}", listed(&all, 5));
            let baseline = baseline_taken("security fixes", &why);
            baseline.remedy(format!("{install}    # or run the task again: from now on their time counts")).report();
            return;
        }
        let (warning, critical) = (settings.security_warning.as_seconds(), settings.security_critical.as_seconds());
        let (severity, limit) = judged_above(age.as_seconds(), warning, critical, Measure::Seconds);
        let least = if oldest.older { "for at least " } else { "for " };
        finding!(severity, "security-fix-old", "security fixes", "{waiting}; {name}'s waits {least}{age}{limit}")
            .detail(format!("Those that wait: {}", listed(&all, 20)))
            .remedy(install)
            .report_unless_ok();
    }

    fn list(&self, simulation: &Simulation, known: &Known, now: Timestamp) {
        let mut table = Table::new("Updates", &["package", "installed", "newest", "security fix", "seen for"]);
        let seen = |name: &str| known.get(name).map_or(String::new(), |seen| seen.at.until(now).to_string());
        let yes = |name: &str| if self.installed.contains_key(name) { "yes" } else { "" };
        // Those that count most come first.
        let mut upgrades: Vec<_> = simulation.upgrades.iter().collect();
        upgrades.sort_by_key(|upgrade| !self.installed.contains_key(&upgrade.name));
        for upgrade in upgrades.iter().take(ROWS) {
            let installed = upgrade.installed.as_deref().unwrap_or("(new)");
            table.row(&[&upgrade.name, &installed, &upgrade.candidate, &yes(&upgrade.name), &seen(&upgrade.name)]);
        }
        for name in simulation.held.iter().take(ROWS) {
            table.row(&[name, &"(held back)", &"", &yes(name), &seen(name)]);
        }
        table.report();
    }
}
