//! The files of a set, hashed by the host, and held against its manifest.

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::files::{self, Effect, Kind, WalkOptions};
use hostler_sdk::{ByteSize, During, TaskError, join_all};
use serde::{Serialize, de::DeserializeOwned};

use crate::{FILE_MODE, File, MANIFEST, Manifest, PROOF, Proof};

/// Files that are hashed at a time: the host has a thread for each.
const AT_A_TIME: usize = 4;
/// The longest manifest that is read: ten thousand tables and a hundred thousand files stay below.
const LONGEST: usize = 32 << 20;

const WHOLE: WalkOptions =
    WalkOptions { depth: None, cross_mounts: false, modified_before: None, accessed_before: None };

/// Names and sizes of what lies in a set, but for the manifest and the proof.
async fn listed(set: &str) -> Result<BTreeMap<String, u64>, TaskError> {
    let tree = files::list(set, WHOLE).await?;
    if let Some((path, reason)) = tree.unreadable.first() {
        return Err(
            TaskError::new(format!("{path} cannot be read: {reason}")).remedy("let the host's user read the backups")
        );
    }
    let below = format!("{set}/");
    let files = tree.entries.iter().filter(|entry| entry.metadata.kind != Kind::Directory);
    let named = files.filter_map(|entry| Some((entry.path.strip_prefix(&below)?.to_owned(), entry.metadata.size)));
    Ok(named.filter(|(name, _)| name != MANIFEST && name != PROOF).collect())
}

/// Every file of a set with its size and SHA-256, by name; those below `but` are left out, whose own manifest has them.
///
/// # Errors
/// Where one cannot be read.
pub async fn hashed(set: &str, but: Option<&str>) -> Result<Vec<File>, TaskError> {
    let named = listed(set).await?;
    let named: Vec<_> = named.into_iter().filter(|(name, _)| !but.is_some_and(|but| name.starts_with(but))).collect();
    let mut hashed = vec![];
    for some in named.chunks(AT_A_TIME) {
        let sums = join_all(some.iter().map(async |(name, _)| files::sha256(&format!("{set}/{name}")).await)).await;
        for ((path, bytes), sha256) in some.iter().zip(sums) {
            hashed.push(File { path: path.clone(), bytes: *bytes, sha256: sha256.during(path)? });
        }
    }
    Ok(hashed)
}

/// In what the files of a set differ from its manifest, in words; none where they are what was written. What lies below
/// `but` and is not in the manifest is left to a manifest of its own.
///
/// # Errors
/// Where the set cannot be listed, or a file may not be read. One that the disk does not give back is a difference.
pub async fn differences(set: &str, manifest: &Manifest, but: Option<&str>) -> Result<Vec<String>, TaskError> {
    let found = listed(set).await?;
    let mut differences = vec![];
    let mut same = vec![];
    for file in &manifest.files {
        match found.get(&file.path) {
            None => differences.push(format!("{} is missing", file.path)),
            Some(bytes) if *bytes != file.bytes => {
                let (now, then) = (ByteSize(*bytes), ByteSize(file.bytes));
                differences.push(format!("{} has {now} ({bytes} bytes) instead of {then} ({})", file.path, file.bytes));
            }
            Some(_) => same.push(file),
        }
    }
    let known: BTreeSet<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
    for name in found.keys() {
        let is_left = but.is_some_and(|but| name.starts_with(but));
        if !is_left && !known.contains(name.as_str()) {
            differences.push(format!("{name} is not in the manifest"));
        }
    }
    for some in same.chunks(AT_A_TIME) {
        let sums = join_all(some.iter().map(async |file| files::sha256(&format!("{set}/{}", file.path)).await)).await;
        for (file, sum) in some.iter().zip(sums) {
            match sum {
                Ok(sum) if sum == file.sha256 => {}
                Ok(_) => differences.push(format!("{} has another SHA-256 than when it was written", file.path)),
                Err(error) if error.is("EIO") => {
                    differences.push(format!("{} cannot be read from the disk", file.path))
                }
                Err(error) if error.is("ENOENT") => differences.push(format!("{} is missing", file.path)),
                Err(error) => return Err(error.during(&file.path)),
            }
        }
    }
    Ok(differences)
}

/// The manifest of a set.
///
/// # Errors
/// Where it is not there, cannot be read, or is none.
pub async fn read_manifest(set: &str) -> Result<Manifest, TaskError> {
    Manifest::parse(&files::read(&format!("{set}/{MANIFEST}"), LONGEST).await?)
}

/// The proof of a set; nothing where it has none that can be read.
///
/// # Errors
/// Where the run ends.
pub async fn read_proof(set: &str) -> Result<Option<Proof>, TaskError> {
    let read = files::read(&format!("{set}/{PROOF}"), LONGEST).await;
    match read {
        Ok(text) => Ok(parsed(&text)),
        Err(error) if error.ends_the_run() => Err(error),
        Err(_) => Ok(None),
    }
}

fn parsed<T: DeserializeOwned>(text: &[u8]) -> Option<T> {
    serde_json::from_slice(text).ok()
}

/// Writes a manifest or a proof, whole or not at all.
///
/// # Errors
/// Where it may not be written.
pub async fn write_json<T: Serialize>(path: &str, value: &T) -> Result<Effect, TaskError> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    files::write(path, FILE_MODE, text).await.during(format!("writing {path}"))
}
