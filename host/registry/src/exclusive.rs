//! One installer at a time. The kernel lets the lock go with its holder, however that ends.

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::{RegistryError, durable};

/// The file that is locked. It stays: removing it would let two in at once.
pub(crate) const FILE: &str = ".installing";

/// Held while the registry is changed.
pub(crate) struct Exclusive {
    _file: File,
}

impl Exclusive {
    /// Waits for its turn, for as long as the patience lasts.
    pub(crate) fn acquire(registry: &Path, patience: Duration) -> Result<Self, RegistryError> {
        durable::directory(registry)?;
        let path = registry.join(FILE);
        let failed = |error| RegistryError::Io { action: "locked", path: path.clone(), error };
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if since.elapsed() < patience => thread::sleep(Duration::from_millis(20)),
                Err(TryLockError::WouldBlock) => return Err(RegistryError::Busy { path }),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }
}
