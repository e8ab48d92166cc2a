//! What an endpoint allows: the request's target stays below its prefix however a server reads it, a method and a header
//! are what the grant says, and a name leads nowhere private.
//!
//! An input is lines: the operator's URL, the plugin's path, its method, its header, an address.

use std::net::IpAddr;

use hostler_policy::endpoint::{
    Endpoint, Host, Scheme, address_allowed, check_header, check_method, check_network, join_path,
};

/// Decodes once, whatever is broken staying as it is.
fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match digits.filter(|_| first == b'%').and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &behind[2..];
            }
            None => {
                out.push(first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// How many names deep a path leads, and the least depth on its way.
fn depths(path: &str) -> (i64, i64) {
    let mut depth = 0;
    let mut least = 0;
    for segment in path.split(['/', '\\']) {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        least = least.min(depth);
    }
    (depth, least)
}

fn below(prefix: &str, path: &str) {
    let Ok(target) = join_path(prefix, path) else { return };
    assert!(target.bytes().all(|byte| byte.is_ascii_graphic()), "{target:?} cannot stand in a request's first line");
    let below = target.strip_prefix(prefix.strip_suffix('/').unwrap_or(prefix)).expect("it begins with the prefix");
    assert!(below.is_empty() || below.starts_with(['/', '?']), "{target} is beside {prefix}");
    let mut read = below.split('?').next().unwrap_or_default().to_owned();
    for _ in 0..5 {
        assert!(depths(&read).1 >= 0, "a server may read {target} as a path outside {prefix}: {read}");
        read = decoded(&read);
    }
}

/// Addresses that no name may lead to, said in the standard library's words.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_broadcast()
        }
        IpAddr::V6(six) => {
            six.is_loopback()
                || six.is_unspecified()
                || six.is_multicast()
                || six.is_unique_local()
                || six.is_unicast_link_local()
                || six.to_ipv4().is_some_and(|four| is_private(four.into()))
        }
    }
}

/// All of them for one input.
pub fn endpoint(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.lines();
    let mut line = || lines.next().unwrap_or_default();
    let (url, path, method, header, address) = (line(), line(), line(), line(), line());
    if let Ok(endpoint) = Endpoint::parse(url) {
        let name = match &endpoint.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Tcp => "tcp",
            Scheme::Tls => "tls",
        };
        let host = match &endpoint.host {
            Host::Name(name) => {
                assert!(name.parse::<IpAddr>().is_err() && !name.contains(['@', '/', ':', '%', '[', '\\', ' ']));
                name.clone()
            }
            Host::Address(IpAddr::V4(address)) => address.to_string(),
            Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
        };
        let again = format!("{name}://{host}:{}{}", endpoint.port, endpoint.prefix);
        assert_eq!(Endpoint::parse(&again).as_ref(), Ok(&endpoint), "{url} is written {again}");
        below(&endpoint.prefix, path);
    }
    below("/health", path);
    below("/", path);
    below("", path);
    if check_method(&[], method).is_ok() {
        assert!(matches!(method, "GET" | "HEAD"), "a grant without methods only reads");
    }
    if check_method(&["POST".into()], method).is_ok() {
        assert_eq!(method, "POST");
    }
    if check_header(header, Some("Authorization")).is_ok() {
        let same = header.to_ascii_lowercase().replace('_', "-");
        assert!(!["host", "authorization", "content-length", "transfer-encoding", "connection"].contains(&&*same));
        assert!(!header.is_empty() && header.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':'));
    }
    if let Ok(address) = address.parse::<IpAddr>() {
        assert!(!(is_private(address) && address_allowed(address, &[], false)), "{address} is private");
        let ten = ["10.0.0.0/8".to_owned()];
        if let (IpAddr::V4(four), true) = (address, address_allowed(address, &ten, false)) {
            assert_eq!(four.octets()[0], 10);
        }
    }
    if let (Ok(()), Some((address, length))) = (check_network(address), address.split_once('/')) {
        assert!(address.parse::<IpAddr>().is_ok() && length.parse::<u8>().is_ok_and(|length| length <= 128));
    }
}
