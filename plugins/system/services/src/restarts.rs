//! Restarts since the last run.

use std::collections::BTreeMap;

use hostler_sdk::prelude::*;

use crate::unit::{Unit, full_name};
use crate::{Settings, judge_range};

/// NRestarts of each service, by its name.
pub(crate) type Counted = BTreeMap<String, u64>;

pub(crate) fn counted(units: &BTreeMap<String, Unit>) -> Counted {
    units.iter().filter_map(|(name, unit)| Some((name.clone(), unit.restarts?))).collect()
}

/// Tells which services were restarted; what is to be said in the end.
pub(crate) fn judge(now: &Counted, earlier: Option<&Counted>, settings: &Settings) -> Option<String> {
    let Some(earlier) = earlier else { return Some("baseline taken for restarts".into()) };
    let ignored: Vec<String> = settings.ignore.iter().map(|name| full_name(name)).collect();
    let mut all = 0;
    for (name, count) in now.iter().filter(|(name, _)| !ignored.contains(name)) {
        // One that is not known was not loaded then; what it counts happened since.
        let before = earlier.get(name).copied().unwrap_or_default();
        let grown = if *count < before { *count } else { count - before };
        all += grown;
        if grown == 0 {
            continue;
        }
        Metric::gauge("service_restarts", grown as f64).label("unit", name).report();
        let times = if grown == 1 { "once".into() } else { format!("{grown} times") };
        finding!(judge_range(grown as f64, settings), "restarted", name.as_str(), "systemd restarted it {times} since the last run")
            .remedy(format!("journalctl -u {} -n 100", hostler_sdk::quote_for_shell(name)))
            .report_unless_ok();
    }
    (all > 0).then(|| format!("{all} restarts since the last run"))
}
