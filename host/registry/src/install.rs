//! Putting a plugin in, and taking one out.
//!
//! The order is what makes it whole: first the file, under a name that nothing refers to yet, then the lock, in one
//! step, then the file that nothing refers to any more. What a kill leaves between two of them is swept up next time.

use std::{fs, io, path::Path};

use jiff::Timestamp;

use crate::{
    Candidate, Change, Difference, Installed, Locked, Registry, RegistryError, candidate, durable,
    exclusive::Exclusive,
    lock::{Lock, PLUGINS},
    registry::not_installed,
};

/// What an operator consents to: one file, by its digest, so that no other is put in its place after they looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    digest: String,
    accepted: bool,
    downgrade: bool,
    replace: bool,
}

impl Consent {
    /// To all that the candidate asks for.
    pub fn to(candidate: &Candidate) -> Self {
        Self { digest: candidate.digest.clone(), accepted: true, downgrade: false, replace: false }
    }

    /// To the candidate as far as it asks for nothing beyond what was consented to before.
    pub fn to_no_more(candidate: &Candidate) -> Self {
        Self { accepted: false, ..Self::to(candidate) }
    }

    /// To an older version too.
    #[must_use]
    pub fn allowing_downgrade(self) -> Self {
        Self { downgrade: true, ..self }
    }

    /// To another file of the version that is installed, too.
    #[must_use]
    pub fn allowing_replacement(self) -> Self {
        Self { replace: true, ..self }
    }
}

impl Registry {
    /// Installs a plugin, whole or not at all. The file that is installed already is only put back where it is damaged.
    ///
    /// # Errors
    /// Where consent is missing, another process installs, or it cannot be written.
    pub fn install(&self, candidate: &Candidate, consent: &Consent) -> Result<Installed, RegistryError> {
        if consent.digest != candidate.digest {
            let (consented, found) = (consent.digest.clone(), candidate.digest.clone());
            return Err(RegistryError::ConsentToAnother { consented, found });
        }
        let _exclusive = Exclusive::acquire(&self.directory, self.patience)?;
        let mut lock = Lock::read(&self.directory)?;
        let plugin = &candidate.manifest.plugin;
        let earlier = lock.plugins.get(&plugin.name).cloned();
        check(candidate, consent, earlier.as_ref())?;
        let plugins = self.directory.join(PLUGINS);
        durable::directory(&plugins)?;
        self.sweep(&lock)?;
        let unchanged = earlier.as_ref().filter(|earlier| earlier.digest == candidate.digest);
        let locked = Locked {
            name: plugin.name.clone(),
            version: plugin.version.clone(),
            digest: candidate.digest.clone(),
            mode: plugin.mode,
            installed_at: unchanged.map_or_else(now, |earlier| earlier.installed_at),
            requests: candidate.manifest.requests.clone(),
        };
        if self.read(&locked).is_err() {
            durable::write(&self.path_of(&locked), candidate.bytes())?;
        }
        if earlier.as_ref() != Some(&locked) {
            lock.plugins.insert(plugin.name.clone(), locked.clone());
            lock.write(&self.directory)?;
            self.sweep(&lock)?;
        }
        Ok(Installed {
            manifest: candidate.manifest.clone(),
            digest: candidate.digest.clone(),
            path: self.path_of(&locked),
            installed_at: locked.installed_at,
        })
    }

    /// Removes a plugin.
    ///
    /// # Errors
    /// Where it is not installed, another process installs, or it cannot be written.
    pub fn remove(&self, name: &str) -> Result<Locked, RegistryError> {
        if !self.directory.exists() {
            return Err(not_installed(&Lock::default(), name));
        }
        let _exclusive = Exclusive::acquire(&self.directory, self.patience)?;
        let mut lock = Lock::read(&self.directory)?;
        let Some(removed) = lock.plugins.remove(name) else { return Err(not_installed(&lock, name)) };
        lock.write(&self.directory)?;
        durable::remove(&self.path_of(&removed))?;
        self.sweep(&lock)?;
        Ok(removed)
    }

    /// Removes what a kill left: unfinished files, and components that the lock does not know and that are ours.
    fn sweep(&self, lock: &Lock) -> Result<(), RegistryError> {
        for directory in [self.directory.clone(), self.directory.join(PLUGINS)] {
            let failed = |error| RegistryError::Io { action: "read", path: directory.clone(), error };
            let entries = match fs::read_dir(&directory) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.map_err(failed)?,
            };
            for entry in entries {
                let path = entry.map_err(failed)?.path();
                if is_left_over(&path, lock) {
                    durable::remove(&path)?;
                }
            }
        }
        Ok(())
    }
}

/// Whether an installation that was cut off left this file: its name ends with the digest that it has, and the lock
/// has another.
pub(crate) fn is_left_over(path: &Path, lock: &Lock) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return false;
    }
    if name.starts_with(durable::UNFINISHED) {
        return true;
    }
    if !path.parent().is_some_and(|parent| parent.ends_with(PLUGINS))
        || lock.plugins.values().any(|locked| locked.file_name() == name)
    {
        return false;
    }
    let digits = name.strip_suffix(".wasm").and_then(|name| name.rsplit_once('-')).map(|(_, digits)| digits);
    digits.filter(|digits| digits.len() == 16).is_some_and(|digits| {
        candidate::read(path).is_ok_and(|bytes| candidate::digest(&bytes).starts_with(&format!("sha256:{digits}")))
    })
}

fn check(candidate: &Candidate, consent: &Consent, earlier: Option<&Locked>) -> Result<(), RegistryError> {
    let difference = Difference::between(earlier, candidate);
    let plugin = &candidate.manifest.plugin;
    match (&difference.change, earlier) {
        (Change::Downgrade { from }, _) if !consent.downgrade => {
            return Err(RegistryError::Downgrade {
                name: plugin.name.clone(),
                installed: from.clone(),
                offered: plugin.version.clone(),
            });
        }
        (Change::Replacement, Some(earlier)) if !consent.replace => {
            return Err(RegistryError::SameVersion {
                name: plugin.name.clone(),
                version: plugin.version.clone(),
                installed: earlier.digest.clone(),
                offered: candidate.digest.clone(),
            });
        }
        _ => {}
    }
    if difference.needs_consent() && !consent.accepted {
        let asks = if difference.more.is_empty() { vec!["nothing but to be run".to_owned()] } else { difference.more };
        return Err(RegistryError::ConsentNeeded { name: plugin.name.clone(), version: plugin.version.clone(), asks });
    }
    Ok(())
}

/// To the second: a lock is read by people.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
