//! Files that are whole or not there, also after a power cut.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process,
};

use crate::RegistryError;

/// How the names of unfinished files begin.
pub(crate) const UNFINISHED: &str = ".unfinished-";

/// Writes a file beside its place, and puts it there in one step. What was there is replaced whole.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), RegistryError> {
    let failed = |error| RegistryError::Io { action: "written", path: path.to_owned(), error };
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failed(io::Error::from(io::ErrorKind::InvalidInput)));
    };
    let unfinished = directory.join(format!("{UNFINISHED}{}-{}", process::id(), name.display()));
    let result =
        write_new(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, path)).and_then(|()| sync(directory));
    result.map_err(|error| {
        // If it cannot be removed either, the next installation does it.
        let _ = fs::remove_file(&unfinished);
        failed(error)
    })
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes a file for good; that it is not there is as well.
pub(crate) fn remove(path: &Path) -> Result<(), RegistryError> {
    let failed = |error| RegistryError::Io { action: "removed", path: path.to_owned(), error };
    match fs::remove_file(path) {
        Ok(()) => path.parent().map_or(Ok(()), sync).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

/// A directory that only its owner enters, with all above it.
pub(crate) fn directory(path: &Path) -> Result<(), RegistryError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| RegistryError::Io {
        action: "made",
        path: PathBuf::from(path),
        error,
    })
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
