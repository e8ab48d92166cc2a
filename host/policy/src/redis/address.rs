//! The address of a Redis server, as an operator writes it.
//!
//! One server, by TCP, TLS or a Unix socket. Clusters and sentinels are refused with what to write instead: a grant's
//! audit, plan and key patterns are about one server's keys, and a server that is found out behind the operator's back
//! may be another one tomorrow. Passwords do not belong into an address, which is shown in places where secrets are not.

use std::path::PathBuf;

use thiserror::Error;

/// Where a Redis server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisAddress {
    /// How it is reached.
    pub place: RedisPlace,
    /// The number of the database in it.
    pub database: u32,
}

/// How a Redis server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisPlace {
    /// By TCP.
    Tcp {
        /// Name or address, without brackets.
        host: String,
        /// Its port.
        port: u16,
        /// Whether by TLS.
        tls: bool,
    },
    /// By a Unix socket.
    Socket(PathBuf),
}

/// Why an address is refused. The address itself is not repeated: it may hold what should not be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RedisAddressError {
    /// No scheme, or another one.
    #[error(
        "is no address of a Redis server; write \"redis://HOST:PORT\", \"rediss://HOST\" or \"redis+unix:///PATH\""
    )]
    Scheme,
    /// A cluster's scheme.
    #[error(
        "is the address of a cluster; a resource is one server: write a [redis.NAME] with redis://HOST:PORT for each \
         node, and bind them to a request that takes many"
    )]
    Cluster,
    /// A sentinel's scheme.
    #[error(
        "is the address of a sentinel; a resource is one server: write redis://HOST:PORT of the Redis server itself, or \
         of a name that leads to the present master"
    )]
    Sentinel,
    /// Several hosts.
    #[error("names several hosts; a resource is one server: write a [redis.NAME] for each")]
    Several,
    /// A user or password.
    #[error("holds a user or password; write user = \"NAME\" and password_file = \"/PATH\" beside it")]
    Credentials,
    /// No host.
    #[error("has no host; write \"redis://HOST:PORT\"")]
    Host,
    /// No port between 1 and 65535.
    #[error("has a port that is none; write a number from 1 to 65535 behind the host")]
    Port,
    /// A database that is no number.
    #[error("has a database that is no number; write \"redis://HOST:PORT/0\"")]
    Database,
    /// A socket that is no absolute path.
    #[error(
        "has no absolute path; write \"redis+unix:///run/redis/redis.sock\", and ?db=1 behind it for another database"
    )]
    Path,
    /// Something behind `?` or `#`.
    #[error("has options behind it, and there are none")]
    Options,
}

impl RedisAddress {
    /// Reads `redis://HOST:PORT/DATABASE`, `rediss://…` or `redis+unix:///PATH?db=DATABASE`.
    ///
    /// # Errors
    /// What is wrong, and what to write.
    pub fn parse(url: &str) -> Result<Self, RedisAddressError> {
        let (scheme, rest) = url.split_once("://").ok_or(RedisAddressError::Scheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            "redis" => tcp(rest, false),
            "rediss" => tcp(rest, true),
            "redis+unix" | "unix" => socket(rest),
            scheme if scheme.contains("cluster") => Err(RedisAddressError::Cluster),
            scheme if scheme.contains("sentinel") => Err(RedisAddressError::Sentinel),
            _ => Err(RedisAddressError::Scheme),
        }
    }
}

fn tcp(rest: &str, tls: bool) -> Result<RedisAddress, RedisAddressError> {
    if rest.contains('@') {
        return Err(RedisAddressError::Credentials);
    }
    if rest.contains(['?', '#']) {
        return Err(RedisAddressError::Options);
    }
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains([',', ';', ' ']) {
        return Err(RedisAddressError::Several);
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, behind) = bracketed.split_once(']').ok_or(RedisAddressError::Host)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| RedisAddressError::Host)?;
            match behind.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if behind.is_empty() => (host, None),
                None => return Err(RedisAddressError::Port),
            }
        }
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() || host.chars().any(|character| character.is_control() || character.is_whitespace()) {
        return Err(RedisAddressError::Host);
    }
    let port = match port {
        None => 6379,
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(RedisAddressError::Port)?,
    };
    Ok(RedisAddress { place: RedisPlace::Tcp { host: host.into(), port, tls }, database: number(database)? })
}

fn socket(rest: &str) -> Result<RedisAddress, RedisAddressError> {
    let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
    if !path.starts_with('/') || path.len() < 2 || path.contains('\0') {
        return Err(RedisAddressError::Path);
    }
    let database = match options.strip_prefix("db=") {
        Some(database) => database,
        None if options.is_empty() => "",
        None => return Err(RedisAddressError::Options),
    };
    Ok(RedisAddress { place: RedisPlace::Socket(path.into()), database: number(database)? })
}

fn number(text: &str) -> Result<u32, RedisAddressError> {
    if text.is_empty() { Ok(0) } else { text.parse().map_err(|_| RedisAddressError::Database) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_server_are_taken() {
        let tcp = |host: &str, port, tls, database| {
            Ok(RedisAddress { place: RedisPlace::Tcp { host: host.into(), port, tls }, database })
        };
        assert_eq!(RedisAddress::parse("redis://cache1"), tcp("cache1", 6379, false, 0));
        assert_eq!(RedisAddress::parse("rediss://cache1:6380/3"), tcp("cache1", 6380, true, 3));
        assert_eq!(RedisAddress::parse("redis://[::1]:7000/"), tcp("::1", 7000, false, 0));
        let socket = RedisAddress { place: RedisPlace::Socket("/run/redis.sock".into()), database: 2 };
        assert_eq!(RedisAddress::parse("redis+unix:///run/redis.sock?db=2"), Ok(socket));
    }

    #[test]
    fn each_other_form_says_what_to_write() {
        for (url, error) in [
            ("cache1:6379", RedisAddressError::Scheme),
            ("http://cache1", RedisAddressError::Scheme),
            ("redis+cluster://a:1,b:2", RedisAddressError::Cluster),
            ("redis-cluster://a:1", RedisAddressError::Cluster),
            ("redis-sentinel://a:26379/mymaster", RedisAddressError::Sentinel),
            ("redis+sentinel://a:26379/mymaster", RedisAddressError::Sentinel),
            ("redis://a:1,b:2", RedisAddressError::Several),
            ("redis://user:secret@a", RedisAddressError::Credentials),
            ("redis://", RedisAddressError::Host),
            ("redis://[::1", RedisAddressError::Host),
            ("redis://a:0", RedisAddressError::Port),
            ("redis://a:b", RedisAddressError::Port),
            ("redis://a/b", RedisAddressError::Database),
            ("redis://a/-1", RedisAddressError::Database),
            ("redis://a?protocol=3", RedisAddressError::Options),
            ("redis+unix://run/redis.sock", RedisAddressError::Path),
        ] {
            assert_eq!(RedisAddress::parse(url), Err(error), "{url}");
        }
    }
}
