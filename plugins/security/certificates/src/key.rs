//! The public half of a private key, without any cryptography.
//!
//! PKCS#1 carries the modulus, SEC1 and the second version of PKCS#8 may carry the public key: then it can be told
//! whether a key belongs to a certificate. Where it cannot (an encrypted key, one without its public half) nothing is
//! said rather than guessed.

use crate::der::{BITS, INTEGER, OCTETS, element, sequence};
use shared_certificates::{PublicPart, without_zeros};

/// `[1]`, where SEC1 and PKCS#8 put the public key.
const PUBLIC: u32 = 1;

/// The public half of a private key, as PEM labels and holds it.
pub(crate) fn public_part(label: &str, der: &[u8]) -> Option<PublicPart> {
    match label {
        "RSA PRIVATE KEY" => modulus(der),
        "EC PRIVATE KEY" => curve(der),
        "PRIVATE KEY" => pkcs8(der),
        _ => None,
    }
}

/// Whether a PEM label is a private key's.
pub(crate) fn is_private(label: &str) -> bool {
    label.ends_with("PRIVATE KEY")
}

fn pkcs8(der: &[u8]) -> Option<PublicPart> {
    let elements = sequence(der)?;
    let later = elements.get(3..).unwrap_or_default();
    // IMPLICIT BIT STRING: the content begins with the count of unused bits.
    if let Some((_, _, bits)) = later.iter().find(|(context, tag, _)| *context && *tag == PUBLIC) {
        return Some(PublicPart::Bits(bits.get(1..)?.to_vec()));
    }
    let (_, OCTETS, inner) = elements.get(2)? else { return None };
    modulus(inner).or_else(|| curve(inner))
}

/// PKCS#1: version, modulus, and what is secret.
fn modulus(der: &[u8]) -> Option<PublicPart> {
    let elements = sequence(der)?;
    match elements.as_slice() {
        [(false, INTEGER, _), (false, INTEGER, modulus), (false, INTEGER, _), ..] => {
            Some(PublicPart::Modulus(without_zeros(modulus).to_vec()))
        }
        _ => None,
    }
}

/// SEC1: version, what is secret, `[0]` the curve, `[1]` the public key.
fn curve(der: &[u8]) -> Option<PublicPart> {
    let elements = sequence(der)?;
    let (_, _, explicit) = elements.iter().find(|(context, tag, _)| *context && *tag == PUBLIC)?;
    let (_, BITS, bits) = element(explicit)?.1 else { return None };
    Some(PublicPart::Bits(bits.get(1..)?.to_vec()))
}
