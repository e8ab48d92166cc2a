//! Load, pressure and open files.

use hostler_world::machine::Load;

use crate::{Problem, errors::read};

/// # Errors
/// Where /proc cannot be read.
pub(crate) fn load() -> Result<Load, Problem> {
    let pressure = |resource: &str| read(&format!("/proc/pressure/{resource}")).ok().and_then(|text| pressure(&text));
    let cores = read("/sys/devices/system/cpu/online").ok().and_then(|text| count(text.trim()));
    let (load_1m, load_5m, load_15m) = averages(&read("/proc/loadavg")?)?;
    let (open_files, open_files_limit) = files(&read("/proc/sys/fs/file-nr")?)?;
    Ok(Load {
        cores: cores.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32)),
        load_1m,
        load_5m,
        load_15m,
        pressure_cpu: pressure("cpu"),
        pressure_memory: pressure("memory"),
        pressure_io: pressure("io"),
        open_files,
        open_files_limit,
    })
}

pub(crate) fn averages(text: &str) -> Result<(f64, f64, f64), Problem> {
    let mut fields = text.split_whitespace().map_while(|field| field.parse().ok());
    let averages = (|| Some((fields.next()?, fields.next()?, fields.next()?)))();
    averages.ok_or(Problem::Untold { file: "/proc/loadavg", what: "the load" })
}

/// Handles in use and their limit: allocated, free, most.
pub(crate) fn files(text: &str) -> Result<(u64, u64), Problem> {
    let fields: Vec<u64> = text.split_whitespace().map_while(|field| field.parse().ok()).collect();
    match fields[..] {
        [allocated, free, most] => Ok((allocated.saturating_sub(free), most)),
        _ => Err(Problem::Untold { file: "/proc/sys/fs/file-nr", what: "the open files" }),
    }
}

/// The share of the last 60 s in which some task waited, 0 to 1.
pub(crate) fn pressure(text: &str) -> Option<f64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let percent: f64 = some.split(' ').find_map(|field| field.strip_prefix("avg60="))?.parse().ok()?;
    Some(percent / 100.0)
}

/// How many numbers a list such as `0-3,5` holds.
pub(crate) fn count(list: &str) -> Option<u32> {
    list.split(',').try_fold(0_u32, |sum, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        sum.checked_add(last.checked_sub(first)?)?.checked_add(1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_text_is_read() {
        assert_eq!(averages("0.50 1.25 2.00 3/456 7890\n").expect("three"), (0.5, 1.25, 2.0));
        assert!(averages("nonsense").is_err());
        assert_eq!(files("2112\t12\t9223372036854775807\n").expect("three"), (2100, 9_223_372_036_854_775_807));
        let text = "some avg10=0.00 avg60=12.50 avg300=0.00 total=1\nfull avg10=0.00 avg60=1.00 avg300=0.00 total=1\n";
        assert_eq!(pressure(text), Some(0.125));
        assert_eq!(pressure(""), None);
        assert_eq!((count("0-3,5"), count("0"), count("")), (Some(5), Some(1), None));
    }

    #[test]
    fn this_machine_has_a_load() {
        let load = load().expect("every Linux tells");
        assert!(load.cores > 0 && load.load_1m >= 0.0 && load.open_files > 0, "{load:?}");
        assert!(load.pressure_cpu.is_none_or(|share| (0.0..=1.0).contains(&share)), "{load:?}");
    }
}
