//! `hostler init`, and loading what it wrote.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
};

use hostler_configuration::{Configuration, TEMPLATE};
use hostler_service::ServiceError;

use super::print::out;
use crate::{
    arguments::DEFAULT_CONFIG,
    exit::{UNAVAILABLE, USAGE, failure},
};

/// Writes the commented configuration; never over one that is there.
pub(super) fn init(path: &Path) -> anyhow::Result<u8> {
    write_new(path, TEMPLATE)?;
    out(&format!(
        "{0} is written. Next: name a resource in it, `hostler --config {0} install DIRECTORY` the plugins, then `hostler --config {0} doctor`.\n",
        path.display()
    ))?;
    Ok(0)
}

/// Writes a configuration, with its directory; never over one that is there.
pub(super) fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)
            .map_err(|error| failure(UNAVAILABLE, format!("{}: cannot be made: {error}", directory.display())))?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            failure(USAGE, format!("{}: is there already, and is left as it is", path.display()))
        }
        _ => failure(UNAVAILABLE, format!("{}: cannot be written: {error}", path.display())),
    })?;
    file.write_all(text.as_bytes())?;
    Ok(())
}

/// The configuration; what holds and might not have been meant goes to standard error.
pub(super) fn load(path: &Path) -> Result<Configuration, ServiceError> {
    let configuration = Configuration::load(path)?;
    for warning in &configuration.warnings {
        eprintln!("hostler: warning: {warning}");
    }
    Ok(configuration)
}

/// The configuration, or the built-in one where the default file is not there: a check needs none.
pub(super) fn load_or_default(path: &Path) -> Result<Configuration, ServiceError> {
    if path == Path::new(DEFAULT_CONFIG) && !path.exists() {
        return Ok(Configuration::default());
    }
    load(path)
}
