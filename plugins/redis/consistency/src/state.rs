//! Replication and persistence, as INFO tells of them.

use hostler_sdk::prelude::*;
use hostler_sdk::{Info, judged_above};

use crate::Settings;

/// Judges them, and returns the run's sentence.
pub(crate) fn report(info: &Info, settings: &Settings) -> Result<String, TaskError> {
    let role = info.get("role").ok_or("INFO has no `role`")?;
    let told = if role == "slave" { replica(info, settings)? } else { primary(info, settings) };
    persistence(info);
    let stale: f64 = info.number("expired_stale_perc")?;
    Metric::gauge("redis_expired_stale_percent", stale).report();
    if stale > settings.stale_warning.0 {
        finding!(
            Severity::Warning,
            "expired-stale",
            "server",
            "{} of the expiring keys are expired and still in memory",
            Percent(stale)
        )
        .detail("They are not given to anybody, but they take memory, and a replica may still count them.")
        .remedy(
            "redis-cli CONFIG SET active-expire-effort 5    # from 1 to 10: more processor time for clearing them away",
        )
        .report();
    }
    Ok(told)
}

fn replica(info: &Info, settings: &Settings) -> Result<String, TaskError> {
    let primary = format!("{}:{}", info.get("master_host").unwrap_or("?"), info.get("master_port").unwrap_or("?"));
    if info.get("master_link_status") == Some("up") {
        let silent: f64 = info.number("master_last_io_seconds_ago")?;
        Metric::gauge("redis_primary_silent_seconds", silent.max(0.0)).report();
        received(info, settings);
        let syncing = info.get("master_sync_in_progress") == Some("1");
        return Ok(if syncing { "a replica that is being filled".into() } else { "a replica that follows".into() });
    }
    let down = info.number::<f64>("master_link_down_since_seconds").unwrap_or(-1.0);
    let severity = if down < 0.0 || down > settings.link.as_seconds() { Severity::Critical } else { Severity::Warning };
    let since =
        if down < 0.0 { "since it was started".to_owned() } else { format!("for {}", Duration::from_seconds(down)) };
    finding!(
        severity,
        "link-down",
        "server",
        "this replica has been without its primary {since}: what it answers grows old"
    )
    .detail(format!("Its primary is {primary}."))
    .remedy(
        "redis-cli INFO replication on both; the replica's log says why it cannot connect (address, masterauth, TLS)",
    )
    .report();
    Ok("a replica without its primary".into())
}

/// What a replica has received and not yet applied: it is busy, and what it answers is older than its link says.
fn received(info: &Info, settings: &Settings) {
    let offset = |field: &str| info.number::<f64>(field).ok();
    // From Redis 7 on they are told apart.
    let Some((read, applied)) = offset("slave_read_repl_offset").zip(offset("slave_repl_offset")) else { return };
    let gap = (read - applied).max(0.0);
    Metric::gauge("redis_replica_unapplied_bytes", gap).report();
    let (severity, limit) =
        judged_above(gap, settings.behind_warning.as_f64(), settings.behind_critical.as_f64(), Measure::Bytes);
    finding!(
        severity,
        "replica-behind",
        "server",
        "this replica has received {} that it has not applied{limit}",
        ByteSize::from_f64(gap)
    )
    .remedy("look what it is busy with: redis-cli SLOWLOG GET; redis-cli INFO commandstats")
    .report_unless_ok();
}

fn primary(info: &Info, settings: &Settings) -> String {
    let written: f64 = info.number("master_repl_offset").unwrap_or_default();
    let mut followers = 0;
    for number in 0.. {
        let Some(line) = info.get(&format!("slave{number}")) else { break };
        followers += 1;
        let field = |name: &str| {
            line.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
        };
        let name = format!("replica {}:{}", field("ip"), field("port"));
        let behind = (written - field("offset").parse().unwrap_or(written)).max(0.0);
        Metric::gauge("redis_replica_behind_bytes", behind).label("replica", number.to_string()).report();
        if field("state") != "online" {
            finding!(Severity::Warning, "replica-not-online", &name, "it is {}", field("state"))
                .remedy(
                    "let it be filled; if that begins again and again, raise client-output-buffer-limit for replicas",
                )
                .report();
            continue;
        }
        let (severity, limit) =
            judged_above(behind, settings.behind_warning.as_f64(), settings.behind_critical.as_f64(), Measure::Bytes);
        finding!(severity, "replica-behind", &name, "it is {} behind{limit}", ByteSize::from_f64(behind))
            .remedy("look at the network between them, and at what the replica is busy with (redis-cli SLOWLOG GET)")
            .report_unless_ok();
    }
    format!("a primary with {}", counted(followers, "replica"))
}

fn persistence(info: &Info) {
    if let Ok(saved) = info.number::<f64>("rdb_last_save_time") {
        let age = Timestamp::from_seconds(saved as i64).until(Timestamp::now());
        Metric::gauge("redis_last_save_age_seconds", age.as_seconds().max(0.0)).report();
    }
    if let Ok(changes) = info.number::<f64>("rdb_changes_since_last_save") {
        Metric::gauge("redis_unsaved_changes", changes).report();
    }
    for (field, code, what) in [
        ("rdb_last_bgsave_status", "snapshot-failed", "the last snapshot"),
        ("aof_last_bgrewrite_status", "rewrite-failed", "the last rewrite of the append-only file"),
        ("aof_last_write_status", "append-failed", "the last write to the append-only file"),
    ] {
        if info.get(field).is_some_and(|status| status != "ok") {
            finding!(Severity::Critical, code, "server", "{what} failed: what is in memory is not on the disk")
                .detail("Unless it is told otherwise, the server then refuses writes (stop-writes-on-bgsave-error).")
                .remedy("the server's log says why: no room on the disk, no memory for the fork (vm.overcommit_memory = 1), or rights")
                .report();
        }
    }
}
