//! PKCS#12: certificates and keys in one file, each behind a password. It is opened to see when its certificates expire
//! and whether the key is theirs; of the key no more than its public half is kept.

use shared_certificates::{Certificate, PublicPart};

use crate::cipher;
use crate::der::{self, Element, OBJECT, OCTETS};
use crate::disk::Contents;
use crate::key;

/// 1.2.840.113549.1.7, and 1 for data or 6 for what is encrypted.
const CONTENT: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7];
/// 1.2.840.113549.1.12.10.1, and the kind of bag.
const BAG: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1];

/// Why a keystore was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closed {
    /// The password is not its own.
    Locked,
    /// It is not a keystore, or of a kind that is not known.
    Damaged,
}

/// Opens a keystore.
pub(crate) fn open(bytes: &[u8], password: Option<&str>) -> Contents {
    let mut contents = Contents::default();
    match bags(bytes, password.unwrap_or_default()) {
        Ok(found) => {
            contents.has_private_key = found.has_key;
            contents.keys = found.keys;
            for der in found.certificates {
                match Certificate::read(&der) {
                    Ok(certificate) => contents.chain.push(certificate),
                    Err(damage) => contents.damaged = Some(damage),
                }
            }
            in_order(&mut contents.chain, &contents.keys);
        }
        Err(Closed::Locked) => contents.locked = true,
        Err(Closed::Damaged) => contents.damaged = Some("it is no PKCS#12 file of a kind that is known".into()),
    }
    contents
}

/// What is in a keystore.
#[derive(Default)]
struct Found {
    certificates: Vec<Vec<u8>>,
    keys: Vec<PublicPart>,
    has_key: bool,
}

fn bags(bytes: &[u8], password: &str) -> Result<Found, Closed> {
    let file = der::sequence(bytes).ok_or(Closed::Damaged)?;
    let safes = plain(&der::inner(&file, 1).ok_or(Closed::Damaged)?).ok_or(Closed::Damaged)?;
    let seal = der::inner(&file, 2);
    let is_its_own = seal.and_then(|seal| cipher::is_sealed(safes, &seal, password));
    if is_its_own == Some(false) {
        return Err(Closed::Locked);
    }
    let mut found = Found::default();
    for safe in der::sequence(safes).ok_or(Closed::Damaged)? {
        let safe = der::members(safe.2).ok_or(Closed::Damaged)?;
        let opened = match plain(&safe) {
            Some(content) => content.to_vec(),
            None => encrypted(&safe, password).ok_or(Closed::Locked)?,
        };
        for bag in der::sequence(&opened).ok_or(Closed::Locked)? {
            take(&der::members(bag.2).ok_or(Closed::Damaged)?, password, &mut found).ok_or(Closed::Damaged)?;
        }
    }
    Ok(found)
}

/// The octets of content that is not encrypted.
fn plain<'a>(content: &[Element<'a>]) -> Option<&'a [u8]> {
    let [1] = der::content(content, 0, OBJECT)?.strip_prefix(CONTENT)? else { return None };
    octets(der::explicit(content, 1)?)
}

fn octets(der: &[u8]) -> Option<&[u8]> {
    match der::element(der)?.1 {
        (false, OCTETS, octets) => Some(octets),
        _ => None,
    }
}

fn encrypted(content: &[Element<'_>], password: &str) -> Option<Vec<u8>> {
    let [6] = der::content(content, 0, OBJECT)?.strip_prefix(CONTENT)? else { return None };
    let data = der::sequence(der::explicit(content, 1)?)?;
    let information = der::inner(&data, 1)?;
    cipher::decrypt(&der::inner(&information, 1)?, der::explicit(&information, 2)?, password)
}

fn take(bag: &[Element<'_>], password: &str, found: &mut Found) -> Option<()> {
    let [kind] = der::content(bag, 0, OBJECT)?.strip_prefix(BAG)? else { return Some(()) };
    let value = der::explicit(bag, 1)?;
    match kind {
        1 => {
            found.has_key = true;
            found.keys.extend(key::public_part("PRIVATE KEY", value));
        }
        2 => {
            found.has_key = true;
            let shrouded = der::sequence(value)?;
            let encrypted = der::content(&shrouded, 1, OCTETS)?;
            let opened = cipher::decrypt(&der::inner(&shrouded, 0)?, encrypted, password);
            found.keys.extend(opened.and_then(|der| key::public_part("PRIVATE KEY", &der)));
        }
        3 => {
            let certificate = der::sequence(value)?;
            found.certificates.push(octets(der::explicit(&certificate, 1)?)?.to_vec());
        }
        _ => {}
    }
    Some(())
}

/// The key's certificate first, and behind each the one that signed it: a keystore has them in any order.
fn in_order(chain: &mut Vec<Certificate>, keys: &[PublicPart]) {
    let first = chain.iter().position(|certificate| keys.contains(&certificate.public_key));
    let first = first.or_else(|| chain.iter().position(|certificate| !certificate.is_authority));
    let Some(first) = first else { return };
    let mut ordered = vec![chain.remove(first)];
    while let Some(place) = ordered
        .last()
        .filter(|last| !last.is_self_signed())
        .and_then(|last| chain.iter().position(|certificate| certificate.subject == last.issuer))
    {
        ordered.push(chain.remove(place));
    }
    ordered.append(chain);
    *chain = ordered;
}
