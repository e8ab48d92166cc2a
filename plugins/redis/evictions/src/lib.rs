//! Evictions, by what the server is for. A cache that is full evicts all day, and only a change of that says something;
//! a store that evicts one key has lost it. What the server refuses when it is full, connections and writes, is critical
//! in both.
//!
//! The rates of the last runs are kept, and their median is the baseline: one bad night does not become the measure.

use hostler_sdk::prelude::*;
use hostler_sdk::{Counters, Difference, Growth, Info, baseline_taken};

hostler_sdk::plugin!(Settings, run);

/// As many rates are kept.
const KEPT: usize = 30;

#[derive(Deserialize)]
struct Settings {
    role: String,
    factor: f64,
    least: f64,
}

impl Settings {
    fn is_store(&self) -> bool {
        self.role == "store"
    }
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let server = context.redis("server").await?;
    let info = server.info(&[]).await?;
    let difference = counters(&info)?.compare(&context, "counters").await?;
    let mut rates: Vec<f64> = context.state().get("rates").await?.unwrap_or_default();
    let summary = assess(&info, &difference, &rates, &settings)?;
    if let Difference::Growth(growth) = &difference {
        rates.push(growth.per_second("evicted"));
        rates.drain(..rates.len().saturating_sub(KEPT));
        context.state().set("rates", &rates).await?;
    }
    Ok(summary)
}

fn counters(info: &Info) -> Result<Counters, TaskError> {
    let epoch = info.get("run_id").ok_or("INFO has no `run_id`")?;
    Ok(Counters::new(epoch)
        .with("evicted", info.number("evicted_keys")?)
        .with("rejected", info.number("rejected_connections")?)
        .with("refused", refused(info))
        .with("commands", info.number("total_commands_processed")?))
}

/// Writes that were refused for want of memory; the server names an error only once it has happened.
fn refused(info: &Info) -> f64 {
    let counted = info.get("errorstat_OOM").and_then(|field| field.strip_prefix("count="));
    counted.and_then(|count| count.parse().ok()).unwrap_or_default()
}

fn assess(info: &Info, difference: &Difference, rates: &[f64], settings: &Settings) -> Result<String, TaskError> {
    Metric::counter("redis_evicted_keys_total", info.number("evicted_keys")?).report();
    Metric::counter("redis_rejected_connections_total", info.number("rejected_connections")?).report();
    Metric::counter("redis_out_of_memory_errors_total", refused(info)).report();
    let policy = info.get("maxmemory_policy").unwrap_or("unknown");
    if settings.is_store() && policy != "noeviction" {
        let summary = format!("the server is a store, and its maxmemory_policy {policy} lets it drop keys");
        Finding::new(Severity::Warning, "store-may-evict", "server", summary)
            .remedy("redis-cli CONFIG SET maxmemory-policy noeviction && redis-cli CONFIG REWRITE")
            .report();
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
        Difference::Growth(growth) => Ok(judge_growth(growth, rates, policy, settings)),
    }
}

fn judge_growth(growth: &Growth, rates: &[f64], policy: &str, settings: &Settings) -> String {
    let (evicted, rate) = (growth.of("evicted"), growth.per_second("evicted"));
    Metric::gauge("redis_evicted_keys_per_second", rate).report();
    let told = format!("{} evicted in {}", counted(evicted, "key"), growth.elapsed);
    if settings.is_store() && evicted > 0.0 {
        finding!(Severity::Critical, "store-evicts", "server", "{told}: a store that evicts loses data")
            .detail(format!("Its maxmemory_policy is {policy}."))
            .remedy("redis-cli CONFIG SET maxmemory-policy noeviction    # then more memory, or fewer keys: redis-memory tells which")
            .report();
    } else if !settings.is_store() {
        judge_cache(&told, evicted, rate, rates, settings);
    }
    for (name, code, what, remedy) in [
        (
            "rejected",
            "connections-rejected",
            "connection",
            "redis-cli CONFIG GET maxclients; redis-cli CLIENT LIST    # a client that leaks connections shows up there",
        ),
        (
            "refused",
            "writes-refused",
            "write",
            "redis-cli INFO memory    # raise maxmemory, or let the policy evict what is a cache's",
        ),
    ] {
        let count = growth.of(name);
        if count > 0.0 {
            let verb = agreed(count, "was", "were");
            finding!(
                Severity::Critical,
                code,
                "server",
                "{} {verb} refused in {}",
                counted(count, what),
                growth.elapsed
            )
            .remedy(remedy)
            .report();
        }
    }
    told
}

fn judge_cache(told: &str, evicted: f64, rate: f64, rates: &[f64], settings: &Settings) {
    let Some(usual) = median(rates) else {
        if evicted > settings.least {
            baseline_taken("evictions", "there is no earlier rate to hold this one against").report();
        }
        return;
    };
    // A rate of nothing has no multiple: then what counts is how many there were.
    if evicted > settings.least && rate > usual * settings.factor {
        finding!(
            Severity::Warning,
            "evictions-rise",
            "server",
            "{told}, {rate:.1} a second, more than {} times the usual {usual:.1}",
            settings.factor
        )
        .detail("More is written than before, keys are larger, or maxmemory was lowered; the hit rate falls next.")
        .remedy("redis-cli INFO memory; redis-cli --bigkeys    # then raise maxmemory, or shorten times to live")
        .report();
    }
}

fn median(rates: &[f64]) -> Option<f64> {
    let mut sorted: Vec<f64> = rates.iter().copied().filter(|rate| rate.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

#[cfg(test)]
mod tests;
