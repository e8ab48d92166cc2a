//! `hostler.lock`: what is installed, and what was consented to.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::Path,
};

use hostler_manifest::Request;
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::RegistryError;

/// The lock file's name.
pub(crate) const NAME: &str = "hostler.lock";

/// All that is installed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The version of the file's shape.
    pub version: u32,
    /// The plugins, by name.
    #[serde(default)]
    pub plugin: BTreeMap<String, LockedPlugin>,
}

impl Default for Lock {
    fn default() -> Self {
        Self { version: 1, plugin: BTreeMap::new() }
    }
}

/// One installed plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPlugin {
    /// Its version.
    pub version: Version,
    /// `sha256:` and the digest of its file.
    pub digest: String,
    /// What was consented to.
    #[serde(default)]
    pub requests: BTreeMap<String, Request>,
}

impl LockedPlugin {
    /// The digest without its prefix.
    pub fn sha256(&self) -> &str {
        self.digest.strip_prefix("sha256:").unwrap_or(&self.digest)
    }
}

impl Lock {
    pub(crate) fn read(directory: &Path) -> Result<Self, RegistryError> {
        let path = directory.join(NAME);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(RegistryError::io(path)(error)),
        };
        let wrong = |problem: String| RegistryError::Lock { path: path.clone(), problem };
        let lock: Self = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if lock.version != 1 {
            return Err(wrong(format!("its version is {}, and this hostler knows 1", lock.version)));
        }
        let digest = |plugin: &LockedPlugin| plugin.sha256().len() == 64 && plugin.sha256().bytes().all(|b| b.is_ascii_hexdigit());
        match lock.plugin.iter().find(|(_, plugin)| !digest(plugin)) {
            Some((name, _)) => Err(wrong(format!("plugin.{name}.digest is no SHA-256"))),
            None => Ok(lock),
        }
    }

    /// Replaces the file, whole and durably.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), RegistryError> {
        let path = directory.join(NAME);
        let text = toml::to_string_pretty(self)
            .map_err(|error| RegistryError::Lock { path: path.clone(), problem: error.to_string() })?;
        let head = "# Written by `hostler install` and `hostler remove`: what is installed, and what was consented to.\n\n";
        replace(directory, &path, format!("{head}{text}").as_bytes())
    }
}

/// Writes a file whole: a temporary one beside it, synced and renamed, its directory synced.
pub(crate) fn replace(directory: &Path, path: &Path, contents: &[u8]) -> Result<(), RegistryError> {
    let attempt = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(contents)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(directory)?.sync_all()
    };
    attempt().map_err(RegistryError::io(path))
}
