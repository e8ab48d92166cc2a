//! Why a plugin cannot be installed, read or removed.

use std::{
    io,
    path::{Path, PathBuf},
};

use hostler_manifest::ManifestError;
use semver::Version;
use thiserror::Error;

/// Why a plugin cannot be installed, read or removed.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// The file is not a plugin, or its manifest does not hold.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The same, of a file whose name is known: of a directory, an operator has to be told which.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        error: ManifestError,
    },
    /// The file is too large to be a plugin.
    #[error("the file has {size} bytes, and a plugin has at most {limit}")]
    TooLarge {
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// It is no regular file.
    #[error("{path}: this is no regular file")]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// A file or a directory cannot be read or written.
    #[error("{path}: cannot be {action}: {error}{}", remedy(error))]
    Io {
        /// What was tried: `read`, `written`, …
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// Somebody else could put a plugin there.
    #[error("{path}: {problem}, so that somebody else could change a plugin; {remedy}")]
    Insecure {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// Another process installs.
    #[error("{path}: another hostler is changing the registry; try again when it has ended")]
    Busy {
        /// The lock file.
        path: PathBuf,
    },
    /// The lock cannot be understood.
    #[error(
        "{path}: the lock is damaged: {problem}; restore it from a backup, or remove it and install the plugins again"
    )]
    LockDamaged {
        /// The lock.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// No plugin of that name is installed.
    #[error("the plugin `{name}` is not installed{}", hint(meant.as_deref(), known))]
    NotInstalled {
        /// The name.
        name: String,
        /// The installed plugin that is nearest.
        meant: Option<String>,
        /// The installed plugins.
        known: Vec<String>,
    },
    /// The file is not the one that was installed.
    #[error(
        "{path}: the file of the plugin `{name}` was changed: its digest is {found}, and the lock has {expected}; install the plugin again"
    )]
    DigestDiffers {
        /// The plugin.
        name: String,
        /// Its file.
        path: PathBuf,
        /// The digest in the lock.
        expected: String,
        /// The digest of the file.
        found: String,
    },
    /// The manifest in the file asks for something else than what the lock says was consented to.
    #[error(
        "the plugin `{name}` asks for something else than the lock says was consented to; look at it and install it again"
    )]
    OtherRequests {
        /// The plugin.
        name: String,
    },
    /// The file is gone.
    #[error("{path}: the file of the plugin `{name}` is missing; install the plugin again")]
    FileMissing {
        /// The plugin.
        name: String,
        /// Its file.
        path: PathBuf,
    },
    /// The operator has not consented to what the plugin asks for.
    #[error("the plugin `{name}` {version} asks for what nobody has consented to:\n  {}", asks.join("\n  "))]
    ConsentNeeded {
        /// The plugin.
        name: String,
        /// Its version.
        version: Version,
        /// What it asks for, line by line.
        asks: Vec<String>,
    },
    /// Consent was given to another file.
    #[error("the consent is to the file with the digest {consented}, and this one has {found}; look at it again")]
    ConsentToAnother {
        /// The digest that was consented to.
        consented: String,
        /// The digest of the file.
        found: String,
    },
    /// A newer version is installed.
    #[error(
        "version {installed} of the plugin `{name}` is installed, and {offered} is older; allow the downgrade, if it is meant"
    )]
    Downgrade {
        /// The plugin.
        name: String,
        /// The version installed.
        installed: Version,
        /// The version offered.
        offered: Version,
    },
    /// The same version with other bytes.
    #[error(
        "version {version} of the plugin `{name}` is installed with the digest {installed}, and this file has {offered}: one version is one file; give it a version of its own, or replace it, if it is meant"
    )]
    SameVersion {
        /// The plugin.
        name: String,
        /// The version.
        version: Version,
        /// The digest installed.
        installed: String,
        /// The digest offered.
        offered: String,
    },
    /// Two files of a directory are the same plugin.
    #[error("{second}: this is the plugin `{name}` too, as {first} is; install one of them")]
    Twice {
        /// The plugin.
        name: String,
        /// The first file.
        first: PathBuf,
        /// The second.
        second: PathBuf,
    },
}

impl RegistryError {
    /// Whether the file makes no claim to be a plugin: it is something else, and not a plugin that is wrong.
    pub fn is_no_plugin(&self) -> bool {
        let (Self::Manifest(error) | Self::File { error, .. }) = self else { return false };
        matches!(error, ManifestError::NotWebAssembly(_) | ManifestError::CoreModule | ManifestError::Missing)
    }

    /// The error with the file that it is about.
    pub(crate) fn of(self, path: &Path) -> Self {
        match self {
            Self::Manifest(error) => Self::File { path: path.to_owned(), error },
            other => other,
        }
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; run hostler as the user that owns it",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free some space",
        io::ErrorKind::ReadOnlyFilesystem => "; name a registry that can be written in [host]",
        _ => "",
    }
}

fn hint(meant: Option<&str>, known: &[String]) -> String {
    match (meant, known) {
        (Some(meant), _) => format!("; did you mean `{meant}`?"),
        (None, []) => "; none is: `hostler install FILE` installs one".into(),
        (None, known) => format!("; installed are {}", known.join(", ")),
    }
}
