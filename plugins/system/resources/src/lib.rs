//! The machine's resources: what is left of each, and when the disks will be full if they go on as they did.

mod forecast;

use hostler_sdk::machine::{self, Load, Memory, Mount};
use hostler_sdk::prelude::*;
use hostler_sdk::{history, join};

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
                Err(error) if error.is_denied() => None,
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
    let available = ByteSize(memory.available_bytes);
    let share = Percent::of(memory.available_bytes as f64, memory.total_bytes as f64).unwrap_or(Percent(f64::NAN));
    Metric::gauge("memory_available_percent", share.0)
        .ranges(&settings.memory_warning, &settings.memory_critical)
        .report();
    finding!(
        judge(share.0, &settings.memory_warning, &settings.memory_critical),
        "memory-low",
        "memory",
        "{available} of {} are available ({share})",
        ByteSize(memory.total_bytes)
    )
    .remedy("ps -eo pid,rss,comm --sort=-rss | head")
    .report_unless_ok();
    if let Some(swap) = Percent::of(memory.swap_used_bytes as f64, memory.swap_total_bytes as f64) {
        Metric::gauge("memory_swap_used_percent", swap.0)
            .ranges(&settings.swap_warning, &settings.swap_critical)
            .report();
        finding!(
            judge(swap.0, &settings.swap_warning, &settings.swap_critical),
            "swap-used",
            "swap",
            "{swap} of {} of swap are in use",
            ByteSize(memory.swap_total_bytes)
        )
        .remedy("vmstat 1 5 -- whether it goes in and out (si, so) now; what lies there unused does no harm")
        .report_unless_ok();
    }
    format!("{share} of memory available")
}

fn report_load(load: &Load, settings: &Settings) -> String {
    let each = load.load_5m / f64::from(load.cores.max(1));
    Metric::gauge("load_per_core", each).ranges(&settings.load_warning, &settings.load_critical).report();
    finding!(
        judge(each, &settings.load_warning, &settings.load_critical),
        "load-high",
        "load",
        "the load is {:.2} on {} cores",
        load.load_5m,
        load.cores
    )
    .remedy("ps -eo pid,stat,pcpu,comm --sort=-pcpu | head -- state D waits for a disk, R for a core")
    .report_unless_ok();
    for (what, share) in [("cpu", load.pressure_cpu), ("memory", load.pressure_memory), ("io", load.pressure_io)] {
        let Some(share) = share.map(|share| Percent(share * 100.0)) else { continue };
        Metric::gauge("pressure_percent", share.0)
            .label("resource", what)
            .ranges(&settings.pressure_warning, &settings.pressure_critical)
            .report();
        finding!(
            judge(share.0, &settings.pressure_warning, &settings.pressure_critical),
            "pressure-high",
            what,
            "{share} of the last minute something waited for {what}"
        )
        .remedy(format!("cat /proc/pressure/{what}; systemd-cgtop"))
        .report_unless_ok();
    }
    if let Some(share) = Percent::of(load.open_files as f64, load.open_files_limit as f64) {
        Metric::gauge("open_files", load.open_files as f64).report();
        finding!(judge(share.0, &settings.files_warning, &settings.files_critical), "open-files", "files", "{share} of the machine's {} open files are in use", load.open_files_limit)
            .remedy("sysctl -w fs.file-max=… -- after looking who holds them: lsof -n | awk '{print $1}' | sort | uniq -c | sort -rn | head")
            .report_unless_ok();
    }
    format!("load {:.2} on {} cores", load.load_5m, load.cores)
}

fn report_mounts(mounts: &[Mount], past: Option<&Forecast>, now: Timestamp, settings: &Settings) -> String {
    let mut table = Table::new("Mounts", &["mount", "type", "size", "available", "share", "inodes", "full"]);
    let mut least: Option<(Percent, &str)> = None;
    let mut forecasts = 0;
    for mount in mounts {
        // A read-only image is full by its nature.
        if mount.read_only
            || mount.total_bytes == 0
            || settings.ignore.iter().any(|pattern| matches(pattern, &mount.path))
        {
            continue;
        }
        let (path, available) = (mount.path.as_str(), ByteSize(mount.available_bytes));
        Metric::gauge(AVAILABLE, mount.available_bytes as f64).label("mount", path).report();
        Metric::gauge("filesystem_size_bytes", mount.total_bytes as f64).label("mount", path).report();
        let share = Percent::of(mount.available_bytes as f64, mount.total_bytes as f64).unwrap_or_default();
        Metric::gauge("filesystem_available_percent", share.0)
            .label("mount", path)
            .ranges(&settings.disk_warning, &settings.disk_critical)
            .report();
        finding!(
            judge(share.0, &settings.disk_warning, &settings.disk_critical),
            "disk-low",
            path,
            "{available} of {} are available ({share})",
            ByteSize(mount.total_bytes)
        )
        .remedy(format!("du -xhd2 {path} | sort -h | tail -20"))
        .report_unless_ok();
        let inodes = Percent::of(mount.available_inodes as f64, mount.total_inodes as f64);
        if let Some(share) = inodes {
            Metric::gauge("filesystem_available_inodes_percent", share.0)
                .label("mount", path)
                .ranges(&settings.disk_warning, &settings.disk_critical)
                .report();
            finding!(
                judge(share.0, &settings.disk_warning, &settings.disk_critical),
                "inodes-low",
                path,
                "{} of {} inodes are available ({share})",
                mount.available_inodes,
                mount.total_inodes
            )
            .remedy(format!("du -x --inodes -d2 {path} | sort -n | tail -20"))
            .report_unless_ok();
        }
        let full = past.and_then(|past| past.full_in(path, mount.available_bytes as f64, now));
        forecasts += usize::from(past.is_some_and(|past| past.reaches(path, now)));
        if let Some(full) = full {
            let severity = match full {
                full if full <= settings.full_critical => Severity::Critical,
                full if full <= settings.full_warning => Severity::Warning,
                _ => Severity::Ok,
            };
            Metric::gauge("filesystem_full_in_seconds", full.as_seconds()).label("mount", path).report();
            finding!(severity, "disk-fills", path, "it will be full in {full} if it goes on as it did")
                .remedy(format!("find {path} -xdev -type f -mmin -120 -size +10M -exec ls -lS {{}} +"))
                .report_unless_ok();
        }
        let full = full.map_or("-".into(), |full| format!("in {full}"));
        let inodes_shown = inodes.map_or("-".into(), |share| share.to_string());
        table.row(&[&path, &mount.filesystem, &ByteSize(mount.total_bytes), &available, &share, &inodes_shown, &full]);
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
        Some((share, path)) => format!("{share} of {path} available, the least of {count} mounts{forecast}"),
        None => "no mount to look at".into(),
    }
}

/// Whether a path fits a pattern in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            text.char_indices().map(|(place, _)| place).chain([text.len()]).any(|place| matches(rest, &text[place..]))
        }),
    }
}

#[cfg(test)]
mod tests;
