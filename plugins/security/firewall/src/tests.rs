//! Rules as nft prints them, packets followed through them, and the steps of a change.

use hostler_sdk::machine::ListeningSocket;
use hostler_sdk::testing::{self, Recorded, refuses_each};
use serde_json::{Value, json};

use super::*;
use crate::decision::{Next, Outcomes, Seen, change as changed, is_repeatable, next};
use crate::reach::{Family, Packet, Reach};
use crate::sockets::{Scope, scope};

const MANIFEST: &str = include_str!("../plugin.toml");

fn settings(given: Value) -> Settings {
    testing::settings(MANIFEST, given)
}

/// A table with a chain of hook input and these rules, and more chains beside it.
fn ruleset(policy: &str, rules: Value, more: &[(&str, Value)]) -> Ruleset {
    let mut objects = vec![
        json!({ "metainfo": { "version": "1.0.6" } }),
        json!({ "table": { "family": "inet", "name": "filter", "handle": 1 } }),
        json!({ "chain": { "family": "inet", "table": "filter", "name": "input", "handle": 1, "type": "filter", "hook": "input",
            "prio": 0, "policy": policy } }),
    ];
    for (name, _) in more {
        objects.push(json!({ "chain": { "family": "inet", "table": "filter", "name": name, "handle": 2 } }));
    }
    let all = std::iter::once(("input", rules)).chain(more.iter().map(|(name, rules)| (*name, rules.clone())));
    for (chain, rules) in all {
        for rule in rules.as_array().expect("rules") {
            objects.push(
                json!({ "rule": { "family": "inet", "table": "filter", "chain": chain, "handle": 3, "expr": rule } }),
            );
        }
    }
    Ruleset::parse(&json!({ "nftables": objects }).to_string()).expect("a ruleset")
}

fn matching(left: Value, operator: &str, right: Value) -> Value {
    json!({ "match": { "op": operator, "left": left, "right": right } })
}

fn port(right: Value) -> Value {
    matching(json!({ "payload": { "protocol": "tcp", "field": "dport" } }), "==", right)
}

fn source(operator: &str, right: Value) -> Value {
    matching(json!({ "payload": { "protocol": "ip", "field": "saddr" } }), operator, right)
}

fn state(right: Value) -> Value {
    matching(json!({ "ct": { "key": "state" } }), "in", right)
}

fn by(interface: &str) -> Value {
    matching(json!({ "meta": { "key": "iifname" } }), "==", json!(interface))
}

fn reached(ruleset: &Ruleset, family: Family, interfaces: &[&str]) -> Reach {
    let interfaces: Vec<String> = interfaces.iter().map(|name| (*name).to_owned()).collect();
    reach::reach(ruleset, Packet { family, port: 5432, interfaces: &interfaces })
}

fn four(policy: &str, rules: Value) -> Reach {
    reached(&ruleset(policy, rules, &[]), Family::Four, &[])
}

#[test]
fn bad_settings_are_refused() {
    let defaults = settings(json!({}));
    assert_eq!((defaults.rollback, defaults.ports().expect("ports").len()), (Duration::from_seconds(300.0), 13));
    assert!(settings(json!({ "database_ports": ["postgres"] })).ports().is_err());
    refuses_each(
        MANIFEST,
        &[
            ("approved", json!("a")),
            ("baseline_file", json!(1)),
            ("ignore", json!([1])),
            ("database_ports", json!([5432])),
            ("public_interfaces", json!("eth0")),
            ("jails", json!("sshd")),
            ("fail2ban_reload", json!("often")),
            ("rules_file", json!(1)),
            ("rollback", json!("59s")),
            ("rollback", json!("2h")),
            ("timeout", json!(30)),
        ],
    );
}

#[test]
fn a_port_is_open_where_the_first_packet_from_anywhere_gets_in() {
    let (accept, drop) = (json!({ "accept": null }), json!({ "drop": null }));
    let ten = json!({ "prefix": { "addr": "10.0.0.0", "len": 8 } });
    let everywhere = json!({ "prefix": { "addr": "0.0.0.0", "len": 0 } });
    for (policy, rules, expected) in [
        ("accept", json!([]), Reach::Open),
        ("drop", json!([]), Reach::Closed),
        ("drop", json!([[port(json!(5432)), accept]]), Reach::Open),
        ("drop", json!([[port(json!(5433)), accept]]), Reach::Closed),
        ("drop", json!([[port(json!({ "set": [22, { "range": [5000, 6000] }] })), accept]]), Reach::Open),
        ("drop", json!([[source("==", ten.clone()), port(json!(5432)), accept]]), Reach::Closed),
        ("drop", json!([[source("==", everywhere), port(json!(5432)), accept]]), Reach::Open),
        ("drop", json!([[source("==", json!("@friends")), accept]]), Reach::Closed),
        ("drop", json!([[state(json!(["established", "related"])), accept]]), Reach::Closed),
        ("drop", json!([[state(json!("new")), port(json!(5432)), accept]]), Reach::Open),
        ("drop", json!([[by("lo"), accept]]), Reach::Closed),
        ("drop", json!([[by("eth1"), accept]]), Reach::Unclear),
        ("accept", json!([[port(json!(5432)), drop]]), Reach::Closed),
        (
            "accept",
            json!([[source("!=", ten.clone()), port(json!(5432)), { "reject": { "type": "icmp" } }]]),
            Reach::Closed,
        ),
        ("accept", json!([[source("==", ten), port(json!(5432)), drop]]), Reach::Open),
        ("accept", json!([[state(json!("invalid")), drop]]), Reach::Open),
        ("accept", json!([[matching(json!({ "mark": null }), "==", json!(1)), drop]]), Reach::Unclear),
        ("drop", json!([[port(json!("@databases")), accept]]), Reach::Unclear),
        ("drop", json!([[port(json!(5432)), { "limit": { "rate": 5, "per": "minute" } }, accept]]), Reach::Open),
        ("accept", json!([[{ "limit": { "rate": 5, "per": "minute", "inv": true } }, drop]]), Reach::Open),
        (
            "drop",
            json!([[
                matching(json!({ "meta": { "key": "l4proto" } }), "==", json!({ "set": ["icmp", "ipv6-icmp"] })),
                accept
            ]]),
            Reach::Closed,
        ),
        (
            "drop",
            json!([[
                matching(json!({ "payload": { "protocol": "udp", "field": "dport" } }), "==", json!(5432)),
                accept
            ]]),
            Reach::Closed,
        ),
        ("accept", json!([[{ "xt": null }]]), Reach::Unclear),
    ] {
        assert_eq!(four(policy, rules.clone()), expected, "policy {policy}: {rules}");
    }
    let flags = json!({ "&": [{ "payload": { "protocol": "tcp", "field": "flags" } }, ["fin", "syn", "rst", "ack"]] });
    let not_syn = json!([[matching(flags, "!=", json!("syn")), state(json!("new")), { "drop": null }], [port(json!(5432)), { "accept": null }]]);
    assert_eq!(four("drop", not_syn), Reach::Open, "a new connection begins with SYN");
}

#[test]
fn chains_are_followed_and_interfaces_known_where_somebody_said() {
    let jump = |name: &str| json!([[{ "jump": { "target": name } }]]);
    let databases = json!([[port(json!(5432)), { "accept": null }]]);
    let with = |name: &str, rules: Value| ruleset("drop", jump(name), &[("services", rules)]);
    assert_eq!(reached(&with("services", databases.clone()), Family::Four, &[]), Reach::Open);
    assert_eq!(
        reached(&with("services", json!([[{ "return": null }], [{ "accept": null }]])), Family::Four, &[]),
        Reach::Closed
    );
    assert_eq!(reached(&with("nowhere", databases.clone()), Family::Four, &[]), Reach::Unclear);
    let circle = ruleset("drop", jump("services"), &[("services", jump("services"))]);
    assert_eq!(reached(&circle, Family::Four, &[]), Reach::Unclear);
    let map = json!([[{ "vmap": { "key": { "payload": { "protocol": "tcp", "field": "dport" } }, "data": { "set": [
        [22, { "accept": null }], [5432, { "jump": { "target": "services" } }]] } } }]]);
    assert_eq!(reached(&ruleset("drop", map, &[("services", databases)]), Family::Four, &[]), Reach::Open);
    let states = json!([[{ "vmap": { "key": { "ct": { "key": "state" } }, "data": { "set": [["established", { "accept": null }],
        ["invalid", { "drop": null }]] } } }]]);
    assert_eq!(four("drop", states), Reach::Closed);
    let inside = ruleset("drop", json!([[by("eth1"), { "accept": null }]]), &[]);
    assert_eq!(reached(&inside, Family::Four, &["eth0"]), Reach::Closed);
    assert_eq!(reached(&inside, Family::Four, &["eth1"]), Reach::Open);
    // Addresses of version 4 say nothing about the others.
    let only_four = ruleset("accept", json!([[source("!=", json!("10.0.0.1")), { "drop": null }]]), &[]);
    assert_eq!(
        (reached(&only_four, Family::Four, &[]), reached(&only_four, Family::Six, &[])),
        (Reach::Closed, Reach::Open)
    );
}

#[test]
fn lines_leave_out_what_changes_by_itself_and_keep_the_order() {
    let rule = |packets: u64| json!([port(json!({ "set": [22, { "range": [80, 81] }] })), { "counter": { "packets": packets, "bytes": 1 } }, { "accept": null }]);
    let one = ruleset("drop", json!([rule(1), [by("lo"), { "accept": null }]]), &[]);
    let later = ruleset("drop", json!([rule(99), [by("lo"), { "accept": null }]]), &[]);
    assert_eq!((one.lines(), one.rules), (later.lines(), 2));
    for line in [
        "table inet filter",
        "chain inet filter input type filter hook input priority 0 policy drop",
        "rule inet filter input tcp dport { 22, 80-81 } counter accept",
        "rule inet filter input meta iifname lo accept",
    ] {
        assert!(one.lines().contains(line), "{line} in {:?}", one.lines());
    }
    let turned = ruleset("drop", json!([[by("lo"), { "accept": null }], rule(1)]), &[]);
    let different: Vec<&String> = one.lines().symmetric_difference(turned.lines()).collect();
    assert!(different.len() == 2 && different[0].starts_with("order inet filter input 2 rules "), "{different:?}");
    let set = |flags: Value, element: &str| {
        let text = json!({ "nftables": [{ "set": { "family": "ip", "table": "t", "name": "s", "type": "ipv4_addr", "handle": 1, "flags": flags, "elem": [element] } }] });
        Ruleset::parse(&text.to_string()).expect("a ruleset").lines().clone()
    };
    assert_eq!(set(json!(["dynamic", "timeout"]), "192.0.2.1"), set(json!(["dynamic", "timeout"]), "192.0.2.2"));
    assert_ne!(set(json!(["interval"]), "192.0.2.1"), set(json!(["interval"]), "192.0.2.2"));
    let banned: BTreeSet<String> = BTreeSet::from([
        "set inet f2b-table addr-set-sshd {}".into(),
        "table inet f2b-table".into(),
        "table inet filter".into(),
    ]);
    assert_eq!(settings(json!({})).counts(&banned).len(), 1, "fail2ban's table changes with every ban");
    for damaged in ["", "{}", "[]"] {
        assert!(Ruleset::parse(damaged).is_err(), "{damaged:?}");
    }
}

fn socket(address: &str, port: u16, process: &str) -> ListeningSocket {
    ListeningSocket { protocol: "tcp".into(), address: address.into(), port, process: Some(process.into()) }
}

#[test]
fn a_database_is_told_where_the_world_reaches_it() {
    let open = ruleset("accept", json!([]), &[]);
    let told = |sockets: &[ListeningSocket], ruleset: Option<&Ruleset>| {
        let recorded = testing::record(|| sockets::databases(sockets, ruleset, &[5432, 6379], &[]));
        recorded.findings.iter().map(|one| (one.code.clone(), one.subject.clone(), one.severity)).collect::<Vec<_>>()
    };
    let critical = |subject: &str| ("database-port-open".to_owned(), subject.to_owned(), Severity::Critical);
    let sockets = [
        socket("0.0.0.0", 5432, "postgres"),
        socket("127.0.0.1", 6379, "redis-server"),
        socket("10.1.2.3", 6379, "redis-server"),
        socket("0.0.0.0", 22, "sshd"),
        socket("2001:db8::1", 6379, "redis-server"),
    ];
    assert_eq!(told(&sockets, Some(&open)), [critical("0.0.0.0:5432"), critical("2001:db8::1:6379")]);
    assert_eq!(told(&sockets, Some(&ruleset("drop", json!([]), &[]))), []);
    assert_eq!(told(&sockets[..1], None)[0].0, "database-port-unclear", "without rules nothing is closed");
    let only_four = ruleset("accept", json!([[source("!=", json!("10.0.0.1")), { "drop": null }]]), &[]);
    assert_eq!(
        told(&[socket("::", 5432, "postgres")], Some(&only_four)),
        [critical(":::5432")],
        "the other half is open"
    );
    let lines: Vec<String> = sockets::lines(&sockets).into_iter().collect();
    assert_eq!(lines[0], "listen tcp 0.0.0.0:22 sshd");
    assert_eq!((lines.len(), lines[3].as_str()), (4, "listen tcp [2001:db8::1]:6379 redis-server"));
}

#[test]
fn addresses_are_the_machines_the_networks_or_the_worlds() {
    for (address, expected) in [
        ("127.0.0.53", Scope::Machine),
        ("::1", Scope::Machine),
        ("::ffff:127.0.0.1", Scope::Machine),
        ("10.0.0.1", Scope::Network),
        ("172.16.0.1", Scope::Network),
        ("172.32.0.1", Scope::World),
        ("192.168.1.1", Scope::Network),
        ("fe80::1", Scope::Network),
        ("fd00::1", Scope::Network),
        ("100.64.0.1", Scope::Network),
        ("0.0.0.0", Scope::World),
        ("::", Scope::World),
        ("192.0.2.1", Scope::World),
        ("nonsense", Scope::World),
    ] {
        assert_eq!(scope(address), expected, "{address}");
    }
}

fn drift(baseline: &Baseline, found: &BTreeSet<String>) -> Recorded {
    testing::record(|| compare(baseline, found, |_| true))
}

#[test]
fn what_differs_is_told_by_chain_and_by_socket() {
    let approved = ruleset("drop", json!([[port(json!(22)), { "accept": null }]]), &[]);
    let text: Vec<String> = approved.lines().iter().cloned().chain(["listen tcp 0.0.0.0:22 sshd".into()]).collect();
    let baseline = Baseline::approved("firewall.txt", &text.join("\n"), &[]);
    let mut found = approved.lines().clone();
    found.insert("listen tcp 0.0.0.0:22 sshd".into());
    assert!(drift(&baseline, &found).told().is_empty());
    let mut other = ruleset("accept", json!([[port(json!(23)), { "accept": null }]]), &[]).lines().clone();
    other.insert("listen tcp 0.0.0.0:8080 python3".into());
    let recorded = drift(&baseline, &other);
    assert_eq!(
        recorded.told(),
        [
            ("listener-not-approved", "tcp 0.0.0.0:8080 python3", Severity::Warning),
            ("rules-drift", "inet filter input", Severity::Warning)
        ],
        "a socket that is gone is no danger"
    );
    let detail = recorded.findings[1].detail.clone().unwrap_or_default();
    assert!(detail.contains("+ chain inet filter input type filter hook input priority 0 policy accept"), "{detail}");
    assert!(detail.contains("- rule inet filter input tcp dport 22 accept"), "{detail}");
    assert_eq!(recorded.attachments.len(), 1);
}

#[test]
fn nothing_filters_where_there_is_no_rule_on_the_way_in() {
    assert!(!reach::filters(&ruleset("accept", json!([]), &[])) && reach::filters(&ruleset("drop", json!([]), &[])));
    let forward = json!({ "nftables": [{ "chain": { "family": "ip", "table": "t", "name": "f", "type": "filter", "hook": "forward", "prio": 0, "policy": "drop" } }] });
    assert!(!reach::filters(&Ruleset::parse(&forward.to_string()).expect("a ruleset")));
}

#[test]
fn jails_are_read_from_what_fail2ban_says() {
    let alive = bans::jails("Status\n|- Number of jail:\t2\n`- Jail list:\tsshd, shop\n");
    assert_eq!(alive, ["sshd", "shop"]);
    assert_eq!(bans::jails("Status\n|- Number of jail:\t0\n`- Jail list:\t\n"), Vec::<String>::new());
    let told = |alive: &[String], expected: &[&str]| {
        let expected: Vec<String> = expected.iter().map(|jail| (*jail).to_owned()).collect();
        let recorded = testing::record(|| bans::report(alive, &expected));
        recorded.findings.iter().map(|one| (one.subject.clone(), one.severity)).collect::<Vec<_>>()
    };
    assert_eq!(told(&alive, &[]), []);
    assert_eq!(told(&alive, &["sshd", "nginx"]), [("nginx".into(), Severity::Critical)]);
    assert_eq!(told(&[], &[]), [("any jail".into(), Severity::Critical)]);
    let said = "2026-11-27 11:49:57,684 fail2ban.configreader [1]: WARNING x\n2026-11-27 11:49:57,684 fail2ban [1]: ERROR   Unable to read the filter 'nowhere'\n";
    assert_eq!(bans::telling(said), "Unable to read the filter 'nowhere'");
}

#[test]
fn a_file_that_adds_to_what_is_there_cannot_be_loaded_twice() {
    for text in ["flush ruleset\ntable inet t {}", "table inet t; delete table inet t", "# x\ndestroy table inet t"] {
        assert!(is_repeatable(text), "{text}");
    }
    for text in ["", "table inet t { chain c { } }", "# flush ruleset", "add rule inet t c tcp dport 22 accept"] {
        assert!(!is_repeatable(text), "{text}");
    }
    assert_eq!(decision::rollback("table inet t {\n}\n"), "flush ruleset\ntable inet t {\n}\n");
}

#[test]
fn each_state_of_a_change_has_its_next_step() {
    use Outcomes::{Awaited, Confirmed, RolledBack};
    let seen = |wanted: &'static str, confirmed, armed, rules, now| Seen {
        wanted,
        confirmed,
        armed,
        rules,
        now: Timestamp(now),
    };
    let awaited = || Some(changed("a", 100, Some(7), Awaited));
    for (name, change, seen, expected) in [
        ("a first file", None, seen("a", false, false, 0, 0), Next::Load),
        ("a rollback of somebody's is armed", None, seen("a", false, true, 0, 0), Next::Await),
        ("loaded, not confirmed", awaited(), seen("a", false, true, 7, 50), Next::Await),
        ("confirmed in time", awaited(), seen("a", true, true, 7, 50), Next::Confirm),
        ("another file meanwhile", awaited(), seen("b", false, true, 7, 50), Next::Await),
        ("a confirmation of another file", awaited(), seen("b", true, true, 7, 50), Next::Await),
        ("disarmed by hand in time", awaited(), seen("a", false, false, 7, 50), Next::ByHand),
        ("fired", awaited(), seen("a", false, false, 1, 101), Next::TakenBack),
        ("fired, with a late confirmation", awaited(), seen("a", true, false, 1, 101), Next::TakenBack),
        ("gone after its time, and the rules hold", awaited(), seen("a", false, false, 7, 101), Next::Unclear),
        ("and then confirmed", awaited(), seen("a", true, false, 7, 101), Next::ByHand),
        ("fired, and another file", awaited(), seen("b", false, false, 1, 101), Next::Load),
        ("killed before it loaded", Some(changed("a", 100, None, Awaited)), seen("a", false, true, 1, 50), Next::Await),
        ("killed, and taken back", Some(changed("a", 100, None, Awaited)), seen("a", false, false, 1, 101), Next::Load),
        ("holds", Some(changed("a", 100, Some(7), Confirmed)), seen("a", true, false, 7, 999), Next::Holds),
        ("a new file", Some(changed("a", 100, Some(7), Confirmed)), seen("b", true, false, 7, 999), Next::Load),
        (
            "taken back stays so",
            Some(changed("a", 100, Some(7), RolledBack)),
            seen("a", true, false, 1, 999),
            Next::TakenBack,
        ),
        (
            "until the file is another",
            Some(changed("a", 100, Some(7), RolledBack)),
            seen("b", false, false, 1, 999),
            Next::Load,
        ),
    ] {
        assert_eq!(next(change.as_ref(), seen), expected, "{name}");
    }
}
