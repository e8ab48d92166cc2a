//! The audit file: append-only, one JSON object a line, each with the hash of the line before it.
//!
//! Several hosts append to one file: each holds the file's lock for the moment of its line, and reads the end anew
//! only where somebody else has written since. The hash covers the line's bytes as they stand, so that a line which a
//! kill cut short is still a link of the chain; the line after it says so.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use hostler_capability::{AuditEntry, AuditLog};
use rustix::fs::{FlockOperation, flock};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::RecordError;

/// The hash before the first line.
pub(crate) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The file, open for appending.
pub struct AuditFile {
    pub(crate) path: PathBuf,
    tail: Mutex<Tail>,
}

struct Tail {
    file: File,
    /// The file's length when this host last looked.
    length: u64,
    lines: u64,
    head: String,
    /// Whether the last line was cut short.
    torn: bool,
    line: Vec<u8>,
}

#[derive(Serialize)]
struct Line<'a> {
    sequence: u64,
    time: String,
    #[serde(flatten)]
    entry: &'a AuditEntry<'a>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    after_torn_line: bool,
    previous: &'a str,
}

impl AuditFile {
    pub(crate) fn open(path: &Path) -> Result<Self, RecordError> {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path);
        let file = file.map_err(RecordError::file(path))?;
        let tail = Tail { file, length: 0, lines: 0, head: GENESIS.into(), torn: false, line: vec![] };
        Ok(Self { path: path.into(), tail: Mutex::new(tail) })
    }

    /// The hash of the last line, and how many lines there are.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn head(&self) -> std::io::Result<(String, u64)> {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        flock(&tail.file, FlockOperation::LockShared)?;
        let caught = tail.catch_up();
        flock(&tail.file, FlockOperation::Unlock)?;
        caught.map(|()| (tail.head.clone(), tail.lines))
    }
}

impl AuditLog for AuditFile {
    fn append(&self, entry: &AuditEntry<'_>) -> std::io::Result<()> {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        flock(&tail.file, FlockOperation::LockExclusive)?;
        let appended = tail.append(entry);
        flock(&tail.file, FlockOperation::Unlock)?;
        appended
    }
}

impl Tail {
    fn append(&mut self, entry: &AuditEntry<'_>) -> std::io::Result<()> {
        self.catch_up()?;
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        if self.torn {
            line.push(b'\n');
        }
        let begin = line.len();
        let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        let written = Line { sequence: self.lines + 1, time, entry, after_torn_line: self.torn, previous: &self.head };
        serde_json::to_writer(&mut line, &written)?;
        let head = hex::encode(Sha256::digest(&line[begin..]));
        line.push(b'\n');
        let result = self.file.write_all(&line);
        if result.is_ok() {
            self.length += line.len() as u64;
            self.lines += 1;
            self.head = head;
            self.torn = false;
        }
        self.line = line;
        result
    }

    /// Reads what others have appended since.
    fn catch_up(&mut self) -> std::io::Result<()> {
        let length = self.file.metadata()?.len();
        if length == self.length {
            return Ok(());
        }
        // Shorter, or after a torn line: from the beginning, since the count cannot be trusted.
        if length < self.length || self.torn {
            (self.length, self.lines, self.torn, self.head) = (0, 0, false, GENESIS.into());
        }
        self.file.seek(SeekFrom::Start(self.length))?;
        let mut added = Vec::new();
        (&self.file).take(length - self.length).read_to_end(&mut added)?;
        self.torn = !added.ends_with(b"\n");
        for line in added.strip_suffix(b"\n").unwrap_or(&added).split(|byte| *byte == b'\n') {
            self.lines += 1;
            self.head = hex::encode(Sha256::digest(line));
        }
        self.length = length;
        Ok(())
    }
}
