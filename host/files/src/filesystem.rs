//! File systems that hold no files: what is read there is the kernel, and what is written there changes it.
//!
//! They are known by their magic number, and devtmpfs, which carries that of tmpfs, by the table of mounts. The check
//! is made on a handle, so that a mount that appears below a bound directory later is caught as well.

use std::os::fd::AsFd;

use crate::Problem;

const PSEUDO: [(u64, &str); 21] = [
    (0x9fa0, "procfs"),
    (0x6265_6572, "sysfs"),
    (0x1cd1, "devpts"),
    (0x0027_e0eb, "cgroup"),
    (0x6367_7270, "cgroup2"),
    (0x6462_6720, "debugfs"),
    (0x7472_6163, "tracefs"),
    (0x7363_6673, "securityfs"),
    (0xf97c_ff8c, "selinuxfs"),
    (0x4341_5d53, "smackfs"),
    (0x6165_676c, "pstore"),
    (0xde5e_81e4, "efivarfs"),
    (0xcafe_4a11, "bpf"),
    (0x1980_0202, "mqueue"),
    (0x4249_4e4d, "binfmt_misc"),
    (0x6e73_6673, "nsfs"),
    (0x6265_6570, "configfs"),
    (0x6573_5543, "fusectl"),
    (0x6759_6969, "rpc_pipefs"),
    (0x5049_4446, "pidfs"),
    (0x534f_434b, "sockfs"),
];
const TMPFS: u64 = 0x0102_1994;

/// Refuses what lies on a file system of the kernel's own.
///
/// # Errors
/// [`Problem::Pseudo`], or what the system says.
pub(crate) fn check(handle: impl AsFd, path: &str) -> Result<(), Problem> {
    let magic = rustix::fs::fstatfs(&handle).map_err(Problem::at(path))?.f_type;
    // The field is a signed word on most machines, and the magic number is its low half.
    let magic = magic as u64 & 0xffff_ffff;
    let known = PSEUDO.iter().find(|(number, _)| *number == magic).map(|(_, kind)| *kind);
    let kind = match known {
        None if magic == TMPFS && is_devtmpfs(&handle) => Some("devtmpfs"),
        other => other,
    };
    kind.map_or(Ok(()), |kind| Err(Problem::Pseudo { path: path.into(), kind }))
}

fn is_devtmpfs(handle: impl AsFd) -> bool {
    let Ok(stat) = rustix::fs::fstat(handle) else { return false };
    let device = format!("{}:{}", rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev));
    std::fs::read_to_string("/proc/self/mountinfo").is_ok_and(|mounts| devtmpfs_has(&mounts, &device))
}

/// Whether the table of mounts calls the device's file system devtmpfs.
fn devtmpfs_has(mounts: &str, device: &str) -> bool {
    mounts.lines().any(|line| {
        let mut halves = line.splitn(2, " - ");
        let of_device = halves.next().and_then(|half| half.split(' ').nth(2)) == Some(device);
        of_device && halves.next().is_some_and(|half| half.starts_with("devtmpfs "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_pseudo_file_systems_are_refused() {
        for path in ["/proc", "/sys", "/proc/self/fd"] {
            let handle = std::fs::File::open(path).expect("every Linux has it");
            assert!(matches!(check(&handle, path), Err(Problem::Pseudo { .. })), "{path}");
        }
        let handle = std::fs::File::open(std::env::temp_dir()).expect("there is one");
        check(&handle, "/tmp").expect("a directory of files");
    }

    #[test]
    fn devtmpfs_is_known_by_the_table_of_mounts() {
        let mounts = "24 1 0:6 / /dev rw,nosuid - devtmpfs devtmpfs rw\n25 24 0:22 / /run rw - tmpfs tmpfs rw\n";
        assert!(devtmpfs_has(mounts, "0:6"));
        assert!(!devtmpfs_has(mounts, "0:22"));
    }
}
