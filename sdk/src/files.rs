//! Directories: every path is below one that the operator bound.

use wit_bindgen::{FutureReader, StreamReader};

use crate::bindings::base::hostler::plugin::types;
use crate::bindings::files::hostler::plugin::files as wit;
use crate::stream::Items;
use crate::{TaskError, Timestamp};

pub use types::Effect;
pub use wit::{
    Archived, Archiving, Compression, Entry, FilesystemUsage, Identity, Kind, Metadata, Ownership, WalkOptions,
};

/// How many bytes are asked for at a time.
const CHUNK: usize = 64 * 1024;

/// The names of the directories bound to a request that takes many.
#[must_use]
pub fn targets(request: &str) -> Vec<String> {
    wit::targets(request)
}

/// A directory that the operator bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    request: String,
    target: Option<String>,
}

/// A tree that was listed.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// What is in it.
    pub entries: Vec<Entry>,
    /// What could not be read, with the reason.
    pub unreadable: Vec<(String, String)>,
}

impl Directory {
    /// The directory bound to a request, one of its targets where it takes many.
    #[must_use]
    pub fn new(request: &str, target: Option<String>) -> Self {
        Self { request: request.into(), target }
    }

    /// What findings about it call it: the target, or the request.
    #[must_use]
    pub fn name(&self) -> &str {
        self.target.as_deref().unwrap_or(&self.request)
    }

    /// The directory itself, as a path.
    #[must_use]
    pub fn root(&self) -> String {
        match &self.target {
            Some(target) => format!("/{}/{target}", self.request),
            None => format!("/{}", self.request),
        }
    }

    /// A path below it.
    #[must_use]
    pub fn path(&self, below: &str) -> String {
        format!("{}/{}", self.root(), below.trim_start_matches('/'))
    }

    /// What is in it, at most `depth` levels down, on its own filesystem.
    ///
    /// # Errors
    /// Where it cannot be read, or is not bound.
    pub async fn list(&self, depth: Option<u32>) -> Result<Tree, TaskError> {
        let options = WalkOptions { depth, cross_mounts: false, modified_before: None, accessed_before: None };
        list(&self.root(), options).await
    }
}

/// What is below a path.
///
/// # Errors
/// Where it cannot be read, or is not bound.
pub async fn list(path: &str, options: WalkOptions) -> Result<Tree, TaskError> {
    let walk = wit::list_tree(path.into(), options).await?;
    let mut tree = Tree::default();
    let mut found = Items::new(walk.entries);
    while let Some(entries) = found.next().await {
        tree.entries.extend(entries);
    }
    tree.unreadable = walk.completed.await?;
    Ok(tree)
}

/// A file being read.
pub struct Content {
    /// Of the file that was opened.
    pub metadata: Metadata,
    bytes: StreamReader<u8>,
    completed: Option<FutureReader<Result<(), types::Error>>>,
}

impl Content {
    /// The next bytes; nothing at the end, where the file is known to be whole.
    ///
    /// # Errors
    /// Where reading broke off.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, TaskError> {
        loop {
            let (result, bytes) = self.bytes.read(Vec::with_capacity(CHUNK)).await;
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
            if matches!(result, wit_bindgen::StreamResult::Complete(_)) {
                continue;
            }
            return match self.completed.take() {
                Some(completed) => Ok(completed.await.map(|()| None)?),
                None => Ok(None),
            };
        }
    }
}

/// Opens a regular file, from its beginning, unpacked by the host where `compression` says so.
///
/// # Errors
/// Where it cannot be read.
pub async fn open(path: &str, compression: Compression) -> Result<Content, TaskError> {
    open_at(path, 0, compression).await
}

/// As [`open`], from a place in what is stored.
///
/// # Errors
/// Where it cannot be read.
pub async fn open_at(path: &str, offset: u64, compression: Compression) -> Result<Content, TaskError> {
    let content = wit::read(path.into(), offset, compression).await?;
    Ok(Content { metadata: content.metadata, bytes: content.bytes, completed: Some(content.completed) })
}

/// A whole file of at most `limit` bytes.
///
/// # Errors
/// Where it cannot be read, or is longer.
pub async fn read(path: &str, limit: usize) -> Result<Vec<u8>, TaskError> {
    let mut content = open(path, Compression::None).await?;
    let mut whole = Vec::new();
    while let Some(bytes) = content.next().await? {
        if whole.len() + bytes.len() > limit {
            return Err(TaskError::new(format!("{path} is longer than {limit} bytes")));
        }
        whole.extend(bytes);
    }
    Ok(whole)
}

/// Of the path itself, not of what a link leads to.
///
/// # Errors
/// Where there is nothing, or it may not be looked at.
pub async fn metadata(path: &str) -> Result<Metadata, TaskError> {
    Ok(wit::read_metadata(path.into()).await?)
}

/// How full the filesystem is on which a path lies.
///
/// # Errors
/// Where it may not be looked at.
pub async fn usage(path: &str) -> Result<FilesystemUsage, TaskError> {
    Ok(wit::read_usage(path.into()).await?)
}

/// A file's SHA-256 as 64 hexadecimal digits, worked out by the host.
///
/// # Errors
/// Where it cannot be read.
pub async fn sha256(path: &str) -> Result<String, TaskError> {
    Ok(hexadecimal(&wit::sha256(path.into()).await?))
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a whole file, or nothing.
///
/// # Errors
/// Where it may not be written.
pub async fn write(path: &str, mode: u32, contents: Vec<u8>) -> Result<Effect, TaskError> {
    let writer = wit::Writer::create(path.into(), mode).await?;
    writer.append(contents).await?;
    Ok(wit::Writer::finish(writer).await?)
}

/// Removes a file; with `expected`, only the file that was looked at.
///
/// # Errors
/// Where it may not be removed, or is another by now.
pub async fn remove(path: &str, expected: Option<Identity>) -> Result<Effect, TaskError> {
    Ok(wit::remove(path.into(), expected).await?)
}

/// Copies a file, whole or not at all.
///
/// # Errors
/// Where the source cannot be read, or the destination not be written.
pub async fn copy(source: &str, destination: &str) -> Result<Effect, TaskError> {
    Ok(wit::copy(source.into(), destination.into()).await?)
}

/// Gives a file or directory another name, within one bound directory.
///
/// # Errors
/// Where it is not there, or may not be renamed.
pub async fn rename(source: &str, destination: &str) -> Result<Effect, TaskError> {
    Ok(wit::rename(source.into(), destination.into()).await?)
}

/// Removes a directory with all that is in it; no link is followed.
///
/// # Errors
/// Where it may not be removed.
pub async fn remove_tree(path: &str) -> Result<Effect, TaskError> {
    Ok(wit::remove_tree(path.into()).await?)
}

/// Sets the permission bits, as chmod takes them.
///
/// # Errors
/// Where they may not be set.
pub async fn set_permissions(path: &str, mode: u32) -> Result<Effect, TaskError> {
    Ok(wit::set_permissions(path.into(), mode).await?)
}

/// Makes a directory, whose parent is there.
///
/// # Errors
/// Where it may not be made.
pub async fn create_directory(path: &str, mode: u32) -> Result<Effect, TaskError> {
    Ok(wit::create_directory(path.into(), mode).await?)
}

/// A tar archive with owners, modes, links and times, hashed as it is written, whole or not at all.
///
/// # Errors
/// Where a source cannot be read, or the destination not be written.
pub async fn archive(
    sources: &[String],
    destination: &str,
    compression: Compression,
    mode: u32,
) -> Result<Archiving, TaskError> {
    Ok(wit::archive(sources.to_vec(), destination.into(), compression, mode).await?)
}

/// The identity by which a listed file is removed and no other.
#[must_use]
pub fn identity(metadata: &Metadata) -> Identity {
    Identity { device: metadata.device, inode: metadata.inode, modified: metadata.modified }
}

/// When a file was last modified.
#[must_use]
pub fn modified(metadata: &Metadata) -> Timestamp {
    Timestamp::from_nanoseconds(metadata.modified)
}
