//! The manifest of a set: what whoever restores it has to find, written down where and when it was true.

use hostler_sdk::{TaskError, Timestamp};
use serde::{Deserialize, Serialize};

/// The file's name in a set.
pub const MANIFEST: &str = "manifest.json";
/// The name of the file that says that a set was restored.
pub const PROOF: &str = "proof.json";
/// The format that this version writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// What has to be in a set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format.
    pub format: u32,
    /// The plugin that wrote it.
    pub plugin: String,
    /// The set's own name, with its date.
    pub set: String,
    /// When its data stood as it is in it.
    pub at: Timestamp,
    /// 150018 for 15.18.
    pub server_version: u32,
    /// Of the server that it was taken from, as `pg_control_system` has it.
    pub system_identifier: String,
    /// The database; empty where it is a whole server's.
    pub database: String,
    /// The database's encoding, as the server calls it.
    pub encoding: String,
    /// Every file but the manifest and the proof.
    pub files: Vec<File>,
    /// Rows of the tables in the same snapshot.
    #[serde(default)]
    pub tables: Vec<TableRows>,
    /// The set that this one holds the differences to.
    #[serde(default)]
    pub base: Option<String>,
}

/// A file of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Below the set.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// 64 hexadecimal digits.
    pub sha256: String,
}

/// How many rows a table had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRows {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// How many; nothing where they were not counted.
    pub rows: Option<u64>,
}

/// That a set was restored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// The format.
    pub format: u32,
    /// When.
    pub at: Timestamp,
    /// How long the restoration took.
    pub seconds: f64,
    /// The version of the server that it was restored on.
    pub server_version: u32,
    /// Tables whose rows agreed with the manifest.
    pub tables: u64,
    /// Rows in them.
    pub rows: u64,
}

impl Manifest {
    /// Reads what a set has.
    ///
    /// # Errors
    /// Where it is no manifest, or one of a later format.
    pub fn parse(text: &[u8]) -> Result<Self, TaskError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let found: Format = serde_json::from_slice(text).map_err(|error| damaged(&error))?;
        if found.format == 0 || found.format > FORMAT {
            return Err(TaskError::new(format!(
                "the manifest has format {}, and this plugin reads format {FORMAT}",
                found.format
            ))
            .remedy("install the version of the plugin that wrote it, or a later one"));
        }
        serde_json::from_slice(text).map_err(|error| damaged(&error))
    }

    /// The bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The major version of the server.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.server_version / 10_000
    }
}

fn damaged(error: &serde_json::Error) -> TaskError {
    TaskError::new(format!("the manifest is damaged: {error}"))
        .remedy("take the set from another copy of the backups, or do without it")
}
