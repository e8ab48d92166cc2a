//! The machine's resources: what is left of each, and when the disks will be full if they go on as they did.

mod forecast;

use hostler_sdk::machine::{self, Load, Memory, Mount};
use hostler_sdk::prelude::*;
use hostler_sdk::{history, join, judged_below, matches_pattern};

use forecast::Forecast;

hostler_sdk::plugin!(Settings, run);

/// The metric that the forecast reads back.
const AVAILABLE: &str = "filesystem_available_bytes";

#[derive(Deserialize)]
struct Settings {
    disk_warning: Range,
    disk_critical: Range,
    full_warning: Duration,
    full_critical: Duration,
    memory_warning: Range,
    memory_critical: Range,
    swap_warning: Range,
    swap_critical: Range,
    pressure_warning: Range,
    pressure_critical: Range,
    load_warning: Range,
    load_critical: Range,
    files_warning: Range,
    files_critical: Range,
    ignore: Vec<String>,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let task = context.info().task;
    let now = Timestamp::now();
    let week = Timestamp(now.0.saturating_sub(7 * 86_400_000));
    let (memory, load, mounts, past) =
        join!(machine::memory(), machine::load(), machine::mounts(), history::metrics(&task, AVAILABLE, week, None));
    let mut parts = vec![];
    match memory {
        Ok(memory) => parts.push(report_memory(&memory, &settings)),
        Err(error) => unseen("memory", error)?,
    }
    match load {
        Ok(load) => parts.push(report_load(&load, &settings)),
        Err(error) => unseen("load", error)?,
    }
    match mounts {
        Ok(mounts) => {
            let past = match past {
                Ok(past) => Some(past.iter().filter_map(forecast::points).collect()),
                // The request is optional: without it there is no forecast.
                Err(error) if error.is_unbound() => None,
                Err(error) => {
                    unseen("history", error)?;
                    None
                }
            };
            parts.push(report_mounts(&mounts, past.as_ref(), now, &settings));
        }
        Err(error) => unseen("mounts", error)?,
    }
    Ok(parts.join("; "))
}

fn unseen(what: &str, error: TaskError) -> Result<(), TaskError> {
    if error.ends_the_run() {
        return Err(error);
    }
    error.finding("not-seen", what).report();
    Ok(())
}

fn report_memory(memory: &Memory, settings: &Settings) -> String {
    Metric::gauge("memory_total_bytes", memory.total_bytes as f64).report();
    Metric::gauge("memory_available_bytes", memory.available_bytes as f64).report();
    Metric::gauge("memory_swap_used_bytes", memory.swap_used_bytes as f64).report();
    let (available, total) = (ByteSize(memory.available_bytes), ByteSize(memory.total_bytes));
    let share = Percent::of(memory.available_bytes as f64, memory.total_bytes as f64).unwrap_or(Percent(f64::NAN));
    Metric::gauge("memory_available_percent", share.0).judge(
        &settings.memory_warning,
        &settings.memory_critical,
        finding!(Severity::Ok, "memory-low", "memory", "{available} of {total} available ({share})")
            .remedy("ps -eo pid,rss,comm --sort=-rss | head"),
    );
    if let Some(swap) = Percent::of(memory.swap_used_bytes as f64, memory.swap_total_bytes as f64) {
        let total = ByteSize(memory.swap_total_bytes);
        Metric::gauge("memory_swap_used_percent", swap.0).judge(
            &settings.swap_warning,
            &settings.swap_critical,
            finding!(Severity::Ok, "swap-used", "swap", "{swap} of {total} of swap in use")
                .remedy("vmstat 1 5    # whether it goes in and out (si, so) now; what lies there unused does no harm"),
        );
    }
    format!("{share} of memory available")
}

fn report_load(load: &Load, settings: &Settings) -> String {
    let each = load.load_5m / f64::from(load.cores.max(1));
    let cores = counted(load.cores, "core");
    Metric::gauge("load_per_core", each).judge(
        &settings.load_warning,
        &settings.load_critical,
        finding!(Severity::Ok, "load-high", "load", "the load is {:.2} on {cores}, {each:.2} a core", load.load_5m)
            .remedy("ps -eo pid,stat,pcpu,comm --sort=-pcpu | head    # state D waits for a disk, R for a core"),
    );
    let pressures = [("cpu", load.pressure_cpu), ("memory", load.pressure_memory), ("io", load.pressure_io)];
    for (what, share) in pressures {
        let Some(share) = share.map(|share| Percent(share * 100.0)) else { continue };
        Metric::gauge("pressure_percent", share.0).label("resource", what).judge(
            &settings.pressure_warning,
            &settings.pressure_critical,
            finding!(Severity::Ok, "pressure-high", what, "{share} of the last minute something waited for {what}")
                .remedy(format!("cat /proc/pressure/{what}; systemd-cgtop")),
        );
    }
    if let Some(share) = Percent::of(load.open_files as f64, load.open_files_limit as f64) {
        let most = load.open_files_limit;
        Metric::gauge("open_files", load.open_files as f64).report();
        Metric::gauge("open_files_percent", share.0).judge(
            &settings.files_warning,
            &settings.files_critical,
            finding!(Severity::Ok, "open-files", "files", "{share} of the machine's {most} open files in use")
                .remedy("lsof -n | awk '{print $1}' | sort | uniq -c | sort -rn | head    # who holds them; then: sysctl -w fs.file-max=…"),
        );
    }
    let without = match pressures.iter().all(|(_, share)| share.is_none()) {
        true => ", pressure unknown: this kernel does not tell it",
        false => "",
    };
    format!("load {:.2} on {cores}{without}", load.load_5m)
}

fn report_mounts(mounts: &[Mount], past: Option<&Forecast>, now: Timestamp, settings: &Settings) -> String {
    let mut table = Table::new("Mounts", &["mount", "type", "size", "available", "share", "inodes", "full"]);
    let mut least: Option<(Percent, &str)> = None;
    let mut forecasts = 0;
    if mounts.is_empty() {
        finding!(Severity::Unknown, "no-mounts", "mounts", "the machine names no mount, so no disk was looked at")
            .remedy("compare with: findmnt --real")
            .report();
    }
    for mount in mounts {
        // A read-only image is full by its nature.
        if mount.read_only
            || mount.total_bytes == 0
            || settings.ignore.iter().any(|pattern| matches_pattern(pattern, &mount.path))
        {
            continue;
        }
        let (path, available, total) =
            (mount.path.as_str(), ByteSize(mount.available_bytes), ByteSize(mount.total_bytes));
        Metric::gauge(AVAILABLE, mount.available_bytes as f64).label("mount", path).report();
        Metric::gauge("filesystem_size_bytes", mount.total_bytes as f64).label("mount", path).report();
        let share = Percent::of(mount.available_bytes as f64, mount.total_bytes as f64).unwrap_or_default();
        Metric::gauge("filesystem_available_percent", share.0).label("mount", path).judge(
            &settings.disk_warning,
            &settings.disk_critical,
            finding!(Severity::Ok, "disk-low", path, "{available} of {total} available ({share})")
                .remedy(format!("du -xhd2 {path} | sort -h | tail -20")),
        );
        let inodes = Percent::of(mount.available_inodes as f64, mount.total_inodes as f64);
        if let Some(share) = inodes {
            let (free, total) = (mount.available_inodes, counted(mount.total_inodes, "inode"));
            Metric::gauge("filesystem_available_inodes_percent", share.0).label("mount", path).judge(
                &settings.disk_warning,
                &settings.disk_critical,
                finding!(Severity::Ok, "inodes-low", path, "{free} of {total} available ({share})")
                    .remedy(format!("du -x --inodes -d2 {path} | sort -n | tail -20")),
            );
        }
        let full = past.and_then(|past| past.full_in(path, mount.available_bytes as f64, now));
        forecasts += usize::from(past.is_some_and(|past| past.reaches(path, now)));
        if let Some(full) = full {
            let (warning, critical) = (settings.full_warning.as_seconds(), settings.full_critical.as_seconds());
            let (severity, limit) = judged_below(full.as_seconds(), warning, critical, Measure::Seconds);
            Metric::gauge("filesystem_full_in_seconds", full.as_seconds()).label("mount", path).report();
            finding!(severity, "disk-fills", path, "it will be full in {full} if it goes on as it did{limit}")
                .remedy(format!("find {path} -xdev -type f -mmin -120 -size +10M -exec ls -lS {{}} +"))
                .report_unless_ok();
        }
        let full = full.map_or("-".into(), |full| format!("in {full}"));
        let inodes_shown = inodes.map_or("-".into(), |share| share.to_string());
        table.row(&[&path, &mount.filesystem, &total, &available, &share, &inodes_shown, &full]);
        if least.is_none_or(|(least, _)| share < least) {
            least = Some((share, path));
        }
    }
    let count = table.rows.len();
    table.report();
    let forecast = match past {
        Some(_) if forecasts == count => "",
        Some(_) => ", no forecast yet: the history is too short",
        None => ", no forecast: no history is bound",
    };
    match least {
        Some((share, path)) => {
            format!("{share} of {path} available, the least of {}{forecast}", counted(count, "mount"))
        }
        None => "no mount to look at".into(),
    }
}

#[cfg(test)]
mod tests;
