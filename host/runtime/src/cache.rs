//! Compiled code, kept by the component's digest and the engine's compatibility hash.
//!
//! This is the one place that loads compiled code, which is machine code that nothing checks again. So the directory
//! belongs to the host's user and nobody else may write it; a file is taken only where it is a regular file of the
//! same user and its checksum fits; anything else is compiled afresh. The checksum guards against damage, the
//! directory's rights against people.
#![allow(unsafe_code, reason = "Component::deserialize_file is unsafe; the checks above make it sound")]

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use wasmtime::{Engine, component::Component};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::RuntimeError;

/// The directory of compiled code.
#[derive(Debug, Clone)]
pub struct CodeCache {
    directory: PathBuf,
}

impl CodeCache {
    /// Opens the directory, and makes it where it is not there.
    ///
    /// # Errors
    /// Where it cannot be made, is not the user's own, or others may write it.
    pub fn open(directory: &Path) -> Result<Self, RuntimeError> {
        let wrong = |problem: String| RuntimeError::Cache { directory: directory.display().to_string(), problem };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| wrong(format!("cannot be made: {error}")))?;
        let metadata = fs::symlink_metadata(directory).map_err(|error| wrong(error.to_string()))?;
        if !metadata.is_dir() {
            return Err(wrong("is not a directory".into()));
        }
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(wrong("belongs to another user; remove it, or name another with host.cache".into()));
        }
        if metadata.mode() & 0o022 != 0 {
            return Err(wrong("can be written by others; run `chmod 700` on it".into()));
        }
        Ok(Self { directory: directory.into() })
    }

    /// The compiled component: from the cache, or compiled now and kept. That it cannot be kept is no error.
    ///
    /// # Errors
    /// Where the component does not compile.
    pub fn load(
        &self,
        engine: &Engine,
        digest: &str,
        component: impl FnOnce() -> std::io::Result<Vec<u8>>,
    ) -> Result<Component, RuntimeError> {
        let path = self.directory.join(format!("{digest}-{:016x}.compiled", compatibility(engine)));
        if let Some(component) = self.read(engine, &path) {
            return Ok(component);
        }
        let bytes = component().map_err(|error| RuntimeError::Compile(error.to_string()))?;
        let component = Component::new(engine, &bytes).map_err(|error| RuntimeError::Compile(format!("{error:#}")))?;
        if let Err(error) = self.write(&component, &path) {
            tracing::warn!(directory = %self.directory.display(), %error, "compiled code could not be kept");
        }
        Ok(component)
    }

    fn read(&self, engine: &Engine, path: &Path) -> Option<Component> {
        let metadata = fs::symlink_metadata(path).ok()?;
        if !metadata.is_file() || metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o022 != 0
        {
            return None;
        }
        let expected = fs::read(checksum_of(path)).ok()?;
        if checksum(path).ok()?.as_slice() != expected {
            tracing::warn!(path = %path.display(), "compiled code is damaged; compiling afresh");
            return None;
        }
        // SAFETY: the bytes are those that this user's host wrote for this very engine: the checksum fits, the name
        // carries the engine's compatibility hash, and nobody else can write the directory. A file of the cache is
        // replaced and never written again, so that it stays what is mapped.
        let mapped = unsafe { Component::deserialize_file(engine, path) };
        mapped.ok().or_else(|| {
            // A directory mounted `noexec` has no code mapped from it, but its bytes can be copied.
            let compiled = fs::read(path).ok()?;
            // SAFETY: as above.
            unsafe { Component::deserialize(engine, &compiled) }.ok()
        })
    }

    fn write(&self, component: &Component, path: &Path) -> std::io::Result<()> {
        let compiled = component.serialize().map_err(|error| std::io::Error::other(error.to_string()))?;
        self.replace(path, &compiled)?;
        self.replace(&checksum_of(path), &xxh3_128(&compiled).to_be_bytes())
    }

    fn replace(&self, path: &Path, contents: &[u8]) -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.write_all(contents)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// The checksum of a file, which is not kept in memory: most of the code is never looked at again.
fn checksum(path: &Path) -> std::io::Result<[u8; 16]> {
    let mut file = fs::File::open(path)?;
    let (mut hasher, mut piece) = (Xxh3::new(), [0; 16 << 10]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hasher.digest128().to_be_bytes()),
            length => hasher.update(&piece[..length]),
        }
    }
}

fn checksum_of(path: &Path) -> PathBuf {
    path.with_extension("checksum")
}

fn compatibility(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}
