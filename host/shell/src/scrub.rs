//! Words of a program, with the machine's paths and addresses taken out before a plugin reads them.
//!
//! A program says where it failed: `/var/backups/shop/x: permission denied`, `connection to 10.0.0.5 refused`. The
//! plugin knows these as `/backups/x` and `postgres.main`, and only as these. A program that was handed a password can
//! print it too; what it prints in another form (turned round, encoded) is not known here.

use std::{net::IpAddr, os::unix::ffi::OsStrExt, path::Path};

/// What is replaced, and by what.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scrub {
    words: Vec<Word>,
    /// The resource that stands for any address.
    server: Option<String>,
}

#[derive(Debug, Clone)]
struct Word {
    text: Vec<u8>,
    shown: String,
    /// Only where it stands for itself: `/data` in `/data/x`, not in `/database` nor in `/old/data`.
    whole: bool,
}

/// The shortest secret that is looked for inside of words: a shorter one stands in half of them by chance.
const SHORTEST: usize = 4;

impl Scrub {
    /// A path, and what the plugin calls it.
    pub(crate) fn path(&mut self, real: &Path, shown: &str) {
        self.word(real.as_os_str().as_bytes(), shown, true);
    }

    /// A password or another credential, and what it is of; also as a password file and a URL write it.
    pub(crate) fn secret(&mut self, secret: &str, shown: &str) {
        let escaped = secret.replace('\\', "\\\\").replace(':', "\\:");
        for form in [secret, &escaped] {
            self.word(form.as_bytes(), shown, form.len() < SHORTEST);
        }
    }

    /// A server's host or socket, and the resource's name; from here on addresses go out too.
    pub(crate) fn server(&mut self, secret: &str, resource: &str) {
        self.word(secret.as_bytes(), resource, true);
        self.server = Some(resource.into());
    }

    fn word(&mut self, text: &[u8], shown: &str, whole: bool) {
        if text.len() > 1 && !self.words.iter().any(|known| known.text == text) {
            self.words.push(Word { text: text.to_vec(), shown: shown.into(), whole });
            // The longer first: a directory's path stands inside those below it.
            self.words.sort_by_key(|word| std::cmp::Reverse(word.text.len()));
        }
    }

    /// Output that a plugin gets: paths and the server's own words.
    pub(crate) fn output(&self, text: Vec<u8>) -> Vec<u8> {
        self.words.iter().fold(text, replace)
    }

    /// How much of a text can be scrubbed before the rest of it is known: whole lines, or, of a line without end, what
    /// no word reaches out of.
    fn ready(&self, text: &[u8]) -> usize {
        let longest = self.words.first().map_or(0, |word| word.text.len());
        if longest == 0 {
            return text.len();
        }
        if let Some(newline) = text.iter().rposition(|byte| *byte == b'\n') {
            return newline + 1;
        }
        if text.len() < LONGEST_LINE + longest {
            return 0;
        }
        // Whoever begins behind this place may go on in what is not there yet.
        let mut end = text.len() - longest;
        let begins = |place: usize, end: usize| {
            self.words.iter().any(|word| place + word.text.len() > end && text[place..].starts_with(&word.text))
        };
        while let Some(place) = (end.saturating_sub(longest)..end).find(|place| begins(*place, end)) {
            end = place;
        }
        end
    }

    /// Messages: any address too, where the program was handed a server.
    pub(crate) fn messages(&self, text: Vec<u8>) -> Vec<u8> {
        let text = self.output(text);
        let Some(server) = &self.server else { return text };
        let text = String::from_utf8_lossy(&text);
        let mut out = String::with_capacity(text.len());
        for piece in
            text.split_inclusive(|letter: char| !(letter.is_ascii_hexdigit() || letter == ':' || letter == '.'))
        {
            let word = piece.trim_end_matches(|letter: char| !letter.is_ascii_hexdigit());
            let host = word.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
            let address = |text: &str| text.contains(['.', ':']) && text.parse::<IpAddr>().is_ok();
            if address(word) {
                out.push_str(server);
                out.push_str(&piece[word.len()..]);
            } else if let Some((host, _)) = host.filter(|(host, _)| address(host)) {
                out.push_str(server);
                out.push_str(&piece[host.len()..]);
            } else {
                out.push_str(piece);
            }
        }
        out.into_bytes()
    }
}

/// The longest line that is waited for.
const LONGEST_LINE: usize = 64 << 10;

/// Output that is scrubbed as it comes.
#[derive(Debug, Default)]
pub(crate) struct Scrubbing {
    scrub: Scrub,
    kept: Vec<u8>,
}

impl Scrubbing {
    pub(crate) fn new(scrub: Scrub) -> Self {
        Self { scrub, kept: Vec::new() }
    }

    /// What may be handed on after this piece, which may be nothing.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        self.kept.extend_from_slice(piece);
        let rest = self.kept.split_off(self.scrub.ready(&self.kept));
        self.scrub.output(std::mem::replace(&mut self.kept, rest))
    }

    /// What is left at the end.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        self.scrub.output(std::mem::take(&mut self.kept))
    }
}

/// Replaces a word.
fn replace(text: Vec<u8>, word: &Word) -> Vec<u8> {
    let Word { text: word, shown, whole } = word;
    let part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let mut out = Vec::new();
    let mut rest = 0;
    let mut place = 0;
    while place + word.len() <= text.len() {
        let found = text[place..].starts_with(word)
            && !(*whole && (part(text.get(place + word.len())) || (place > 0 && part(text.get(place - 1)))));
        if found {
            out.extend_from_slice(&text[rest..place]);
            out.extend_from_slice(shown.as_bytes());
            place += word.len();
            rest = place;
        } else {
            place += 1;
        }
    }
    if rest == 0 {
        return text;
    }
    out.extend_from_slice(&text[rest..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_the_plugins_and_only_whole() {
        let mut scrub = Scrub::default();
        scrub.path(Path::new("/var/data"), "/data");
        scrub.path(Path::new("/var/data/.out-1"), "/data/made");
        let out = scrub.output(b"/var/data/x: no; /var/database; /var/data/.out-1/y; '/var/data'".to_vec());
        assert_eq!(String::from_utf8_lossy(&out), "/data/x: no; /var/database; /data/made/y; '/data'");
        assert_eq!(scrub.output(b"nothing".to_vec()), b"nothing");
    }

    #[test]
    fn a_secret_goes_out_of_the_middle_of_a_word_and_of_a_password_file() {
        let mut scrub = Scrub::default();
        scrub.secret("se:same", "postgres.main");
        scrub.secret("pw", "redis.main");
        let said = b"xse:samex *:*:*:*:se\\:same pwd pw,".to_vec();
        assert_eq!(
            String::from_utf8_lossy(&scrub.output(said)),
            "xpostgres.mainx *:*:*:*:postgres.main pwd redis.main,"
        );
    }

    proptest::proptest! {
        /// However output is cut into pieces, what is handed on is what the whole would be.
        #[test]
        fn pieces_are_scrubbed_as_the_whole(
            words in proptest::collection::vec("sesame|se|ame|x|\n|[a-z]{100}|s", 0..400),
            size in 1..5000_usize,
            repeated in 1..200_usize,
        ) {
            let mut scrub = Scrub::default();
            scrub.secret("sesame", "S");
            let text = words.concat().repeat(repeated).into_bytes();
            let mut stream = Scrubbing::new(scrub.clone());
            let mut out = Vec::new();
            for piece in text.chunks(size) {
                out.extend(stream.push(piece));
            }
            out.extend(stream.end());
            proptest::prop_assert!(out == scrub.output(text));
        }
    }

    #[test]
    fn addresses_become_the_resource() {
        let mut scrub = Scrub::default();
        assert_eq!(scrub.messages(b"10.0.0.5".to_vec()), b"10.0.0.5");
        scrub.server("db1.internal", "postgres.main");
        let said =
            b"server at \"db1.internal\" (10.0.0.5), port 5432: 12:30:59 version 15.18; fd00::5 192.168.1.1:6379."
                .to_vec();
        assert_eq!(
            String::from_utf8_lossy(&scrub.messages(said)),
            "server at \"postgres.main\" (postgres.main), port 5432: 12:30:59 version 15.18; postgres.main postgres.main:6379."
        );
    }
}
