//! The password of a server's user, read from its file when a connection is made, so that a changed one is taken up.

use std::path::Path;

use hostler_configuration::read_secret;

/// The first line of a file that others can neither read nor change. The error names no path, since a plugin hears it.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    read_secret("password_file", path).map(String::into_bytes).map_err(|error| error.without_path())
}
