//! Finding a line of the audit that was changed, removed, reordered or cut off.
//!
//! The chain finds what was changed within the files; the heads that the history keeps find what was cut off the end,
//! and a chain that was written anew as a whole.

use std::io::{self, BufRead, BufReader, Read as _};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{AuditFile, RecordError, audit::Part};

/// The audit is as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Lines that were ever written.
    pub lines: u64,
    /// Of those, the oldest that were let go, since an audit is bounded.
    pub let_go: u64,
    /// Lines that a kill or a full disk cut short, which the line after each says.
    pub torn: u64,
    /// Heads of the history that were held against it.
    pub heads: u64,
}

/// The audit is not as it was written.
#[derive(Debug, Error)]
pub enum AuditProblem {
    /// A line does not follow from the one before it.
    #[error("line {line} of {file} was changed, or a line before it was changed, removed or put elsewhere: {what}")]
    Broken {
        /// The file's name.
        file: String,
        /// Its number in the file.
        line: u64,
        /// What does not fit.
        what: &'static str,
    },
    /// Lines are missing at the end.
    #[error(
        "the audit has {lines} lines, and the run {run} had written {expected}: lines were cut off, or a power cut took \
         them before they were on the disk"
    )]
    CutOff {
        /// Lines that are there.
        lines: u64,
        /// The run.
        run: String,
        /// Lines that were there at its end.
        expected: u64,
    },
    /// The chain fits in itself, and not the history.
    #[error("line {line} is not the one that the run {run} ended with: it was changed, or the audit was written anew")]
    Rewritten {
        /// Its number, counted over all files.
        line: u64,
        /// The run.
        run: String,
    },
    /// The audit or the history cannot be read.
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

/// How far the chain was followed.
struct Chain {
    lines: u64,
    torn: u64,
    head: String,
    /// Whether the last line is none of an audit: the next has to say that it was cut short.
    pending: bool,
}

impl Chain {
    fn follow(&mut self, text: &[u8]) -> Result<(), &'static str> {
        match serde_json::from_slice::<Link>(text) {
            Ok(link) if link.previous != self.head => return Err("its hash of the line before is another"),
            Ok(link) if Some(link.sequence) != self.lines.checked_add(1) => return Err("its number is another"),
            Ok(link) if self.pending && !link.after_torn_line => {
                return Err("the line before it is no line of an audit");
            }
            Ok(link) => {
                // A line can be cut short by its end alone, and is a whole one then.
                self.torn += u64::from(link.after_torn_line);
                self.pending = false;
            }
            Err(_) if self.pending => return Err("it is no line of an audit"),
            Err(_) => self.pending = true,
        }
        self.lines = self.lines.saturating_add(1);
        self.head = hex::encode(Sha256::digest(text));
        Ok(())
    }
}

impl AuditFile {
    /// Follows the chain from its beginning, and holds it against the heads of the history: run, hash, lines.
    ///
    /// # Errors
    /// What does not fit, with its line.
    pub fn verify(&self, heads: &[(String, String, u64)]) -> Result<Verified, AuditProblem> {
        let (begin, files) = self.files().map_err(RecordError::file(&self.path))?;
        let mut expected: Vec<_> = heads.iter().filter(|(_, _, lines)| *lines > begin.lines).collect();
        expected.sort_by_key(|(_, _, lines)| *lines);
        let held = expected.len() as u64;
        let mut expected = expected.into_iter().peekable();
        let mut chain = Chain { lines: begin.lines, torn: 0, head: begin.head, pending: false };
        let mut bytes = Vec::new();
        for Part { path, file, length } in files {
            let mut reader = BufReader::with_capacity(1 << 16, file.take(length));
            let (mut line, mut last) = (0, Read::None);
            let file = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            loop {
                let read = next(&mut reader, &mut bytes).map_err(RecordError::file(&path))?;
                if read == Read::None {
                    break;
                }
                (line, last) = (line + 1, read);
                chain.follow(&bytes).map_err(|what| AuditProblem::Broken { file: file(), line, what })?;
                while let Some((run, hash, _)) = expected.next_if(|(_, _, lines)| *lines == chain.lines) {
                    if *hash != chain.head {
                        return Err(AuditProblem::Rewritten { line: chain.lines, run: run.clone() });
                    }
                }
            }
            // What a kill cut short has no end, and stands at the end of the current file, which is not renamed then.
            if (chain.pending && last == Read::Whole) || (last == Read::Cut && path != self.path) {
                return Err(AuditProblem::Broken { file: file(), line, what: "it is no line of an audit" });
            }
        }
        if let Some((run, _, lines)) = expected.next() {
            return Err(AuditProblem::CutOff { lines: chain.lines, run: run.clone(), expected: *lines });
        }
        let torn = chain.torn + u64::from(chain.pending);
        Ok(Verified { lines: chain.lines, let_go: begin.lines, torn, heads: held })
    }
}

/// What was read of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// There is none.
    None,
    /// It, and its end.
    Whole,
    /// The file ended before it did.
    Cut,
}

/// Reads a line, without its end.
pub(crate) fn next(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Read> {
    line.clear();
    let read = reader.read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(Read::Whole);
    }
    Ok(if read > 0 { Read::Cut } else { Read::None })
}

#[cfg(test)]
pub(crate) mod tests {
    use hostler_capability::{AuditEntry, AuditLog, Decision};
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn entry<'a>(call: u64, operation: &'a str) -> AuditEntry<'a> {
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
        let audit = AuditFile::open(&directory.path().join("audit.jsonl"), crate::AUDIT_BYTES).expect("a file");
        for call in 0..lines {
            audit.append(&entry(call, "query \"a\\nb\"")).expect("it is written");
        }
        let (hash, count) = audit.head().expect("a head");
        (directory, audit, ("run".into(), hash, count))
    }

    #[test]
    fn what_was_written_verifies_from_two_hosts() {
        let (_directory, audit, head) = written(3);
        let other = AuditFile::open(&audit.path, crate::AUDIT_BYTES).expect("the same file");
        other.append(&entry(9, "of another")).expect("it is written");
        audit.append(&entry(10, "of the first again")).expect("it is written");
        assert_eq!(audit.verify(&[head]).expect("it fits"), Verified { lines: 5, let_go: 0, torn: 0, heads: 1 });
    }

    #[test]
    fn a_torn_line_is_no_tampering_and_is_told() {
        let (_directory, audit, head) = written(2);
        let mut file = std::fs::OpenOptions::new().append(true).open(&audit.path).expect("the file");
        io::Write::write_all(&mut file, b"{\"sequence\":3,\"ti").expect("half a line");
        let next = AuditFile::open(&audit.path, crate::AUDIT_BYTES).expect("the next host");
        next.append(&entry(1, "goes on")).expect("it is written");
        assert_eq!(next.verify(&[head]).expect("it fits"), Verified { lines: 4, let_go: 0, torn: 1, heads: 1 });
    }

    #[test]
    fn a_line_without_its_end_alone_is_no_tampering_either() {
        let (_directory, audit, head) = written(2);
        let text = std::fs::read(&audit.path).expect("bytes");
        std::fs::write(&audit.path, &text[..text.len() - 1]).expect("cut");
        let next = AuditFile::open(&audit.path, crate::AUDIT_BYTES).expect("the next host");
        next.append(&entry(1, "goes on")).expect("it is written");
        next.append(&entry(2, "and on")).expect("it is written");
        assert_eq!(next.verify(&[head]).expect("it fits"), Verified { lines: 4, let_go: 0, torn: 1, heads: 1 });
    }

    #[test]
    fn a_torn_line_is_told_wherever_the_file_was_cut() {
        let (_directory, audit, _) = written(3);
        let whole = std::fs::read(&audit.path).expect("bytes");
        for length in 0..whole.len() {
            std::fs::write(&audit.path, &whole[..length]).expect("cut");
            let next = AuditFile::open(&audit.path, crate::AUDIT_BYTES).expect("the next host");
            next.append(&entry(1, "goes on")).expect("it is written");
            next.append(&entry(2, "and on")).expect("it is written");
            let cut = length > 0 && whole[length - 1] != b'\n';
            let verified = next.verify(&[]).unwrap_or_else(|problem| panic!("cut at {length}: {problem}"));
            assert_eq!(verified.torn, u64::from(cut), "cut at {length}");
        }
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
        fn any_entries_verify(entries in prop::collection::vec((any::<String>(), any::<String>(), any::<u64>()), 1..20)) {
            let directory = tempfile::tempdir().expect("a directory");
            let audit = AuditFile::growing_to(&directory.path().join("audit.jsonl"), 3_000, 1000).expect("a file");
            for (operation, rule, rows) in &entries {
                let entry = AuditEntry { rule, rows: Some(*rows), ..entry(1, operation) };
                audit.append(&entry).expect("it is written");
            }
            let (hash, lines) = audit.head().expect("a head");
            let verified = audit.verify(&[("run".into(), hash, lines)]).expect("it fits");
            prop_assert_eq!(verified, Verified { lines: entries.len() as u64, let_go: 0, torn: 0, heads: 1 });
        }

        #[test]
        fn any_changed_byte_and_any_missing_or_swapped_line_is_found(place in 0_usize..10_000, flip in 1_u8..=255, line in 0_usize..5) {
            let (_directory, audit, head) = written(6);
            let whole = std::fs::read(&audit.path).expect("bytes");
            let mut changed = whole.clone();
            let place = place % whole.len();
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
