//! What the keywords of a connection string have in common: how a value is refused, and what becomes of the rest.
//!
//! A keyword that cannot be honoured is refused by its name, because one that is silently left out (a revocation list,
//! a wanted authentication method) would make the operator believe in a wall that is not there.

use hostler_configuration::ConnectionString;

/// What changes nothing here: the host names its sessions itself, and the kernel's own figures serve for keep-alive.
const UNUSED: [&str; 6] = [
    "application_name",
    "fallback_application_name",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "sslcompression",
];

/// Keywords of which some values change nothing.
const HARMLESS: [(&str, &[&str]); 3] = [
    ("client_encoding", &["auto", "UTF8", "utf8", "UTF-8"]),
    ("gssencmode", &["disable", "prefer"]),
    ("load_balance_hosts", &["disable"]),
];

/// The refusal of a value, which it does not repeat.
pub(crate) fn values(keyword: &str, wanted: &str) -> String {
    format!("its {keyword} is not supported: it takes {wanted}")
}

/// A number of seconds.
pub(crate) fn seconds(words: &mut ConnectionString, keyword: &str) -> Result<Option<u64>, String> {
    let read = |value: String| value.trim().parse().map_err(|_| values(keyword, "a number of seconds"));
    words.take(keyword).map(read).transpose()
}

/// Leaves out what changes nothing, and refuses the rest by name.
pub(crate) fn finish(mut words: ConnectionString) -> Result<(), String> {
    for keyword in UNUSED {
        words.take(keyword);
    }
    for (keyword, taken) in HARMLESS {
        if words.take(keyword).is_some_and(|value| !taken.contains(&value.as_str())) {
            return Err(values(keyword, &taken.join(" or ")));
        }
    }
    match words.left_over() {
        Some(keyword) => Err(format!("the keyword {keyword} of its connection string is not supported")),
        None => Ok(()),
    }
}
