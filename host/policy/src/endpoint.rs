//! May this endpoint be reached, with this method, path and these headers, at this address?
//!
//! An endpoint is a scheme, a host, a port and a path prefix. A plugin adds a path below the prefix; a server behind a
//! proxy may decode it more than once, so what would climb out at any depth of decoding is refused. A name is the
//! operator's, but where it leads is whoever's who answers for it: so the address it resolves to is held to the
//! policy too, and the one that was checked is the one that is connected.

mod address;
mod path;
mod url;

use thiserror::Error;

pub use address::{address_allowed, check_network};
pub use path::join_path;
pub use url::{Endpoint, Host, Scheme};

/// Why a call is not allowed, or an endpoint's configuration is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EndpointRefusal {
    /// The address is none. It is not repeated, since it is read in texts that reach a plugin.
    #[error("the url is wrong: {problem}")]
    Url {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A network is none.
    #[error("\"{network}\" is no network: write it as 10.0.0.0/8 or fd00::/8")]
    Network {
        /// As it was written.
        network: String,
    },
    /// The path could leave the prefix, or is none.
    #[error("the path {problem}")]
    Path {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The method is none.
    #[error("the method is no HTTP method in capital letters, or one that is never sent")]
    Method,
    /// The method is not granted.
    #[error("{method} is not granted: the task's grant would need methods = [\"{method}\"]")]
    NotGranted {
        /// The method.
        method: String,
    },
    /// A header that is the host's.
    #[error("the header {name} is the host's to send")]
    Header {
        /// Its name.
        name: String,
    },
}

/// Whether a method only reads, so that it is sent in check mode too.
pub fn reads(method: &str) -> bool {
    matches!(method, "GET" | "HEAD")
}

/// Holds a method to the grant: GET and HEAD where the grant names none; HEAD wherever GET is.
///
/// # Errors
/// Where it is no method, or not granted.
pub fn check_method(methods: &[String], method: &str) -> Result<(), EndpointRefusal> {
    let word = (1..=20).contains(&method.len()) && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    if !word || matches!(method, "CONNECT" | "TRACE" | "TRACK" | "PRI") {
        return Err(EndpointRefusal::Method);
    }
    let named = |word: &str| methods.iter().any(|named| named == word);
    let granted = named(method) || (method == "HEAD" && named("GET")) || (methods.is_empty() && reads(method));
    if granted { Ok(()) } else { Err(EndpointRefusal::NotGranted { method: method.into() }) }
}

/// Headers that decide where a request ends, whose it is, or what it really asks for.
const REFUSED: &[&str] = &[
    "host",
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// Holds a header that a plugin sets to what it may set; `added` is the name of the one that the host adds.
///
/// # Errors
/// Where it is the host's, or no header at all.
pub fn check_header(name: &str, added: Option<&str>) -> Result<(), EndpointRefusal> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    // Servers that hand headers on as variables take `_` for `-`.
    let plain = name.to_ascii_lowercase().replace('_', "-");
    let refused = name.is_empty()
        || !name.bytes().all(token)
        || REFUSED.contains(&plain.as_str())
        || plain.starts_with("proxy-")
        || plain.starts_with("x-forwarded-")
        || added.is_some_and(|added| added.to_ascii_lowercase().replace('_', "-") == plain);
    if refused { Err(EndpointRefusal::Header { name: printable(name) }) } else { Ok(()) }
}

fn printable(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests;
