//! The header that the host adds: a credential, from a file that its owner alone reads.

use std::{os::unix::fs::MetadataExt, path::Path};

use hyper::header::{HeaderName, HeaderValue};

/// Reads `Name: value`. No text here names the file, or repeats what it holds.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn read(file: &Path) -> Result<(HeaderName, HeaderValue), String> {
    let look = |error: std::io::Error| format!("its header_file cannot be read: {}", error.kind());
    if std::fs::metadata(file).map_err(look)?.mode() & 0o077 != 0 {
        return Err("its header_file may be read by others than its owner: chmod 600 it".into());
    }
    let text = std::fs::read_to_string(file).map_err(look)?;
    let wrong = "its header_file has to hold one line, as in Authorization: Bearer …";
    let (name, value) = text.trim_end().split_once(':').ok_or(wrong)?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong)?;
    let mut value = HeaderValue::from_str(value.trim()).map_err(|_| wrong)?;
    value.set_sensitive(true);
    Ok((name, value))
}
