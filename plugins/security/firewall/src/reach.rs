//! Whether somebody from anywhere reaches a port, by following the rules as the kernel does for the first packet of a new
//! connection from an address that nobody knows.
//!
//! What such an address is not in (10.0.0.0/8, a named set of friends) does not match; what cannot be told (an interface,
//! a mark) may match or not, and where the answer hangs on that, it is unclear. Unclear is never closed.

use serde_json::Value;

use crate::ruleset::{Chain, Ruleset};

/// Deeper than any rules jump.
const DEEPEST: usize = 32;

/// What a packet comes in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Four,
    Six,
}

/// Whether it gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Closed,
    Unclear,
    Open,
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet<'a> {
    pub(crate) family: Family,
    pub(crate) port: u16,
    /// Interfaces by which the world comes in; empty where nobody said.
    pub(crate) interfaces: &'a [String],
}

/// What becomes of a packet at the end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Accepted,
    Dropped,
    Through,
    Unclear,
}

/// Whether something matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Match {
    Yes,
    No,
    Maybe,
}

/// Whether anything filters what comes in at all.
pub(crate) fn filters(ruleset: &Ruleset) -> bool {
    let input = |chain: &&Chain| chain.hook.as_deref() == Some("input") && chain.kind == "filter";
    ruleset.chains.iter().filter(input).any(|chain| chain.policy == "drop" || !chain.rules.is_empty())
}

/// Follows the packet through every chain on its way in: a drop in one of them is one.
pub(crate) fn reach(ruleset: &Ruleset, packet: Packet<'_>) -> Reach {
    let family = if packet.family == Family::Four { "ip" } else { "ip6" };
    let on_its_way = |chain: &&Chain| {
        let hooked = matches!(chain.hook.as_deref(), Some("prerouting" | "input")) && chain.kind == "filter";
        hooked && (chain.family == family || chain.family == "inet")
    };
    let mut reach = Reach::Open;
    for chain in ruleset.chains.iter().filter(on_its_way) {
        match through(ruleset, chain, packet, 0) {
            End::Dropped => return Reach::Closed,
            End::Through if chain.policy == "drop" => return Reach::Closed,
            End::Unclear => reach = Reach::Unclear,
            End::Accepted | End::Through => {}
        }
    }
    reach
}

fn through(ruleset: &Ruleset, chain: &Chain, packet: Packet<'_>, depth: usize) -> End {
    if depth > DEEPEST {
        return End::Unclear;
    }
    let (mut may_accept, mut may_drop) = (false, false);
    let settle = |end: End, may_accept: bool, may_drop: bool| match end {
        End::Accepted if may_drop => End::Unclear,
        End::Dropped if may_accept => End::Unclear,
        // The policy decides, and may decide otherwise than what may have matched before.
        End::Through if may_accept || may_drop => End::Unclear,
        end => end,
    };
    for rule in &chain.rules {
        let (matched, verdict) = read(rule, packet);
        let end = match (matched, verdict) {
            (Match::No, _) | (_, Verdict::None) => continue,
            (_, Verdict::Return) if matched == Match::Yes => return settle(End::Through, may_accept, may_drop),
            (_, Verdict::Return) => {
                (may_accept, may_drop) = (true, true);
                continue;
            }
            (_, Verdict::End(end)) => end,
            (_, Verdict::Chain(name, leaves)) => {
                let end = match ruleset.find(&chain.family, &chain.table, name) {
                    Some(target) => through(ruleset, target, packet, depth + 1),
                    None => End::Unclear,
                };
                if end == End::Through && leaves && matched == Match::Yes {
                    return settle(End::Through, may_accept, may_drop);
                }
                end
            }
        };
        match (matched, end) {
            (Match::Yes, End::Accepted | End::Dropped) => return settle(end, may_accept, may_drop),
            (_, End::Accepted) => may_accept = true,
            (_, End::Dropped) => may_drop = true,
            (_, End::Unclear) => (may_accept, may_drop) = (true, true),
            (_, End::Through) => {}
        }
    }
    // What may have been accepted before a chain that drops the rest, or the other way round.
    match (may_accept, may_drop, chain.policy.as_str(), chain.hook.is_some()) {
        (false, false, ..) => End::Through,
        (true, false, "accept", true) => End::Accepted,
        (false, true, "drop", true) => End::Dropped,
        _ => End::Unclear,
    }
}

/// What a rule does where it matches.
enum Verdict<'a> {
    None,
    End(End),
    Return,
    /// The chain it goes to, and whether it does not come back.
    Chain(&'a str, bool),
}

fn read<'a>(rule: &'a [Value], packet: Packet<'_>) -> (Match, Verdict<'a>) {
    let mut matched = Match::Yes;
    for statement in rule {
        let Some((kind, value)) = statement.as_object().and_then(|one| one.iter().next()) else { continue };
        match kind.as_str() {
            "match" => match one(value, packet) {
                Match::No => return (Match::No, Verdict::None),
                Match::Maybe => matched = Match::Maybe,
                Match::Yes => {}
            },
            // Up to a rate somebody gets in; over a rate it is not the first packet.
            "limit" if value.get("inv").and_then(Value::as_bool) == Some(true) => return (Match::No, Verdict::None),
            "vmap" => {
                return match looked_up(value, packet) {
                    Some(Some(verdict)) => (matched, verdict_of(verdict)),
                    Some(None) => (Match::No, Verdict::None),
                    None => (Match::Maybe, Verdict::End(End::Unclear)),
                };
            }
            "queue" | "tproxy" | "xt" | "synproxy" => return (Match::Maybe, Verdict::End(End::Unclear)),
            "meter" | "ct count" => matched = Match::Maybe,
            _ => match verdict_of(statement) {
                Verdict::None => {}
                verdict => return (matched, verdict),
            },
        }
    }
    (matched, Verdict::None)
}

fn verdict_of(statement: &Value) -> Verdict<'_> {
    let Some((kind, value)) = statement.as_object().and_then(|one| one.iter().next()) else { return Verdict::None };
    let target = value.get("target").and_then(Value::as_str).unwrap_or_default();
    match kind.as_str() {
        "accept" => Verdict::End(End::Accepted),
        "drop" | "reject" => Verdict::End(End::Dropped),
        "return" => Verdict::Return,
        "jump" => Verdict::Chain(target, false),
        "goto" => Verdict::Chain(target, true),
        _ => Verdict::None,
    }
}

/// The verdict of a map for this packet: nothing within where it has none, nothing at all where that cannot be told.
fn looked_up<'a>(map: &'a Value, packet: Packet<'_>) -> Option<Option<&'a Value>> {
    let entries = map.pointer("/data/set")?.as_array()?;
    let key = map.get("key")?;
    for entry in entries {
        let [wanted, verdict] = entry.as_array()?.as_slice() else { return None };
        match compare(key, wanted, packet) {
            Match::Yes => return Some(Some(verdict)),
            Match::No => {}
            Match::Maybe => return None,
        }
    }
    Some(None)
}

fn one(value: &Value, packet: Packet<'_>) -> Match {
    let (Some(left), Some(right)) = (value.get("left"), value.get("right")) else { return Match::Maybe };
    if is_of_another(left, packet) {
        // nft looks first whether the packet is of that protocol: also a != does not match then.
        return Match::No;
    }
    let found = compare(left, right, packet);
    match value.get("op").and_then(Value::as_str) {
        Some("==" | "in") | None => found,
        Some("!=") => match found {
            Match::Yes => Match::No,
            Match::No => Match::Yes,
            Match::Maybe => Match::Maybe,
        },
        _ => Match::Maybe,
    }
}

/// Whether a field is one that a TCP packet of this family does not have.
fn is_of_another(left: &Value, packet: Packet<'_>) -> bool {
    match left.pointer("/payload/protocol").and_then(Value::as_str) {
        Some("udp" | "udplite" | "sctp" | "dccp" | "icmp" | "icmpv6" | "arp") => true,
        Some("ip") => packet.family == Family::Six,
        Some("ip6") => packet.family == Family::Four,
        _ => false,
    }
}

/// Whether the packet's value is `right`, or in it.
fn compare(left: &Value, right: &Value, packet: Packet<'_>) -> Match {
    let get = |path: &str| left.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let words = |known: &[&str]| has_word(right, known);
    match (get("/payload/protocol"), get("/payload/field")) {
        ("tcp" | "th", "dport") => return has_port(right, packet.port),
        _ if is_of_another(left, packet) => return Match::No,
        ("ip" | "ip6", "saddr") => return is_anywhere(right),
        ("ip", "protocol") | ("ip6", "nexthdr") => return words(&["tcp", "6"]),
        _ => {}
    }
    match get("/meta/key") {
        "l4proto" => return words(&["tcp", "6"]),
        "nfproto" => return words(&[if packet.family == Family::Four { "ipv4" } else { "ipv6" }]),
        "protocol" => return words(&[if packet.family == Family::Four { "ip" } else { "ip6" }]),
        "iif" | "iifname" => return interface(right, packet.interfaces),
        "pkttype" => return words(&["host", "unicast"]),
        _ => {}
    }
    if get("/ct/key") == "state" {
        return words(&["new"]);
    }
    if get("/ct/key") == "status" {
        return Match::No;
    }
    // A new connection begins with SYN alone.
    if left.pointer("/&/0/payload/field").and_then(Value::as_str) == Some("flags") {
        return words(&["syn"]);
    }
    Match::Maybe
}

/// The values of one side: a set's, or the one.
fn values(right: &Value) -> Vec<&Value> {
    match right {
        Value::Array(items) => items.iter().collect(),
        Value::Object(object) => match object.get("set").and_then(Value::as_array) {
            Some(items) => items.iter().collect(),
            None => vec![right],
        },
        _ => vec![right],
    }
}

fn has_word(right: &Value, known: &[&str]) -> Match {
    let all = values(right);
    let word = |value: &Value| match value {
        Value::String(word) => Some(word.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    if all.iter().any(|value| word(value).is_some_and(|word| known.contains(&word.as_str()))) {
        return Match::Yes;
    }
    let named = |value: &&Value| value.as_str().is_none_or(|word| word.starts_with('@')) && !value.is_number();
    if all.iter().any(named) { Match::Maybe } else { Match::No }
}

fn has_port(right: &Value, port: u16) -> Match {
    let mut found = Match::No;
    for value in values(right) {
        let number = |value: &Value| value.as_u64().and_then(|number| u16::try_from(number).ok());
        let is = match (number(value), value.get("range").and_then(Value::as_array).map(Vec::as_slice)) {
            (Some(one), _) if one == port => Match::Yes,
            (Some(_), _) => Match::No,
            (None, Some([first, last])) => match (number(first), number(last)) {
                (Some(first), Some(last)) if (first..=last).contains(&port) => Match::Yes,
                (Some(_), Some(_)) => Match::No,
                _ => Match::Maybe,
            },
            // A named set, or a service by its name.
            _ => Match::Maybe,
        };
        match is {
            Match::Yes => return Match::Yes,
            Match::Maybe => found = Match::Maybe,
            Match::No => {}
        }
    }
    found
}

/// Whether an address from anywhere is in it: only in what holds all of them.
fn is_anywhere(right: &Value) -> Match {
    let whole = |value: &&Value| value.pointer("/prefix/len").and_then(Value::as_u64).is_some_and(|length| length <= 1);
    if values(right).iter().any(whole) { Match::Yes } else { Match::No }
}

fn interface(right: &Value, public: &[String]) -> Match {
    let names: Vec<&str> = values(right).into_iter().filter_map(Value::as_str).collect();
    if names.iter().all(|name| *name == "lo") && !names.is_empty() {
        return Match::No;
    }
    if public.is_empty() || names.iter().any(|name| name.starts_with('@')) {
        return Match::Maybe;
    }
    let is = |name: &&str| match name.strip_suffix('*') {
        Some(begin) => public.iter().any(|one| one.starts_with(begin)),
        None => public.iter().any(|one| one == name),
    };
    if names.iter().any(is) { Match::Yes } else { Match::No }
}
