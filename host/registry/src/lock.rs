//! `hostler.lock`: which plugins are installed, by digest, and what was consented to.
//!
//! TOML, so that it can be kept under version control and read in a review. File names are made from it, so it is
//! checked as input, although the host wrote it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use hostler_manifest::{Mode, Request};
use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::{RegistryError, durable};

/// The name of the lock in the registry.
pub(crate) const FILE: &str = "hostler.lock";
/// The directory of the components in the registry.
pub(crate) const PLUGINS: &str = "plugins";

const VERSION: u32 = 1;
const HEADER: &str = "# Written by hostler: the installed plugins, and what each was granted leave to ask for.\n\n";

/// One plugin of the lock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// `sha256:` and the digest of its file in hexadecimal digits.
    pub digest: String,
    /// Whether it only looks, or changes something too.
    pub mode: Mode,
    /// When it was installed.
    pub installed_at: Timestamp,
    /// The requests that were consented to.
    #[serde(default)]
    pub requests: BTreeMap<String, Request>,
}

impl Locked {
    /// The file's name: it changes with every byte of the file.
    pub(crate) fn file_name(&self) -> String {
        file_name(&self.name, &self.version, &self.digest)
    }

    fn check(&self) -> Result<(), &'static str> {
        let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter);
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(plain) {
            return Err("a name is none");
        }
        let digits = self.digest.strip_prefix("sha256:").filter(|digits| digits.len() == 64);
        let hexadecimal = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
        if digits.is_none_or(|digits| !digits.bytes().all(hexadecimal)) {
            return Err("a digest is none");
        }
        Ok(())
    }
}

pub(crate) fn file_name(name: &str, version: &Version, digest: &str) -> String {
    let digits = digest.trim_start_matches("sha256:");
    format!("{name}-{version}-{}.wasm", digits.get(..16).unwrap_or(digits))
}

/// All of the lock.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Lock {
    pub(crate) plugins: BTreeMap<String, Locked>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    #[serde(default, rename = "plugin")]
    plugins: Vec<Locked>,
}

impl Lock {
    pub(crate) fn path(registry: &Path) -> PathBuf {
        registry.join(FILE)
    }

    /// Reads the lock; empty where there is none yet.
    pub(crate) fn read(registry: &Path) -> Result<Self, RegistryError> {
        let path = Self::path(registry);
        let damaged = |problem: String| RegistryError::LockDamaged { path: path.clone(), problem };
        let text = match fs::read(&path) {
            Ok(bytes) => String::from_utf8(bytes).map_err(|_| damaged("it is not UTF-8".into()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(RegistryError::Io { action: "read", path, error }),
        };
        let written: Written = toml::from_str(&text).map_err(|error| {
            let line = error.span().map(|span| 1 + text.bytes().take(span.start).filter(|byte| *byte == b'\n').count());
            damaged(line.map_or_else(String::new, |line| format!("line {line}: ")) + error.message())
        })?;
        if written.version != VERSION {
            return Err(damaged(format!("it has version {}, and this hostler reads {VERSION}", written.version)));
        }
        let mut plugins = BTreeMap::new();
        for plugin in written.plugins {
            plugin.check().map_err(|problem| damaged(problem.into()))?;
            if let Some(twice) = plugins.insert(plugin.name.clone(), plugin) {
                return Err(damaged(format!("the plugin {} is in it twice", twice.name)));
            }
        }
        Ok(Self { plugins })
    }

    /// Replaces the lock in one step.
    pub(crate) fn write(&self, registry: &Path) -> Result<(), RegistryError> {
        let path = Self::path(registry);
        let written = Written { version: VERSION, plugins: self.plugins.values().cloned().collect() };
        let text = toml::to_string(&written)
            .map_err(|error| RegistryError::LockDamaged { path: path.clone(), problem: error.to_string() })?;
        durable::write(&path, format!("{HEADER}{text}").as_bytes())
    }
}
