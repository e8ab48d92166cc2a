//! Why a plugin could not be installed, loaded or removed.

use std::path::PathBuf;

use hostler_manifest::ManifestError;
use thiserror::Error;

/// What went wrong, where, and what to do.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// A file or directory could not be read or written.
    #[error("{path}: {problem}")]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system says.
        problem: String,
    },
    /// The file is larger than any plugin.
    #[error("{path}: the file has {size} bytes; a plugin has at most {}", crate::LARGEST)]
    TooLarge {
        /// The path.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
    /// The file is no plugin.
    #[error("{path}: {problem}")]
    NoPlugin {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        problem: ManifestError,
    },
    /// The directory has no components.
    #[error("{0}: there is no .wasm file in this directory")]
    NothingThere(PathBuf),
    /// The lock file is damaged.
    #[error("{path}: the lock file is damaged: {problem}; restore it, or remove it and install the plugins again")]
    Lock {
        /// The path.
        path: PathBuf,
        /// What the parser says.
        problem: String,
    },
    /// Nobody consented to what the plugin asks for.
    #[error("{name} asks for more than was consented to:\n{asks}\nconsent with --accept, or at a terminal")]
    NoConsent {
        /// The plugin.
        name: String,
        /// What it asks for, line by line.
        asks: String,
    },
    /// A newer version is installed.
    #[error("{name} {installed} is installed, which is newer than {offered}; --replace takes the older one")]
    Older {
        /// The plugin.
        name: String,
        /// The installed version.
        installed: String,
        /// The version that was offered.
        offered: String,
    },
    /// The same version is installed, from another file.
    #[error("{name} {version} is installed from another file (another digest); --replace takes this one")]
    SameVersion {
        /// The plugin.
        name: String,
        /// The version.
        version: String,
    },
    /// No such plugin is installed.
    #[error("the plugin {name} is not installed{}", hint(meant.as_deref()))]
    NotInstalled {
        /// The name.
        name: String,
        /// The installed plugin that is nearest.
        meant: Option<String>,
    },
    /// The installed file is not the one that was consented to.
    #[error("the file of {name} is not the one that was installed ({problem}); install it again, and find out who changed it")]
    Changed {
        /// The plugin.
        name: String,
        /// What is wrong.
        problem: String,
    },
}

fn hint(meant: Option<&str>) -> String {
    match meant {
        Some(meant) => format!("; did you mean {meant}?"),
        None => "; `hostler list` shows what is".into(),
    }
}

impl RegistryError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io { path, problem: error.to_string() }
    }
}
