//! A sample of cached values beside the rows that they were made from. A value that changes while it is looked at is no
//! mismatch: those that differ are looked at once more.

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::postgres::{Database, Parameter};
use hostler_sdk::prelude::*;
use hostler_sdk::redis::{Server, command, shown};
use hostler_sdk::{Reply, judged_above};

use crate::Settings;

/// Keys asked for at a time.
const BATCH: usize = 500;
/// How long a writer has to bring both into line.
const SECOND_LOOK: std::time::Duration = std::time::Duration::from_millis(500);
/// Keys that a finding names.
const NAMED: usize = 5;

/// What became of the comparison.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Compared {
    pub compared: usize,
    pub differ: Vec<String>,
    /// Those that the source does not have any more.
    pub orphaned: Vec<String>,
}

pub(crate) async fn compare(server: &Server, database: &Database, settings: &Settings) -> Result<Compared, TaskError> {
    let mut scan = server.scan(&settings.pattern, Some("string")).await?;
    // SCAN may give a key twice.
    let mut keys: BTreeSet<Vec<u8>> = BTreeSet::new();
    while keys.len() < settings.sample {
        let Some(page) = scan.next().await? else { break };
        keys.extend(page);
    }
    drop(scan);
    let keys: Vec<String> =
        keys.into_iter().take(settings.sample).filter_map(|key| String::from_utf8(key).ok()).collect();
    let mut compared = Compared::default();
    for batch in keys.chunks(BATCH) {
        let (looked_at, suspects) = differing(server, database, batch, settings).await?;
        compared.compared += looked_at;
        if suspects.is_empty() {
            continue;
        }
        std::thread::sleep(SECOND_LOOK);
        let suspects: Vec<String> = suspects.into_keys().collect();
        for (key, orphaned) in differing(server, database, &suspects, settings).await?.1 {
            if orphaned { &mut compared.orphaned } else { &mut compared.differ }.push(key);
        }
    }
    Ok(compared)
}

/// How many keys had a value, and those whose value is not their source's, with whether the source has none.
async fn differing(
    server: &Server,
    database: &Database,
    keys: &[String],
    settings: &Settings,
) -> Result<(usize, BTreeMap<String, bool>), TaskError> {
    let replies = server.query_many(keys.iter().map(|key| command(["GET", key])).collect()).await?;
    let rows = database.query(&settings.query, &[Parameter::from(keys)]).await?.rows().await?;
    let mut source: BTreeMap<String, Option<String>> = BTreeMap::new();
    for row in rows.iter() {
        source.insert(row.get("key")?, row.get("value")?);
    }
    let (mut looked_at, mut differing) = (0, BTreeMap::new());
    for (key, reply) in keys.iter().zip(replies) {
        // One that expired in the meantime has nothing to agree with.
        let Reply::Text(cached) = reply else { continue };
        looked_at += 1;
        let row = source.get(key);
        if row.is_none_or(|value| !agree(&cached, value.as_deref().unwrap_or_default())) {
            differing.insert(key.clone(), row.is_none());
        }
    }
    Ok((looked_at, differing))
}

/// Whether two values are the same, as texts or as JSON, whose keys have no order.
pub(crate) fn agree(cached: &[u8], source: &str) -> bool {
    if cached == source.as_bytes() {
        return true;
    }
    let json = |bytes: &[u8]| {
        serde_json::from_slice::<serde_json::Value>(bytes).ok().filter(|value| value.is_object() || value.is_array())
    };
    json(cached).zip(json(source.as_bytes())).is_some_and(|(cached, source)| cached == source)
}

impl Compared {
    /// Judges it, and returns a sentence.
    pub(crate) fn report(&self, settings: &Settings) -> String {
        if self.compared == 0 {
            finding!(
                Severity::Unknown,
                "nothing-to-compare",
                &settings.pattern,
                "no key of this pattern has a value: nothing was compared"
            )
            .remedy("look whether the pattern is the cache's, and whether the cache is warm (redis-warm)")
            .report();
            return "nothing compared".into();
        }
        let wrong = self.differ.len() + self.orphaned.len();
        let share = wrong as f64 / self.compared as f64 * 100.0;
        Metric::gauge("redis_mismatch_percent", share).report();
        let (severity, limit) =
            judged_above(share, settings.mismatch_warning.0, settings.mismatch_critical.0, Measure::Percent);
        let named: Vec<String> =
            self.differ.iter().chain(&self.orphaned).take(NAMED).map(|key| shown(key.as_bytes())).collect();
        finding!(
            severity,
            "values-differ",
            &settings.pattern,
            "{wrong} of {} compared values are not their source's{limit}",
            self.compared
        )
        .detail(format!(
            "{} differ, {} have no row any more. Such as {}.",
            self.differ.len(),
            self.orphaned.len(),
            named.join(", ")
        ))
        .remedy("delete these keys, so that they are read anew; then find who changes the rows without the cache")
        .report_unless_ok();
        format!("{wrong} of {} compared values differ", self.compared)
    }
}
