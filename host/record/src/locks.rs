//! Locks by flock: held across processes, and let go by the kernel when their holder dies.
//!
//! The file is removed when the lock is let go, since plugins choose the names and would otherwise fill the directory.
//! A file may therefore vanish between opening and locking it; a lock counts only on the file that still has the name.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use hostler_capability::{LockError, Locks};
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use sha2::{Digest, Sha256};

/// The locks in one directory, taken in the name of one holder.
pub struct FileLocks {
    directory: PathBuf,
    holder: String,
}

impl FileLocks {
    pub(crate) fn new(directory: &Path, holder: &str) -> Self {
        Self { directory: directory.into(), holder: holder.into() }
    }

    /// Readable, and different for different names: the name's letters, and its hash.
    fn path(&self, name: &str) -> PathBuf {
        let readable: String =
            name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).take(60).collect();
        self.directory.join(format!("{readable}-{}", &hex::encode(Sha256::digest(name))[..32]))
    }
}

impl Locks for FileLocks {
    fn acquire(&self, name: &str) -> Result<Box<dyn Send + Sync>, LockError> {
        let path = self.path(name);
        let mut file =
            take(&path).map_err(|error| store(&path, &error))?.ok_or_else(|| LockError::Held(holder(&path)))?;
        let words = format!("{} since {}", self.holder, jiff::Timestamp::now().strftime("%F %T UTC"));
        // Only for the message of another: that it cannot be written takes nothing from the lock.
        let _ = name_holder(&mut file, &words);
        Ok(Box::new(Guard { file, path }))
    }

    fn held(&self, name: &str) -> Result<bool, LockError> {
        let path = self.path(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(store(&path, &error)),
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(store(&path, &error.into())),
        }
    }
}

/// A file that a killed host left is emptied first; a new one is not, since a file system may write a file that was cut
/// to the disk as soon as it is closed (ext4 does), which takes longer than everything else here.
fn name_holder(file: &mut File, words: &str) -> io::Result<()> {
    if file.metadata()?.len() > 0 {
        file.set_len(0)?;
    }
    file.write_all(words.as_bytes())
}

/// A held lock. The file goes while it is still locked; closing it lets the lock go.
struct Guard {
    file: File,
    path: PathBuf,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if same(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Takes the lock of a file, which is made where it is not there; nothing where somebody else holds it.
pub(crate) fn take(path: &Path) -> io::Result<Option<File>> {
    let mut refused = 0;
    loop {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if same(&file, path) => return Ok(Some(file)),
            Ok(()) | Err(Errno::INTR) => {}
            // Whoever only looks whether the lock is held has it for a moment.
            Err(Errno::WOULDBLOCK) if refused < 5 => {
                refused += 1;
                std::thread::sleep(Duration::from_micros(200));
            }
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Takes the lock of a file that is there; nothing where somebody holds it, or the file went meanwhile.
pub(crate) fn take_existing(path: &Path) -> io::Result<Option<File>> {
    let file = File::open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(same(&file, path).then_some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn same(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(ours), Ok(named)) => (ours.dev(), ours.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

fn holder(path: &Path) -> String {
    let mut words = String::new();
    let read = File::open(path).and_then(|file| file.take(512).read_to_string(&mut words));
    if read.is_err() || words.is_empty() { "another run".into() } else { words }
}

fn store(path: &Path, error: &io::Error) -> LockError {
    LockError::Store(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_lock_is_held_once_and_let_go_with_its_holder() {
        let directory = tempfile::tempdir().expect("a directory");
        let locks = FileLocks::new(directory.path(), "run r1 of task vacuum");
        let other = FileLocks::new(directory.path(), "run r2 of task vacuum");
        let held = locks.acquire("vacuum on postgres.main").expect("nobody has it");
        let Err(LockError::Held(holder)) = other.acquire("vacuum on postgres.main") else { panic!("it is held") };
        assert!(holder.starts_with("run r1 of task vacuum since "), "{holder}");
        assert!(other.held("vacuum on postgres.main").expect("it can be looked at"));
        assert!(other.acquire("vacuum on postgres-main").is_ok(), "another name is another lock");
        drop(held);
        assert!(!other.held("vacuum on postgres.main").expect("it can be looked at"));
        assert!(other.acquire("vacuum on postgres.main").is_ok());
        assert_eq!(fs::read_dir(directory.path()).expect("listed").count(), 0, "no file is left");
    }

    #[test]
    fn many_never_hold_it_together_and_looking_takes_it_from_nobody() {
        let directory = tempfile::tempdir().expect("a directory");
        let (inside, taken) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let locks = FileLocks::new(directory.path(), &thread.to_string());
                let (inside, taken) = (&inside, &taken);
                scope.spawn(move || {
                    for _ in 0..200 {
                        locks.held("one").expect("it can be looked at");
                        if let Ok(guard) = locks.acquire("one") {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                            inside.fetch_sub(1, Ordering::SeqCst);
                            taken.fetch_add(1, Ordering::SeqCst);
                            drop(guard);
                        }
                    }
                });
            }
        });
        assert!(taken.into_inner() > 0);
    }
}
