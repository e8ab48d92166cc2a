//! Words of a program, with the machine's paths and addresses taken out before a plugin reads them.
//!
//! A program says where it failed: `/var/backups/shop/x: permission denied`, `connection to 10.0.0.5 refused`. The
//! plugin knows these as `/backups/x` and `postgres.main`, and only as these.

use std::{net::IpAddr, os::unix::ffi::OsStrExt, path::Path};

/// What is replaced, and by what.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scrub {
    words: Vec<(Vec<u8>, String)>,
    /// The resource that stands for any address.
    server: Option<String>,
}

impl Scrub {
    /// A path, and what the plugin calls it.
    pub(crate) fn path(&mut self, real: &Path, shown: &str) {
        self.word(real.as_os_str().as_bytes(), shown);
    }

    /// A server's host, password or socket, and the resource's name; from here on addresses go out too.
    pub(crate) fn server(&mut self, secret: &str, resource: &str) {
        self.word(secret.as_bytes(), resource);
        self.server = Some(resource.into());
    }

    fn word(&mut self, word: &[u8], shown: &str) {
        if word.len() > 1 && !self.words.iter().any(|(known, _)| known == word) {
            self.words.push((word.to_vec(), shown.into()));
            // The longer first: a directory's path stands inside those below it.
            self.words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
        }
    }

    /// Output that a plugin gets: paths and the server's own words.
    pub(crate) fn output(&self, text: Vec<u8>) -> Vec<u8> {
        self.words.iter().fold(text, |text, (word, shown)| replace(text, word, shown))
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

/// Replaces a word where it stands for itself: `/data` in `/data/x`, not in `/database` nor in `/old/data`.
fn replace(text: Vec<u8>, word: &[u8], shown: &str) -> Vec<u8> {
    let part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let mut out = Vec::new();
    let mut rest = 0;
    let mut place = 0;
    while place + word.len() <= text.len() {
        let found = text[place..].starts_with(word)
            && !part(text.get(place + word.len()))
            && !(place > 0 && part(text.get(place - 1)));
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
