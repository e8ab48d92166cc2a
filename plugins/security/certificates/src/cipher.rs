//! The ciphers of PKCS#12: those that OpenSSL, Java and Windows write today, and those that they wrote before.
//!
//! Rounds are bounded: a file from somewhere is not to keep the machine busy for a night.

use cbc::Decryptor;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit, block_padding::Pkcs7};
use hmac::{Hmac, Mac};
use sha1::{Digest, Sha1};
use sha2::{Sha256, Sha384, Sha512};

use crate::der::{self, Element, INTEGER, OBJECT, OCTETS};

/// Rounds of a key's derivation, at most.
const ROUNDS: u32 = 5_000_000;

const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13];
const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12];
/// 1.2.840.113549.1.12.1, and the number of the scheme.
const PBE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 1];
/// 2.16.840.1.101.3.4.1, and the number of the cipher.
const AES: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1];
const TRIPLE_DES: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 3, 7];
/// 2.16.840.1.101.3.4.2, and the number of the hash.
const SHA2: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2];
const SHA1: &[u8] = &[0x2b, 14, 3, 2, 26];
/// 1.2.840.113549.2, and the number of the hash beneath.
const HMAC: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2];

/// What a key that PKCS#12 derives is for.
#[derive(Clone, Copy)]
enum Purpose {
    Key = 1,
    Vector = 2,
    Mac = 3,
}

/// A hash that is known.
#[derive(Clone, Copy)]
enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn of(identifier: &[u8]) -> Option<Self> {
        let number = |of: &[u8]| identifier.strip_prefix(of).filter(|rest| rest.len() == 1).map(|rest| rest[0]);
        Some(match (number(SHA2), number(HMAC)) {
            (Some(1), _) | (_, Some(9)) => Self::Sha256,
            (Some(2), _) | (_, Some(10)) => Self::Sha384,
            (Some(3), _) | (_, Some(11)) => Self::Sha512,
            (_, Some(7)) => Self::Sha1,
            _ if identifier == SHA1 => Self::Sha1,
            _ => return None,
        })
    }

    fn derive(self, purpose: Purpose, password: &[u8], salt: &[u8], rounds: u32, length: usize) -> Vec<u8> {
        match self {
            Self::Sha1 => derive::<Sha1>(64, purpose, password, salt, rounds, length),
            Self::Sha256 => derive::<Sha256>(64, purpose, password, salt, rounds, length),
            Self::Sha384 => derive::<Sha384>(128, purpose, password, salt, rounds, length),
            Self::Sha512 => derive::<Sha512>(128, purpose, password, salt, rounds, length),
        }
    }
}

/// Whether a password is that of what was sealed with it; nothing where the seal is of another kind.
pub(crate) fn is_sealed(content: &[u8], seal: &[Element<'_>], password: &str) -> Option<bool> {
    let digest = der::inner(seal, 0)?;
    let hash = Hash::of(der::content(&der::inner(&digest, 0)?, 0, OBJECT)?)?;
    let (expected, salt) = (der::content(&digest, 1, OCTETS)?, der::content(seal, 1, OCTETS)?);
    let rounds = der::content(seal, 2, INTEGER).map_or(Some(1), der::number).filter(|rounds| *rounds <= ROUNDS)?;
    Some(spellings(password).iter().any(|password| {
        match hash {
            Hash::Sha1 => Hmac::<Sha1>::new_from_slice(&hash.derive(Purpose::Mac, password, salt, rounds, 20))
                .is_ok_and(|mac| mac.chain_update(content).verify_slice(expected).is_ok()),
            Hash::Sha256 => Hmac::<Sha256>::new_from_slice(&hash.derive(Purpose::Mac, password, salt, rounds, 32))
                .is_ok_and(|mac| mac.chain_update(content).verify_slice(expected).is_ok()),
            Hash::Sha384 => Hmac::<Sha384>::new_from_slice(&hash.derive(Purpose::Mac, password, salt, rounds, 48))
                .is_ok_and(|mac| mac.chain_update(content).verify_slice(expected).is_ok()),
            Hash::Sha512 => Hmac::<Sha512>::new_from_slice(&hash.derive(Purpose::Mac, password, salt, rounds, 64))
                .is_ok_and(|mac| mac.chain_update(content).verify_slice(expected).is_ok()),
        }
    }))
}

/// What was encrypted; nothing where the password is not its own, or the cipher is none of those that are known.
pub(crate) fn decrypt(algorithm: &[Element<'_>], encrypted: &[u8], password: &str) -> Option<Vec<u8>> {
    let identifier = der::content(algorithm, 0, OBJECT)?;
    let parameters = der::inner(algorithm, 1)?;
    if identifier == PBES2 {
        return pbes2(&parameters, encrypted, password);
    }
    let [scheme] = identifier.strip_prefix(PBE)? else { return None };
    let salt = der::content(&parameters, 0, OCTETS)?;
    let rounds = der::content(&parameters, 1, INTEGER).and_then(der::number).filter(|rounds| *rounds <= ROUNDS)?;
    spellings(password).iter().find_map(|password| {
        let part = |purpose, length| Hash::Sha1.derive(purpose, password, salt, rounds, length);
        let vector = part(Purpose::Vector, 8);
        match scheme {
            3 => blocks::<des::TdesEde3>(&part(Purpose::Key, 24), &vector, encrypted),
            4 => blocks::<des::TdesEde2>(&part(Purpose::Key, 16), &vector, encrypted),
            5 => blocks::<rc2::Rc2>(&part(Purpose::Key, 16), &vector, encrypted),
            6 => blocks::<rc2::Rc2>(&part(Purpose::Key, 5), &vector, encrypted),
            _ => None,
        }
    })
}

fn pbes2(parameters: &[Element<'_>], encrypted: &[u8], password: &str) -> Option<Vec<u8>> {
    let (derivation, scheme) = (der::inner(parameters, 0)?, der::inner(parameters, 1)?);
    if der::content(&derivation, 0, OBJECT)? != PBKDF2 {
        return None;
    }
    let derivation = der::inner(&derivation, 1)?;
    let salt = der::content(&derivation, 0, OCTETS)?;
    let rounds = der::content(&derivation, 1, INTEGER).and_then(der::number).filter(|rounds| *rounds <= ROUNDS)?;
    // The hash comes last, behind the key's length, which the cipher says as well; without one it is SHA-1.
    let last = derivation.len().checked_sub(1)?;
    let hash = match der::inner(&derivation, last) {
        Some(algorithm) => Hash::of(der::content(&algorithm, 0, OBJECT)?)?,
        None => Hash::Sha1,
    };
    let key = |length: usize| {
        let mut key = vec![0; length];
        let password = password.as_bytes();
        match hash {
            Hash::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, rounds, &mut key),
            Hash::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, rounds, &mut key),
            Hash::Sha384 => pbkdf2::pbkdf2_hmac::<Sha384>(password, salt, rounds, &mut key),
            Hash::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, rounds, &mut key),
        }
        key
    };
    let (cipher, vector) = (der::content(&scheme, 0, OBJECT)?, der::content(&scheme, 1, OCTETS)?);
    match cipher.strip_prefix(AES) {
        Some([2]) => blocks::<aes::Aes128>(&key(16), vector, encrypted),
        Some([22]) => blocks::<aes::Aes192>(&key(24), vector, encrypted),
        Some([42]) => blocks::<aes::Aes256>(&key(32), vector, encrypted),
        _ if cipher == TRIPLE_DES => blocks::<des::TdesEde3>(&key(24), vector, encrypted),
        _ => None,
    }
}

fn blocks<C: KeyInit + BlockCipherDecrypt>(key: &[u8], vector: &[u8], encrypted: &[u8]) -> Option<Vec<u8>> {
    Decryptor::<C>::new_from_slices(key, vector).ok()?.decrypt_padded_vec::<Pkcs7>(encrypted).ok()
}

/// A password as UTF-16 with a zero at its end; an empty one is also written as nothing at all.
fn spellings(password: &str) -> Vec<Vec<u8>> {
    let text: Vec<u8> = password.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect();
    if password.is_empty() { vec![text, vec![]] } else { vec![text] }
}

/// RFC 7292, appendix B.
fn derive<D: Digest>(
    block: usize,
    purpose: Purpose,
    password: &[u8],
    salt: &[u8],
    rounds: u32,
    length: usize,
) -> Vec<u8> {
    let filled =
        |text: &[u8]| -> Vec<u8> { text.iter().copied().cycle().take(text.len().div_ceil(block) * block).collect() };
    let mut input = filled(salt);
    input.extend(filled(password));
    let mut derived = vec![];
    loop {
        let mut hash = D::new().chain_update(vec![purpose as u8; block]).chain_update(&input).finalize();
        for _ in 1..rounds {
            hash = D::digest(&hash);
        }
        derived.extend_from_slice(&hash);
        if derived.len() >= length {
            derived.truncate(length);
            return derived;
        }
        // Each block of the input grows by this hash, and by one.
        for chunk in input.chunks_exact_mut(block) {
            let mut carry = 1_u16;
            for (place, byte) in chunk.iter_mut().enumerate().rev() {
                let sum = u16::from(*byte) + u16::from(hash[place % hash.len()]) + carry;
                (*byte, carry) = (sum as u8, sum >> 8);
            }
        }
    }
}
