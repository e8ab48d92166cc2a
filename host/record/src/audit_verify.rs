//! Finding a line of the audit that was changed, removed, reordered or cut off.
//!
//! The chain finds what was changed within the file; the heads that the history keeps find what was cut off its end,
//! and a chain that was written anew as a whole.

use std::{
    fs::File,
    io::{BufRead, BufReader},
};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{AuditFile, RecordError, audit::GENESIS};

/// The audit is as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Lines.
    pub lines: u64,
    /// Lines that a kill or a full disk cut short, which the line after each says.
    pub torn: u64,
    /// Heads of the history that were held against it.
    pub heads: u64,
}

/// The audit is not as it was written.
#[derive(Debug, Error)]
pub enum AuditProblem {
    /// A line does not follow from the one before it.
    #[error("line {line} was changed, or a line before it was changed, removed or put elsewhere: {what}")]
    Broken {
        /// Its number.
        line: u64,
        /// What does not fit.
        what: &'static str,
    },
    /// Lines are missing at the end.
    #[error("the audit has {lines} lines, and the run {run} had written {expected}: lines were cut off")]
    CutOff {
        /// Lines that are there.
        lines: u64,
        /// The run.
        run: String,
        /// Lines that were there at its end.
        expected: u64,
    },
    /// The chain fits in itself, and not the history.
    #[error("line {line} is not the one that the run {run} ended with: the audit was written anew")]
    Rewritten {
        /// Its number.
        line: u64,
        /// The run.
        run: String,
    },
    /// The file cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
}

#[derive(Deserialize)]
struct Link {
    sequence: u64,
    previous: String,
    #[serde(default)]
    after_torn_line: bool,
}

impl AuditFile {
    /// Follows the chain from its beginning, and holds it against the heads of the history: run, hash, lines.
    ///
    /// # Errors
    /// What does not fit, with its line.
    pub fn verify(&self, heads: &[(String, String, u64)]) -> Result<Verified, AuditProblem> {
        let file = File::open(&self.path).map_err(RecordError::file(&self.path))?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut hashes: Vec<[u8; 32]> = vec![];
        let (mut head, mut torn, mut pending) = (GENESIS.to_owned(), 0, false);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            if reader.read_until(b'\n', &mut bytes).map_err(RecordError::file(&self.path))? == 0 {
                break;
            }
            let line = hashes.len() as u64 + 1;
            let broken = |what| AuditProblem::Broken { line, what };
            let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            match serde_json::from_slice::<Link>(text) {
                Ok(link) => {
                    if link.previous != head {
                        return Err(broken("its hash of the line before is another"));
                    }
                    if link.sequence != line {
                        return Err(broken("its number is another"));
                    }
                    if link.after_torn_line != pending {
                        return Err(broken("the line before it is not whole, or is"));
                    }
                    pending = false;
                }
                Err(_) if pending => return Err(broken("it is no line of an audit")),
                Err(_) => (pending, torn) = (true, torn + 1),
            }
            let hash = Sha256::digest(text);
            head = hex::encode(hash);
            hashes.push(hash.into());
        }
        for (run, expected, lines) in heads {
            let at = usize::try_from(*lines).unwrap_or(usize::MAX);
            if at == 0 {
                continue;
            }
            let Some(hash) = hashes.get(at - 1) else {
                return Err(AuditProblem::CutOff { lines: hashes.len() as u64, run: run.clone(), expected: *lines });
            };
            if hex::encode(hash) != *expected {
                return Err(AuditProblem::Rewritten { line: *lines, run: run.clone() });
            }
        }
        Ok(Verified { lines: hashes.len() as u64, torn, heads: heads.len() as u64 })
    }
}

#[cfg(test)]
mod tests {
    use hostler_capability::{AuditEntry, AuditLog, Decision};
    use proptest::prelude::*;

    use super::*;

    fn entry<'a>(call: u64, operation: &'a str) -> AuditEntry<'a> {
        AuditEntry {
            run: "run",
            plugin: "digest",
            call,
            request: "database",
            operation,
            decision: Decision::Allowed,
            rule: "read",
            duration_us: None,
            rows: None,
            bytes: None,
        }
    }

    /// A file of so many lines, and the head at its end.
    fn written(lines: u64) -> (tempfile::TempDir, AuditFile, (String, String, u64)) {
        let directory = tempfile::tempdir().expect("a directory");
        let audit = AuditFile::open(&directory.path().join("audit.jsonl")).expect("a file");
        for call in 0..lines {
            audit.append(&entry(call, "query \"a\\nb\"")).expect("it is written");
        }
        let (hash, count) = audit.head().expect("a head");
        (directory, audit, ("run".into(), hash, count))
    }

    #[test]
    fn what_was_written_verifies_from_two_hosts() {
        let (_directory, audit, head) = written(3);
        let other = AuditFile::open(&audit.path).expect("the same file");
        other.append(&entry(9, "of another")).expect("it is written");
        audit.append(&entry(10, "of the first again")).expect("it is written");
        assert_eq!(audit.verify(&[head]).expect("it fits"), Verified { lines: 5, torn: 0, heads: 1 });
    }

    #[test]
    fn a_torn_line_is_no_tampering_and_is_told() {
        let (_directory, audit, head) = written(2);
        let mut file = std::fs::OpenOptions::new().append(true).open(&audit.path).expect("the file");
        std::io::Write::write_all(&mut file, b"{\"sequence\":3,\"ti").expect("half a line");
        let next = AuditFile::open(&audit.path).expect("the next host");
        next.append(&entry(1, "goes on")).expect("it is written");
        assert_eq!(next.verify(&[head]).expect("it fits"), Verified { lines: 4, torn: 1, heads: 1 });
    }

    #[test]
    fn lines_cut_off_the_end_are_found_by_the_head() {
        let (_directory, audit, head) = written(4);
        let text = std::fs::read_to_string(&audit.path).expect("text");
        let kept: String = text.lines().take(2).map(|line| format!("{line}\n")).collect();
        std::fs::write(&audit.path, kept).expect("cut");
        assert!(matches!(audit.verify(&[head]), Err(AuditProblem::CutOff { lines: 2, expected: 4, .. })));
        assert!(audit.verify(&[]).is_ok(), "without the history nobody could know");
    }

    proptest! {
        #[test]
        fn any_changed_byte_and_any_missing_or_swapped_line_is_found(place in 0_usize..10_000, flip in 1_u8..=255, line in 0_usize..5) {
            let (_directory, audit, head) = written(6);
            let whole = std::fs::read(&audit.path).expect("bytes");
            let mut changed = whole.clone();
            let place = place % (whole.len() - 1);
            changed[place] ^= flip;
            std::fs::write(&audit.path, &changed).expect("written");
            prop_assert!(audit.verify(std::slice::from_ref(&head)).is_err(), "byte {place}");
            let lines: Vec<&[u8]> = whole.strip_suffix(b"\n").expect("lines").split(|byte| *byte == b'\n').collect();
            let mut missing = lines.clone();
            missing.remove(line);
            std::fs::write(&audit.path, [missing.join(&b'\n'), b"\n".to_vec()].concat()).expect("written");
            prop_assert!(audit.verify(std::slice::from_ref(&head)).is_err(), "without line {line}");
            let mut swapped = lines;
            swapped.swap(line, line + 1);
            std::fs::write(&audit.path, [swapped.join(&b'\n'), b"\n".to_vec()].concat()).expect("written");
            prop_assert!(audit.verify(&[head]).is_err(), "line {line} swapped");
        }
    }
}
