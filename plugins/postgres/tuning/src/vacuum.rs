//! The pace of autovacuum: what its cost limit lets it clean a second, beside what is changed a second and what there is
//! to be read. One that is slower than the changes never catches up, and tables grow for ever.

use hostler_sdk::prelude::*;

use crate::advice::{Advice, remedy};
use crate::load::Load;
use crate::server::Server;

const BLOCK: f64 = 8192.0;
const DAY: f64 = 86_400.0;
/// The largest value that the server takes.
const MOST: f64 = 10_000.0;

/// Tells that it is off; whether it was.
pub fn tell_off(server: &Server) -> bool {
    let mut off = false;
    for (name, words) in [
        ("autovacuum", "dead rows stay, statistics age, and nothing but an emergency freezes old transactions"),
        ("track_counts", "autovacuum does not learn what changed, and does nothing"),
    ] {
        if server.value(name) == 0.0
            && let Some(setting) = server.get(name)
        {
            finding!(Severity::Warning, "autovacuum-off", name, "{name} is off: {words}")
                .remedy(remedy(name, "on", setting))
                .report();
            off = true;
        }
    }
    off
}

pub fn advise(server: &Server, load: Option<&Load>, bytes: f64, factor: f64) -> Option<Advice> {
    let delay = server.value_or("autovacuum_vacuum_cost_delay", "vacuum_cost_delay");
    let limit = server.value_or("autovacuum_vacuum_cost_limit", "vacuum_cost_limit");
    // Without a delay it goes as fast as it can.
    if !(delay > 0.0 && limit > 0.0) {
        return None;
    }
    let (dirty, miss) =
        (server.value("vacuum_cost_page_dirty").max(1.0), server.value("vacuum_cost_page_miss").max(1.0));
    let pages = |cost: f64| limit / delay / cost;
    let changed = load.map_or(0.0, |load| load.changed);
    // Each dead row may lie on a page of its own; all is to be read within a day; and 200 each 2 ms is what servers of
    // today are delivered with.
    let needs = [changed * dirty * delay, bytes / BLOCK / DAY * miss * delay, 200.0 * delay / 0.002];
    let ideal = needs.into_iter().fold(1.0, f64::max).min(MOST);
    let why = format!(
        "A cost of {limit} each {} lets all workers together write {} or read {} a second. {changed:.0} rows a second are updated or deleted, each at worst on a page of its own, and {} are to be read within a day.",
        Duration::from_seconds(delay),
        ByteSize::from_f64(pages(dirty) * BLOCK),
        ByteSize::from_f64(pages(miss) * BLOCK),
        ByteSize::from_f64(bytes)
    );
    let name = match server.value("autovacuum_vacuum_cost_limit") {
        own if own >= 0.0 => "autovacuum_vacuum_cost_limit",
        _ => "vacuum_cost_limit",
    };
    Some(Advice::around(name, ideal, factor, why).only_low())
}
