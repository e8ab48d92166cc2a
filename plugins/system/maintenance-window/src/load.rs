//! How busy each hour was. Hours are kept as hours since 1970: which hour of the day they are depends on the clock that
//! the operator reads, and that changes twice a year.

use std::collections::BTreeMap;

use hostler_sdk::history::Series;
use hostler_sdk::postgres::Database;
use hostler_sdk::{Counters, Timestamp, prelude::*};
use shared_history::{median, points};

use crate::zone::Zone;

/// Seconds. What lies between two runs that are further apart says nothing of any hour.
const FARTHEST: f64 = 2.5 * 3600.0;
const HOUR: f64 = 3600.0;

/// Load times seconds, and seconds, of each hour since 1970.
pub type Hours = BTreeMap<u64, (f64, f64)>;

const WORK: &str = "
    SELECT sum(blks_hit + blks_read)::float8 AS blocks, concat(max(stats_reset), ' ', pg_postmaster_start_time()) AS epoch
    FROM pg_stat_database";

/// What a server has touched so far.
pub async fn counters(database: &Database) -> Result<Counters, TaskError> {
    let row = database.query(WORK, &[]).await?.one().await?;
    Ok(Counters::new(row.get::<String>("epoch")?).with("blocks", row.get::<Option<f64>>("blocks")?.unwrap_or_default()))
}

/// Adds a load that held between two times to the hours that they lie in.
pub fn add(hours: &mut Hours, from: Timestamp, until: Timestamp, load: f64) {
    let (mut at, end) = (from.0 as f64 / 1000.0, until.0 as f64 / 1000.0);
    if end - at > FARTHEST || !load.is_finite() {
        return;
    }
    while at < end {
        let hour = (at / HOUR).floor();
        let next = ((hour + 1.0) * HOUR).min(end);
        let (sum, seconds) = hours.entry(hour as u64).or_default();
        *sum += load * (next - at);
        *seconds += next - at;
        at = next;
    }
}

/// Forgets the hours before a time.
pub fn forget(hours: &mut Hours, before: Timestamp) {
    *hours = hours.split_off(&(before.0 / 3_600_000));
}

/// The hours of metrics in the history, each point for the hour that it was measured in.
pub fn of_history(series: &[Series]) -> Hours {
    let mut hours = Hours::new();
    for (at, value) in series.iter().flat_map(points).filter(|(_, value)| value.is_finite()) {
        let (sum, count) = hours.entry(at / 3_600_000).or_default();
        *sum += value;
        *count += 1.0;
    }
    hours
}

/// What is usual at each hour of the day, and on how many days it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    pub usual: [f64; 24],
    pub days: [usize; 24],
}

impl Histogram {
    pub fn of(hours: &Hours, zone: &Zone) -> Self {
        let mut loads: [Vec<f64>; 24] = std::array::from_fn(|_| vec![]);
        for (hour, (sum, weight)) in hours.iter().filter(|(_, (_, weight))| *weight > 0.0) {
            // Half an hour into it, for zones whose clocks differ by half an hour.
            let at = i64::try_from(*hour).unwrap_or_default() * 3600 + 1799;
            loads[zone.hour(at)].push(sum / weight);
        }
        Self {
            usual: std::array::from_fn(|hour| median(&loads[hour]).unwrap_or(f64::NAN)),
            days: std::array::from_fn(|hour| loads[hour].len()),
        }
    }

    /// The first hour of the quietest `length` hours, and their load; nothing where too little is known of any.
    pub fn quietest(&self, length: usize, least_days: usize) -> Option<(usize, f64)> {
        let hours = |start: usize| (start..start + length).map(|hour| hour % 24);
        let is_known = |start: &usize| hours(*start).all(|hour| self.days[hour] >= least_days);
        let load = |start: usize| hours(start).map(|hour| self.usual[hour]).sum::<f64>() / length as f64;
        (0..24).filter(is_known).map(|start| (start, load(start))).min_by(|(_, one), (_, other)| one.total_cmp(other))
    }

    /// What is usual over the whole day.
    pub fn day(&self) -> f64 {
        median(&self.usual).unwrap_or(f64::NAN)
    }
}
