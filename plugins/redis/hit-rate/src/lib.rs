//! The share of lookups that found their key, since the last run. Since the server's start it would hardly move any more.
//!
//! A server counts lookups over all its databases and keys in each: where the share falls, the database that lost its
//! keys is named beside it.

use std::collections::BTreeMap;

use hostler_sdk::prelude::*;
use hostler_sdk::{Counters, Difference, Growth, Info, baseline_taken};

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    warning: Range,
    critical: Range,
    least_lookups: u64,
}

/// Keys by the number of their database.
type Keys = BTreeMap<u32, u64>;

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let server = context.redis("server").await?;
    let info = server.info(&[]).await?;
    let (counters, earlier) = (counters(&info)?, context.state().get("counters").await?);
    let before: Keys = context.state().get("keys").await?.unwrap_or_default();
    let difference = counters.since(earlier.as_ref());
    if !is_too_little(&difference, &settings) {
        context.state().set("counters", &counters).await?;
        context.state().set("keys", &keys(&info)).await?;
    }
    assess(&info, &difference, &before, &settings)
}

fn keys(info: &Info) -> Keys {
    info.keyspace().iter().map(|database| (database.database, database.keys)).collect()
}

/// Too few lookups to judge: then the baseline stays, and they count together with the next ones. Else a task that runs
/// more often than its server has traffic would never say anything.
fn is_too_little(difference: &Difference, settings: &Settings) -> bool {
    matches!(difference, Difference::Growth(growth) if lookups(growth) < settings.least_lookups as f64)
}

fn lookups(growth: &Growth) -> f64 {
    growth.of("hits") + growth.of("misses")
}

/// What CONFIG RESETSTAT sets to zero beside hits and misses: of so many counters one is smaller than before even where
/// the others have caught up. Not every version has each.
const RESET: [&str; 8] = [
    "total_connections_received",
    "total_commands_processed",
    "total_net_input_bytes",
    "total_net_output_bytes",
    "total_reads_processed",
    "total_error_replies",
    "expired_keys",
    "evicted_keys",
];

fn counters(info: &Info) -> Result<Counters, TaskError> {
    let epoch = info.get("run_id").ok_or("INFO has no `run_id`")?;
    let counters = Counters::new(epoch)
        .with("hits", info.number("keyspace_hits")?)
        .with("misses", info.number("keyspace_misses")?);
    let others = RESET.iter().filter_map(|field| Some((*field, info.number(field).ok()?)));
    Ok(others.fold(counters, |counters, (field, value)| counters.with(field, value)))
}

fn assess(info: &Info, difference: &Difference, before: &Keys, settings: &Settings) -> Result<String, TaskError> {
    for (name, field) in
        [("redis_keyspace_hits_total", "keyspace_hits"), ("redis_keyspace_misses_total", "keyspace_misses")]
    {
        Metric::counter(name, info.number(field)?).report();
    }
    let lost = report_databases(info, before);
    let baseline = |why: &str| {
        let finding = baseline_taken("server", why);
        let summary = finding.summary.clone();
        finding.report();
        Ok(summary)
    };
    match difference {
        Difference::Baseline => baseline("this is the first run"),
        Difference::Restarted(why) => baseline(why),
        Difference::Growth(growth) if is_too_little(difference, settings) => {
            let (count, least) = (counted(lookups(growth), "lookup"), settings.least_lookups);
            Ok(format!("{count} in {}, too few to judge: it takes {least}", growth.elapsed))
        }
        Difference::Growth(growth) => Ok(judged_growth(growth, &lost, settings)),
    }
}

/// What the server has in each database, beside what it had at the last run; returns those that lost keys, in words.
fn report_databases(info: &Info, before: &Keys) -> String {
    let mut table = Table::new("Databases", &["database", "keys", "at the last run", "of them expire"]);
    for database in info.keyspace() {
        let label = database.database.to_string();
        Metric::gauge("redis_keys", database.keys as f64).label("database", &label).report();
        Metric::gauge("redis_keys_expiring", database.expires as f64).label("database", &label).report();
        let earlier = before.get(&database.database).map_or("-".into(), u64::to_string);
        table.row(&[&database.database, &database.keys, &earlier, &database.expires]);
    }
    table.report();
    let now = keys(info);
    let lost = before.iter().filter_map(|(database, keys)| {
        let left = now.get(database).copied().unwrap_or_default();
        // One in ten comes and goes by itself.
        (left * 10 < keys * 9).then(|| format!("Database {database} has {left} of the {keys} keys that it had. "))
    });
    lost.collect()
}

fn judged_growth(growth: &Growth, lost: &str, settings: &Settings) -> String {
    let lookups = lookups(growth);
    let share = Percent(growth.of("hits") / lookups * 100.0);
    let count = counted(lookups, "lookup");
    let summary = format!("{share} of {count} found their key, in {}", growth.elapsed);
    let finding = finding!(Severity::Ok, "hit-rate", "server", "{summary}")
        .detail(format!("{lost}Keys expire too early, are evicted (redis-memory tells why), or were never put there."))
        .remedy("redis-cli INFO stats | grep -E 'evicted|expired'    # then look which lookups miss");
    Metric::gauge("redis_hit_rate_percent", share.0).judge(&settings.warning, &settings.critical, finding);
    summary
}

#[cfg(test)]
mod tests;
