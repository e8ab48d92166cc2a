//! Every file against the lock.

use std::{collections::BTreeSet, fs, path::PathBuf};

use thiserror::Error;

use crate::{Registry, RegistryError};

/// A file that is not as the lock says.
#[derive(Debug, Error)]
pub enum Damage {
    /// An installed plugin's file is missing, or is another one.
    #[error("{0}")]
    Plugin(RegistryError),
    /// A file that no plugin has.
    #[error("{0}: no installed plugin has this file; it is never run, and can be removed")]
    Foreign(PathBuf),
}

impl Registry {
    /// Holds every file against the lock: what is not as it says, and how many plugins were looked at.
    ///
    /// # Errors
    /// Where the lock itself cannot be read.
    pub fn verify(&self) -> Result<(usize, Vec<Damage>), RegistryError> {
        let lock = self.lock()?;
        let mut damage: Vec<_> =
            lock.plugin.keys().filter_map(|name| self.load(name).err()).map(Damage::Plugin).collect();
        let known: BTreeSet<_> = lock.plugin.values().map(|plugin| self.file(plugin.sha256())).collect();
        let entries = match fs::read_dir(self.files()) {
            Ok(entries) => entries,
            Err(_) => return Ok((lock.plugin.len(), damage)),
        };
        let foreign = entries.flatten().map(|entry| entry.path()).filter(|path| !known.contains(path));
        damage.extend(foreign.map(Damage::Foreign));
        Ok((lock.plugin.len(), damage))
    }
}
