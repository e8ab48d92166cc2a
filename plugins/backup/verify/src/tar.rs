//! A tar archive as it comes by: each header's own checksum, each entry's length, and the two empty blocks at its end.
//!
//! Nothing is unpacked, so a walk over the headers is all of it that is needed.

const BLOCK: usize = 512;

/// How far it was read.
#[derive(Debug, Default)]
pub(crate) struct Tar {
    /// The header that is being gathered.
    header: Vec<u8>,
    /// Bytes of the entry's content that are to come, with what fills its last block.
    content: u64,
    empty: u8,
    entries: u64,
}

impl Tar {
    /// The next bytes.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() && self.empty < 2 {
            if self.content > 0 {
                let skipped = usize::try_from(self.content).unwrap_or(usize::MAX).min(bytes.len());
                self.content -= skipped as u64;
                bytes = &bytes[skipped..];
                continue;
            }
            let taken = (BLOCK - self.header.len()).min(bytes.len());
            self.header.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.header.len() == BLOCK {
                self.block()?;
                self.header.clear();
            }
        }
        Ok(())
    }

    /// Whether it ended as an archive does.
    pub(crate) fn end(&self) -> Result<(), String> {
        match self.empty {
            0 => Err(format!("the archive breaks off after {} entries", self.entries)),
            _ => Ok(()),
        }
    }

    fn block(&mut self) -> Result<(), String> {
        if self.header.iter().all(|byte| *byte == 0) {
            self.empty += 1;
            return Ok(());
        }
        self.empty = 0;
        let wrong = |what: &str| format!("{what} in the header of entry {}", self.entries + 1);
        let said = octal(&self.header[148..156]).ok_or_else(|| wrong("no checksum"))?;
        let sum: u64 = self.header.iter().enumerate().map(|(place, byte)| checked(place, *byte)).sum();
        if said != sum {
            return Err(wrong("a wrong checksum"));
        }
        let size = size(&self.header[124..136]).ok_or_else(|| wrong("no size"))?;
        // Links and directories have none, whatever they say.
        let kind = self.header[156];
        self.content = if (b'1'..=b'6').contains(&kind) { 0 } else { size.div_ceil(BLOCK as u64) * BLOCK as u64 };
        self.entries += 1;
        Ok(())
    }
}

/// The checksum is summed up as if it were blanks.
fn checked(place: usize, byte: u8) -> u64 {
    u64::from(if (148..156).contains(&place) { b' ' } else { byte })
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    let text = text.trim_matches(|letter: char| letter == ' ' || letter == '\0');
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

/// In octal digits, or, where those are too few, in binary behind a set bit.
fn size(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 == 0 {
        return octal(field);
    }
    let high = field[..4].iter().skip(1).all(|byte| *byte == 0) && field[0] == 0x80;
    let low = field[4..].iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    high.then_some(low)
}
