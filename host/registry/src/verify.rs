//! Every file against the lock, and nothing else in the registry.

use std::{
    fmt, fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::{
    Registry, RegistryError, examine,
    exclusive::FILE as EXCLUSIVE,
    install::is_left_over,
    lock::{FILE as LOCK, Lock, PLUGINS},
};

/// Something about the registry that is not as it should be.
#[derive(Debug)]
pub enum Finding {
    /// The lock cannot be read or understood; no file can be held to it.
    Lock(RegistryError),
    /// A plugin whose file is missing, changed or unreadable.
    Plugin {
        /// The plugin.
        name: String,
        /// What is wrong.
        error: RegistryError,
    },
    /// A plugin whose file is whole, and that this host cannot run: it was made for another version of the contract.
    Unusable {
        /// The plugin.
        name: String,
        /// What is wrong.
        error: RegistryError,
    },
    /// A file that nobody installed.
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A file that an installation left when it was cut off. The next one removes it.
    LeftOver {
        /// The file.
        path: PathBuf,
    },
    /// A directory that cannot be read.
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file or directory that others may write.
    Writable {
        /// The path.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl Finding {
    /// Whether somebody has to do something; what was left over goes by itself.
    pub fn is_serious(&self) -> bool {
        !matches!(self, Self::LeftOver { .. })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lock(error) => write!(formatter, "{error}"),
            Self::Plugin { error, .. } => write!(formatter, "{error}"),
            Self::Unusable { name, error } => write!(formatter, "the plugin `{name}` cannot be run: {error}"),
            Self::Foreign { path } => write!(formatter, "{}: nobody installed this file; remove it", path.display()),
            Self::LeftOver { path } => write!(
                formatter,
                "{}: left by an installation that was cut off; the next one removes it",
                path.display()
            ),
            Self::Unreadable { path, error } => write!(formatter, "{}: cannot be read: {error}", path.display()),
            Self::Writable { path, mode } => write!(
                formatter,
                "{}: others may write it (mode {mode:04o}); chmod go-w {}",
                path.display(),
                path.display()
            ),
        }
    }
}

impl Registry {
    /// Holds every file to the lock. Nothing is changed.
    pub fn verify(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let lock = Lock::read(&self.directory).map_err(|error| findings.push(Finding::Lock(error))).ok();
        for locked in lock.iter().flat_map(|lock| lock.plugins.values()) {
            let name = locked.name.clone();
            match self.read(locked) {
                Err(error) => findings.push(Finding::Plugin { name, error }),
                Ok((bytes, _)) => {
                    if let Err(error) = examine(bytes) {
                        findings.push(Finding::Unusable { name, error });
                    }
                }
            }
        }
        let plugins = self.directory.join(PLUGINS);
        let known = |path: &Path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.parent() == Some(&self.directory) {
                return [LOCK, PLUGINS, EXCLUSIVE].contains(&name);
            }
            lock.as_ref().is_none_or(|lock| lock.plugins.values().any(|locked| locked.file_name() == name))
        };
        for directory in [&self.directory, &plugins] {
            let entries = match fs::read_dir(directory) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    findings.push(Finding::Unreadable { path: directory.clone(), error });
                    continue;
                }
                Ok(entries) => entries,
            };
            check_mode(directory, &mut findings);
            let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            paths.sort();
            for path in paths {
                if known(&path) {
                    if path != plugins {
                        check_mode(&path, &mut findings);
                    }
                } else if lock.as_ref().is_some_and(|lock| is_left_over(&path, lock)) {
                    findings.push(Finding::LeftOver { path });
                } else {
                    findings.push(Finding::Foreign { path });
                }
            }
        }
        findings
    }
}

fn check_mode(path: &Path, findings: &mut Vec<Finding>) {
    let mode = fs::symlink_metadata(path).map(|metadata| metadata.permissions().mode() & 0o7777).unwrap_or_default();
    let link = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    if mode & 0o022 != 0 && !link {
        findings.push(Finding::Writable { path: path.to_owned(), mode });
    }
}
