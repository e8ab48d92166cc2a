//! Mounted file systems, each device once, without those that hold no files.
//!
//! A network file system whose server is gone holds up everybody who asks how full it is. So each is asked on a thread
//! of its own and given two seconds; one that did not answer is not asked again until it does, so that a plugin that
//! asks in a loop does not fill the host with waiting threads.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    os::unix::ffi::OsStringExt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hostler_capability::escape_name;
use hostler_world::machine::Mount;
use rustix::fs::StatVfsMountFlags;
use tokio::{task::spawn_blocking, time::timeout};

use crate::Problem;

const PATIENCE: Duration = Duration::from_secs(2);

/// File systems that hold no files, or only doors to others.
const PSEUDO: [&str; 30] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "cpuset",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fuse.gvfsd-fuse",
    "fuse.lxcfs",
    "fuse.portal",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nfsd",
    "nsfs",
    "nullfs",
    "proc",
    "pstore",
    "ramfs",
    "resctrl",
    "rootfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tracefs",
];

/// Mounts that were asked and have not answered.
pub(crate) type Waiting = Arc<Mutex<BTreeSet<PathBuf>>>;

/// The mounts, and the paths of those that did not answer.
///
/// # Errors
/// Where the table of mounts cannot be read.
pub(crate) async fn mounts(waiting: &Waiting) -> Result<(Vec<Mount>, Vec<String>), Problem> {
    let file = "/proc/self/mountinfo";
    let table = std::fs::read(file).map_err(|source| Problem::Unreadable { file: file.into(), source })?;
    let mut asked = Vec::new();
    let mut silent = Vec::new();
    for mounted in parse(&table) {
        if !held(waiting).insert(mounted.path.clone()) {
            silent.push(mounted.shown());
            continue;
        }
        let (waiting, path) = (waiting.clone(), mounted.path.clone());
        let answer = spawn_blocking(move || {
            let usage = rustix::fs::statvfs(&path);
            held(&waiting).remove(&path);
            usage
        });
        asked.push((mounted, answer));
    }
    let until = tokio::time::Instant::now() + PATIENCE;
    let mut mounts = Vec::new();
    for (mounted, answer) in asked {
        let Ok(Ok(answered)) = timeout(until.saturating_duration_since(tokio::time::Instant::now()), answer).await
        else {
            silent.push(mounted.shown());
            continue;
        };
        // One that is not for the host's user, or that is hidden below another, has nothing to tell.
        let Ok(usage) = answered else { continue };
        if usage.f_blocks == 0 {
            continue;
        }
        mounts.push(Mount {
            path: mounted.shown(),
            filesystem: mounted.kind,
            total_bytes: usage.f_blocks.saturating_mul(usage.f_frsize),
            available_bytes: usage.f_bavail.saturating_mul(usage.f_frsize),
            total_inodes: usage.f_files,
            available_inodes: usage.f_favail,
            read_only: usage.f_flag.contains(StatVfsMountFlags::RDONLY),
        });
    }
    Ok((mounts, silent))
}

fn held(waiting: &Waiting) -> std::sync::MutexGuard<'_, BTreeSet<PathBuf>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mounted {
    device: Vec<u8>,
    whole: bool,
    path: PathBuf,
    kind: String,
}

impl Mounted {
    fn shown(&self) -> String {
        escape_name(self.path.as_os_str().as_encoded_bytes())
    }
}

/// One line a device, in the order of their paths: the mount of its root before one of a directory in it, and then the
/// shortest path.
fn parse(table: &[u8]) -> Vec<Mounted> {
    let mut mounts: Vec<Mounted> = Vec::new();
    for mounted in table.split(|byte| *byte == b'\n').filter_map(line) {
        // What is mounted later hides what had the path before.
        mounts.retain(|earlier| earlier.path != mounted.path);
        mounts.push(mounted);
    }
    mounts.retain(|mounted| !PSEUDO.contains(&mounted.kind.as_str()));
    mounts.sort_by(|one, other| {
        let rank = |mounted: &Mounted| (!mounted.whole, mounted.path.as_os_str().len());
        rank(one).cmp(&rank(other)).then_with(|| one.path.cmp(&other.path))
    });
    let mut seen = BTreeSet::new();
    mounts.retain(|mounted| seen.insert(mounted.device.clone()));
    mounts.sort_by(|one, other| one.path.cmp(&other.path));
    mounts
}

/// `36 35 98:0 /root /path options optional… - type source options`
fn line(line: &[u8]) -> Option<Mounted> {
    let mut fields = line.split(|byte| *byte == b' ');
    let device = fields.nth(2)?.to_vec();
    let whole = fields.next()? == b"/";
    let path = OsString::from_vec(unescape(fields.next()?)).into();
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
    Some(Mounted { device, whole, path, kind: String::from_utf8_lossy(kind).into_owned() })
}

/// Spaces, tabs, line ends and backslashes are written as three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let octal = (byte == b'\\').then(|| after.get(..3)).flatten();
        let value = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        (bytes, rest) = match value {
            Some(value) => (with(bytes, value), &after[3..]),
            None => (with(bytes, byte), after),
        };
    }
    bytes
}

fn with(mut bytes: Vec<u8>, byte: u8) -> Vec<u8> {
    bytes.push(byte);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
        22 21 0:5 / /proc rw - proc proc rw\n\
        23 21 8:1 /srv/data /exports/data rw - ext4 /dev/sda1 rw\n\
        24 21 0:40 / /mnt/back\\040up rw - nfs4 server:/x rw\n\
        25 21 8:2 / /data rw - xfs /dev/sdb rw\n\
        26 21 8:3 / /data rw master:2 propagate_from:3 - xfs /dev/sdc rw\n\
        27 21 0:50 /var/lib/x /bound ro - btrfs /dev/sdd ro\n";

    #[test]
    fn each_device_once_and_no_pseudo_file_systems() {
        let paths: Vec<_> = parse(TABLE).into_iter().map(|mounted| (mounted.shown(), mounted.kind)).collect();
        let expected = [("/", "ext4"), ("/bound", "btrfs"), ("/data", "xfs"), ("/mnt/back up", "nfs4")];
        assert_eq!(paths, expected.map(|(path, kind)| (path.to_owned(), kind.to_owned())));
        assert_eq!(parse(TABLE)[2].device, b"8:3", "the later mount hides the earlier");
    }

    #[tokio::test]
    async fn this_machine_has_a_root_and_a_silent_mount_is_not_asked_again() {
        let waiting = Waiting::default();
        let (mounts, silent) = mounts(&waiting).await.expect("every Linux tells");
        assert!(mounts.iter().any(|mount| mount.path == "/" && mount.total_bytes > 0), "{mounts:?}");
        assert!(!mounts.iter().any(|mount| mount.path.starts_with("/proc")), "{mounts:?}");
        assert_eq!(silent, Vec::<String>::new());
        held(&waiting).insert("/".into());
        let (mounts, silent) = super::mounts(&waiting).await.expect("every Linux tells");
        assert!(!mounts.iter().any(|mount| mount.path == "/"), "{mounts:?}");
        assert_eq!(silent, ["/"]);
    }
}
