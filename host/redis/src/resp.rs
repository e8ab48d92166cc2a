//! RESP3, as far as a client needs it: commands out, replies in.
//!
//! Replies become the contract's nodes in pre-order, the order in which they arrive, so that reading is a walk over
//! bytes with a stack of counts. Sets become arrays, big numbers and verbatim strings text, attributes are dropped and
//! pushes ignored. What would pass the allowance ends the reading before it is in memory.

use hostler_world::redis::Node;
use thiserror::Error;

/// Arrays within arrays, and so on, before a reply is refused.
const MOST_DEPTH: usize = 64;
/// The longest line; longer texts come with their length.
const LONGEST_LINE: usize = 1 << 20;

/// Why a reply cannot be read. The connection is of no use after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Unreadable {
    #[error("it does not answer as Redis does")]
    Protocol,
    #[error("its reply is larger than a call may have")]
    TooLarge,
}

/// What the replies of one call may take up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    pub(crate) bytes: usize,
    pub(crate) nodes: usize,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { bytes: 64 << 20, nodes: 2 << 20 }
    }
}

/// Writes a command as an array of strings.
pub(crate) fn encode(out: &mut Vec<u8>, command: &[impl AsRef<[u8]>]) {
    header(out, b'*', command.len());
    for part in command {
        let part = part.as_ref();
        header(out, b'$', part.len());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
}

fn header(out: &mut Vec<u8>, kind: u8, mut number: usize) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.push(kind);
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Counts as one element of what it is in.
    Value,
    /// An attribute or a push: read and dropped.
    Dropped,
}

#[derive(Debug)]
struct Frame {
    left: u64,
    kind: Kind,
}

/// Reads replies from bytes as they come.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    buffer: Vec<u8>,
    start: usize,
    frames: Vec<Frame>,
    nodes: Vec<Node>,
    dropping: usize,
}

enum Element {
    Leaf(Node),
    Group { node: Option<Node>, members: u64, kind: Kind },
}

impl Decoder {
    /// Takes what arrived.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        } else if self.start > self.buffer.len() / 2 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether nothing is left that no reply was made of.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.buffer.len() && self.frames.is_empty()
    }

    /// The next whole reply, or nothing where more has to arrive first.
    pub(crate) fn next(&mut self, allowance: &mut Allowance) -> Result<Option<Vec<Node>>, Unreadable> {
        loop {
            let Some((element, length)) = element(&self.buffer[self.start..], *allowance)? else { return Ok(None) };
            self.start += length;
            allowance.bytes = allowance.bytes.checked_sub(length).ok_or(Unreadable::TooLarge)?;
            let done = match element {
                Element::Leaf(node) => {
                    self.put(node, allowance)?;
                    self.ended(Kind::Value)
                }
                Element::Group { node, members, kind } => {
                    if let Some(node) = node {
                        self.put(node, allowance)?;
                    }
                    if members == 0 {
                        self.ended(kind)
                    } else {
                        self.open(members, kind, *allowance)?;
                        false
                    }
                }
            };
            if done {
                return Ok(Some(std::mem::take(&mut self.nodes)));
            }
        }
    }

    fn put(&mut self, node: Node, allowance: &mut Allowance) -> Result<(), Unreadable> {
        if self.dropping == 0 {
            allowance.nodes = allowance.nodes.checked_sub(1).ok_or(Unreadable::TooLarge)?;
            self.nodes.push(node);
        }
        Ok(())
    }

    fn open(&mut self, members: u64, kind: Kind, allowance: Allowance) -> Result<(), Unreadable> {
        if self.frames.len() >= MOST_DEPTH {
            return Err(Unreadable::Protocol);
        }
        // Each member takes three bytes at least.
        if members > allowance.nodes.max(allowance.bytes / 3) as u64 {
            return Err(Unreadable::TooLarge);
        }
        self.dropping += usize::from(kind == Kind::Dropped);
        self.frames.push(Frame { left: members, kind });
        Ok(())
    }

    /// An element ended; says whether a reply did.
    fn ended(&mut self, mut kind: Kind) -> bool {
        while kind == Kind::Value {
            let Some(frame) = self.frames.last_mut() else { return true };
            frame.left -= 1;
            if frame.left > 0 {
                return false;
            }
            kind = frame.kind;
            self.dropping -= usize::from(kind == Kind::Dropped);
            self.frames.pop();
        }
        false
    }
}

fn element(bytes: &[u8], allowance: Allowance) -> Result<Option<(Element, usize)>, Unreadable> {
    let Some((&kind, rest)) = bytes.split_first() else { return Ok(None) };
    let Some(end) = rest.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n') else {
        return if rest.len() >= LONGEST_LINE { Err(Unreadable::Protocol) } else { Ok(None) };
    };
    let line = rest[..end].strip_suffix(b"\r").ok_or(Unreadable::Protocol)?;
    let length = end + 2;
    let leaf = |node| Ok(Some((Element::Leaf(node), length)));
    let group = |node: fn(u32) -> Node, members| match count(line)? {
        None => Ok(Some((Element::Leaf(Node::Nil), length))),
        Some(number) => {
            let node = u32::try_from(number).map(node).map_err(|_| Unreadable::TooLarge)?;
            Ok(Some((Element::Group { node: Some(node), members: number * members, kind: Kind::Value }, length)))
        }
    };
    match kind {
        b'+' => leaf(Node::Text(line.to_vec())),
        b'-' => leaf(Node::Failure(String::from_utf8_lossy(line).into_owned())),
        b':' => leaf(Node::Int64(number(line).ok_or(Unreadable::Protocol)?)),
        b'_' => leaf(Node::Nil),
        b'#' => leaf(Node::Boolean(line == b"t")),
        b',' => leaf(Node::Float64(float(line).ok_or(Unreadable::Protocol)?)),
        b'(' => leaf(Node::Text(line.to_vec())),
        b'$' | b'!' | b'=' => {
            let Some(size) = count(line)? else { return leaf(Node::Nil) };
            let size = usize::try_from(size).map_err(|_| Unreadable::TooLarge)?;
            if size > allowance.bytes {
                return Err(Unreadable::TooLarge);
            }
            let whole = length + size + 2;
            let Some(text) = bytes.get(length..whole) else { return Ok(None) };
            let text = text.strip_suffix(b"\r\n").ok_or(Unreadable::Protocol)?;
            let node = match kind {
                b'$' => Node::Text(text.to_vec()),
                b'!' => Node::Failure(String::from_utf8_lossy(text).into_owned()),
                // Three letters say what kind of text it is.
                _ => Node::Text(text.get(4..).ok_or(Unreadable::Protocol)?.to_vec()),
            };
            Ok(Some((Element::Leaf(node), whole)))
        }
        b'*' | b'~' => group(Node::Array, 1),
        b'%' => group(Node::Pairs, 2),
        b'|' | b'>' => {
            let members = count(line)?.ok_or(Unreadable::Protocol)? * if kind == b'|' { 2 } else { 1 };
            Ok(Some((Element::Group { node: None, members, kind: Kind::Dropped }, length)))
        }
        _ => Err(Unreadable::Protocol),
    }
}

fn number(line: &[u8]) -> Option<i64> {
    std::str::from_utf8(line).ok()?.parse().ok()
}

/// A length, or nothing where it is -1.
fn count(line: &[u8]) -> Result<Option<u64>, Unreadable> {
    match number(line) {
        Some(-1) => Ok(None),
        Some(number) => u64::try_from(number)
            .ok()
            .filter(|number| *number <= u64::from(u32::MAX))
            .map(Some)
            .ok_or(Unreadable::Protocol),
        None => Err(Unreadable::Protocol),
    }
}

fn float(line: &[u8]) -> Option<f64> {
    // Redis writes inf, -inf and nan, which Rust reads as well.
    std::str::from_utf8(line).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Vec<Node>>, Unreadable> {
        let mut decoder = Decoder::default();
        let mut allowance = Allowance { bytes: 1 << 20, nodes: 1000 };
        decoder.feed(bytes);
        let mut replies = vec![];
        while let Some(reply) = decoder.next(&mut allowance)? {
            replies.push(reply);
        }
        Ok(replies)
    }

    fn shown(bytes: &[u8]) -> String {
        format!("{:?}", read(bytes).expect("it is whole"))
    }

    /// One of everything.
    const ALL: &[u8] = b"*9\r\n+OK\r\n:-5\r\n$3\r\na\r\n\r\n_\r\n#t\r\n,1.5\r\n(123456789012345678901\r\n=7\r\ntxt:abc\r\n\
        ~1\r\n%1\r\n+k\r\n-ERR \xff\r\n>2\r\n+invalidate\r\n*1\r\n+a\r\n|1\r\n+ttl\r\n:1\r\n!5\r\nERR x\r\n*-1\r\n$-1\r\n*0\r\n";

    #[test]
    fn every_type_becomes_a_node() {
        let replies = read(ALL).expect("it is whole");
        assert_eq!(replies.len(), 5, "the push and the attribute are none: {replies:?}");
        let text = shown(ALL);
        for part in [
            "Int64(-5)",
            "Boolean(true)",
            "Float64(1.5)",
            "Pairs(1)",
            "Failure(\"ERR \u{fffd}\")",
            "Failure(\"ERR x\")",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(matches!(&replies[0][7], Node::Text(text) if text == b"123456789012345678901"));
        assert!(matches!(&replies[0][8], Node::Text(text) if text == b"abc"));
    }

    #[test]
    fn how_the_bytes_arrive_does_not_matter() {
        let whole = shown(ALL);
        for size in 1..ALL.len() {
            let mut decoder = Decoder::default();
            let mut allowance = Allowance::default();
            let mut replies = vec![];
            for part in ALL.chunks(size) {
                decoder.feed(part);
                while let Some(reply) = decoder.next(&mut allowance).expect("it is good") {
                    replies.push(reply);
                }
            }
            assert!(decoder.is_empty());
            assert_eq!(format!("{replies:?}"), whole);
        }
    }

    #[test]
    fn what_is_too_large_or_too_deep_is_not_read() {
        let said = |bytes: &[u8]| read(bytes).expect_err("it is refused");
        assert_eq!(said(b"$2000000\r\n"), Unreadable::TooLarge);
        assert_eq!(said(b"*4000000000\r\n"), Unreadable::TooLarge);
        assert_eq!(said(&b":1\r\n".repeat(1001)), Unreadable::TooLarge);
        assert_eq!(said(&b"*1\r\n".repeat(65)), Unreadable::Protocol);
        assert_eq!(said(b"HTTP/1.1 400 Bad Request\r\n"), Unreadable::Protocol);
        assert_eq!(said(b"$-7\r\n"), Unreadable::Protocol);
    }

    #[test]
    fn a_command_is_written_with_its_lengths() {
        let mut out = vec![];
        encode(&mut out, &[b"SET".as_slice(), b"a", b"0123456789\r\n"]);
        assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$12\r\n0123456789\r\n\r\n");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(prop::sample::select(&b"*%~|>$!=+-:_#,(0123\r\nab"[..]), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
