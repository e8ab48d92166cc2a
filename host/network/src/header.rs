//! The header that the host adds: a credential, from a file that its owner alone reads.

use std::path::Path;

use hostler_configuration::read_secret;
use hyper::header::{HeaderName, HeaderValue};

/// Reads `Name: value`. No text here names the file, or repeats what it holds.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn read(file: &Path) -> Result<(HeaderName, HeaderValue), String> {
    let text = read_secret("header_file", file).map_err(|error| error.without_path())?;
    let wrong = "its header_file has to hold one line, as in Authorization: Bearer …";
    let (name, value) = text.split_once(':').ok_or(wrong)?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong)?;
    let mut value = HeaderValue::from_str(value.trim()).map_err(|_| wrong)?;
    value.set_sensitive(true);
    Ok((name, value))
}
