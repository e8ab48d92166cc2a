//! Listening sockets, and the names of the processes that hold them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use hostler_world::machine::ListeningSocket;

use crate::{Problem, processes};

/// The kernel's name of a listening TCP socket, and of a UDP socket that is bound and not connected.
const TABLES: [(&str, &str, &str); 4] = [
    ("/proc/net/tcp", "tcp", "0A"),
    ("/proc/net/tcp6", "tcp", "0A"),
    ("/proc/net/udp", "udp", "07"),
    ("/proc/net/udp6", "udp", "07"),
];

/// # Errors
/// Where none of the tables can be read.
pub(crate) fn listening() -> Result<Vec<ListeningSocket>, Problem> {
    let tables = TABLES.map(|(file, protocol, state)| (crate::errors::read(file), protocol, state));
    let mut sockets = Vec::new();
    let mut unreadable = None;
    for (text, protocol, state) in tables {
        match text {
            Ok(text) => sockets.extend(parse(&text, protocol, state)),
            // A machine without IPv6 has no table for it.
            Err(problem) => unreadable = Some(problem),
        }
    }
    if let (Some(problem), true) = (unreadable, sockets.is_empty()) {
        return Err(problem);
    }
    let wanted = sockets.iter().map(|(inode, _)| *inode).collect();
    let owners = owners(&wanted);
    let named = sockets.into_iter().map(|(inode, mut socket)| {
        socket.process = owners.get(&inode).cloned();
        socket
    });
    // Several sockets of one process may share an address (SO_REUSEPORT).
    let mut told = BTreeSet::new();
    Ok(named
        .filter(|socket| {
            told.insert((socket.protocol.clone(), socket.address.clone(), socket.port, socket.process.clone()))
        })
        .collect())
}

pub(crate) fn parse(text: &str, protocol: &str, state: &str) -> Vec<(u64, ListeningSocket)> {
    let line = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (address, port) = fields.get(1)?.split_once(':')?;
        (*fields.get(3)? == state).then_some(())?;
        let socket = ListeningSocket {
            protocol: protocol.into(),
            address: decode(address)?.to_string(),
            port: u16::from_str_radix(port, 16).ok()?,
            process: None,
        };
        Some((fields.get(9)?.parse().ok()?, socket))
    };
    text.lines().skip(1).filter_map(line).collect()
}

/// Words of 32 bits, each as the machine holds it in memory.
fn decode(address: &str) -> Option<IpAddr> {
    let words: Option<Vec<[u8; 4]>> = (0..address.len() / 8)
        .map(|word| Some(u32::from_str_radix(address.get(word * 8..word * 8 + 8)?, 16).ok()?.to_ne_bytes()))
        .collect();
    match words?[..] {
        [word] => Some(Ipv4Addr::from(word).into()),
        [first, second, third, fourth] => {
            let mut bytes = [0; 16];
            for (place, word) in bytes.chunks_exact_mut(4).zip([first, second, third, fourth]) {
                place.copy_from_slice(&word);
            }
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

/// The name of a process that holds each of the sockets, where the host may look.
fn owners(wanted: &BTreeSet<u64>) -> BTreeMap<u64, String> {
    let mut owners = BTreeMap::new();
    for process in processes::numbers() {
        for (_, link) in processes::links(process).unwrap_or_default() {
            let inode = link.to_str().and_then(|link| link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            if let Some(inode) = inode.filter(|inode| wanted.contains(inode)) {
                owners.entry(inode).or_insert_with(|| processes::name(process));
            }
        }
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
        0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   112        0 20123 1 0 100 0 0 10 0\n   \
        1: 0100007F:1538 0100007F:D431 01 00000000:00000000 00:00000000 00000000   112        0 20124 1 0 100 0 0 10 0\n";
    const TCP6: &str = "  sl  local_address ...\n   \
        0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 31 1\n   \
        1: B80D0120000000000000000001000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 32 1\n";

    #[cfg(target_endian = "little")]
    #[test]
    fn only_listening_sockets_with_their_addresses() {
        let sockets = parse(TCP, "tcp", "0A");
        assert_eq!(sockets.len(), 1);
        assert_eq!((sockets[0].0, sockets[0].1.address.as_str(), sockets[0].1.port), (20123, "127.0.0.1", 5432));
        let addresses: Vec<_> =
            parse(TCP6, "tcp", "0A").into_iter().map(|(_, socket)| (socket.address, socket.port)).collect();
        assert_eq!(addresses, [("::1".to_owned(), 80), ("2001:db8::1".to_owned(), 443)]);
    }

    #[test]
    fn a_socket_of_this_process_is_found_with_its_name() {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        let ports =
            [("tcp", tcp.local_addr().expect("bound").port()), ("udp", udp.local_addr().expect("bound").port())];
        let sockets = listening().expect("every Linux tells");
        let own = processes::name(std::process::id());
        for (protocol, port) in ports {
            let socket =
                sockets.iter().find(|socket| socket.protocol == protocol && socket.port == port).expect(protocol);
            assert_eq!((socket.address.as_str(), socket.process.as_deref()), ("127.0.0.1", Some(own.as_str())));
        }
    }
}
