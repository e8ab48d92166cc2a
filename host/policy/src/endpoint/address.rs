//! May a name lead to this address?
//!
//! Without this, whoever answers for a granted name could point it at the machine itself or at its neighbours, which
//! trust it. An IPv6 address may carry an IPv4 one inside: both are looked at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::EndpointRefusal;

/// Whether an address may be connected to. `literal`: the operator wrote the address itself (or `localhost` for the
/// loopback), which is a grant in so many words. Otherwise it has to lie in one of `networks` where the operator wrote
/// some, and be a public one where they did not.
pub fn address_allowed(address: IpAddr, networks: &[String], literal: bool) -> bool {
    if literal {
        return true;
    }
    let inner = embedded(address);
    if !networks.is_empty() {
        let contained =
            |address| networks.iter().filter_map(|network| parse(network)).any(|network| network.has(address));
        return contained(address) || inner.is_some_and(|inner| contained(IpAddr::V4(inner)));
    }
    match (address, inner) {
        (_, Some(inner)) => public(inner),
        (IpAddr::V4(address), None) => public(address),
        (IpAddr::V6(address), None) => public_six(address),
    }
}

/// Checks a network as an operator writes it.
///
/// # Errors
/// Where it is none.
pub fn check_network(network: &str) -> Result<(), EndpointRefusal> {
    parse(network).map(drop).ok_or_else(|| EndpointRefusal::Network { network: network.into() })
}

struct Network {
    address: IpAddr,
    length: u8,
}

impl Network {
    fn has(&self, address: IpAddr) -> bool {
        let (own, other, width) = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (u128::from(own.to_bits()), u128::from(other.to_bits()), 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        let shift = width - u32::from(self.length);
        own.checked_shr(shift).unwrap_or(0) == other.checked_shr(shift).unwrap_or(0)
    }
}

fn parse(network: &str) -> Option<Network> {
    let (address, length) =
        network.split_once('/').map_or((network, None), |(address, length)| (address, Some(length)));
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => most,
        Some(length) => length.parse().ok().filter(|length| *length <= most)?,
    };
    Some(Network { address, length })
}

/// The IPv4 address inside an IPv6 one: mapped, compatible, NAT64 (well known and local), 6to4.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let segments = address.segments();
    let low = Ipv4Addr::from_bits(u32::from(segments[6]) << 16 | u32::from(segments[7]));
    match segments {
        [0, 0, 0, 0, 0, 0xffff, _, _] | [0, 0, 0, 0, 0xffff, 0, _, _] => Some(low),
        [0, 0, 0, 0, 0, 0, high, last] if high != 0 || last > 1 => Some(low),
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] | [0x64, 0xff9b, 1, ..] => Some(low),
        [0x2002, high, last, ..] => Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(last))),
        _ => None,
    }
}

fn public(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let kept = match (first, second, third) {
        (0 | 10 | 127, ..) | (169, 254, _) | (192, 168, _) | (192, 0, 0) => true,
        (100, second, _) => (64..128).contains(&second),
        (172, second, _) => (16..32).contains(&second),
        (198, second, _) => second == 18 || second == 19,
        (first, ..) => first >= 224,
    };
    !kept
}

fn public_six(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let kept = address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || segments[0] & 0xfe00 == 0xfc00
        || matches!(segments[0] & 0xffc0, 0xfe80 | 0xfec0)
        || segments[..4] == [0x100, 0, 0, 0]
        || segments[..2] == [0x2001, 0];
    !kept
}
