//! What `systemctl show` says of every unit, and which failure is behind another one.

use std::collections::BTreeMap;

/// How far a cause is looked for.
const DEEPEST: usize = 16;

/// A unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    pub name: String,
    /// Its other names: `sshd.service` of `ssh.service`.
    pub aliases: Vec<String>,
    pub load_state: String,
    pub active_state: String,
    pub sub_state: String,
    pub result: String,
    pub restarts: u64,
    /// Without these it does not run.
    pub needs: Vec<String>,
}

impl Unit {
    pub fn has_failed(&self) -> bool {
        self.active_state == "failed"
    }

    /// Every name that it has.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name.as_str()).chain(self.aliases.iter().map(String::as_str))
    }

    /// Whether this is one of its names.
    pub fn is(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }

    /// Whether it ended badly and waits to be started again: systemd calls that activating, not failed.
    pub fn is_starting_again(&self) -> bool {
        self.active_state == "activating" && self.sub_state.starts_with("auto-restart")
    }

    pub fn starting_again(&self) -> String {
        let times = if self.restarts == 1 { "once" } else { &format!("{} times", self.restarts) };
        format!("it keeps ending ({}), and was started again {times}", self.result)
    }

    /// Where its operator finds why it is down.
    pub fn why(&self) -> String {
        format!("systemctl status {0}; journalctl -u {0} -n 50", self.name)
    }

    pub fn is_active(&self) -> bool {
        ["active", "reloading", "refreshing"].contains(&self.active_state.as_str())
    }
}

/// Units are apart by an empty line; each line is a property.
pub fn parse(text: &str) -> Vec<Unit> {
    let units = text.split("\n\n").map(|block| {
        let properties: BTreeMap<&str, &str> = block.lines().filter_map(|line| line.split_once('=')).collect();
        let property = |name: &str| properties.get(name).copied().unwrap_or_default().to_owned();
        let needs = ["Requires", "BindsTo", "Requisite"].map(property).join(" ");
        let (name, names) = (property("Id"), property("Names"));
        Unit {
            aliases: names.split_whitespace().filter(|alias| *alias != name).map(str::to_owned).collect(),
            name,
            load_state: property("LoadState"),
            active_state: property("ActiveState"),
            sub_state: property("SubState"),
            result: property("Result"),
            restarts: property("NRestarts").parse().unwrap_or_default(),
            needs: needs.split_whitespace().map(str::to_owned).collect(),
        }
    });
    units.filter(|unit| !unit.name.is_empty()).collect()
}

/// The failed unit at the end of what this one needs, where there is one.
pub fn root_cause<'a>(unit: &Unit, units: &'a [Unit]) -> Option<&'a Unit> {
    let mut cause = None;
    let mut needs = &unit.needs;
    for _ in 0..DEEPEST {
        let next = units.iter().find(|one| {
            one.name != unit.name
                && needs.iter().any(|need| one.is(need))
                && !one.is_active()
                && (one.has_failed() || !one.needs.is_empty())
        });
        let Some(next) = next else { break };
        if next.has_failed() {
            cause = Some(next);
        }
        needs = &next.needs;
    }
    cause
}
