//! What a certificate says, taken out of its DER once, so that what judges it judges plain values, without a parser and
//! the lifetime of its input.

use std::net::IpAddr;

use hostler_sdk::Timestamp;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};
use x509_parser::public_key::PublicKey;

/// Least bits of an RSA key, and of one on an elliptic curve.
const RSA: usize = 2048;
const CURVE: usize = 224;
/// Where the certificate of its issuer is to be had: what a public authority always writes.
const AUTHORITY_INFORMATION: &str = "1.3.6.1.5.5.7.1.1";
/// Signatures on hashes that can be forged.
const FORGEABLE: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.2", "MD2"),
    ("1.2.840.113549.1.1.4", "MD5"),
    ("1.2.840.113549.1.1.5", "SHA-1"),
    ("1.3.14.3.2.29", "SHA-1"),
    ("1.2.840.10040.4.3", "SHA-1"),
    ("1.2.840.10045.4.1", "SHA-1"),
];

/// One certificate.
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    /// As it was read.
    pub der: Vec<u8>,
    /// What people call it: its first name, its common name, or its whole subject.
    pub title: String,
    /// DER of its subject.
    pub subject: Vec<u8>,
    /// DER of its issuer.
    pub issuer: Vec<u8>,
    /// What people call its issuer.
    pub issuer_title: String,
    /// Hexadecimal digits with colons.
    pub serial: String,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// Host names that it is for.
    pub names: Vec<String>,
    /// Addresses that it is for.
    pub addresses: Vec<IpAddr>,
    /// Whether it signs others.
    pub is_authority: bool,
    /// Whether it says where its issuer is to be had, as public authorities write.
    pub from_public_authority: bool,
    /// What is weak about it, in words.
    pub weak: Vec<String>,
    /// What its private key shares with it.
    pub public_key: PublicPart,
}

/// What a private key shares with its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicPart {
    /// An RSA modulus without leading zeros.
    Modulus(Vec<u8>),
    /// Anything else: the bits of the public key.
    Bits(Vec<u8>),
}

impl Certificate {
    /// Reads a certificate.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn read(der: &[u8]) -> Result<Self, String> {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| "it is no X.509 certificate".to_owned())?;
        let der = &der[..der.len() - rest.len()];
        let (mut names, mut addresses) = (vec![], vec![]);
        let alternative = parsed.subject_alternative_name().ok().flatten();
        for name in alternative.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::DNSName(name) => names.push((*name).to_owned()),
                GeneralName::IPAddress(bytes) => addresses.extend(address(bytes)),
                _ => {}
            }
        }
        let title = names.first().cloned().unwrap_or_else(|| title(parsed.subject()));
        let (subject, issuer) = (parsed.subject().as_raw().to_vec(), parsed.issuer().as_raw().to_vec());
        let (public_key, weak_key) = public_key(&parsed);
        let signature = parsed.signature_algorithm.algorithm.to_id_string();
        let hash = FORGEABLE.iter().find(|(identifier, _)| *identifier == signature);
        // Nobody looks at the signature of a root: it is trusted by being there.
        let weak_signature = hash
            .filter(|_| subject != issuer)
            .map(|(_, hash)| format!("its signature is on {hash}, which can be forged"));
        Ok(Self {
            der: der.to_vec(),
            title,
            subject,
            issuer,
            issuer_title: self::title(parsed.issuer()),
            serial: parsed.raw_serial_as_string(),
            not_before: Timestamp::from_seconds(parsed.validity().not_before.timestamp()),
            not_after: Timestamp::from_seconds(parsed.validity().not_after.timestamp()),
            names,
            addresses,
            is_authority: parsed.is_ca(),
            from_public_authority: parsed.iter_extensions().any(|one| one.oid.to_id_string() == AUTHORITY_INFORMATION),
            weak: weak_key.into_iter().chain(weak_signature).collect(),
            public_key,
        })
    }

    /// Whether it vouches for itself.
    #[must_use]
    pub fn is_self_signed(&self) -> bool {
        self.subject == self.issuer
    }

    /// Whether clients that use this host name accept it. A wildcard stands for one label, and never for an address.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        if let Ok(address) = host.parse::<IpAddr>() {
            return self.addresses.contains(&address);
        }
        let host = host.trim_end_matches('.');
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(suffix) => {
                host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(suffix))
            }
            None => name.eq_ignore_ascii_case(host),
        })
    }
}

fn public_key(parsed: &X509Certificate<'_>) -> (PublicPart, Option<String>) {
    let information = parsed.public_key();
    let bits = || PublicPart::Bits(information.subject_public_key.data.to_vec());
    match information.parsed() {
        Ok(PublicKey::RSA(key)) => {
            let modulus = without_zeros(key.modulus);
            let size = modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
            let weak = (size < RSA).then(|| format!("its RSA key has {size} bits, and {RSA} is the least"));
            (PublicPart::Modulus(modulus.to_vec()), weak)
        }
        Ok(PublicKey::EC(point)) => {
            // An uncompressed point is 4, x, y; a compressed one 2 or 3, x.
            let data = point.data();
            let size = if data.first() == Some(&4) { (data.len() - 1) * 4 } else { data.len().saturating_sub(1) * 8 };
            (
                bits(),
                (size < CURVE).then(|| format!("its key lies on a curve of {size} bits, and {CURVE} is the least")),
            )
        }
        Ok(PublicKey::DSA(_)) => (bits(), Some("its key is a DSA key, which clients no longer accept".into())),
        _ => (bits(), None),
    }
}

/// A number without the zeros before it.
#[must_use]
pub fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn title(name: &X509Name<'_>) -> String {
    let common = name.iter_common_name().find_map(|attribute| attribute.as_str().ok());
    common.map_or_else(|| name.to_string(), str::to_owned)
}

/// The certificates of a PEM file, the first its own; and why a part of it could not be read.
#[must_use]
pub fn chain(pem: &[u8]) -> (Vec<Certificate>, Option<String>) {
    let (mut chain, mut damaged) = (vec![], None);
    for block in Pem::iter_from_buffer(pem) {
        let Ok(block) = block else {
            damaged = Some("a block of PEM is not whole".into());
            continue;
        };
        if matches!(block.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE") {
            match Certificate::read(&block.contents) {
                Ok(certificate) => chain.push(certificate),
                Err(damage) => damaged = Some(damage),
            }
        }
    }
    (chain, damaged)
}

/// A certificate of certbot's by the name of its file: `fullchain7` is `fullchain` and 7.
#[must_use]
pub fn generation(stem: &str) -> Option<(&str, u32)> {
    let kind = stem.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let is_certbots = matches!(kind, "cert" | "chain" | "fullchain" | "privkey");
    Some((kind, stem[kind.len()..].parse().ok()?)).filter(|_| is_certbots)
}
