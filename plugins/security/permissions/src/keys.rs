//! authorized_keys: each key by the fingerprint that `ssh-keygen -lf` shows, so that it can be compared with its owner's.

use sha2::{Digest, Sha256};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A key that opens an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) fingerprint: String,
    pub(crate) kind: String,
    pub(crate) comment: String,
    /// Whether options hold it to something: an address, a command.
    pub(crate) restricted: bool,
}

/// The keys of a file, and how many lines are none.
pub(crate) fn parse(text: &str) -> (Vec<Key>, usize) {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (mut keys, mut damaged) = (vec![], 0);
    for line in lines {
        match key(line) {
            Some(key) => keys.push(key),
            None => damaged += 1,
        }
    }
    (keys, damaged)
}

/// `[options] type base64 [comment]`. Options may hold spaces in quotes, so the type is looked for.
fn key(line: &str) -> Option<Key> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let place = words.windows(2).position(|pair| is_kind(pair[0]) && pair[1].starts_with("AAAA"))?;
    let blob = decode(words[place + 1])?;
    Some(Key {
        fingerprint: format!("SHA256:{}", encode(&Sha256::digest(&blob))),
        kind: words[place].into(),
        comment: words[place + 2..].join(" "),
        restricted: place > 0,
    })
}

fn is_kind(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"].iter().any(|kind| word.starts_with(kind))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, vec![]);
    for letter in text.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}
