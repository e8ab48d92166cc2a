//! The certificates that a client manages, as its directory has them. certbot's `live` holds links, which are not
//! followed, so the newest generation in `archive` is what counts; it is what the links lead to after every renewal.

use std::collections::BTreeMap;

use hostler_sdk::files::{self, Directory, Kind};
use hostler_sdk::matches_pattern;
use hostler_sdk::prelude::*;
use shared_certificates::{Certificate, chain, generation};

use crate::Settings;

const LARGEST: usize = 1 << 20;
/// `archive/NAME/cert1.pem` and what else may stand above it.
const DEPTH: u32 = 4;

/// A certificate under the client's name for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lineage {
    pub(crate) name: String,
    /// Below the directory.
    pub(crate) file: String,
    pub(crate) certificate: Certificate,
}

impl Lineage {
    /// Every certificate of the directory that the task looks after.
    pub(crate) async fn all(directory: &Directory, settings: &Settings) -> Result<Vec<Self>, TaskError> {
        let tree = directory.list(Some(DEPTH)).await?;
        for (path, reason) in &tree.unreadable {
            finding!(Severity::Unknown, "not-read", path.as_str(), "it could not be looked at: {reason}")
                .remedy("let the host's user read it, or run the host as one that may")
                .report();
        }
        let root = format!("{}/", directory.root());
        let files = tree.entries.iter().filter(|entry| entry.metadata.kind == Kind::File);
        let below: Vec<&str> = files.filter_map(|entry| entry.path.strip_prefix(&root)).collect();
        let mut found = vec![];
        for (name, file) in newest(&settings.client, &below) {
            if !settings.looks_after(&name) {
                continue;
            }
            match Self::read(directory, &name, &file).await {
                Ok(lineage) => found.push(lineage),
                Err(error) if error.ends_the_run() => return Err(error),
                Err(error) => error.finding("not-read", name).report(),
            }
        }
        Ok(found)
    }

    async fn read(directory: &Directory, name: &str, file: &str) -> Result<Self, TaskError> {
        let bytes = files::read(&directory.path(file), LARGEST).await?;
        let (chain, damaged) = chain(&bytes);
        let Some(certificate) = chain.into_iter().next() else {
            let why = damaged.unwrap_or_else(|| "no certificate is in it".into());
            return Err(TaskError::new(format!("{file}: {why}")).remedy("look at it by openssl x509 -in FILE -text"));
        };
        Ok(Self { name: name.into(), file: file.into(), certificate })
    }

    /// How much of its life is left: seconds, and parts of a hundred.
    pub(crate) fn left(&self, now: Timestamp) -> (Duration, f64) {
        let left = now.until(self.certificate.not_after);
        let lifetime = self.certificate.not_before.until(self.certificate.not_after).as_seconds();
        (left, if lifetime > 0.0 { left.as_seconds() / lifetime * 100.0 } else { 0.0 })
    }

    pub(crate) fn is_due(&self, settings: &Settings, now: Timestamp) -> bool {
        self.left(now).1 < settings.due_share.0
    }

    /// How bad it is where it is not renewed.
    pub(crate) fn severity(&self, settings: &Settings, now: Timestamp) -> Severity {
        if self.left(now).1 < settings.critical_share.0 { Severity::Critical } else { Severity::Warning }
    }

    /// When it ends, in words.
    pub(crate) fn ends(&self, now: Timestamp) -> String {
        let (left, share) = self.left(now);
        let until = self.certificate.not_after;
        if left.as_seconds() <= 0.0 {
            return format!("it expired {} ago ({until})", Duration::from_seconds(-left.as_seconds()));
        }
        format!("it expires in {left} ({until}), {share:.0} % of its lifetime")
    }

    /// The host name under which a server is asked for it.
    pub(crate) fn host(&self) -> Option<&str> {
        self.certificate.names.iter().map(String::as_str).find(|name| !name.starts_with('*'))
    }
}

impl Settings {
    pub(crate) fn looks_after(&self, name: &str) -> bool {
        let named = self.names.is_empty() || self.names.iter().any(|one| one == name);
        named && !self.exclude.iter().any(|pattern| matches_pattern(pattern, name))
    }
}

/// The file of each certificate, by the client's name for it.
pub(crate) fn newest(client: &str, files: &[&str]) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, (u32, String)> = BTreeMap::new();
    for file in files {
        let Some((name, number)) = (if client == "lego" { legos(file) } else { certbots(file) }) else { continue };
        let place = found.entry(name).or_insert_with(|| (number, (*file).to_owned()));
        if number > place.0 {
            *place = (number, (*file).to_owned());
        }
    }
    found.into_iter().map(|(name, (_, file))| (name, file)).collect()
}

/// `archive/NAME/cert7.pem`, or without `archive` where that is what was bound.
fn certbots(file: &str) -> Option<(String, u32)> {
    let (directory, file) = file.rsplit_once('/')?;
    let name = directory.strip_prefix("archive/").unwrap_or(directory);
    let (kind, number) = generation(file.strip_suffix(".pem")?)?;
    (kind == "cert" && !name.contains('/')).then(|| (name.to_owned(), number))
}

/// `certificates/NAME.crt`; a wildcard's star is written `_`.
fn legos(file: &str) -> Option<(String, u32)> {
    let file = file.strip_prefix("certificates/").unwrap_or(file);
    let name = file.strip_suffix(".crt").filter(|name| !name.ends_with(".issuer") && !name.contains('/'))?;
    Some((name.strip_prefix("_.").map_or_else(|| name.to_owned(), |rest| format!("*.{rest}")), 0))
}
