//! Connections: how many are allowed beside how many were ever there, and how many are kept for whoever has to mend the
//! server when all others are taken.

use std::collections::BTreeMap;

use hostler_sdk::{Timestamp, prelude::*};

use crate::advice::Advice;
use crate::server::Server;

/// Days that are remembered.
const DAYS: usize = 35;

/// The most connections of each day, by its number since 1970.
pub type Peaks = BTreeMap<u64, i64>;

pub fn remember(peaks: &mut Peaks, now: Timestamp, used: i64) {
    let most = peaks.entry(now.0 / 86_400_000).or_default();
    *most = used.max(*most);
    while peaks.len() > DAYS {
        peaks.pop_first();
    }
}

pub fn advise(server: &Server, peaks: &Peaks, least_days: usize, factor: f64) -> Vec<Advice> {
    let most = server.value("max_connections");
    let reserved = "So many are kept for superusers when all others are taken: without one nobody gets in to end what holds the server up.";
    let also = match server.get("reserved_connections") {
        Some(setting) => format!(
            " reserved_connections keeps {} for roles with pg_use_reserved_connections, such as the one that this task runs as.",
            setting.value
        ),
        None => String::new(),
    };
    let mut advice = vec![
        Advice::around("superuser_reserved_connections", 3.0, factor, format!("{reserved}{also}"))
            .harmless((most / 10.0).max(6.0)),
    ];
    if peaks.len() >= least_days
        && let Some(peak) = peaks.values().max()
    {
        let why = format!(
            "The most connections that a run saw on {} are {peak}; twice as many are room enough. Each connection that is allowed takes shared memory and makes the share of work_mem smaller, and hundreds that are busy at once slow each other down: a pool (PgBouncer) before the server takes more of them.",
            counted(peaks.len(), "day")
        );
        advice.push(
            Advice::around("max_connections", (*peak as f64 * 2.0).max(20.0), factor, why).only_high().harmless(100.0),
        );
    }
    advice
}
