//! The share of lookups that found their key, since the last run. Since the server's start it would hardly move any more.

use hostler_sdk::prelude::*;
use hostler_sdk::{Counters, Difference, Growth, Info, baseline_taken};

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    warning: Range,
    critical: Range,
    least_lookups: u64,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let server = context.redis("server").await?;
    let info = server.info(&[]).await?;
    let (counters, earlier) = (counters(&info)?, context.state().get("counters").await?);
    let difference = counters.since(earlier.as_ref());
    if !is_too_little(&difference, &settings) {
        context.state().set("counters", &counters).await?;
    }
    assess(&info, &difference, &settings)
}

/// Too few lookups to judge: then the baseline stays, and they count together with the next ones. Else a task that runs
/// more often than its server has traffic would never say anything.
fn is_too_little(difference: &Difference, settings: &Settings) -> bool {
    matches!(difference, Difference::Growth(growth) if lookups(growth) < settings.least_lookups as f64)
}

fn lookups(growth: &Growth) -> f64 {
    growth.of("hits") + growth.of("misses")
}

/// What is counted. Connections and commands are there for what they tell of a CONFIG RESETSTAT: of four counters that
/// were set to zero, one is smaller than before even where the others have caught up.
fn counters(info: &Info) -> Result<Counters, TaskError> {
    let epoch = info.get("run_id").ok_or("INFO has no `run_id`")?;
    Ok(Counters::new(epoch)
        .with("hits", info.number("keyspace_hits")?)
        .with("misses", info.number("keyspace_misses")?)
        .with("connections", info.number("total_connections_received")?)
        .with("commands", info.number("total_commands_processed")?))
}

fn assess(info: &Info, difference: &Difference, settings: &Settings) -> Result<String, TaskError> {
    for (name, field) in
        [("redis_keyspace_hits_total", "keyspace_hits"), ("redis_keyspace_misses_total", "keyspace_misses")]
    {
        Metric::counter(name, info.number(field)?).report();
    }
    // The server counts lookups over all its databases; what it has of each is keys.
    for database in info.keyspace() {
        let label = database.database.to_string();
        Metric::gauge("redis_keys", database.keys as f64).label("database", &label).report();
        Metric::gauge("redis_keys_expiring", database.expires as f64).label("database", &label).report();
    }
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
        Difference::Growth(growth) => Ok(judged_growth(growth, settings)),
    }
}

fn judged_growth(growth: &Growth, settings: &Settings) -> String {
    let lookups = lookups(growth);
    let share = Percent(growth.of("hits") / lookups * 100.0);
    let count = counted(lookups, "lookup");
    let summary = format!("{share} of {count} found their key, in {}", growth.elapsed);
    let finding = finding!(Severity::Ok, "hit-rate", "server", "{summary}")
        .detail("Keys expire too early, are evicted (redis-memory tells why), or were never put there.")
        .remedy("redis-cli INFO stats | grep -E 'evicted|expired'    # then look which lookups miss");
    Metric::gauge("redis_hit_rate_percent", share.0).judge(&settings.warning, &settings.critical, finding);
    summary
}

#[cfg(test)]
mod tests;
