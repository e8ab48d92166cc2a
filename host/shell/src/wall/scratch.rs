//! A directory of one call's own, for a program that has no mount namespace to itself.
//!
//! It may hold a password file. A killed host leaves it behind, so each new one takes away those that nobody holds
//! any more: a lock tells them apart.

use std::{
    fs::Permissions,
    io,
    os::{
        fd::OwnedFd,
        unix::fs::{MetadataExt, PermissionsExt},
    },
    path::Path,
};

use rustix::fs::{FlockOperation, Mode, OFlags};
use tempfile::TempDir;

use crate::output;

const PREFIX: &str = "hostler-scratch-";

/// The directory; gone when this is dropped.
pub(crate) struct Scratch {
    directory: TempDir,
    // Held for its lock.
    _lock: OwnedFd,
}

impl Scratch {
    /// Makes one that its owner alone enters.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn new() -> io::Result<Self> {
        let parent = std::env::temp_dir();
        sweep(&parent);
        loop {
            let owner = Permissions::from_mode(0o700);
            let directory = tempfile::Builder::new().prefix(PREFIX).permissions(owner).tempdir_in(&parent)?;
            let Some(lock) = lock(directory.path()) else { continue };
            // Another host may have swept it away before it was locked.
            if directory.path().is_dir() {
                return Ok(Self { directory, _lock: lock });
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// The lock of a directory that is the host user's own; nothing where another holds it.
fn lock(path: &Path) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    let own = rustix::fs::fstat(&handle).is_ok_and(|found| found.st_uid == rustix::process::geteuid().as_raw());
    (own && rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive).is_ok()).then_some(handle)
}

fn sweep(parent: &Path) {
    let (Ok(handle), Ok(entries)) = (std::fs::File::open(parent), std::fs::read_dir(parent)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if !name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        // One made a moment ago may not be locked yet.
        let old = entry.metadata().is_ok_and(|found| is_old(found.mtime()));
        if old && lock(&entry.path()).is_some() {
            let _ = output::remove(&handle, &name);
        }
    }
}

fn is_old(modified: i64) -> bool {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).is_ok_and(|now| now - modified > 10)
}

#[cfg(test)]
mod tests {
    use std::{fs::FileTimes, time::SystemTime};

    use super::*;

    #[test]
    fn what_a_killed_host_left_goes_and_what_is_in_use_stays() {
        let used = Scratch::new().expect("a directory");
        assert_eq!(std::fs::metadata(used.path()).expect("it is there").mode() & 0o777, 0o700);
        let left = std::env::temp_dir().join(format!("{PREFIX}left-{}", std::process::id()));
        std::fs::create_dir(&left).expect("a directory");
        std::fs::write(left.join("pgpass"), "secret").expect("a file");
        for path in [&left, &used.path().to_owned()] {
            let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH);
            std::fs::File::open(path).expect("it is there").set_times(times).expect("ours");
        }
        let other = Scratch::new().expect("a directory");
        assert!(!left.exists() && used.path().exists());
        let gone = other.path().to_owned();
        drop(other);
        assert!(!gone.exists());
    }
}
