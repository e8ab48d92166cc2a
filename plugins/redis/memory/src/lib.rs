//! Memory: how near its limit a server is, what fragmentation loses, and which keys are large.

mod sample;

use hostler_sdk::prelude::*;
use hostler_sdk::redis::Server;
use hostler_sdk::{Info, Reply};

use sample::Sample;

hostler_sdk::plugin!(Settings, run);

/// Keys measured in one round trip.
const BATCH: usize = 500;

#[derive(Deserialize)]
struct Settings {
    warning: Range,
    critical: Range,
    fragmentation: Range,
    fragmentation_least: ByteSize,
    sample: usize,
    largest: ByteSize,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let server = context.redis("server").await?;
    let info = server.info(&[]).await?;
    let summary = limit(&info, &settings)?;
    match server.query(["MEMORY", "STATS"]).await {
        Ok(stats) => fragmentation(&stats, &info, &settings)?,
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) => error.during("MEMORY STATS").finding("not-allowed", "memory|stats").report(),
    }
    match server.query(["MEMORY", "DOCTOR"]).await {
        Ok(reply) => doctor(&reply.text()?),
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) => error.during("MEMORY DOCTOR").finding("not-allowed", "memory|doctor").report(),
    }
    if settings.sample > 0 {
        match measure(&server, &settings).await {
            Ok(sample) => sample.report(&settings),
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.during("measuring keys").finding("keys-not-measured", "keys").report(),
        }
    }
    Ok(summary)
}

/// How near the limit it is: its own, or the machine's where it has none.
fn limit(info: &Info, settings: &Settings) -> Result<String, TaskError> {
    // Buffers of replicas do not count towards the limit.
    let used = info.number::<f64>("used_memory")? - info.number("mem_not_counted_for_evict").unwrap_or(0.0);
    let limit: f64 = info.number("maxmemory")?;
    let policy = info.get("maxmemory_policy").unwrap_or("unknown");
    Metric::gauge("redis_memory_used_bytes", used).report();
    Metric::gauge("redis_memory_max_bytes", limit).report();
    Metric::gauge("redis_memory_rss_bytes", info.number("used_memory_rss")?).report();
    let at_the_limit = match policy {
        "noeviction" => "every write fails with OOM".to_owned(),
        policy => format!("keys are evicted ({policy})"),
    };
    if limit > 0.0 {
        let share = Percent(used / limit * 100.0);
        let text = format!("{} of {} in use ({share})", ByteSize::from_f64(used), ByteSize::from_f64(limit));
        let finding = finding!(Severity::Ok, "memory-used", "maxmemory", "{text}")
            .detail(format!("At the limit {at_the_limit}."))
            .remedy(format!(
                "find what is large in the table `Memory by prefix` (--verbose shows it); or: redis-cli CONFIG SET maxmemory {:.0}",
                limit * 1.5
            ));
        let metric = Metric::gauge("redis_memory_used_percent", share.0);
        metric.judge(&settings.warning, &settings.critical, finding);
        return Ok(text);
    }
    let machine: f64 = info.number("total_system_memory").unwrap_or(0.0);
    finding!(
        Severity::Warning,
        "no-limit",
        "maxmemory",
        "there is no limit (maxmemory 0): the kernel ends the server when the machine's memory is used up"
    )
    .remedy(format!(
        "redis-cli CONFIG SET maxmemory {:.0} && redis-cli CONFIG REWRITE    # and a maxmemory-policy that suits what it holds",
        (machine * 0.7).max(1e8)
    ))
    .report();
    let Some(share) = Percent::of(info.number("used_memory_rss")?, machine) else {
        return Ok(format!("{} in use, without a limit", ByteSize::from_f64(used)));
    };
    let finding = finding!(Severity::Ok, "memory-used", "machine", "the server holds {share} of the machine's memory")
        .remedy(
            "find what is large in the table `Memory by prefix` (--verbose shows it), and set the limit that the finding no-limit names",
        );
    Metric::gauge("redis_memory_machine_percent", share.0).judge(&settings.warning, &settings.critical, finding);
    Ok(format!("{} in use ({share} of the machine's memory), without a limit", ByteSize::from_f64(used)))
}

/// The allocator's own ratio. RSS over used counts buffers, code and what was freed as well, and says little.
fn fragmentation(stats: &Reply, info: &Info, settings: &Settings) -> Result<(), TaskError> {
    let pairs = stats.pairs()?;
    let field = |name: &str| pairs.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.number().ok());
    let (Some(ratio), Some(bytes)) = (field("allocator-fragmentation.ratio"), field("allocator-fragmentation.bytes"))
    else {
        finding!(
            Severity::Unknown,
            "no-figure",
            "fragmentation",
            "the server does not tell how its allocator is fragmented ({})",
            info.get("mem_allocator").unwrap_or("unknown allocator")
        )
        .remedy("run Redis 5 or later, or Valkey, built with jemalloc, as their packages are")
        .report();
        return Ok(());
    };
    Metric::gauge("redis_allocator_fragmentation_ratio", ratio).report();
    Metric::gauge("redis_allocator_fragmentation_bytes", bytes).report();
    if let Some(peak) = field("peak.allocated") {
        Metric::gauge("redis_memory_peak_bytes", peak).report();
    }
    let lost = settings.fragmentation.matches(ratio) && bytes >= settings.fragmentation_least.as_f64();
    finding!(
        if lost { Severity::Warning } else { Severity::Ok },
        "fragmented",
        "allocator",
        "{} lost to fragmentation (ratio {ratio:.2}), warning {} with {} lost",
        ByteSize::from_f64(bytes),
        settings.fragmentation.in_words(Measure::Plain),
        settings.fragmentation_least
    )
    .remedy("redis-cli CONFIG SET activedefrag yes    # where the server was built with jemalloc; a restart otherwise")
    .report_unless_ok();
    Ok(())
}

/// What the server itself finds wrong: a line for each, which begins with a star.
fn doctor(text: &str) {
    let issues: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("* ")).collect();
    for issue in issues {
        let (name, advice) = issue.split_once(':').unwrap_or((issue, ""));
        finding!(Severity::Warning, "memory-doctor", name, "MEMORY DOCTOR: {name}").detail(advice.trim()).report();
    }
}

/// The first keys that SCAN gives are no worse a sample than others: it goes by their hashes.
async fn measure(server: &Server, settings: &Settings) -> Result<Sample, TaskError> {
    let mut sample = Sample::default();
    let mut scan = server.scan("*", None).await?;
    while let Some(keys) = scan.next().await? {
        let left = settings.sample - sample.measured;
        for keys in keys[..keys.len().min(left)].chunks(BATCH) {
            let commands = keys.iter().map(|key| vec![b"MEMORY".to_vec(), b"USAGE".to_vec(), key.clone()]).collect();
            for (key, reply) in keys.iter().zip(server.query_many(commands).await?) {
                match reply {
                    // It expired in the meantime.
                    Reply::Nil => {}
                    reply => sample.add(key, reply.integer()? as u64),
                }
            }
        }
        if sample.measured >= settings.sample || keys.len() >= left {
            sample.is_partial = true;
            break;
        }
    }
    Ok(sample)
}

#[cfg(test)]
mod tests;
