//! Memory, and the limit of the control group that the host runs in.

use std::path::Path;

use hostler_world::machine::Memory;

use crate::{Problem, errors::read};

/// A limit of version 1 that means none: the largest number of whole pages.
const NONE: u64 = 1 << 62;

/// # Errors
/// Where /proc/meminfo cannot be read or lacks a figure.
pub(crate) fn memory() -> Result<Memory, Problem> {
    let limit = read("/proc/self/cgroup").ok().and_then(|groups| limit(&groups, Path::new("/sys/fs/cgroup")));
    parse(&read("/proc/meminfo")?, limit)
}

pub(crate) fn parse(text: &str, limit_bytes: Option<u64>) -> Result<Memory, Problem> {
    let field = |name: &'static str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kilobytes: Option<u64> = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        kilobytes
            .and_then(|kilobytes| kilobytes.checked_mul(1024))
            .ok_or(Problem::Untold { file: "/proc/meminfo", what: name })
    };
    let swap = field("SwapTotal").unwrap_or(0);
    Ok(Memory {
        total_bytes: field("MemTotal")?,
        available_bytes: field("MemAvailable")?,
        swap_total_bytes: swap,
        swap_used_bytes: swap.saturating_sub(field("SwapFree").unwrap_or(0)),
        limit_bytes,
    })
}

/// The least limit from the group up to the root: each holds those below it.
fn limit(groups: &str, mounted: &Path) -> Option<u64> {
    groups
        .lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (number, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
            let group = group.trim_start_matches('/');
            if number == "0" && controllers.is_empty() {
                least(mounted, group, "memory.max")
            } else if controllers.split(',').any(|controller| controller == "memory") {
                least(&mounted.join("memory"), group, "memory.limit_in_bytes")
            } else {
                None
            }
        })
        .min()
}

fn least(mounted: &Path, group: &str, file: &str) -> Option<u64> {
    let own = mounted.join(group);
    let groups = own.ancestors().take_while(|ancestor| ancestor.starts_with(mounted));
    let limits = groups.filter_map(|group| std::fs::read_to_string(group.join(file)).ok()?.trim().parse().ok());
    limits.filter(|limit| *limit < NONE).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       24589960 kB\nMemFree:        12000000 kB\nMemAvailable:   23000000 kB\n\
                           SwapCached:            0 kB\nSwapTotal:       1048576 kB\nSwapFree:        1048000 kB\n";

    #[test]
    fn the_figures_of_meminfo() {
        let memory = parse(MEMINFO, None).expect("it tells all");
        assert_eq!((memory.total_bytes, memory.available_bytes), (24_589_960 << 10, 23_000_000 << 10));
        assert_eq!((memory.swap_total_bytes, memory.swap_used_bytes), (1 << 30, 576 << 10));
        assert!(matches!(parse("MemTotal: 1 kB\n", None), Err(Problem::Untold { what: "MemAvailable", .. })));
    }

    #[test]
    fn the_least_limit_of_the_groups_holds() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        std::fs::create_dir_all(root.join("system.slice/hostler.service")).expect("directories");
        std::fs::write(root.join("system.slice/memory.max"), "1073741824\n").expect("a file");
        std::fs::write(root.join("system.slice/hostler.service/memory.max"), "max\n").expect("a file");
        assert_eq!(limit("0::/system.slice/hostler.service\n", root), Some(1 << 30));
        assert_eq!(limit("0::/\n", root), None);
        std::fs::create_dir_all(root.join("memory/docker/x")).expect("directories");
        std::fs::write(root.join("memory/docker/x/memory.limit_in_bytes"), "536870912\n").expect("a file");
        std::fs::write(root.join("memory/memory.limit_in_bytes"), "9223372036854771712\n").expect("a file");
        assert_eq!(limit("4:cpu:/docker/x\n3:memory:/docker/x\n", root), Some(1 << 29));
    }

    #[test]
    fn this_machine_has_memory() {
        let memory = memory().expect("every Linux tells");
        assert!(memory.total_bytes > 0 && memory.available_bytes <= memory.total_bytes, "{memory:?}");
    }
}
