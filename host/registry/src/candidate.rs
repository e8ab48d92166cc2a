//! A file that may become a plugin: read and checked, and never run.

use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, File},
    io::Read,
    path::Path,
};

use hostler_configuration::{changes, redis_only_reads};
use hostler_manifest::{Access, Effect, Manifest, ManifestError, Mode, Request, contract, extract, imports, validate};
use sha2::{Digest, Sha256};

use crate::RegistryError;

/// The most bytes that a plugin has.
pub const LARGEST: u64 = 64 << 20;

/// A plugin that was read and checked, and is not installed.
#[derive(Clone, PartialEq)]
pub struct Candidate {
    /// What it says of itself.
    pub manifest: Manifest,
    /// `sha256:` and its digest in hexadecimal digits.
    pub digest: String,
    /// The interfaces that it imports.
    pub imports: BTreeSet<String>,
    bytes: Vec<u8>,
}

impl fmt::Debug for Candidate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plugin = &self.manifest.plugin;
        write!(formatter, "Candidate({} {} {})", plugin.name, plugin.version, self.digest)
    }
}

/// Reads and checks a plugin: its manifest, that it imports no more than it requests, and every byte of its code.
///
/// # Errors
/// Where it is no plugin, or one that cannot be used.
pub fn examine(bytes: Vec<u8>) -> Result<Candidate, RegistryError> {
    let candidate = inspect(bytes)?;
    validate(candidate.bytes())?;
    Ok(candidate)
}

/// [`examine`] without a look at every byte of the code.
fn inspect(bytes: Vec<u8>) -> Result<Candidate, RegistryError> {
    let size = bytes.len() as u64;
    if size > LARGEST {
        return Err(RegistryError::TooLarge { size, limit: LARGEST });
    }
    let manifest = extract(&bytes).map_err(|error| match error {
        // A manifest of another version of the contract may well be unreadable, and the version is what to say.
        ManifestError::Damaged(_) | ManifestError::Value { .. } => match contract(&bytes) {
            Err(other @ ManifestError::OtherContract { .. }) => other,
            _ => error,
        },
        error => error,
    })?;
    only_looks(&manifest)?;
    let imports = imports(&bytes, &manifest)?;
    Ok(Candidate { digest: digest(&bytes), manifest, imports, bytes })
}

/// A plugin that says it only looks asks for nothing that changes, of a Redis server either: that takes the table of its
/// commands, which a manifest alone does not have.
fn only_looks(manifest: &Manifest) -> Result<(), ManifestError> {
    let changing = |(_, request): &(&String, &Request)| manifest.plugin.mode == Mode::Check && changes(request);
    match manifest.requests.iter().find(changing) {
        None => Ok(()),
        Some((name, _)) => Err(ManifestError::Value {
            key: format!("requests.{name}"),
            problem: "asks to change something, and plugin.mode is \"check\"; write mode = \"apply\"".into(),
        }),
    }
}

/// [`examine`], for a file. A link leads to the file that is meant; anything but a regular file is refused unread.
///
/// # Errors
/// Where it cannot be read, or is no plugin, or one that cannot be used.
pub fn examine_file(path: &Path) -> Result<Candidate, RegistryError> {
    examine(read(path)?).map_err(|error| error.of(path))
}

/// [`examine_file`] without a look at every byte of the code, for one who compiles it next: compiling looks at each.
///
/// # Errors
/// As [`examine_file`], except for what is wrong in the code.
pub fn inspect_file(path: &Path) -> Result<Candidate, RegistryError> {
    inspect(read(path)?).map_err(|error| error.of(path))
}

/// Reads a regular file, if it is not too large.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, RegistryError> {
    let unreadable = |error| RegistryError::Io { action: "read", path: path.to_owned(), error };
    // Opening a FIFO waits for its other end, so that its kind is asked for before.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(RegistryError::NotAFile { path: path.to_owned() });
    }
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let too_large = |size| RegistryError::TooLarge { size, limit: LARGEST };
    if size > LARGEST {
        return Err(too_large(size));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
}

/// `sha256:` and the digest in hexadecimal digits.
pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

impl Candidate {
    /// The component.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// What an operator has to know before they consent, beside the requests themselves: above all, where the plugin
    /// could send what it reads.
    pub fn warnings(&self) -> Vec<String> {
        warnings(&self.manifest)
    }
}

pub(crate) fn warnings(manifest: &Manifest) -> Vec<String> {
    let sources: Vec<_> = manifest.requests.iter().filter(|(_, request)| reads_data(request)).collect();
    let mut warnings = Vec::new();
    for (name, request) in manifest.requests.iter().filter(|(_, request)| carries_away(request)) {
        let elsewhere: Vec<String> = sources
            .iter()
            .filter(|(source, _)| *source != name)
            .map(|(source, request)| format!("`{source}` ({})", request.kind()))
            .collect();
        if !elsewhere.is_empty() {
            let way = if matches!(request, Request::Endpoint(_)) { "can send" } else { "can copy" };
            let (read, kind) = (elsewhere.join(", "), request.kind());
            warnings.push(format!("it {way} what it reads from {read} to `{name}` ({kind})"));
        }
    }
    for (name, request) in &manifest.requests {
        if let Request::Postgres(request) = request {
            let everything = |list: &[String]| list.iter().any(|entry| entry == "*.*");
            if everything(&request.read) {
                warnings.push(format!("it can read every table of `{name}`"));
            }
            if everything(&request.write) && request.statements.iter().any(|words| loses_data(words)) {
                warnings.push(format!("it can delete from any table of `{name}`"));
            }
        }
    }
    warnings
}

fn loses_data(words: &str) -> bool {
    let first = words.split_whitespace().next().unwrap_or_default();
    ["DELETE", "TRUNCATE", "DROP", "UPDATE"].iter().any(|word| first.eq_ignore_ascii_case(word))
}

/// Whether what is bound to a request has data of the operator's.
fn reads_data(request: &Request) -> bool {
    matches!(
        request,
        Request::Postgres(_) | Request::Redis(_) | Request::Directory(_) | Request::Program(_) | Request::History(_)
    )
}

/// Whether data can leave by it. Even a GET carries what is written into its path.
fn carries_away(request: &Request) -> bool {
    match request {
        Request::Endpoint(_) => true,
        Request::Postgres(request) => {
            // Statements that put a value of the plugin's into the database.
            !request.call.is_empty()
                || request.statements.iter().any(|words| {
                    let first = words.split_whitespace().next().unwrap_or_default();
                    ["INSERT", "UPDATE", "MERGE", "COPY", "SELECT", "COMMENT"]
                        .iter()
                        .any(|word| first.eq_ignore_ascii_case(word))
                })
        }
        Request::Redis(request) => !redis_only_reads(&request.allow),
        Request::Directory(request) => request.access == Access::Write,
        Request::Program(request) => request.effect == Effect::Changes,
        Request::Machine(_) | Request::History(_) => false,
    }
}
