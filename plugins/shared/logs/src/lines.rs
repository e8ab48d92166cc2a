//! Lines out of chunks of bytes, without a copy of any that lies whole in one.

use memchr::memchr_iter;

/// Lines that are longer are cut: no log needs more, and an attacker's may have no end.
const LONGEST: usize = 64 * 1024;

/// Takes chunks, and hands on lines.
#[derive(Debug, Default)]
pub struct Lines {
    carried: Vec<u8>,
    /// Bytes up to the end of the last line that was handed on.
    pub consumed: u64,
    /// Bytes that were taken.
    taken: u64,
}

impl Lines {
    /// Hands on each line that ends in this chunk, without its end.
    pub fn feed(&mut self, chunk: &[u8], each: &mut impl FnMut(&[u8])) {
        let mut begin = 0;
        for end in memchr_iter(b'\n', chunk) {
            let line = &chunk[begin..end];
            if self.carried.is_empty() {
                each(without_return(&line[..line.len().min(LONGEST)]));
            } else {
                self.carry(line);
                each(without_return(&self.carried));
                self.carried.clear();
            }
            begin = end + 1;
        }
        if begin > 0 {
            self.consumed = self.taken + begin as u64;
        }
        self.carry(&chunk[begin..]);
        self.taken += chunk.len() as u64;
    }

    /// Hands on a last line without its end, where the file will not grow any more.
    pub fn finish(&mut self, each: &mut impl FnMut(&[u8])) {
        if !self.carried.is_empty() {
            each(without_return(&self.carried));
            self.carried.clear();
            self.consumed = self.taken;
        }
    }

    fn carry(&mut self, part: &[u8]) {
        let room = LONGEST.saturating_sub(self.carried.len());
        self.carried.extend_from_slice(&part[..part.len().min(room)]);
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &[&str]) -> (Vec<String>, u64) {
        let (mut lines, mut read) = (Lines::default(), vec![]);
        for chunk in chunks {
            lines.feed(chunk.as_bytes(), &mut |line| read.push(String::from_utf8_lossy(line).into_owned()));
        }
        (read, lines.consumed)
    }

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let text = "one\r\ntwo\n\nthree\nfour";
        let whole = read(&[text]);
        assert_eq!(whole, (vec!["one".into(), "two".into(), String::new(), "three".into()], 16));
        for at in 0..=text.len() {
            assert_eq!(read(&[&text[..at], &text[at..]]), whole, "cut at {at}");
        }
        let letters: Vec<&str> = text.split("").collect();
        assert_eq!(read(&letters), whole);
    }

    #[test]
    fn a_line_without_end_takes_no_memory_without_end() {
        let (mut lines, mut longest) = (Lines::default(), 0);
        for _ in 0..100 {
            lines.feed(&[b'a'; 10_000], &mut |_| {});
        }
        lines.feed(b"\nb", &mut |line| longest = longest.max(line.len()));
        assert_eq!((longest, lines.consumed), (LONGEST, 1_000_001));
        let mut last = vec![];
        lines.finish(&mut |line| last = line.to_vec());
        assert_eq!((last, lines.consumed), (b"b".to_vec(), 1_000_002));
    }
}
