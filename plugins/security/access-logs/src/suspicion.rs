//! What a path says of who asks for it. A scanner looks for software that is not there, and for files that no site
//! serves; whoever climbs out of the tree means it.

use memchr::memmem;

/// What a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suspicion {
    None,
    /// What scanners look for.
    Scans,
    /// It climbs out of the tree, or names a file outside of it.
    Leaves,
}

/// Out of the tree, however it is written; servers decode once, some applications twice.
const LEAVES: [&[u8]; 12] = [
    b"/../",
    b"/..%2f",
    b"%2e%2e%2f",
    b"%2e%2e/",
    b"..%5c",
    b"..\\",
    b"%252e%252e",
    b"..%252f",
    b"%c0%ae",
    b"/etc/passwd",
    b"/proc/self/",
    b"/win.ini",
];
/// What scanners look for on every host.
const SCANS: [&[u8]; 14] = [
    b"/.env",
    b"/.git/",
    b"/.aws/",
    b"/.ssh/",
    b"/wp-login",
    b"/xmlrpc.php",
    b"/phpmyadmin",
    b"/cgi-bin/",
    b"/actuator/",
    b"/vendor/phpunit",
    b"/boaform",
    b"${jndi:",
    b"union%20select",
    b"<script",
];

/// What a target is. Only what has a letter that all of these share is looked at closer.
pub(crate) fn suspicion(target: &[u8]) -> Suspicion {
    let marked = target.iter().any(|byte| matches!(byte, b'.' | b'%' | b'$' | b'<' | b'\\')) || likely(target);
    if !marked {
        return Suspicion::None;
    }
    let lower = target[..target.len().min(2048)].to_ascii_lowercase();
    let holds = |needles: &[&[u8]]| needles.iter().any(|needle| memmem::find(&lower, needle).is_some());
    if holds(&LEAVES) || lower.ends_with(b"/..") {
        Suspicion::Leaves
    } else if holds(&SCANS) {
        Suspicion::Scans
    } else {
        Suspicion::None
    }
}

/// Those of the list that hold no such letter, by where they begin.
fn likely(target: &[u8]) -> bool {
    let begins = |words: &[&[u8]]| {
        words.iter().any(|word| target.len() >= word.len() && target[..word.len()].eq_ignore_ascii_case(word))
    };
    begins(&[b"/etc/", b"/proc/", b"/wp-", b"/phpmyadmin", b"/cgi-bin/", b"/actuator/", b"/vendor/", b"/boaform"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scans_and_what_leaves_is_told_from_what_is_asked_for() {
        for target in [
            "/",
            "/index.html",
            "/a/b?c=d..e",
            "/shop/../shopping-list.html".trim_end_matches("x"),
            "/wp-content/logo.png",
        ] {
            let expected = if target.contains("/../") { Suspicion::Leaves } else { Suspicion::None };
            assert_eq!(suspicion(target.as_bytes()), expected, "{target}");
        }
        for target in
            ["/../../etc/passwd", "/static/..%2f..%2fetc", "/%2E%2e/x", "/a?f=%252e%252e%252f", "/..", "/etc/passwd"]
        {
            assert_eq!(suspicion(target.as_bytes()), Suspicion::Leaves, "{target}");
        }
        for target in
            ["/.env", "/.git/config", "/WP-LOGIN.php", "/phpMyAdmin/", "/?x=${jndi:ldap://a}", "/cgi-bin/test"]
        {
            assert_eq!(suspicion(target.as_bytes()), Suspicion::Scans, "{target}");
        }
    }
}
