//! Sockets that others reach, and databases among them that everybody does.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hostler_sdk::machine::ListeningSocket;
use hostler_sdk::prelude::*;

use crate::reach::{Family, Packet, Reach, reach};
use crate::ruleset::Ruleset;

/// Who reaches an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Machine,
    Network,
    World,
}

pub(crate) fn scope(address: &str) -> Scope {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => scope_of_four(address.octets()),
        Ok(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
            Some(four) => scope_of_four(four.octets()),
            None if address.is_loopback() => Scope::Machine,
            None if matches!(address.segments()[0], 0xfe80..=0xfebf | 0xfc00..=0xfdff) => Scope::Network,
            None => Scope::World,
        },
        // An address that nobody can read is not taken for harmless.
        Err(_) => Scope::World,
    }
}

fn scope_of_four(octets: [u8; 4]) -> Scope {
    match octets {
        [127, ..] => Scope::Machine,
        [10, ..] | [192, 168, ..] | [172, 16..=31, ..] | [169, 254, ..] | [100, 64..=127, ..] => Scope::Network,
        _ => Scope::World,
    }
}

/// Each socket that others reach, as a line.
pub(crate) fn lines(sockets: &[ListeningSocket]) -> BTreeSet<String> {
    let others = sockets.iter().filter(|socket| scope(&socket.address) != Scope::Machine);
    others.map(|socket| shared_baseline::one_line(&line(socket))).collect()
}

fn line(socket: &ListeningSocket) -> String {
    let address = if socket.address.contains(':') { format!("[{}]", socket.address) } else { socket.address.clone() };
    let process = socket.process.as_ref().map_or(String::new(), |process| format!(" {process}"));
    format!("listen {} {address}:{}{process}", socket.protocol, socket.port)
}

/// Tells databases that everybody reaches; how many.
pub(crate) fn databases(
    sockets: &[ListeningSocket],
    ruleset: Option<&Ruleset>,
    ports: &[u16],
    interfaces: &[String],
) -> usize {
    let mut open = 0;
    let mut told = BTreeSet::new();
    let world = |socket: &&ListeningSocket| {
        socket.protocol == "tcp" && ports.contains(&socket.port) && scope(&socket.address) == Scope::World
    };
    for socket in sockets.iter().filter(world) {
        let families: &[Family] = match socket.address.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => &[Family::Four],
            // It takes connections from both, unless it says otherwise.
            Ok(IpAddr::V6(address)) if !address.is_unspecified() => &[Family::Six],
            _ => &[Family::Four, Family::Six],
        };
        let reached = ruleset.map_or(Reach::Unclear, |ruleset| {
            let packet = |family: &Family| Packet { family: *family, port: socket.port, interfaces };
            let all: Vec<Reach> = families.iter().map(|family| reach(ruleset, packet(family))).collect();
            if all.contains(&Reach::Open) {
                Reach::Open
            } else if all.contains(&Reach::Unclear) {
                Reach::Unclear
            } else {
                Reach::Closed
            }
        });
        let process = socket.process.as_deref().unwrap_or("a process that cannot be seen");
        let subject = format!("{}:{}", socket.address, socket.port);
        if !told.insert((subject.clone(), process)) {
            continue;
        }
        let remedy = format!(
            "nft insert rule inet filter input tcp dport {0} ip saddr != YOUR_NETWORK drop    -- in the wanted rules; \
             or let {process} listen on 127.0.0.1",
            socket.port
        );
        match reached {
            Reach::Closed => {}
            Reach::Open => {
                open += 1;
                finding!(
                    Severity::Critical,
                    "database-port-open",
                    subject,
                    "{process} listens here, and the rules let the whole world in on port {}",
                    socket.port
                )
                .remedy(remedy)
                .report();
            }
            Reach::Unclear => finding!(
                Severity::Unknown,
                "database-port-unclear",
                subject,
                "{process} listens here, and whether the rules let the world in on port {} cannot be told",
                socket.port
            )
            .detail(
                "What decides is an interface, a mark or a set that nobody here knows, or the rules could not be read.",
            )
            .remedy("look by hand: nft list ruleset; name the interfaces of the world in `public_interfaces`")
            .report(),
        }
    }
    open
}
