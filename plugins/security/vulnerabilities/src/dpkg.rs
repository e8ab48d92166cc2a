//! Versions of Debian packages, in dpkg's order: `[epoch:]upstream[-revision]`, each part read as stretches of letters and
//! of digits in turn, with `~` before everything, also before the end.

use std::cmp::Ordering;

/// Compares two versions as `dpkg --compare-versions` does.
pub(crate) fn compare(one: &str, other: &str) -> Ordering {
    let (one, other) = (split(one), split(other));
    one.0.cmp(&other.0).then_with(|| part(one.1, other.1)).then_with(|| part(one.2, other.2))
}

/// Whether a text can be a version: it has something in it, and nothing that no version has.
pub(crate) fn is_version(text: &str) -> bool {
    let upstream = text.split_once(':').map_or(text, |(_, rest)| rest);
    upstream.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || ".+-:~".contains(letter))
}

fn split(version: &str) -> (u64, &str, &str) {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
        None => (0, version),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

fn part(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    while !one.is_empty() || !other.is_empty() {
        let is_text = |bytes: &[u8]| bytes.first().is_some_and(|byte| !byte.is_ascii_digit());
        while is_text(one) || is_text(other) {
            let order = weight(one.first()).cmp(&weight(other.first()));
            if order != Ordering::Equal {
                return order;
            }
            one = one.get(1..).unwrap_or_default();
            other = other.get(1..).unwrap_or_default();
        }
        let (mine, rest) = number(one);
        let (theirs, others) = number(other);
        // Numbers of any length: the longer is the larger.
        let order = mine.len().cmp(&theirs.len()).then_with(|| mine.cmp(theirs));
        if order != Ordering::Equal {
            return order;
        }
        (one, other) = (rest, others);
    }
    Ordering::Equal
}

/// `~` before the end, the end and digits before letters, letters before the rest.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) if !byte.is_ascii_digit() => i32::from(*byte) + 256,
        _ => 0,
    }
}

/// The digits that a text begins with, without leading zeros, and what follows.
fn number(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let zeros = bytes[..end].iter().take_while(|byte| **byte == b'0').count();
    (&bytes[zeros..end], &bytes[end..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    const ORDER: [&str; 18] = [
        "0~~",
        "0~",
        "0",
        "1.0~rc1-1",
        "1.0-1~deb12u1",
        "1.0-1",
        "1.0-1+b1",
        "1.0-1+deb12u1",
        "1.0-2",
        "1.0a-1",
        "1.0+dfsg-1",
        "1.0.1-1",
        "1.2-1",
        "1.10-1",
        "3.0.11-1~deb12u2",
        "3.0.11-1",
        "1:0.1-1",
        "2:0-1",
    ];

    #[test]
    fn versions_stand_in_dpkgs_order() {
        for (place, one) in ORDER.iter().enumerate() {
            for (other_place, other) in ORDER.iter().enumerate() {
                assert_eq!(compare(one, other), place.cmp(&other_place), "{one} {other}");
            }
        }
        for (one, other) in [("1.0", "1.0-0"), ("0:1.0", "1.0"), ("1.00", "1.0"), ("1.0-", "1.0")] {
            assert_eq!(compare(one, other), Ordering::Equal, "{one} {other}");
        }
        assert!(is_version("1:2.3-4~bpo") && !is_version("") && !is_version("1 2") && !is_version("-1"));
    }

    /// Whether dpkg itself says so; nothing on a machine without it.
    fn dpkg(one: &str, other: &str) -> Option<Ordering> {
        for (word, order) in [("lt", Ordering::Less), ("eq", Ordering::Equal), ("gt", Ordering::Greater)] {
            let asked = Command::new("dpkg").args(["--compare-versions", one, word, other]).status().ok()?;
            if asked.success() {
                return Some(order);
            }
        }
        None
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]

        #[test]
        fn it_is_the_order_of_dpkg_itself(one in "([0-2]:)?[0-9][0-9a-c.+~]{0,6}(-[0-9a-c.+~]{1,4})?",
                                          other in "([0-2]:)?[0-9][0-9a-c.+~]{0,6}(-[0-9a-c.+~]{1,4})?") {
            if let Some(order) = dpkg(&one, &other) {
                prop_assert_eq!(compare(&one, &other), order, "{} {}", one, other);
            }
        }

        #[test]
        fn it_is_an_order(one in "[0-9a-c.+~:-]{0,8}", other in "[0-9a-c.+~:-]{0,8}") {
            prop_assert_eq!(compare(&one, &other), compare(&other, &one).reverse());
        }
    }
}
