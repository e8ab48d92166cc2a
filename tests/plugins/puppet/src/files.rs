//! Files, as a plugin asks for them.

use hostler_sdk::bindings::files::hostler::plugin::files as bindings;
use hostler_sdk::files::{self, Compression, Identity, WalkOptions};
use hostler_sdk::prelude::*;
use serde_json::{Value, json};

/// One call.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Call {
    Metadata {
        path: String,
    },
    List {
        path: String,
    },
    Read {
        path: String,
        #[serde(default)]
        compression: String,
    },
    Sha256 {
        path: String,
    },
    Usage {
        path: String,
    },
    Write {
        path: String,
        text: String,
        #[serde(default = "private")]
        mode: u32,
    },
    /// Bytes of zeros, by many appends.
    Fill {
        path: String,
        bytes: u64,
    },
    Copy {
        source: String,
        destination: String,
    },
    Rename {
        source: String,
        destination: String,
    },
    Remove {
        path: String,
    },
    /// Removes it where it is still the file of this number.
    RemoveThis {
        path: String,
        inode: u64,
    },
    RemoveTree {
        path: String,
    },
    CreateDirectory {
        path: String,
    },
    SetPermissions {
        path: String,
        mode: u32,
    },
    Archive {
        sources: Vec<String>,
        destination: String,
        #[serde(default)]
        compression: String,
    },
}

fn private() -> u32 {
    0o600
}

fn compression(word: &str) -> Compression {
    match word {
        "zstd" => Compression::Zstd,
        "gzip" => Compression::Gzip,
        _ => Compression::None,
    }
}

impl Call {
    pub(crate) async fn make(self) -> Result<Value, TaskError> {
        let effect = match self {
            Self::Metadata { path } => return Ok(json!(files::metadata(&path).await?.size)),
            Self::List { path } => return list(&path).await,
            Self::Read { path, compression: word } => return read(&path, &word).await,
            Self::Sha256 { path } => return Ok(json!(files::sha256(&path).await?)),
            Self::Usage { path } => return Ok(json!(files::usage(&path).await?.total_bytes)),
            Self::Archive { sources, destination, compression: word } => {
                let made = files::archive(&sources, &destination, compression(&word), 0o600).await?;
                return Ok(json!(format!("{made:?}")));
            }
            Self::Write { path, text, mode } => files::write(&path, mode, text.into_bytes()).await?,
            Self::Fill { path, bytes } => fill(path, bytes).await?,
            Self::Copy { source, destination } => bindings::copy(source, destination).await?,
            Self::Rename { source, destination } => bindings::rename(source, destination).await?,
            Self::Remove { path } => files::remove(&path, None).await?,
            Self::RemoveThis { path, inode } => {
                let found = files::metadata(&path).await?;
                files::remove(&path, Some(Identity { inode, ..files::identity(&found) })).await?
            }
            Self::RemoveTree { path } => bindings::remove_tree(path).await?,
            Self::CreateDirectory { path } => bindings::create_directory(path, 0o700).await?,
            Self::SetPermissions { path, mode } => bindings::set_permissions(path, mode).await?,
        };
        Ok(json!(format!("{effect:?}")))
    }
}

async fn list(path: &str) -> Result<Value, TaskError> {
    let options = WalkOptions { depth: None, cross_mounts: true, modified_before: None, accessed_before: None };
    let tree = files::list(path, options).await?;
    Ok(json!(tree.entries.into_iter().map(|entry| entry.path).collect::<Vec<_>>()))
}

/// The beginning of it, read to its end.
async fn read(path: &str, word: &str) -> Result<Value, TaskError> {
    let mut content = files::open(path, compression(word)).await?;
    let (mut beginning, mut length) = (Vec::new(), 0_u64);
    while let Some(bytes) = content.next().await? {
        length += bytes.len() as u64;
        if beginning.len() < 4096 {
            beginning.extend(bytes);
        }
    }
    beginning.truncate(4096);
    Ok(json!({ "length": length, "text": String::from_utf8_lossy(&beginning) }))
}

async fn fill(path: String, bytes: u64) -> Result<files::Effect, TaskError> {
    const PIECE: u64 = 1 << 20;
    let writer = bindings::Writer::create(path, 0o600).await?;
    for _ in 0..bytes / PIECE {
        writer.append(vec![0; 1 << 20]).await?;
    }
    Ok(bindings::Writer::finish(writer).await?)
}
