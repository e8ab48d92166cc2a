//! A file that may become an installed plugin, looked at without being run.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use hostler_manifest::{Access, Manifest, Request, extract, imports};
use sha2::{Digest, Sha256};

use crate::RegistryError;

/// The largest plugin, in bytes: a Python one has 20 to 40 MB.
pub const LARGEST: u64 = 64 << 20;

/// A component with its manifest, checked against each other.
pub struct Candidate {
    /// Where it was found.
    pub path: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
    /// The SHA-256 of the file, in hexadecimal.
    pub digest: String,
    /// The file.
    pub bytes: Vec<u8>,
}

impl Candidate {
    /// Reads a file: its manifest, and its real imports against its requests.
    ///
    /// # Errors
    /// Where it is no plugin, or imports what it does not request.
    pub fn read(path: &Path) -> Result<Self, RegistryError> {
        let bytes = read_bounded(path)?;
        let wrong = |problem| RegistryError::NoPlugin { path: path.into(), problem };
        let manifest = extract(&bytes).map_err(wrong)?;
        imports(&bytes, &manifest).map_err(wrong)?;
        Ok(Self { path: path.into(), manifest, digest: digest(&bytes), bytes })
    }

    /// What an operator should know beside the requests themselves.
    pub fn warnings(&self) -> Vec<String> {
        let requests = || self.manifest.requests.iter();
        let reads: Vec<_> = requests().filter(|(_, request)| reads(request)).map(|(name, _)| name.as_str()).collect();
        let sends: Vec<_> = requests().filter(|(_, request)| sends(request)).map(|(name, _)| name.as_str()).collect();
        let others = |name: &&str| reads.iter().any(|read| read != name);
        match sends.iter().find(|name| others(name)) {
            Some(_) => vec![format!("it can send what it reads ({}) through {}", reads.join(", "), sends.join(", "))],
            None => vec![],
        }
    }
}

fn reads(request: &Request) -> bool {
    matches!(request, Request::Postgres(_) | Request::Redis(_) | Request::Directory(_) | Request::Program(_))
}

/// An endpoint, and a directory or program that others may read from, carry things out.
fn sends(request: &Request) -> bool {
    match request {
        Request::Endpoint(_) => true,
        Request::Directory(directory) => directory.access == Access::Write,
        _ => false,
    }
}

/// The component files of a directory, by name; the file itself where it is one.
///
/// # Errors
/// Where the directory cannot be read or has none.
pub fn components(path: &Path) -> Result<Vec<PathBuf>, RegistryError> {
    let metadata = fs::metadata(path).map_err(RegistryError::io(path))?;
    if !metadata.is_dir() {
        return Ok(vec![path.into()]);
    }
    let entries = fs::read_dir(path).map_err(RegistryError::io(path))?;
    let mut found: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm") && path.is_file())
        .collect();
    found.sort();
    if found.is_empty() { Err(RegistryError::NothingThere(path.into())) } else { Ok(found) }
}

pub(crate) fn read_bounded(path: &Path) -> Result<Vec<u8>, RegistryError> {
    let file = File::open(path).map_err(RegistryError::io(path))?;
    let metadata = file.metadata().map_err(RegistryError::io(path))?;
    if !metadata.is_file() {
        return Err(RegistryError::Io { path: path.into(), problem: "is not a regular file".into() });
    }
    if metadata.len() > LARGEST {
        return Err(RegistryError::TooLarge { path: path.into(), size: metadata.len() });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(RegistryError::io(path))?;
    Ok(bytes)
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
