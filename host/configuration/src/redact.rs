//! Addresses without their secrets.
//!
//! A connection string and a URL may hold a password, so nothing prints one as it stands: not an error, not a log
//! line, not a structure's `Debug`. What is shown is a closed list of harmless parts; what is not understood is not
//! shown at all.

use std::fmt;

use crate::{EndpointResource, PostgresResource, ProgramResource, RedisResource, dsn};

const HIDDEN: &str = "***";

/// Keys of a connection string or of a URL's query whose values are no secret.
const HARMLESS: &[&str] = &[
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "gssencmode",
    "host",
    "hostaddr",
    "keepalives",
    "load_balance_hosts",
    "passfile",
    "port",
    "protocol",
    "service",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "target_session_attrs",
    "user",
];

/// An address as it may be shown: a connection string or a URL without what may be secret in it.
pub fn redacted(address: &str) -> String {
    match url(address) {
        Some((scheme, rest)) => redacted_url(scheme, rest),
        None => keywords(address).map_or_else(
            || HIDDEN.into(),
            |pairs| {
                let shown = |(key, value): &(String, String)| {
                    let value = if is_harmless(key) { value.as_str() } else { HIDDEN };
                    format!("{key}={value}")
                };
                pairs.iter().map(shown).collect::<Vec<_>>().join(" ")
            },
        ),
    }
}

/// Whether an address holds a password.
pub fn has_password(address: &str) -> bool {
    let secret = |key: &str| key.eq_ignore_ascii_case("password") || key.eq_ignore_ascii_case("sslpassword");
    match url(address) {
        Some((_, rest)) => {
            let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
            let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
            user.split_once(':').is_some_and(|(_, password)| !password.is_empty())
                || query.split('&').any(|pair| secret(pair.split('=').next().unwrap_or_default()))
        }
        None => keywords(address).is_some_and(|pairs| pairs.iter().any(|(key, _)| secret(key))),
    }
}

/// A name as an error may repeat it: an address written where a name is expected is not one.
pub(crate) fn redacted_name(text: &str) -> String {
    let name = |letter: char| letter.is_alphanumeric() || "._-".contains(letter);
    if text.chars().all(name) { text.chars().take(80).collect() } else { redacted(text) }
}

fn is_harmless(key: &str) -> bool {
    HARMLESS.contains(&key)
}

/// A URL's scheme and the rest; nothing where what stands before `://` is no scheme (RFC 3986, 3.1), or a space stands
/// behind it: a keyword form may hold those letters too, with a password after them.
fn url(address: &str) -> Option<(&str, &str)> {
    let letter = |letter: u8| letter.is_ascii_alphanumeric() || b"+.-".contains(&letter);
    let parts = address.split_once("://").filter(|(scheme, _)| !scheme.is_empty() && scheme.bytes().all(letter));
    parts.filter(|(_, rest)| !rest.contains(char::is_whitespace))
}

fn redacted_url(scheme: &str, rest: &str) -> String {
    // The last `@` of all: a password may hold one that nobody escaped, and a question mark too.
    let (user, address) = match rest.rsplit_once('@') {
        Some((user, address)) => (Some(user), address),
        None => (None, rest),
    };
    let mut shown = format!("{scheme}://");
    if let Some(user) = user {
        match user.split_once(':') {
            Some((user, _)) => shown.push_str(&format!("{user}:{HIDDEN}@")),
            None => shown.push_str(&format!("{user}@")),
        }
    }
    let (address, query) = address.split_once('?').map_or((address, None), |(address, query)| (address, Some(query)));
    shown.push_str(address);
    for (index, pair) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        shown.push(if index == 0 { '?' } else { '&' });
        let value = if is_harmless(key) { value } else { HIDDEN };
        shown.push_str(&format!("{key}={value}"));
    }
    shown
}

/// The pairs of libpq's keyword form; nothing where it is not one, or a key of it is none: a key is shown.
fn keywords(text: &str) -> Option<Vec<(String, String)>> {
    let is_key = |key: &str| key.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'_');
    dsn::keywords(text).ok().filter(|pairs| pairs.iter().all(|(key, _)| is_key(key)))
}

impl fmt::Debug for PostgresResource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PostgresResource")
            .field("dsn", &redacted(&self.dsn))
            .field("password_file", &self.password_file)
            .field("service_file", &self.service_file)
            .field("connections", &self.connections)
            .finish()
    }
}

impl fmt::Debug for RedisResource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RedisResource")
            .field("url", &redacted(&self.url))
            .field("user", &self.user)
            .field("password_file", &self.password_file)
            .field("root_certificates", &self.root_certificates)
            .finish()
    }
}

impl fmt::Debug for EndpointResource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EndpointResource")
            .field("url", &redacted(&self.url))
            .field("header_file", &self.header_file)
            .field("root_certificates", &self.root_certificates)
            .field("networks", &self.networks)
            .finish()
    }
}

impl fmt::Debug for ProgramResource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ProgramResource")
            .field("path", &self.path)
            .field("allow", &self.allow)
            .field("environment", &self.environment)
            .field("variables", &self.variables.keys().map(|name| (name, HIDDEN)).collect::<Vec<_>>())
            .field("network", &self.network)
            .field("confine", &self.confine)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESSES: &[&str] = &[
        "host=db1 user=hostler password=hunter2 dbname=shop",
        "host=db1 password = 'hunter2 with \\' a quote' user=x",
        "host=db1 password='hunter2",
        "host=db1 password=hunter2://secret",
        "host=db1 password=esql://hunter2",
        "://hunter2",
        "xpostgres:///=host=a password=hunter2",
        "postgres://hostler:hunter2@db1/shop",
        "postgres://hostler:p@ss:hunter2@db1:5432/shop?sslmode=require",
        "postgres://hostler:who?hunter2@db1/shop",
        "postgres://db1/shop?user=x&password=hunter2",
        "postgres://db1/shop?p%61ssword=hunter2",
        "redis://:hunter2@cache1:6379/0",
        "rediss://user:hunter2@cache1",
        "https://user:hunter2@shop.example/health?token=hunter2",
        "hunter2",
    ];

    #[test]
    fn no_password_is_shown() {
        for address in ADDRESSES {
            assert!(!redacted(address).contains("hunter2"), "{}", redacted(address));
            let shown = format!(
                "{:?} {:?} {:?}",
                PostgresResource { dsn: (*address).into(), ..Default::default() },
                RedisResource { url: (*address).into(), ..Default::default() },
                EndpointResource { url: (*address).into(), ..Default::default() },
            );
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        let program = ProgramResource { variables: [("TOKEN".into(), "hunter2".into())].into(), ..Default::default() };
        assert!(!format!("{program:?}").contains("hunter2"));
        assert!(format!("{program:?}").contains("TOKEN"));
    }

    #[test]
    fn what_is_harmless_stays() {
        assert_eq!(redacted("host=db1  dbname='the shop' options=-c"), "host=db1 dbname=the shop options=***");
        assert_eq!(redacted("postgres://u:p@db1/shop?sslmode=require"), "postgres://u:***@db1/shop?sslmode=require");
        assert_eq!(redacted("https://shop.example/health"), "https://shop.example/health");
    }

    #[test]
    fn a_password_is_noticed() {
        for address in ADDRESSES.iter().filter(|address| {
            !["hunter2", "://hunter2", "host=db1 password='hunter2", "xpostgres:///=host=a password=hunter2"]
                .contains(address)
        }) {
            let hidden = address.contains("p%61") || address.contains("who?");
            assert!(hidden || has_password(address), "{address}");
        }
        for address in ["host=db1 user=x", "postgres://u@db1/x", "redis://cache1:6379", "redis://:@cache1"] {
            assert!(!has_password(address), "{address}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_password_survives_in_any_place(
            user in "[a-z]{1,5}", before in "[ -~]{0,12}", after in "[ -~&&[^@?&]]{0,12}", host in "[a-z]{1,8}",
        ) {
            let url = format!("postgres://{user}:{before}SECRET{after}@{host}/db");
            proptest::prop_assert!(!redacted(&url).contains("SECRET"), "{}", redacted(&url));
        }
    }
}
