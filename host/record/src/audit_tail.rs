//! The end of the audit: how many lines there are, and the hash of the last.
//!
//! It is read from the end backwards, since a host that starts must not read all that was ever done. A line says its
//! own number; only what a kill cut short does not, and counts one more than the line before it.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::audit::GENESIS;

/// How much is read first.
const BLOCK: u64 = 16 << 10;

/// The end of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// Lines in all, those of earlier files too.
    pub lines: u64,
    /// The hash of the last line.
    pub head: String,
    /// Whether the last line was cut short.
    pub torn: bool,
}

#[derive(Deserialize)]
struct Numbered {
    sequence: u64,
}

/// The end of the audit whose current file this is, with so many bytes.
pub(crate) fn read(path: &Path, file: &File, length: u64) -> io::Result<End> {
    if let Some(end) = end_of(file, length, None)? {
        return Ok(end);
    }
    let before = end(&rotated(path)?)?;
    Ok(end_of(file, length, Some(before.lines))?.unwrap_or(before))
}

/// The end of the last of some earlier files.
pub(crate) fn end(rotated: &[(u64, PathBuf)]) -> io::Result<End> {
    let found = match rotated.last() {
        Some((_, last)) => {
            let last = File::open(last)?;
            let length = last.metadata()?.len();
            end_of(&last, length, Some(0))?
        }
        None => None,
    };
    Ok(found.unwrap_or(End { lines: 0, head: GENESIS.into(), torn: false }))
}

/// The end of one file; nothing where it is empty, or no line of it says its number and `before` is not known.
fn end_of(file: &File, length: u64, before: Option<u64>) -> io::Result<Option<End>> {
    let mut size = BLOCK;
    loop {
        let begin = length.saturating_sub(size);
        let mut bytes = vec![0; usize::try_from(length - begin).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, begin)?;
        // The block begins in the middle of a line, unless it is the whole file.
        let whole = match begin {
            0 => &bytes[..],
            _ => bytes.iter().position(|byte| *byte == b'\n').map_or(&[][..], |newline| &bytes[newline + 1..]),
        };
        let torn = !whole.ends_with(b"\n");
        let lines: Vec<&[u8]> = match whole.is_empty() {
            true => vec![],
            false => whole.strip_suffix(b"\n").unwrap_or(whole).split(|byte| *byte == b'\n').collect(),
        };
        if let Some(last) = lines.last() {
            // A last line that is not ended does not say its number for sure.
            let numbers = lines.iter().rev().enumerate().skip(usize::from(torn));
            let mut known = numbers.filter_map(|(after, line)| {
                serde_json::from_slice::<Numbered>(line).ok().map(|line| line.sequence.saturating_add(after as u64))
            });
            let all = before.filter(|_| begin == 0).map(|before| before.saturating_add(lines.len() as u64));
            if let Some(lines) = known.next().or(all) {
                return Ok(Some(End { lines, head: hex::encode(Sha256::digest(last)), torn }));
            }
        }
        if begin == 0 {
            return Ok(None);
        }
        size = size.saturating_mul(4);
    }
}

/// What an earlier file is called.
pub(crate) fn rotated_name(number: u64) -> String {
    format!("audit-{number}.jsonl")
}

/// The earlier files beside the current one, the oldest first.
pub(crate) fn rotated(path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    for file in fs::read_dir(path.parent().unwrap_or(Path::new(".")))? {
        let file = file?;
        let name = file.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("audit-")?.strip_suffix(".jsonl")?.parse().ok());
        files.extend(number.map(|number| (number, file.path())));
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever can write the files can write any number; the host still starts, and `audit verify` says what is wrong.
    #[test]
    fn a_number_that_is_the_largest_counts_no_further() {
        let directory = tempfile::tempdir().expect("a directory");
        let current = directory.path().join("audit.jsonl");
        fs::write(directory.path().join(rotated_name(1)), format!("{{\"sequence\":{}}}\n", u64::MAX)).expect("a file");
        fs::write(&current, "no line of an audit\n").expect("a file");
        let file = File::open(&current).expect("a file");
        let end = read(&current, &file, file.metadata().expect("a file").len()).expect("it is read");
        assert_eq!((end.lines, end.torn), (u64::MAX, false));
    }
}
