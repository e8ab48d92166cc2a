//! The password of a server's user, read from its file when a connection is made, so that a changed one is taken up.

use std::{fs::File, io::Read, os::unix::fs::MetadataExt, path::Path};

/// Longer files hold something else.
const LONGEST: u64 = 64 << 10;

/// The first line of a file that others can neither read nor change. Errors never hold its content.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let wrong = |problem: String| format!("its password_file {shown} {problem}");
    let metadata = std::fs::metadata(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if !metadata.is_file() {
        return Err(wrong("is no regular file".into()));
    }
    let file = File::open(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let metadata = file.metadata().map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if metadata.mode() & 0o027 != 0 {
        return Err(wrong(format!("may be read or changed by others; chmod 600 {shown}")));
    }
    let mut content = vec![];
    file.take(LONGEST).read_to_end(&mut content).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() { Err(wrong("holds no password in its first line".into())) } else { Ok(line.to_vec()) }
}
