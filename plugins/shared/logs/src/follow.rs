//! Where the lines since the last run are.

use std::collections::BTreeMap;

use hostler_sdk::files::{self, Compression, Directory, Entry, Kind};
use hostler_sdk::prelude::*;
use hostler_sdk::{TaskError, matches_pattern};
use serde::Serialize;

use crate::Lines;

/// How far a file was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The filesystem.
    pub device: u64,
    /// The file on it.
    pub inode: u64,
    /// Bytes that were read.
    pub offset: u64,
}

/// What a run read of a log.
#[derive(Debug, Default)]
pub struct Read {
    /// How many lines.
    pub lines: u64,
    /// How many bytes, unpacked.
    pub bytes: u64,
}

/// A part of a log that has to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    path: String,
    offset: u64,
    compression: Compression,
    /// Whether it is the file that is still written.
    current: bool,
}

/// The positions of all logs of a task.
#[derive(Debug, Default)]
pub struct Follower {
    positions: BTreeMap<String, Position>,
}

const STATE: &str = "positions";

impl Follower {
    /// The positions of the last run.
    ///
    /// # Errors
    /// Where the state cannot be read.
    pub async fn open(context: &Context) -> Result<Self, TaskError> {
        Ok(Self { positions: context.state().get(STATE).await?.unwrap_or_default() })
    }

    /// Keeps them for the next.
    ///
    /// # Errors
    /// Where the state cannot be written.
    pub async fn keep(&self, context: &Context) -> Result<(), TaskError> {
        context.state().set(STATE, &self.positions).await
    }

    /// The logs of a directory whose names match one of the patterns, those that rotation made left out.
    ///
    /// # Errors
    /// Where the directory cannot be read.
    pub async fn logs(&self, directory: &Directory, patterns: &[String]) -> Result<Logs, TaskError> {
        let tree = directory.list(Some(1)).await.during(format!("listing {}", directory.name()))?;
        let root = directory.root();
        let files: Vec<Entry> = tree.entries.into_iter().filter(|entry| entry.metadata.kind == Kind::File).collect();
        let name = |entry: &Entry| entry.path.rsplit('/').next().unwrap_or_default().to_owned();
        let names: Vec<String> = files.iter().map(name).collect();
        let is_log = |name: &String| !is_rotated(name) && patterns.iter().any(|pattern| matches_pattern(pattern, name));
        let current: Vec<String> = names.iter().filter(|name| is_log(name)).cloned().collect();
        Ok(Logs { root, files: names.into_iter().zip(files).collect(), current })
    }

    /// Reads what a log has since the last run, line by line.
    ///
    /// # Errors
    /// Where it cannot be read; what was read until then counts as read.
    pub async fn read(&mut self, logs: &Logs, name: &str, each: &mut impl FnMut(&[u8])) -> Result<Read, TaskError> {
        let key = format!("{}/{name}", logs.root);
        let (pieces, lost) = logs.pieces(name, self.positions.get(&key).copied());
        if lost {
            finding!(
                Severity::Unknown,
                "lines-lost",
                key.trim_start_matches('/'),
                "what was written between the last run and the oldest rotated file that is left was not read"
            )
            .remedy(
                "keep rotated files for longer than the time between two runs: `rotate` in the log's rule of logrotate",
            )
            .report();
        }
        let mut read = Read::default();
        for piece in pieces {
            let mut content = files::open_at(
                &piece.path,
                if piece.compression == Compression::None { piece.offset } else { 0 },
                piece.compression,
            )
            .await?;
            let mut skip = if piece.compression == Compression::None { 0 } else { piece.offset };
            let (mut lines, mut count) = (Lines::default(), 0);
            let mut counted = |line: &[u8]| {
                count += 1;
                each(line);
            };
            let mut failed = None;
            loop {
                match content.next().await {
                    Ok(Some(chunk)) => {
                        let left_out = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
                        skip -= left_out as u64;
                        lines.feed(&chunk[left_out..], &mut counted);
                    }
                    Ok(None) => break,
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            if !piece.current && failed.is_none() {
                lines.finish(&mut counted);
            }
            read.lines += count;
            read.bytes += lines.consumed;
            if piece.current || failed.is_some() {
                let (device, inode) = (content.metadata.device, content.metadata.inode);
                self.positions.insert(key.clone(), Position { device, inode, offset: piece.offset + lines.consumed });
            }
            if let Some(error) = failed {
                return Err(error.during(format!("reading {name}")));
            }
        }
        Ok(read)
    }
}

/// The files of a directory of logs.
#[derive(Debug)]
pub struct Logs {
    root: String,
    files: Vec<(String, Entry)>,
    /// Names of the logs that are written.
    pub current: Vec<String>,
}

impl Logs {
    fn pieces(&self, name: &str, position: Option<Position>) -> (Vec<Piece>, bool) {
        let piece = |name: &str, offset: u64| Piece {
            path: format!("{}/{name}", self.root),
            offset,
            compression: compression(name),
            current: false,
        };
        let Some((_, current)) = self.files.iter().find(|(one, _)| one == name) else { return (vec![], false) };
        let whole = Piece { current: true, ..piece(name, 0) };
        let Some(position) = position else { return (vec![whole], false) };
        let same = |entry: &Entry| entry.metadata.inode == position.inode && entry.metadata.device == position.device;
        if same(current) && current.metadata.size >= position.offset {
            return (vec![Piece { offset: position.offset, ..whole }], false);
        }
        // Rotation made these of the log, the oldest first.
        let mut rotated: Vec<&(String, Entry)> = self.files.iter().filter(|(one, _)| is_of(one, name)).collect();
        rotated.sort_by_key(|(one, entry)| (entry.metadata.modified, std::cmp::Reverse(one.clone())));
        let place = match rotated.iter().position(|(_, entry)| same(entry)) {
            Some(place) => Some(place),
            // Copied or compressed, it is another file: the newest one that is as long, or whose length is not known.
            None => rotated.iter().rposition(|(one, entry)| {
                compression(one) != Compression::None || entry.metadata.size >= position.offset
            }),
        };
        let mut pieces: Vec<Piece> = vec![];
        if let Some(place) = place {
            pieces.push(piece(&rotated[place].0, position.offset));
            pieces.extend(rotated[place + 1..].iter().map(|(one, _)| piece(one, 0)));
        }
        pieces.push(whole);
        (pieces, place.is_none() && position.offset > 0)
    }
}

/// Whether rotation made a file of a log.
fn is_of(file: &str, log: &str) -> bool {
    file.strip_prefix(log).is_some_and(|rest| rest.starts_with(['.', '-'])) && is_rotated(file)
}

/// Whether a name is one that rotation makes: `access.log.1`, `access.log.2.gz`, `access.log-20250121`.
fn is_rotated(name: &str) -> bool {
    let base = [".gz", ".zst"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let number = base.rsplit(['.', '-']).next().unwrap_or_default();
    base != name || (!number.is_empty() && number != base && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// How a file is packed, by its name.
fn compression(name: &str) -> Compression {
    if name.ends_with(".gz") {
        Compression::Gzip
    } else if name.ends_with(".zst") {
        Compression::Zstd
    } else {
        Compression::None
    }
}

/// Reads every log of these directories whose name matches, and returns how many logs and lines there were. What cannot
/// be read is told, and the others have their turn.
///
/// # Errors
/// Where the run ends.
pub async fn follow(
    context: &Context,
    directories: &[Directory],
    patterns: &[String],
    each: &mut impl FnMut(&[u8]),
) -> Result<(usize, u64), TaskError> {
    let mut follower = Follower::open(context).await?;
    let (mut logs, mut lines) = (0, 0);
    for directory in directories {
        let found = match follower.logs(directory, patterns).await {
            Ok(found) => found,
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => {
                error.finding("log-unreadable", directory.name()).report();
                continue;
            }
        };
        if found.current.is_empty() {
            finding!(
                Severity::Unknown,
                "no-log",
                directory.name(),
                "no file in it is called {}",
                patterns.join(" or ")
            )
            .remedy("name the log as `files` in the task's settings, or bind the directory that it lies in")
            .report();
        }
        for name in &found.current {
            match follower.read(&found, name, each).await {
                Ok(read) => {
                    logs += 1;
                    lines += read.lines;
                }
                Err(error) if error.ends_the_run() => {
                    follower.keep(context).await?;
                    return Err(error);
                }
                Err(error) => error.finding("log-unreadable", format!("{}/{name}", directory.name())).report(),
            }
        }
    }
    follower.keep(context).await?;
    Ok((logs, lines))
}

#[cfg(test)]
mod tests {
    use hostler_sdk::files::{Metadata, Ownership};

    use super::*;

    fn logs(files: &[(&str, u64, u64, i64)]) -> Logs {
        let entry = |(name, inode, size, modified): &(&str, u64, u64, i64)| {
            let ownership = Ownership { user_id: 0, group_id: 0, mode: 0o640, user: None, group: None };
            let metadata = Metadata {
                kind: Kind::File,
                device: 1,
                inode: *inode,
                links: 1,
                size: *size,
                modified: *modified,
                accessed: 0,
                changed: 0,
                ownership,
            };
            ((*name).to_owned(), Entry { path: format!("/logs/{name}"), metadata })
        };
        Logs { root: "/logs".into(), files: files.iter().map(entry).collect(), current: vec!["a.log".into()] }
    }

    fn pieces(files: &[(&str, u64, u64, i64)], position: Option<(u64, u64)>) -> (Vec<(String, u64)>, bool) {
        let position = position.map(|(inode, offset)| Position { device: 1, inode, offset });
        let (pieces, lost) = logs(files).pieces("a.log", position);
        (pieces.into_iter().map(|piece| (piece.path.replace("/logs/", ""), piece.offset)).collect(), lost)
    }

    fn told(parts: &[(&str, u64)], lost: bool) -> (Vec<(String, u64)>, bool) {
        (parts.iter().map(|(name, offset)| ((*name).to_owned(), *offset)).collect(), lost)
    }

    #[test]
    fn the_rest_is_found_wherever_rotation_has_put_it() {
        for (what, files, position, expected) in [
            ("a first run", &[("a.log", 7, 50, 9)][..], None, told(&[("a.log", 0)], false)),
            ("it grew", &[("a.log", 7, 50, 9)], Some((7, 30)), told(&[("a.log", 30)], false)),
            (
                "renamed",
                &[("a.log", 8, 5, 9), ("a.log.1", 7, 50, 8)],
                Some((7, 30)),
                told(&[("a.log.1", 30), ("a.log", 0)], false),
            ),
            (
                "renamed twice",
                &[("a.log", 9, 5, 9), ("a.log.1", 8, 40, 8), ("a.log.2", 7, 50, 7), ("a.log.3.gz", 3, 9, 1)],
                Some((7, 30)),
                told(&[("a.log.2", 30), ("a.log.1", 0), ("a.log", 0)], false),
            ),
            (
                "copied and truncated",
                &[("a.log", 7, 5, 9), ("a.log.1", 8, 50, 8)],
                Some((7, 30)),
                told(&[("a.log.1", 30), ("a.log", 0)], false),
            ),
            (
                "compressed",
                &[("a.log", 9, 5, 9), ("a.log.1.gz", 8, 10, 8)],
                Some((7, 30)),
                told(&[("a.log.1.gz", 30), ("a.log", 0)], false),
            ),
            ("gone", &[("a.log", 9, 5, 9)], Some((7, 30)), told(&[("a.log", 0)], true)),
            (
                "another log's",
                &[("a.log", 9, 5, 9), ("a.logs.1", 8, 90, 8)],
                Some((7, 30)),
                told(&[("a.log", 0)], true),
            ),
        ] {
            assert_eq!(pieces(files, position), expected, "{what}");
        }
    }

    #[test]
    fn names_that_rotation_makes_are_known() {
        for name in ["a.log.1", "a.log.2.gz", "a.log-20250121", "a.log-20250121.zst", "a.log.gz"] {
            assert!(is_rotated(name), "{name}");
        }
        for name in ["a.log", "error.log", "access-shop.log", "postgresql.json", "20250121"] {
            assert!(!is_rotated(name), "{name}");
        }
    }
}
