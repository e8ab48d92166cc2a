//! Installing, loading and removing.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use hostler_manifest::{Manifest, did_you_mean, extract};
use rustix::fs::{FlockOperation, flock};

use crate::{
    Candidate, Difference, Lock, LockedPlugin, RegistryError, asked,
    candidate::{digest, read_bounded},
    lock::replace,
};

/// The registry directory.
pub struct Registry {
    directory: PathBuf,
}

/// What the operator said to an install.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Consent {
    /// To all that is asked for.
    pub given: bool,
    /// To an older version, or another file of the same version.
    pub replace: bool,
}

/// An installed plugin.
#[derive(Debug, Clone)]
pub struct Installed {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The SHA-256 of its file, in hexadecimal.
    pub digest: String,
    /// Its file.
    pub path: PathBuf,
}

impl Registry {
    /// The registry in a directory, which need not be there yet.
    pub fn open(directory: &Path) -> Self {
        Self { directory: directory.into() }
    }

    /// What is installed, as the lock says.
    ///
    /// # Errors
    /// Where the lock cannot be read or is damaged.
    pub fn lock(&self) -> Result<Lock, RegistryError> {
        Lock::read(&self.directory)
    }

    /// What a candidate asks for beyond what was consented to for an earlier version; all of it for a new plugin.
    ///
    /// # Errors
    /// As [`Registry::lock`].
    pub fn difference(&self, candidate: &Candidate) -> Result<Option<Difference>, RegistryError> {
        let lock = self.lock()?;
        let known = lock.plugin.get(&candidate.manifest.plugin.name);
        Ok(known.map(|known| Difference::between(&known.requests, &candidate.manifest.requests)))
    }

    /// Installs a candidate, whole or not at all.
    ///
    /// # Errors
    /// Where consent is missing, the version does not fit, or the directory cannot be written.
    pub fn install(&self, candidate: &Candidate, consent: Consent) -> Result<(), RegistryError> {
        self.make()?;
        let _guard = self.exclusive()?;
        let mut lock = self.lock()?;
        let plugin = &candidate.manifest.plugin;
        if let Some(known) = lock.plugin.get(&plugin.name) {
            self.held_by_version(candidate, known, consent)?;
        }
        self.consented(candidate, lock.plugin.get(&plugin.name), consent)?;
        replace(&self.files(), &self.file(&candidate.digest), &candidate.bytes)?;
        let locked = LockedPlugin {
            version: plugin.version.clone(),
            digest: format!("sha256:{}", candidate.digest),
            requests: candidate.manifest.requests.clone(),
        };
        let earlier = lock.plugin.insert(plugin.name.clone(), locked);
        lock.write(&self.directory)?;
        if let Some(earlier) = earlier {
            self.forget(&lock, earlier.sha256());
        }
        Ok(())
    }

    /// Removes a plugin.
    ///
    /// # Errors
    /// Where it is not installed, or the directory cannot be written.
    pub fn remove(&self, name: &str) -> Result<(), RegistryError> {
        let lock = self.lock()?;
        let _guard = match lock.plugin.contains_key(name) {
            true => self.exclusive()?,
            false => return Err(not_installed(name, &lock)),
        };
        let mut lock = self.lock()?;
        let Some(removed) = lock.plugin.remove(name) else { return Err(not_installed(name, &lock)) };
        lock.write(&self.directory)?;
        self.forget(&lock, removed.sha256());
        Ok(())
    }

    /// Loads a plugin for a run: its file held against the lock.
    ///
    /// # Errors
    /// Where it is not installed, or its file is not the one that was consented to.
    pub fn load(&self, name: &str) -> Result<(Installed, Vec<u8>), RegistryError> {
        let lock = self.lock()?;
        let locked = lock.plugin.get(name).ok_or_else(|| not_installed(name, &lock))?;
        let path = self.file(locked.sha256());
        let changed = |problem: String| RegistryError::Changed { name: name.into(), problem };
        let bytes = read_bounded(&path).map_err(|error| changed(error.to_string()))?;
        if digest(&bytes) != locked.sha256() {
            return Err(changed(format!("{} has another digest", path.display())));
        }
        let manifest = extract(&bytes).map_err(|error| changed(error.to_string()))?;
        if manifest.plugin.name != name || manifest.requests != locked.requests {
            return Err(changed("its manifest is not what the lock says".into()));
        }
        Ok((Installed { manifest, digest: locked.sha256().into(), path }, bytes))
    }

    /// The directory of the plugins' files.
    pub(crate) fn files(&self) -> PathBuf {
        self.directory.join("plugins")
    }

    pub(crate) fn file(&self, digest: &str) -> PathBuf {
        self.files().join(format!("{digest}.wasm"))
    }

    fn held_by_version(&self, candidate: &Candidate, known: &LockedPlugin, consent: Consent) -> Result<(), RegistryError> {
        let plugin = &candidate.manifest.plugin;
        let name = plugin.name.clone();
        if consent.replace {
            return Ok(());
        }
        if plugin.version < known.version {
            let (installed, offered) = (known.version.to_string(), plugin.version.to_string());
            return Err(RegistryError::Older { name, installed, offered });
        }
        if plugin.version == known.version && candidate.digest != known.sha256() {
            return Err(RegistryError::SameVersion { name, version: plugin.version.to_string() });
        }
        Ok(())
    }

    fn consented(&self, candidate: &Candidate, known: Option<&LockedPlugin>, consent: Consent) -> Result<(), RegistryError> {
        let more = match known {
            Some(known) => Difference::between(&known.requests, &candidate.manifest.requests).more,
            None => asked(&candidate.manifest),
        };
        if consent.given || more.is_empty() {
            return Ok(());
        }
        Err(RegistryError::NoConsent { name: candidate.manifest.plugin.name.clone(), asks: more.join("\n") })
    }

    fn make(&self) -> Result<(), RegistryError> {
        let files = self.files();
        DirBuilder::new().recursive(true).mode(0o700).create(&files).map_err(RegistryError::io(&files))
    }

    /// Keeps two installers from writing at a time; the kernel lets go of it when its holder dies.
    fn exclusive(&self) -> Result<File, RegistryError> {
        let path = self.directory.join(".installing");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(RegistryError::io(&path))?;
        flock(&file, FlockOperation::LockExclusive).map_err(|error| RegistryError::io(&path)(error.into()))?;
        Ok(file)
    }

    /// Removes a file that no plugin has any longer. That it stays is no error: the lock does not name it.
    fn forget(&self, lock: &Lock, digest: &str) {
        if !lock.plugin.values().any(|plugin| plugin.sha256() == digest) {
            let _ = fs::remove_file(self.file(digest));
        }
    }
}

fn not_installed(name: &str, lock: &Lock) -> RegistryError {
    let meant = did_you_mean(name, lock.plugin.keys().map(String::as_str)).map(str::to_owned);
    RegistryError::NotInstalled { name: name.into(), meant }
}
