//! What counts as one backup, and how it is to be read.
//!
//! Sets of these plugins say it themselves in their manifest. What other tools left is known by the bytes that it begins
//! with and by the checksum beside it, so that a backup does not go unread for its name.

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::files::{Directory, Entry, Kind, modified};
use hostler_sdk::prelude::*;
use shared_backups::{MANIFEST, PARTIAL, Shelf};

/// How a backup is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A set with a manifest.
    Set,
    /// A set that has none.
    Bare,
    /// A dump of PostgreSQL's in directory format, made by somebody else.
    Directory,
    /// A file; `checksum`: one lies beside it.
    File { checksum: bool },
}

/// One backup.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    /// Below its directory.
    pub name: String,
    pub form: Form,
    pub bytes: u64,
    pub at: Timestamp,
}

pub(crate) const CHECKSUM: &str = ".sha256";
/// Names that a backup has while it is written.
const UNFINISHED: [&str; 5] = [".tmp", ".partial", ".part", ".incomplete", ".writing"];
/// A tablespace in a base backup lies so deep.
const DEEPEST: u32 = 8;

pub(crate) async fn items(directory: &Directory) -> Result<Vec<Item>, TaskError> {
    let tree = directory.list(Some(DEEPEST)).await?;
    if let Some((path, reason)) = tree.unreadable.first() {
        let error = TaskError::new(format!("{path} cannot be looked at: {reason}"));
        return Err(error.remedy("let the host's user read the backups"));
    }
    Ok(of(&format!("{}/", directory.root()), &tree.entries))
}

pub(crate) fn of(root: &str, entries: &[Entry]) -> Vec<Item> {
    let shelf = Shelf::of(root, entries);
    let below = |entry: &Entry| entry.path.strip_prefix(root).map(str::to_owned).unwrap_or_default();
    let names: Vec<String> = entries.iter().map(below).collect();
    let known: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let has = |name: String| known.contains(name.as_str());
    let mut items: BTreeMap<&str, Item> = BTreeMap::new();
    for (entry, below) in entries.iter().zip(&names) {
        let (name, _) = below.split_once('/').unwrap_or((below, ""));
        let unfinished = UNFINISHED.iter().any(|end| name.ends_with(end)) || name.starts_with('.');
        if unfinished || name.is_empty() || name.ends_with(CHECKSUM) || entry.metadata.kind != Kind::File {
            continue;
        }
        let form = match shelf.sets.iter().find(|set| set.name == name) {
            Some(set) if set.whole => Form::Set,
            _ if name == below => Form::File { checksum: has(format!("{name}{CHECKSUM}")) },
            _ if has(format!("{name}/toc.dat")) => Form::Directory,
            Some(_) => Form::Bare,
            // A directory of nobody knows what.
            None => continue,
        };
        let item = items.entry(name).or_insert_with(|| Item { name: name.into(), form, bytes: 0, at: Timestamp(0) });
        item.bytes += entry.metadata.size;
        item.at = item.at.max(modified(&entry.metadata));
    }
    items.into_values().collect()
}

/// What a file is, by its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// pg_dump's custom format.
    Dump,
    Zstd,
    Gzip,
    /// Without anything that says so.
    Plain,
}

pub(crate) fn content(begins: &[u8]) -> Content {
    match begins {
        [b'P', b'G', b'D', b'M', b'P', ..] => Content::Dump,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Content::Zstd,
        [0x1f, 0x8b, ..] => Content::Gzip,
        _ => Content::Plain,
    }
}

/// What a set's own files are called in messages.
pub(crate) fn manifest_of(name: &str) -> String {
    format!("{}/{MANIFEST}", name.trim_end_matches(PARTIAL))
}
