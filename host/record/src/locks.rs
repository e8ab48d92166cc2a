//! Locks by flock: held across processes, and let go by the kernel when their holder dies.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
};

use hostler_capability::{LockError, Locks};
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

use crate::RecordError;

/// The directory of lock files.
pub struct FileLocks {
    directory: PathBuf,
    /// Held as long as this host lives: how another tells whether a run of this host's is still under way.
    host: (String, File),
}

/// A held lock.
struct Held(#[allow(dead_code, reason = "dropped with it: closing the file lets the lock go")] File);

impl FileLocks {
    pub(crate) fn open(directory: &Path) -> Result<Self, RecordError> {
        let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), std::process::id());
        let name = format!("host-{}-{random:016x}", std::process::id());
        let path = directory.join(&name);
        let file = open(&path).map_err(RecordError::file(&path))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| RecordError::file(&path)(error.into()))?;
        Ok(Self { directory: directory.into(), host: (name, file) })
    }

    /// The name of this host's own lock.
    pub(crate) fn host(&self) -> &str {
        &self.host.0
    }

    /// Whether a host still lives. The lock of one that does not is removed.
    pub(crate) fn lives(&self, host: &str) -> bool {
        if host == self.host.0 {
            return true;
        }
        let path = self.directory.join(host);
        let Ok(file) = File::open(&path) else { return false };
        let dead = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
        if dead {
            let _ = fs::remove_file(&path);
        }
        !dead
    }

    fn path(&self, name: &str) -> PathBuf {
        let readable: String = name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).take(60).collect();
        self.directory.join(format!("{readable}-{}", &hex::encode(Sha256::digest(name))[..16]))
    }
}

impl Drop for FileLocks {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.directory.join(&self.host.0));
    }
}

impl Locks for FileLocks {
    fn acquire(&self, name: &str) -> Result<Box<dyn Send + Sync>, LockError> {
        let path = self.path(name);
        let store = |error: std::io::Error| LockError::Store(format!("{}: {error}", path.display()));
        let mut file = open(&path).map_err(store)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            return Err(LockError::Held(if holder.is_empty() { "another run".into() } else { holder }));
        }
        let words = format!("process {} since {}", std::process::id(), jiff::Timestamp::now().strftime("%F %T UTC"));
        // Only for the message of another: that it cannot be written takes nothing from the lock.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(words.as_bytes()));
        Ok(Box::new(Held(file)))
    }

    fn held(&self, name: &str) -> Result<bool, LockError> {
        match File::open(self.path(name)) {
            Ok(file) => Ok(flock(&file, FlockOperation::NonBlockingLockShared).is_err()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(LockError::Store(error.to_string())),
        }
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_once_and_let_go_with_its_holder() {
        let directory = tempfile::tempdir().expect("a directory");
        let locks = FileLocks::open(directory.path()).expect("locks");
        let other = FileLocks::open(directory.path()).expect("locks");
        let held = locks.acquire("vacuum on postgres.main").expect("nobody has it");
        assert!(matches!(other.acquire("vacuum on postgres.main"), Err(LockError::Held(holder)) if holder.contains("process")));
        assert!(other.held("vacuum on postgres.main").expect("it can be looked at"));
        assert!(other.acquire("vacuum on postgres.other").is_ok());
        drop(held);
        assert!(!other.held("vacuum on postgres.main").expect("it can be looked at"));
        assert!(other.acquire("vacuum on postgres.main").is_ok());
    }

    #[test]
    fn a_host_that_is_gone_is_known_to_be() {
        let directory = tempfile::tempdir().expect("a directory");
        let locks = FileLocks::open(directory.path()).expect("locks");
        let other = FileLocks::open(directory.path()).expect("locks");
        let name = other.host().to_owned();
        assert!(locks.lives(&name));
        drop(other);
        assert!(!locks.lives(&name));
    }
}
