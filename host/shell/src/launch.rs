//! What is to be started, before it is decided behind which walls.

use std::{collections::BTreeMap, ffi::OsString, os::fd::OwnedFd, path::PathBuf};

use crate::connect::PrivateFile;

/// Something of the operator's that the program is to see.
pub(crate) struct Shown {
    pub(crate) handle: OwnedFd,
    pub(crate) real: PathBuf,
    /// Only ever true for the directory of an output.
    pub(crate) writable: bool,
}

/// A program with all that its call hands it.
#[derive(Default)]
pub(crate) struct Launch {
    /// `program.NAME`.
    pub(crate) label: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) shown: Vec<Shown>,
    pub(crate) sockets: Vec<PathBuf>,
    pub(crate) files: Vec<PrivateFile>,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) network: bool,
    pub(crate) stdin: bool,
}

impl Launch {
    /// The variables that every program has, before the operator's and the plugin's.
    pub(crate) fn base_variables() -> BTreeMap<String, String> {
        let base = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LANG", "C.UTF-8")];
        base.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
    }
}
