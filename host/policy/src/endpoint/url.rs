//! The operator's `url`, taken apart.
//!
//! Few shapes are accepted, so that none can be read in two ways: no user, no query, no fragment, no escapes in the
//! host.

use std::net::IpAddr;

use super::{EndpointRefusal, path};

/// How an endpoint is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP in clear text.
    Http,
    /// HTTP over TLS.
    Https,
    /// A TCP port.
    Tcp,
    /// A TCP port that speaks TLS from the first byte.
    Tls,
}

/// The host as the operator wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name, in lower case.
    Name(String),
    /// An address as such.
    Address(IpAddr),
}

impl Host {
    /// Whether connecting to `address` is what the operator wrote in so many words: the address itself, or
    /// `localhost` for an address of the loopback.
    pub fn says(&self, address: IpAddr) -> bool {
        match self {
            Self::Address(own) => *own == address,
            Self::Name(name) => name == "localhost" && address.to_canonical().is_loopback(),
        }
    }
}

/// An endpoint: scheme, host, port, path prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Its host.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// The path prefix, empty or beginning with `/`.
    pub prefix: String,
}

impl Endpoint {
    /// Takes a `url` apart.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(url: &str) -> Result<Self, EndpointRefusal> {
        let wrong = |problem| EndpointRefusal::Url { problem };
        let (scheme, rest) = url.split_once("://").ok_or(wrong("it has no scheme, as in https://HOST/"))?;
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "tcp" => Scheme::Tcp,
            "tls" => Scheme::Tls,
            _ => return Err(wrong("its scheme has to be http, https, tcp or tls")),
        };
        let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(wrong("it has a user; a credential stands in header_file"));
        }
        if rest.contains(['?', '#']) {
            return Err(wrong("it has a query or a fragment"));
        }
        let (host, port) = split(authority).ok_or(wrong("its host is none; an IPv6 address stands in brackets"))?;
        let port = match (port, scheme) {
            (Some(port), _) if port.bytes().all(|byte| byte.is_ascii_digit()) => match port.parse::<u16>() {
                Ok(port) if port != 0 => port,
                _ => return Err(wrong("its port is no number from 1 to 65535")),
            },
            (Some(_), _) => return Err(wrong("its port is no number from 1 to 65535")),
            (None, Scheme::Http) => 80,
            (None, Scheme::Https) => 443,
            (None, Scheme::Tcp | Scheme::Tls) => return Err(wrong("it has no port, as in tcp://HOST:PORT")),
        };
        let prefix = match scheme {
            Scheme::Http | Scheme::Https => path::check_prefix(prefix)?,
            Scheme::Tcp | Scheme::Tls if prefix.is_empty() || prefix == "/" => String::new(),
            Scheme::Tcp | Scheme::Tls => return Err(wrong("a tcp or tls endpoint has no path")),
        };
        Ok(Self { scheme, host, port, prefix })
    }
}

fn split(authority: &str) -> Option<(Host, Option<&str>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let address = address.parse().ok().map(IpAddr::V6)?;
        let port = if port.is_empty() { None } else { Some(port.strip_prefix(':')?) };
        return Some((Host::Address(address), port));
    }
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    if let Ok(address) = host.parse() {
        return Some((Host::Address(IpAddr::V4(address)), port));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    // A last label of digits is how resolvers read addresses in odd spellings, such as 127.1 or 0x7f.1.
    let numeric = name.rsplit('.').next().is_none_or(|last| last.starts_with(|first: char| first.is_ascii_digit()));
    (name.len() <= 253 && name.split('.').all(label) && !numeric).then_some((Host::Name(name), port))
}
