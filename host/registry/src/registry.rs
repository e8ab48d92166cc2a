//! The registry as it is read: what is installed, and its bytes, held to the lock each time.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use hostler_manifest::{Manifest, did_you_mean, extract};
use jiff::Timestamp;

use crate::{
    Candidate, Difference, Locked, RegistryError, candidate,
    lock::{Lock, PLUGINS},
};

/// An installed plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct Installed {
    /// What it says of itself.
    pub manifest: Manifest,
    /// `sha256:` and its digest in hexadecimal digits.
    pub digest: String,
    /// Its file.
    pub path: PathBuf,
    /// When it was installed.
    pub installed_at: Timestamp,
}

impl Installed {
    /// What an operator has to know of it, beside its requests.
    pub fn warnings(&self) -> Vec<String> {
        candidate::warnings(&self.manifest)
    }
}

/// The directory of the installed plugins.
#[derive(Debug, Clone)]
pub struct Registry {
    pub(crate) directory: PathBuf,
    pub(crate) patience: Duration,
}

impl Registry {
    /// Looks at a registry; one that is not there is empty, and made by the first installation.
    ///
    /// # Errors
    /// Where somebody else could write it.
    pub fn open(directory: &Path) -> Result<Self, RegistryError> {
        for path in [directory.to_owned(), directory.join(PLUGINS)] {
            match fs::metadata(&path) {
                Ok(metadata) => check_owner(&path, &metadata)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(RegistryError::Io { action: "read", path, error }),
            }
        }
        Ok(Self { directory: directory.to_owned(), patience: Duration::from_secs(10) })
    }

    /// How long to wait for another process that changes the registry; ten seconds where it does not say.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The installed plugins, by name, as the lock has them.
    ///
    /// # Errors
    /// Where the lock cannot be read.
    pub fn list(&self) -> Result<Vec<Locked>, RegistryError> {
        Ok(Lock::read(&self.directory)?.plugins.into_values().collect())
    }

    /// An installed plugin, its file held to the lock.
    ///
    /// # Errors
    /// Where it is not installed, or its file is not the one that was.
    pub fn get(&self, name: &str) -> Result<Installed, RegistryError> {
        self.load(name).map(|(_, installed)| installed)
    }

    /// An installed plugin with its bytes, held to the lock.
    ///
    /// # Errors
    /// Where it is not installed, or its file is not the one that was.
    pub fn load(&self, name: &str) -> Result<(Vec<u8>, Installed), RegistryError> {
        let mut locked = self.locked(name)?;
        loop {
            match self.read(&locked) {
                // Another process may have put a newer one in its place between the two looks.
                Err(RegistryError::FileMissing { name, path }) => {
                    let now = self.locked(&name)?;
                    if now.digest == locked.digest {
                        return Err(RegistryError::FileMissing { name, path });
                    }
                    locked = now;
                }
                result => return result,
            }
        }
    }

    /// What installing a candidate would change.
    ///
    /// # Errors
    /// Where the lock cannot be read.
    pub fn what_changes(&self, candidate: &Candidate) -> Result<Difference, RegistryError> {
        let lock = Lock::read(&self.directory)?;
        Ok(Difference::between(lock.plugins.get(&candidate.manifest.plugin.name), candidate))
    }

    pub(crate) fn path_of(&self, locked: &Locked) -> PathBuf {
        self.directory.join(PLUGINS).join(locked.file_name())
    }

    pub(crate) fn read(&self, locked: &Locked) -> Result<(Vec<u8>, Installed), RegistryError> {
        let (name, path) = (locked.name.clone(), self.path_of(locked));
        match fs::symlink_metadata(&path) {
            Ok(metadata) if !metadata.is_file() => return Err(RegistryError::NotAFile { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(RegistryError::FileMissing { name, path });
            }
            _ => {}
        }
        let bytes = match candidate::read(&path) {
            Err(RegistryError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                return Err(RegistryError::FileMissing { name, path });
            }
            result => result?,
        };
        let found = candidate::digest(&bytes);
        if found != locked.digest {
            return Err(RegistryError::DigestDiffers { name, path, expected: locked.digest.clone(), found });
        }
        let manifest = extract(&bytes)?;
        let plugin = &manifest.plugin;
        if manifest.requests != locked.requests
            || (&plugin.name, &plugin.version, plugin.mode) != (&locked.name, &locked.version, locked.mode)
        {
            return Err(RegistryError::OtherRequests { name });
        }
        Ok((bytes, Installed { manifest, digest: found, path, installed_at: locked.installed_at }))
    }

    fn locked(&self, name: &str) -> Result<Locked, RegistryError> {
        let mut lock = Lock::read(&self.directory)?;
        lock.plugins.remove(name).ok_or_else(|| not_installed(&lock, name))
    }
}

pub(crate) fn not_installed(lock: &Lock, name: &str) -> RegistryError {
    let known: Vec<String> = lock.plugins.keys().cloned().collect();
    let meant = did_you_mean(name, known.iter().map(String::as_str)).map(str::to_owned);
    RegistryError::NotInstalled { name: name.chars().take(80).collect(), meant, known }
}

/// A registry that others write is anybody's code with this user's grants.
fn check_owner(path: &Path, metadata: &fs::Metadata) -> Result<(), RegistryError> {
    let insecure = |problem: String, remedy: String| RegistryError::Insecure { path: path.to_owned(), problem, remedy };
    if !metadata.is_dir() {
        let error = io::Error::from(io::ErrorKind::NotADirectory);
        return Err(RegistryError::Io { action: "read", path: path.to_owned(), error });
    }
    if metadata.mode() & 0o022 != 0 {
        let problem = format!("others may write it (mode {:04o})", metadata.mode() & 0o7777);
        return Err(insecure(problem, format!("chmod 0700 {}", path.display())));
    }
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != own && metadata.uid() != 0 {
        let problem = format!("it belongs to the user {}", metadata.uid());
        return Err(insecure(problem, "run hostler as that user, or change the owner".into()));
    }
    Ok(())
}
