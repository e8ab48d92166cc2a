//! Units, as `systemctl show` prints them: blocks of `Name=value`, an empty line between two units.

use std::collections::{BTreeMap, BTreeSet};

use crate::cause::Trouble;

/// One unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) load: String,
    pub(crate) active: String,
    pub(crate) sub: String,
    pub(crate) result: String,
    /// Of services alone.
    pub(crate) restarts: Option<u64>,
    /// What it cannot be without.
    pub(crate) needs: BTreeSet<String>,
}

/// A unit's name as systemd has it: without an ending it is a service.
pub(crate) fn full_name(name: &str) -> String {
    const ENDINGS: &[&str] =
        &["service", "socket", "target", "timer", "mount", "automount", "path", "slice", "scope", "swap", "device"];
    match name.rsplit_once('.') {
        Some((_, ending)) if ENDINGS.contains(&ending) => name.into(),
        _ => format!("{name}.service"),
    }
}

/// Reads what `systemctl show` printed.
pub(crate) fn parse(text: &str) -> BTreeMap<String, Unit> {
    let mut units = BTreeMap::new();
    for block in text.split("\n\n") {
        let (mut name, mut unit) = (None, Unit::default());
        for (key, value) in block.lines().filter_map(|line| line.split_once('=')) {
            match key {
                "Id" => name = Some(value.to_owned()),
                "LoadState" => unit.load = value.into(),
                "ActiveState" => unit.active = value.into(),
                "SubState" => unit.sub = value.into(),
                "Result" => unit.result = value.into(),
                "NRestarts" => unit.restarts = value.parse().ok(),
                "Requires" | "Requisite" | "BindsTo" => unit.needs.extend(value.split_whitespace().map(str::to_owned)),
                _ => {}
            }
        }
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            units.insert(name, unit);
        }
    }
    units
}

impl Unit {
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading" | "refreshing")
    }

    /// What is wrong with it, where something is.
    pub(crate) fn trouble(&self, expected: bool) -> Option<Trouble> {
        let ending = if matches!(self.result.as_str(), "" | "success") { String::new() } else { format!(" ({})", words(&self.result)) };
        if self.active == "failed" {
            return Some(Trouble::new("failed", format!("it failed{ending}")));
        }
        if self.sub == "auto-restart" || self.sub == "auto-restart-queued" {
            return Some(Trouble::new("restarting", format!("it ended{ending}, and waits to be restarted")));
        }
        if !expected || self.is_running() || self.active == "activating" {
            return None;
        }
        Some(match self.load.as_str() {
            "not-found" => Trouble::new("missing", "systemd does not know it, and it should run"),
            "masked" => Trouble::new("inactive", "it is masked, and it should run"),
            "loaded" => Trouble::new("inactive", format!("it is {}, and it should run", self.active)),
            other => Trouble::new("inactive", format!("its file could not be loaded ({other}), and it should run")),
        })
    }
}

/// systemd's result in words.
fn words(result: &str) -> &str {
    match result {
        "exit-code" => "it ended with an error code",
        "signal" => "a signal ended it",
        "core-dump" => "it crashed",
        "watchdog" => "it did not report in time",
        "timeout" => "it took too long",
        "start-limit-hit" => "it was restarted too often",
        "oom-kill" => "memory ran out",
        "resources" => "the system lacked what it needs",
        "protocol" => "it did not start as its type promises",
        other => other,
    }
}
