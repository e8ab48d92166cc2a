//! The policy held against a running server: its list of commands, its matcher of patterns, its search for keys.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use hostler_policy::redis::{Access, CommandTable, KeyPattern};
use hostler_world::redis::Node;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use support::*;

#[test]
fn the_known_commands_are_the_servers() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let mut expected = BTreeMap::new();
    for entry in CommandTable::known().entries() {
        expected.insert(entry.name.clone(), entry.categories.clone());
    }
    let listed: BTreeSet<_> = client.ask("COMMAND LIST").lines().map(str::to_owned).collect();
    assert_eq!(expected.keys().cloned().collect::<BTreeSet<_>>(), listed);
    let mut by_category: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for category in client.ask("ACL CAT").lines() {
        for name in client.ask(&format!("ACL CAT {category}")).lines() {
            by_category.entry(name.to_owned()).or_default().insert(category.to_owned());
        }
    }
    for (name, categories) in &expected {
        // A container is not listed among the categories of its subcommands.
        let said = by_category.get(name).cloned().unwrap_or_default();
        assert_eq!(*categories, said, "{name}");
    }
}

/// Texts of few different bytes, so that they often match.
fn text(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop::sample::select(&b"ab*?[]\\^-\xff"[..]);
    prop::collection::vec(byte, 1..most)
}

#[test]
fn patterns_match_what_the_server_matches() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let mut runner = TestRunner::new(Config::default());
    let mut draw = |most| text(most).new_tree(&mut runner).expect("a text").current();
    let mut keys: BTreeSet<Vec<u8>> = (0..400).map(|_| draw(5)).collect();
    keys.insert(vec![]);
    for key in &keys {
        client.bytes(&[b"SET", key, b"1"]);
    }
    for round in 0..3000 {
        let pattern = draw(8);
        // Grants are texts; the byte that is none stands in keys alone.
        let Ok(pattern) = String::from_utf8(pattern) else { continue };
        // Both of the server's matchers: of SCAN, and of KEYS with its shortcut for all keys.
        let listed = if round % 2 == 0 {
            client.bytes(&[b"SCAN", b"0", b"COUNT", b"100000", b"MATCH", pattern.as_bytes()])
        } else {
            client.bytes(&[b"KEYS", pattern.as_bytes()])
        };
        let listed = if round % 2 == 0 { listed.strip_prefix(b"0\n").expect("one page") } else { &listed };
        let mut said: Vec<&[u8]> = listed.split(|byte| *byte == b'\n').collect();
        // The last line feed, and that of the page's array.
        while said.last().is_some_and(|key| key.is_empty()) && said.len() > 1 {
            said.pop();
        }
        let said: BTreeSet<Vec<u8>> = said.into_iter().filter(|key| !key.is_empty()).map(<[u8]>::to_vec).collect();
        let matcher = KeyPattern::new(&pattern, Access::BOTH);
        let ours: BTreeSet<_> = keys.iter().filter(|key| !key.is_empty() && matcher.matches(key)).cloned().collect();
        assert_eq!(ours, said, "{pattern}");
    }
}

#[test]
fn a_pattern_allows_what_the_servers_acl_allows() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let mut runner = TestRunner::new(Config::default());
    let mut draw = |most| text(most).new_tree(&mut runner).expect("a text").current();
    let mut allowed = 0;
    for _ in 0..300 {
        let Ok(pattern) = String::from_utf8(draw(6)) else { continue };
        client.ask("ACL DELUSER tried");
        let word = format!("~{pattern}");
        let made = client.bytes(&[b"ACL", b"SETUSER", b"tried", b"on", b"+get", word.as_bytes()]);
        assert_eq!(made, b"OK", "{word}");
        let matcher = KeyPattern::new(&pattern, Access::BOTH);
        for _ in 0..20 {
            let key = draw(5);
            let said = client.bytes(&[b"ACL", b"DRYRUN", b"tried", b"GET", &key]) == b"OK";
            assert_eq!(matcher.matches(&key), said, "{pattern} and {key:?}");
            allowed += usize::from(said);
        }
    }
    assert!(allowed > 100, "{allowed} matched");
}

/// Commands with keys in every way that Redis knows.
const KEYED: &[&str] = &[
    "get a",
    "mget a b c",
    "mset a 1 b 2",
    "del a b",
    "expire a 10",
    "set a 1 ex 10 get",
    "copy a b replace",
    "rename a b",
    "bitop and a b c",
    "zunion 2 a b weights 1 2",
    "zunionstore a 2 b c",
    "zinterstore a 1 b aggregate max",
    "sintercard 2 a b limit 1",
    "zdiffstore a 2 b c",
    "georadius a 0 0 1 m store b",
    "georadius a 0 0 1 m",
    "georadiusbymember a b 1 m storedist c",
    "geosearchstore a b fromlonlat 0 0 byradius 1 m",
    "object encoding a",
    "memory usage a samples 0",
    "xinfo stream a",
    "xgroup create a b $",
    "xadd a * b c",
    "smove a b c",
    "lmove a b left right",
    "pfmerge a b c",
    "pfcount a b",
    "lcs a b len",
    "lmpop 2 a b left",
    "zmpop 1 a min",
    "sdiffstore a b c",
    "dump a",
    "restore a 0 b",
    "hset a b c",
    "sinterstore a b",
    "zrangestore a b 0 1",
    "setbit a 1 1",
    "bitfield a get u8 0",
];

#[tokio::test]
async fn keys_are_where_the_server_finds_them() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let session = open(&server.resource(), &format!("+command {}", "+ping")).await;
    let table = session.table();
    let words: Vec<String> = KEYED
        .iter()
        .map(|text| {
            let two = text.split(' ').take(2).collect::<Vec<_>>().join("|");
            let one = text.split(' ').next().expect("a name");
            format!("+{}", if CommandTable::known().named(&two).is_some() { &two } else { one })
        })
        .chain(["~*".into()])
        .collect();
    let grant = hostler_policy::redis::RedisGrant::parse(&words).expect("they are words");
    for text in KEYED {
        let said: BTreeSet<_> =
            client.ask(&format!("COMMAND GETKEYS {text}")).lines().map(|key| key.as_bytes().to_vec()).collect();
        let decision = grant.decide(table, &command(text)).unwrap_or_else(|refusal| panic!("{text}: {refusal}"));
        assert_eq!(decision.keys.into_iter().collect::<BTreeSet<_>>(), said, "{text}");
    }
    // A count of the arguments that the server would refuse is refused here.
    for text in ["get", "get a b", "zunion 3 a b", "zunion x a", "mset a"] {
        let refused = grant.decide(table, &command(text)).expect_err(text);
        assert!(refused.is_malformed(), "{text}: {refusal}", refusal = refused.rule());
    }
}

#[tokio::test]
async fn what_reads_changes_nothing_on_the_server() {
    let server = Server::start(&[]);
    let session = open(&server.resource(), "+@all -@blocking +config|get +acl|log +keys ~* read-only").await;
    let grant_reads = session.given();
    assert!(grant_reads.len() > 120, "{}", grant_reads.len());
    let mut client = server.client();
    client.ask("SET 0 0");
    let state = |client: &mut Client| {
        let info = client.ask("INFO persistence");
        let dirty =
            info.lines().find(|line| line.starts_with("rdb_changes_since_last_save")).expect("it says").to_owned();
        (dirty, client.ask("CONFIG GET *"), client.ask("ACL LIST"), client.ask("DBSIZE"))
    };
    let before = state(&mut client);
    let mut answered = 0;
    for name in grant_reads {
        let head: Vec<Vec<u8>> = name.split('|').map(|part| part.as_bytes().to_vec()).collect();
        for more in 0..5 {
            let mut command = head.clone();
            command.resize(head.len() + more, b"0".to_vec());
            if let Ok(reply) = session.query(command).await {
                answered += usize::from(!matches!(reply[..], [Node::Nil]));
            }
        }
    }
    assert!(answered > 80, "{answered} answered");
    assert_eq!(state(&mut client), before);
}
