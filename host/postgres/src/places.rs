//! The servers that a connection string names, in order of preference.

use std::net::IpAddr;

use hostler_configuration::ConnectionString;

use crate::words::values;

/// Where the server's socket is where no host is named, as Debian's and the PGDG's libpq have it.
pub(crate) const SOCKETS: &str = "/var/run/postgresql";

/// One server that the connection string names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// A host name, an address, or the directory of a socket.
    pub host: String,
    /// The address to connect to in place of resolving the name.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
}

impl Place {
    /// Whether it is a socket of this machine.
    pub fn is_socket(&self) -> bool {
        self.host.starts_with('/') || self.host.starts_with('@')
    }
}

/// Takes `host`, `hostaddr` and `port`, which are lists.
pub(crate) fn places(words: &mut ConnectionString) -> Result<Vec<Place>, String> {
    let list = |value: Option<String>| -> Vec<String> {
        value.map(|value| value.split(',').map(|part| part.trim().to_owned()).collect()).unwrap_or_default()
    };
    let (hosts, addresses, ports) = (list(words.take("host")), list(words.take("hostaddr")), list(words.take("port")));
    let count = hosts.len().max(addresses.len()).max(1);
    let fits = |length: usize| length == 0 || length == count;
    if !fits(hosts.len()) || !fits(addresses.len()) || !(fits(ports.len()) || ports.len() == 1) {
        return Err("its host, hostaddr and port are lists of different lengths".into());
    }
    (0..count)
        .map(|index| {
            let address = match addresses.get(index).filter(|address| !address.is_empty()) {
                Some(address) => Some(address.parse::<IpAddr>().map_err(|_| values("hostaddr", "IP addresses"))?),
                None => None,
            };
            let host = match (hosts.get(index).filter(|host| !host.is_empty()), address) {
                (Some(host), _) => host.clone(),
                (None, Some(address)) => address.to_string(),
                (None, None) => SOCKETS.into(),
            };
            let port = match ports.get(index).or_else(|| ports.first()).filter(|port| !port.is_empty()) {
                Some(port) => port.parse().map_err(|_| values("port", "numbers from 1 to 65535"))?,
                None => 5432,
            };
            Ok(Place { host, address, port })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(dsn: &str) -> Result<Vec<u16>, String> {
        let mut words = ConnectionString::parse(dsn).expect("it is a connection string");
        Ok(places(&mut words)?.iter().map(|place| place.port).collect())
    }

    #[test]
    fn several_hosts_share_or_split_ports() {
        assert_eq!(ports("host=a,b port=1,2"), Ok(vec![1, 2]));
        assert_eq!(ports("host=a,b port=7"), Ok(vec![7, 7]));
        assert_eq!(ports("postgresql://a:1,b/x"), Ok(vec![1, 5432]));
        assert!(ports("host=a,b port=1,2,3").is_err_and(|problem| problem.contains("different lengths")));
    }
}
