//! The audit file: append-only, one JSON object a line, each with the hash of the line before it.
//!
//! Several hosts append to one file: each holds the file's lock for the moment of its line, and reads the end anew
//! only where somebody else has written since. The hash covers the line's bytes as they stand, so that a line which a
//! kill cut short is still a link of the chain; the line after it says so. A line is four system calls (lock, look,
//! write, unlock), because every call of a plugin waits for it. Nobody waits for the line of a call's end: it is written
//! together with the next one, or at the run's end. So a kill may take the end of the last call with it, which then
//! stands there as one that was under way.
//!
//! A file that has grown large is renamed to `audit-N.jsonl`, and the first line of the next one goes on with the
//! chain. Of those so many are kept; where the chain begins then is written down first.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Mutex,
};

use hostler_capability::{AuditEntry, AuditLog, Decision};
use rustix::{
    fs::{AtFlags, FlockOperation, Stat, flock, fstat, ftruncate, statat},
    io::Errno,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    RecordError,
    audit_begin::{self, Begin},
    audit_tail, held,
};

/// The hash before the first line.
pub(crate) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// How large a file grows, in bytes.
const LARGE: u64 = 64 << 20;

/// How many bytes of audit are kept where nobody says otherwise: some ten million calls.
pub const AUDIT_BYTES: u64 = 4 << 30;

/// The file, open for appending.
pub struct AuditFile {
    pub(crate) path: PathBuf,
    tail: Mutex<Tail>,
}

/// One file of the audit, as it was when it was looked at.
pub(crate) struct Part {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) length: u64,
}

struct Tail {
    path: PathBuf,
    directory: File,
    file: File,
    identity: (u64, u64),
    /// How large it grows before it is renamed.
    most: u64,
    /// How many earlier files are kept.
    keep: usize,
    /// The file's length when this host last looked; nothing where it never did.
    length: Option<u64>,
    lines: u64,
    head: String,
    /// Whether the last line was cut short.
    torn: bool,
    line: Vec<u8>,
    /// Ends of calls that wait for the next line.
    waiting: Vec<End>,
}

/// How many ends wait at most.
const MOST_WAITING: usize = 64;

/// The end of a call, as it was when it came.
struct End {
    time: String,
    run: String,
    plugin: String,
    request: String,
    operation: String,
    rule: String,
    call: u64,
    decision: Decision,
    duration_us: Option<u64>,
    rows: Option<u64>,
    bytes: Option<u64>,
}

impl End {
    fn new(entry: &AuditEntry<'_>) -> Self {
        Self {
            time: now(),
            run: entry.run.into(),
            plugin: entry.plugin.into(),
            request: entry.request.into(),
            operation: entry.operation.into(),
            rule: entry.rule.into(),
            call: entry.call,
            decision: entry.decision,
            duration_us: entry.duration_us,
            rows: entry.rows,
            bytes: entry.bytes,
        }
    }

    fn entry(&self) -> AuditEntry<'_> {
        AuditEntry {
            run: &self.run,
            plugin: &self.plugin,
            call: self.call,
            request: &self.request,
            operation: &self.operation,
            decision: self.decision,
            rule: &self.rule,
            duration_us: self.duration_us,
            rows: self.rows,
            bytes: self.bytes,
        }
    }
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[derive(Serialize)]
struct Line<'a> {
    sequence: u64,
    time: &'a str,
    #[serde(flatten)]
    entry: &'a AuditEntry<'a>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    after_torn_line: bool,
    previous: &'a str,
}

impl AuditFile {
    /// Opens it. Of more than about `bytes` in all, the oldest are let go.
    pub(crate) fn open(path: &Path, bytes: u64) -> Result<Self, RecordError> {
        Self::growing_to(path, LARGE, usize::try_from(bytes / LARGE).unwrap_or(usize::MAX))
    }

    /// As [`AuditFile::open`], with another size at which the file is renamed, and a number of files that are kept.
    pub(crate) fn growing_to(path: &Path, most: u64, keep: usize) -> Result<Self, RecordError> {
        let parent = path.parent().unwrap_or(Path::new("."));
        let directory = File::open(parent).map_err(RecordError::file(parent))?;
        let opened = open(path).and_then(|file| Ok((identity(&fstat(&file)?), file)));
        let (identity, file) = opened.map_err(RecordError::file(path))?;
        let tail = Tail {
            path: path.into(),
            directory,
            file,
            identity,
            most,
            keep,
            length: None,
            lines: 0,
            head: GENESIS.into(),
            torn: false,
            line: vec![],
            waiting: vec![],
        };
        Ok(Self { path: path.into(), tail: Mutex::new(tail) })
    }

    /// The hash of the last line, and how many lines there are.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn head(&self) -> io::Result<(String, u64)> {
        let mut tail = held(&self.tail);
        tail.flush()?;
        tail.lock(FlockOperation::LockShared)?;
        flock(&tail.file, FlockOperation::Unlock)?;
        Ok((tail.head.clone(), tail.lines))
    }

    /// Where the audit begins, and all its files, the oldest first, each with its length; nobody writes while they are
    /// looked at.
    pub(crate) fn files(&self) -> io::Result<(Begin, Vec<Part>)> {
        let mut tail = held(&self.tail);
        tail.flush()?;
        tail.lock(FlockOperation::LockShared)?;
        let look = |path: PathBuf| {
            let file = File::open(&path)?;
            let length = file.metadata()?.len();
            Ok(Part { path, file, length })
        };
        let all = audit_begin::read(&self.path).and_then(|begin| {
            let rotated = audit_tail::rotated(&self.path)?.into_iter().filter(|(number, _)| *number > begin.file);
            let files = rotated.map(|(_, path)| path).chain([self.path.clone()]).map(look);
            let files = files.collect::<io::Result<_>>()?;
            Ok((begin, files))
        });
        flock(&tail.file, FlockOperation::Unlock)?;
        all
    }
}

impl AuditLog for AuditFile {
    fn append(&self, entry: &AuditEntry<'_>) -> io::Result<()> {
        let mut tail = held(&self.tail);
        if entry.decision.is_an_end() && tail.waiting.len() < MOST_WAITING {
            tail.waiting.push(End::new(entry));
            return Ok(());
        }
        tail.write_all(Some(entry))
    }

    fn flush(&self) -> io::Result<()> {
        held(&self.tail).flush()
    }
}

impl Drop for AuditFile {
    fn drop(&mut self) {
        let _ = held(&self.tail).flush();
    }
}

impl Tail {
    /// Locks the file that has the name now, and reads what others have written since.
    fn lock(&mut self, operation: FlockOperation) -> io::Result<()> {
        loop {
            match flock(&self.file, operation) {
                Err(Errno::INTR) => continue,
                locked => locked?,
            }
            let looked =
                match statat(&self.directory, self.path.file_name().unwrap_or_default(), AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) if identity(&stat) == self.identity => {
                        self.catch_up(u64::try_from(stat.st_size).unwrap_or_default())
                    }
                    // Another host has renamed it, or somebody has taken it away.
                    Ok(_) | Err(Errno::NOENT) => {
                        self.file = open(&self.path)?;
                        self.identity = identity(&fstat(&self.file)?);
                        self.length = None;
                        continue;
                    }
                    Err(error) => Err(error.into()),
                };
            return looked.inspect_err(|_| {
                let _ = flock(&self.file, FlockOperation::Unlock);
            });
        }
    }

    fn catch_up(&mut self, length: u64) -> io::Result<()> {
        let known = self.length.replace(length);
        if known == Some(length) {
            return Ok(());
        }
        let found = audit_tail::read(&self.path, &self.file, length).inspect_err(|_| self.length = known)?;
        self.torn = found.torn;
        // A file from which lines were cut off while this host lives, or that was put in its place, has fewer: the chain
        // goes on where it was, so that the next line tells of it.
        if found.lines >= self.lines {
            (self.lines, self.head) = (found.lines, found.head);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() { Ok(()) } else { self.write_all(None) }
    }

    /// Writes what waits, and a line behind it.
    fn write_all(&mut self, entry: Option<&AuditEntry<'_>>) -> io::Result<()> {
        self.lock(FlockOperation::LockExclusive)?;
        if self.length >= Some(self.most) && !self.torn {
            // Where it cannot be renamed it grows on: a line that is written matters more.
            if self.rename().is_ok() {
                self.lock(FlockOperation::LockExclusive)?;
                let _ = audit_begin::let_go(&self.path, self.keep);
            }
        }
        let appended = self.append(entry);
        flock(&self.file, FlockOperation::Unlock)?;
        appended
    }

    fn append(&mut self, entry: Option<&AuditEntry<'_>>) -> io::Result<()> {
        let (mut text, waiting) = (std::mem::take(&mut self.line), std::mem::take(&mut self.waiting));
        text.clear();
        if self.torn {
            text.push(b'\n');
        }
        let time = now();
        let mut chain = (self.lines, self.head.clone());
        let ends = waiting.iter().map(|end| (end.time.as_str(), end.entry()));
        let mut lines = ends.chain(entry.map(|entry| (time.as_str(), entry.clone())));
        let mut torn = self.torn;
        let made = lines.try_for_each(|(time, entry)| {
            let begin = text.len();
            let (sequence, previous) = (chain.0.saturating_add(1), chain.1.as_str());
            let line = Line { sequence, time, entry: &entry, after_torn_line: torn, previous };
            serde_json::to_writer(&mut text, &line)?;
            chain = (sequence, hex::encode(Sha256::digest(&text[begin..])));
            text.push(b'\n');
            torn = false;
            io::Result::Ok(())
        });
        let result = made.and_then(|()| self.write(&text));
        self.line = text;
        match result {
            Ok(()) => {
                (self.lines, self.head) = chain;
                self.torn = false;
                Ok(())
            }
            Err(error) => {
                self.waiting = waiting;
                Err(error)
            }
        }
    }

    /// Writes a line whole. What a full disk took of it is taken back; where that fails too, the next line tells of it.
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let before = self.length.unwrap_or_default();
        let error = match rustix::io::write(&self.file, line) {
            Ok(written) if written == line.len() => {
                self.length = Some(before + written as u64);
                return Ok(());
            }
            Ok(_) => io::Error::from(io::ErrorKind::StorageFull),
            Err(error) => error.into(),
        };
        let _ = ftruncate(&self.file, before);
        Err(error)
    }

    fn rename(&mut self) -> io::Result<()> {
        let last = audit_tail::rotated(&self.path)?.last().map_or(0, |(number, _)| *number);
        let last = last.max(audit_begin::read(&self.path)?.file);
        fs::rename(&self.path, self.path.with_file_name(audit_tail::rotated_name(last + 1)))
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit_verify::{Verified, tests::entry};

    #[test]
    fn a_large_file_is_renamed_and_the_chain_goes_on_for_all_hosts() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("audit.jsonl");
        let hosts = [
            AuditFile::growing_to(&path, 2_000, 1000).expect("a file"),
            AuditFile::growing_to(&path, 2_000, 1000).expect("a file"),
        ];
        for call in 0..60 {
            hosts[call % 2].append(&entry(call as u64, "query")).expect("it is written");
        }
        let (hash, lines) = hosts[0].head().expect("a head");
        assert_eq!((lines, &hash), (60, &hosts[1].head().expect("a head").0));
        assert!(audit_tail::rotated(&path).expect("listed").len() > 5);
        let verified = hosts[0].verify(&[("run".into(), hash, lines)]).expect("it fits");
        assert_eq!(verified, Verified { lines: 60, let_go: 0, torn: 0, heads: 1 });
        fs::remove_file(directory.path().join("audit-2.jsonl")).expect("it is there");
        assert!(hosts[0].verify(&[]).is_err(), "a whole file is missing");
    }

    #[test]
    fn the_end_is_found_without_reading_the_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("audit.jsonl");
        let long = "x".repeat(100_000);
        let audit = AuditFile::open(&path, AUDIT_BYTES).expect("a file");
        audit.append(&entry(1, &long)).expect("it is written");
        audit.append(&entry(2, "short")).expect("it is written");
        audit.append(&entry(3, &long)).expect("it is written");
        let next = AuditFile::open(&path, AUDIT_BYTES).expect("the next host");
        assert_eq!(next.head().expect("a head"), audit.head().expect("a head"));
    }

    #[test]
    fn the_end_of_a_call_is_written_with_the_next_line_and_at_the_latest_when_the_host_ends() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("audit.jsonl");
        let audit = AuditFile::open(&path, AUDIT_BYTES).expect("a file");
        let end = |call| AuditEntry { decision: Decision::Done, ..entry(call, "query") };
        let written = || fs::read_to_string(&path).expect("text").lines().count();
        audit.append(&entry(1, "query")).expect("it is written");
        audit.append(&end(1)).expect("it waits");
        assert_eq!(written(), 1);
        audit.append(&entry(2, "query")).expect("it is written");
        assert_eq!(written(), 3);
        audit.append(&end(2)).expect("it waits");
        assert_eq!(audit.head().expect("a head").1, 4, "whoever asks is told of all");
        for call in 0..1000 {
            audit.append(&end(call)).expect("it waits, or is written");
        }
        assert!(written() > 900, "they do not wait without end");
        drop(audit);
        assert_eq!(written(), 1004);
        assert_eq!(AuditFile::open(&path, AUDIT_BYTES).expect("a file").verify(&[]).expect("it fits").lines, 1004);
    }

    #[test]
    fn lines_cut_off_under_a_living_host_are_found_without_the_history() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("audit.jsonl");
        let audit = AuditFile::open(&path, AUDIT_BYTES).expect("a file");
        for call in 0..3 {
            audit.append(&entry(call, "query")).expect("it is written");
        }
        let text = fs::read_to_string(&path).expect("text");
        let first = text.lines().next().expect("a line");
        fs::write(&path, format!("{first}\n")).expect("cut");
        audit.append(&entry(4, "query")).expect("it is written");
        assert!(audit.verify(&[]).is_err());
        fs::remove_file(&path).expect("it is there");
        audit.append(&entry(5, "query")).expect("it is written");
        assert!(audit.verify(&[]).is_err());
    }

    #[test]
    fn a_line_holds_what_was_asked_and_no_control_character() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("audit.jsonl");
        let audit = AuditFile::open(&path, AUDIT_BYTES).expect("a file");
        let entry = AuditEntry {
            decision: Decision::Done,
            duration_us: Some(7),
            rows: Some(1),
            bytes: Some(2),
            ..entry(1, "a\n\u{1b}[31m\u{7f}\"b")
        };
        audit.append(&entry).expect("it waits");
        audit.flush().expect("it is written");
        let text = fs::read_to_string(&path).expect("text");
        assert_eq!(text.matches('\n').count(), 1);
        assert!(!text.trim_end().contains(|letter: char| letter.is_ascii_control() && letter != '\u{7f}'), "{text:?}");
        let line: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(line["operation"], "a\n\u{1b}[31m\u{7f}\"b");
        assert_eq!((&line["sequence"], &line["rows"], &line["decision"]), (&1.into(), &1.into(), &"done".into()));
        let time: jiff::Timestamp = line["time"].as_str().expect("a time").parse().expect("RFC 3339");
        assert!(time.duration_since(jiff::Timestamp::now()).abs().as_secs() < 60);
    }
}
