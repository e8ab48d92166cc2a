//! Where the audit begins: an audit that is bounded loses its oldest files, and the chain is followed from there.
//!
//! What was let go is written down before it is, with the hash that the first line left goes on from; so a file that
//! somebody else took away is missed as before.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{audit::GENESIS, audit_tail};

/// The beginning of the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begin {
    /// The number of the last file that was let go; 0 where none was.
    pub file: u64,
    /// The lines before the beginning.
    pub lines: u64,
    /// The hash of the last of them.
    pub head: String,
}

impl Default for Begin {
    fn default() -> Self {
        Self { file: 0, lines: 0, head: GENESIS.into() }
    }
}

fn place(path: &Path) -> PathBuf {
    path.with_file_name("begins.json")
}

/// Where the audit with this current file begins.
pub(crate) fn read(path: &Path) -> io::Result<Begin> {
    match fs::read(place(path)) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Begin::default()),
        Err(error) => Err(error),
    }
}

/// Lets the oldest files go, so that `keep` earlier ones are left.
pub(crate) fn let_go(path: &Path, keep: usize) -> io::Result<()> {
    let rotated = audit_tail::rotated(path)?;
    let Some((last, _)) = rotated.len().checked_sub(keep.max(1) + 1).and_then(|index| rotated.get(index)) else {
        return Ok(());
    };
    let end = audit_tail::end(&rotated[..rotated.len() - keep.max(1)])?;
    let begin = Begin { file: *last, lines: end.lines, head: end.head };
    let mut written = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    written.write_all(&serde_json::to_vec(&begin)?)?;
    written.as_file().sync_all()?;
    written.persist(place(path)).map_err(|error| error.error)?;
    // A kill in between leaves files that are before the beginning: the next time takes them away.
    rotated.iter().filter(|(number, _)| number <= last).try_for_each(|(_, file)| fs::remove_file(file))
}

#[cfg(test)]
mod tests {
    use hostler_capability::AuditLog;

    use super::*;
    use crate::{AuditFile, AuditProblem, audit_verify::tests::entry};

    #[test]
    fn an_audit_that_is_bounded_is_followed_from_where_it_begins() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("audit.jsonl");
        let audit = AuditFile::growing_to(&path, 2_000, 3).expect("a file");
        let mut heads = Vec::new();
        for call in 0..100 {
            audit.append(&entry(call, "query")).expect("it is written");
            let (hash, lines) = audit.head().expect("a head");
            heads.push((format!("run {call}"), hash, lines));
        }
        let files = audit_tail::rotated(&path).expect("listed");
        assert_eq!(files.len(), 3, "{files:?}");
        let begin = read(&path).expect("it is there");
        let verified = audit.verify(&heads).expect("it fits");
        assert_eq!((verified.lines, verified.let_go), (100, begin.lines));
        assert!(begin.lines > 0 && verified.heads == 100 - begin.lines, "{begin:?} {verified:?}");
        // A file that a kill left behind is no part of it; one that somebody takes away is missed.
        fs::write(directory.path().join("audit-1.jsonl"), "left\n").expect("a file");
        audit.verify(&heads).expect("it fits");
        fs::remove_file(&files[0].1).expect("it is there");
        assert!(matches!(audit.verify(&heads), Err(AuditProblem::Broken { .. })), "the oldest is missing");
        fs::remove_file(directory.path().join("begins.json")).expect("it is there");
        assert!(audit.verify(&heads).is_err(), "nobody says that anything was let go");
        assert_eq!(AuditFile::growing_to(&path, 2_000, 3).expect("a file").head().expect("a head").1, 100);
    }
}
