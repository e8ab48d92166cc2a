//! A file read from its first byte to its last, unpacked by the host on the way.

use hostler_sdk::files::{self, Compression};
use hostler_sdk::prelude::*;

use crate::tar::Tar;

/// How much of the beginning and the end is looked at.
const EDGE: usize = 512;

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub begins: Vec<u8>,
    pub ends: Vec<u8>,
    /// What is wrong with the archive in it.
    pub problem: Option<String>,
}

/// The first bytes as they are stored.
pub(crate) async fn beginning(path: &str) -> Result<Vec<u8>, TaskError> {
    Ok(files::open(path, Compression::None).await?.next().await?.unwrap_or_default())
}

/// Reads all of it.
pub(crate) async fn read(path: &str, compression: Compression, is_tar: bool) -> Result<Read, TaskError> {
    let mut content = files::open(path, compression).await?;
    let (mut read, mut tar) = (Read::default(), Tar::default());
    while let Some(bytes) = content.next().await? {
        let room = EDGE.saturating_sub(read.begins.len()).min(bytes.len());
        read.begins.extend_from_slice(&bytes[..room]);
        read.ends.extend_from_slice(&bytes[bytes.len().saturating_sub(EDGE)..]);
        read.ends.drain(..read.ends.len().saturating_sub(EDGE));
        if is_tar && read.problem.is_none() {
            read.problem = tar.take(&bytes).err();
        }
    }
    if is_tar && read.problem.is_none() {
        read.problem = tar.end().err();
    }
    Ok(read)
}
