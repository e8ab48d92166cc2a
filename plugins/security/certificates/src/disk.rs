//! Certificates and keys in a directory.
//!
//! Files are told by their names, since a directory of a server holds much else, and judged together: a certificate with
//! the key beside it, a chain with its other half.

use std::collections::BTreeMap;

use hostler_sdk::files::{self, Directory, Entry, Kind};
use hostler_sdk::matches_pattern;
use hostler_sdk::prelude::*;
use x509_parser::pem::Pem;

use crate::Settings;
use crate::place::Place;
use crate::{key, keystore};
use shared_certificates::{Certificate, PublicPart, generation};

/// A chain of certificates is a few thousand bytes.
const LARGEST: usize = 1 << 20;
/// More certificates than any chain has: a bundle of roots, which its distribution keeps.
const BUNDLE: usize = 10;
/// Permission bits of everybody.
const EVERYBODY: u32 = 0o006;

/// What a directory holds.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) places: Vec<Place>,
    pub(crate) keys_compared: usize,
}

/// A file that was read.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Contents {
    pub(crate) chain: Vec<Certificate>,
    /// The public halves of the private keys in it, where they can be told.
    pub(crate) keys: Vec<PublicPart>,
    pub(crate) has_private_key: bool,
    /// Why a part of it could not be read.
    pub(crate) damaged: Option<String>,
    /// Whether the password in the settings does not open it.
    pub(crate) locked: bool,
}

pub(crate) async fn look(directory: &Directory, settings: &Settings) -> Result<Found, TaskError> {
    let tree = directory.list(Some(settings.depth)).await?;
    for (path, reason) in &tree.unreadable {
        finding!(Severity::Unknown, "not-read", path.as_str(), "it could not be looked at: {reason}")
            .remedy("let the host's user read it, or name it in `ignore`")
            .report();
    }
    let root = format!("{}/", directory.root());
    let mut files: BTreeMap<String, &Entry> = BTreeMap::new();
    for entry in &tree.entries {
        let Some(below) = entry.path.strip_prefix(&root) else { continue };
        let ignored = settings.ignore.iter().any(|pattern| matches_pattern(pattern, below));
        if !ignored && entry.metadata.kind == Kind::File && interesting(below) {
            files.insert(below.into(), entry);
        }
    }
    let names: Vec<String> = files.keys().cloned().collect();
    files.retain(|below, _| !superseded(below, &names));
    let mut read: BTreeMap<String, Contents> = BTreeMap::new();
    for (below, entry) in &files {
        let contents = match files::read(&entry.path, LARGEST).await {
            Ok(bytes) if is_keystore(below) => keystore::open(&bytes, settings.pkcs12_password.as_deref()),
            Ok(bytes) => parse(&bytes),
            Err(error) if error.ends_the_run() => return Err(error),
            // A key that the host's user may not read is as it should be.
            Err(error) if !is_certificate(below) && (error.is("EACCES") || error.is("EPERM")) => continue,
            Err(error) => {
                error.finding("not-read", format!("{}/{below}", directory.name())).report();
                continue;
            }
        };
        read.insert(below.clone(), contents);
    }
    let modes = files.iter().map(|(below, entry)| (below.as_str(), entry.metadata.ownership.mode)).collect();
    Ok(judge(directory.name(), &read, &modes))
}

/// What the files of one directory say about one another.
pub(crate) fn judge(directory: &str, read: &BTreeMap<String, Contents>, modes: &BTreeMap<&str, u32>) -> Found {
    let mut found = Found::default();
    for (below, contents) in read {
        let subject = format!("{directory}/{below}");
        let mode = modes.get(below.as_str()).copied().unwrap_or_default();
        if contents.has_private_key && mode & EVERYBODY != 0 {
            finding!(Severity::Warning, "key-open", subject.as_str(), "every user of the machine can read or write this private key (mode {:04o})", mode & 0o7777)
                .remedy(format!("chmod o-rwx {below}; and where others may have read it, have the certificate issued again for a new key"))
                .report();
        }
        if !is_certificate(below) {
            continue;
        }
        if let Some(damage) = &contents.damaged {
            finding!(Severity::Unknown, "damaged", subject.as_str(), "a part of it could not be read: {damage}")
                .remedy("compare it with where it came from, or name it in `ignore`")
                .report();
        }
        if contents.locked {
            finding!(
                Severity::Unknown,
                "password-wrong",
                subject.as_str(),
                "the password in the settings does not open it, so its certificates were not looked at"
            )
            .remedy("set `pkcs12_password` in the task's settings, or name the file in `ignore` and give it a task of its own")
            .report();
            continue;
        }
        // `pem` says how a file is written; the other endings say that a certificate is in it.
        if *contents == Contents::default() && split(below).2 != "pem" {
            finding!(Severity::Unknown, "damaged", subject.as_str(), "no certificate is in it")
                .remedy("put it back from where it came, or name it in `ignore`")
                .report();
        }
        if contents.chain.is_empty() || contents.chain.len() > BUNDLE {
            continue;
        }
        let place = Place { called: called(directory, below), subject, chain: contents.chain.clone(), served: false };
        let beside = key_names(below).into_iter().filter_map(|name| read.get(&name)).flat_map(|other| &other.keys);
        let keys: Vec<&PublicPart> = contents.keys.iter().chain(beside).collect();
        if let Some(leaf) = place.leaf().filter(|_| !keys.is_empty()) {
            found.keys_compared += 1;
            // Where several keys stand beside it, it has one of them.
            if !keys.contains(&&leaf.public_key) {
                finding!(
                    Severity::Critical,
                    "key-mismatch",
                    place.subject.as_str(),
                    "{}: the private key beside it is another's, and no server starts with both",
                    leaf.title
                )
                .remedy("put the key there for which it was issued, or have it issued again for this key")
                .report();
            }
        }
        found.places.push(place);
    }
    found
}

/// Reads PEM, and DER where the file is DER.
pub(crate) fn parse(bytes: &[u8]) -> Contents {
    let mut contents = Contents::default();
    if bytes.first() == Some(&0x30) {
        match Certificate::read(bytes) {
            Ok(certificate) => contents.chain.push(certificate),
            Err(damage) => contents.damaged = Some(damage),
        }
        return contents;
    }
    for block in Pem::iter_from_buffer(bytes) {
        let Ok(block) = block else {
            contents.damaged = Some("a block of PEM is not whole".into());
            continue;
        };
        if matches!(block.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE") {
            match Certificate::read(&block.contents) {
                Ok(certificate) => contents.chain.push(certificate),
                Err(damage) => contents.damaged = Some(damage),
            }
        } else {
            contents.keys.extend(key::public_part(&block.label, &block.contents));
            contents.has_private_key |= key::is_private(&block.label);
        }
    }
    // An encrypted key has lines before its base64, which a strict reader takes for damage.
    if String::from_utf8_lossy(bytes).contains("PRIVATE KEY-----") {
        contents.has_private_key = true;
        contents.damaged = contents.damaged.filter(|_| contents.keys.is_empty() && !contents.chain.is_empty());
    }
    contents
}

fn split(below: &str) -> (&str, &str, &str) {
    let (directory, file) = below.rsplit_once('/').unwrap_or(("", below));
    let (stem, extension) = file.rsplit_once('.').unwrap_or((file, ""));
    (directory, stem, extension)
}

fn interesting(below: &str) -> bool {
    is_certificate(below) || split(below).2 == "key"
}

fn is_certificate(below: &str) -> bool {
    matches!(split(below).2, "pem" | "crt" | "cer") || is_keystore(below)
}

fn is_keystore(below: &str) -> bool {
    matches!(split(below).2, "p12" | "pfx")
}

/// Whether certbot made a newer one beside it: the older ones are kept, and expire.
pub(crate) fn superseded(below: &str, names: &[String]) -> bool {
    let (directory, stem, extension) = split(below);
    let Some((kind, number)) = generation(stem) else { return false };
    names.iter().any(|other| {
        let (beside, stem, ending) = split(other);
        let newer = generation(stem).is_some_and(|(other, newer)| other == kind && newer > number);
        beside == directory && ending == extension && newer
    })
}

/// Where the private key of a certificate lies, by the names that are usual.
fn key_names(below: &str) -> Vec<String> {
    let (directory, stem, _) = split(below);
    let path = |file: String| if directory.is_empty() { file } else { format!("{directory}/{file}") };
    let mut names = vec![path(format!("{stem}.key"))];
    if let Some((_, number)) = generation(stem) {
        names.push(path(format!("privkey{number}.pem")));
    } else if matches!(stem, "cert" | "fullchain") {
        names.push(path("privkey.pem".into()));
    }
    names
}

/// What an endpoint would be called that serves this file.
fn called(directory: &str, below: &str) -> Vec<String> {
    let (path, stem, _) = split(below);
    let parent = path.rsplit('/').next().filter(|parent| !parent.is_empty()).unwrap_or(directory);
    vec![stem.into(), parent.into()]
}
