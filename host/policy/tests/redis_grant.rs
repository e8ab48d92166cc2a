//! What a Redis grant allows, case by case and by property. The server's table is the list of Redis' own commands with
//! the keys of a few written by hand; the capability's own tests hold the same against a running server.

use std::collections::BTreeSet;

use hostler_policy::redis::{
    Access, BeginSearch, CommandEntry, CommandTable, FindKeys, KeyPattern, KeySpec, RedisGrant, RedisRefusal,
};
use proptest::prelude::*;

fn spec(flags: &str, begin: BeginSearch, find: FindKeys) -> KeySpec {
    KeySpec { flags: flags.split(' ').map(str::to_owned).collect(), begin, find }
}

fn range(last: i64, step: i64, limit: i64) -> FindKeys {
    FindKeys::Range { last, step, limit }
}

/// Redis' own commands, with the keys of those that the tests send.
fn table() -> CommandTable {
    let keyword = |word: &str| BeginSearch::Keyword(word.into());
    let index = BeginSearch::Index;
    let specs = |name: &str| -> Vec<KeySpec> {
        match name {
            "get" | "ttl" | "type" | "memory|usage" | "xinfo|stream" => {
                let place = if name.contains('|') { 2 } else { 1 };
                vec![spec("RO access", index(place), range(0, 1, 0))]
            }
            "expire" => vec![spec("RW update", index(1), range(0, 1, 0))],
            "del" | "unlink" => vec![spec("RM delete", index(1), range(-1, 1, 0))],
            "set" => vec![spec("RW access update variable_flags", index(1), range(0, 1, 0))],
            "mset" => vec![spec("OW update", index(1), range(-1, 2, 0))],
            "copy" => vec![spec("RO access", index(1), range(0, 1, 0)), spec("OW update", index(2), range(0, 1, 0))],
            "zunion" => {
                vec![spec("RO access", index(1), FindKeys::KeyNumber { index: 0, first: 1, step: 1 })]
            }
            "georadius" => {
                vec![spec("RO access", index(1), range(0, 1, 0)), spec("OW update", keyword("STORE"), range(0, 1, 0))]
            }
            "xread" => vec![spec("RO access", keyword("STREAMS"), range(-1, 1, 2))],
            "sort" => vec![
                spec("RO access", index(1), range(0, 1, 0)),
                spec("OW update", BeginSearch::Unknown, FindKeys::Unknown),
            ],
            _ => vec![],
        }
    };
    let with_keys = |entry: &CommandEntry| CommandEntry { key_specs: specs(&entry.name), ..entry.clone() };
    let known = CommandTable::known();
    CommandTable::new(known.entries().filter(|entry| !entry.name.contains('|')).map(|entry| {
        let subcommands = entry.subcommands.iter().map(|(name, entry)| (name.clone(), with_keys(entry)));
        CommandEntry { subcommands: subcommands.collect(), ..with_keys(entry) }
    }))
}

fn grant(words: &str) -> RedisGrant {
    let words: Vec<_> = words.split(' ').map(str::to_owned).collect();
    RedisGrant::parse(&words).expect("the words are good")
}

fn command(text: &str) -> Vec<Vec<u8>> {
    text.split(' ').map(|part| part.as_bytes().to_vec()).collect()
}

/// `reads`, `changes`, or the rule that refuses.
fn said(words: &str, text: &str) -> String {
    match grant(words).decide(&table(), &command(text)) {
        Ok(decision) if decision.reads => "reads".into(),
        Ok(_) => "changes".into(),
        Err(refusal) => refusal.rule(),
    }
}

#[track_caller]
fn refused(words: &str, text: &str, part: &str) {
    let said = said(words, text);
    assert!(said.contains(part), "{words}: {text}: {said}");
}

#[test]
fn a_bad_word_is_named_with_what_was_meant() {
    for (word, part) in [
        ("info", "+command"),
        ("", "empty"),
        ("+", "stands a command"),
        ("+@raed", "@read"),
        ("+a|b|c", "stands a command"),
        ("~", "~* is every key"),
        ("%X~a", "%R"),
        (">secret", "server's user"),
        ("&channel", "server's user"),
        ("@read", "+@"),
    ] {
        let error = RedisGrant::parse(&["+info".into(), word.into()]).expect_err(word);
        assert_eq!(error.word, word);
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn words_are_read_in_order_and_in_any_case() {
    assert_eq!(said("+INFO", "Info"), "reads");
    assert_eq!(said("+@read ~*", "get a"), "reads");
    assert_eq!(said("+@read -get ~*", "get a"), "-get takes get away");
    assert_eq!(said("-get +@read ~*", "get a"), "reads");
    assert_eq!(said("+@all -@dangerous", "info"), "-@dangerous takes info away");
    assert_eq!(said("+memory|usage ~*", "MEMORY Usage a"), "reads");
    refused("+memory|usage ~*", "memory doctor", "takes +memory|doctor");
    assert_eq!(said("+memory", "memory purge"), "changes");
    assert_eq!(said("+config", "config get maxmemory"), "reads");
}

#[test]
fn what_reads_is_told_by_subcommand_and_shape() {
    for text in ["acl log", "acl log 5", "slowlog get 3", "latency latest", "client list", "config get *", "dbsize"] {
        let name = text.split(' ').take(if table().named(text).is_some() { 1 } else { 2 }).collect::<Vec<_>>();
        let words = format!("+{}", if name[0] == "dbsize" { "dbsize".into() } else { name.join("|") });
        assert_eq!(said(&words, text), "reads", "{text}");
    }
    for (words, text) in [
        ("+acl|log", "acl log reset"),
        ("+slowlog|reset", "slowlog reset"),
        ("+config|set", "config set maxmemory 1"),
        ("+config|resetstat", "config resetstat"),
        ("+memory|purge", "memory purge"),
        ("+eval_ro ~*", "eval_ro return 0"),
        ("+lolwut", "lolwut"),
    ] {
        assert_eq!(said(words, text), "changes", "{text}");
        refused(&format!("{words} read-only"), text, "read-only");
    }
}

#[test]
fn categories_never_give_what_takes_its_own_name() {
    for text in [
        "eval return 0",
        "fcall f 0",
        "script flush",
        "keys *",
        "config set a b",
        "shutdown",
        "replicaof no one",
        "debug sleep 0",
        "flushall",
        "blpop a 0",
        "xread streams a 0",
        "publish a b",
        "client kill id 1",
        "acl setuser a",
        "module load a",
        "wait 0 0",
        "sort a",
        "migrate a b c d e",
        "function flush",
        "save",
        "cluster reset",
    ] {
        refused("+@all ~*", text, "by its own name alone");
    }
    refused("+config ~*", "config set a b", "takes +config|set");
    assert_eq!(said("+keys +@all ~*", "keys *"), "reads", "a category does not take back what a name gave");
    refused("+keys ~cache:*", "keys *", "it takes %R~*");
    refused("+eval %R~*", "eval return 0", "it takes ~*");
    refused("+sort ~a*", "sort abc", "it takes ~*");
}

#[test]
fn the_connection_is_given_by_nothing() {
    for text in [
        "auth secret",
        "hello 3",
        "select 1",
        "reset",
        "multi",
        "exec",
        "watch a",
        "monitor",
        "subscribe a",
        "client reply off",
        "client tracking on",
        "client setname a",
        "quit",
        "sync",
        "script debug yes",
    ] {
        let first = text.split(' ').next().expect("there is one");
        let words = format!("+@all +{first} +{} ~*", text.split(' ').take(2).collect::<Vec<_>>().join("|"));
        refused(&words, text, "no grant gives it");
    }
}

#[test]
fn unknown_commands_and_subcommands_are_refused_without_their_arguments() {
    refused("+@all", "nonsense secret", "no command nonsense");
    assert!(!said("+@all", "nonsense secret").contains("secret"));
    refused("+@all", "config nonsense", "no command config nonsense");
    assert_eq!(grant("+@all").decide(&table(), &[]), Err(RedisRefusal::Empty));
    assert!(grant("+@all").decide(&table(), &[vec![]]).is_err());
}

#[test]
fn every_key_is_held_to_a_pattern() {
    assert_eq!(said("+ttl ~cache:*", "ttl cache:1"), "reads");
    refused("+ttl ~cache:*", "ttl user:1", "reading user:1");
    refused("+ttl", "ttl user:1", "no key pattern");
    assert_eq!(said("+expire +ttl %R~*  ~cache:*".replace("  ", " ").as_str(), "expire cache:1 10"), "changes");
    refused("+expire +ttl %R~* ~cache:*", "expire user:1 10", "changing user:1");
    refused("+del ~cache:*", "del cache:1 user:1", "changing user:1");
    refused("+mset ~a*", "mset a 1 b 2", "changing b");
    assert_eq!(said("+copy %R~* ~b*", "copy a b"), "changes");
    refused("+copy ~b*", "copy a b", "reading a");
    assert_eq!(said("+zunion ~a*", "zunion 2 a1 a2 weights 1 2"), "reads");
    refused("+zunion ~a*", "zunion 2 a1 b2", "reading b2");
    refused("+zunion ~*", "zunion 9 a1 b2", "number of arguments");
    refused("+zunion ~*", "zunion -1 a1 b2", "number of arguments");
    refused("+set %W~*", "set a b get", "changing a");
    refused("+xread ~a*", "xread count 1 streams a1 b1 0 0", "reading b1");
}

#[test]
fn the_last_of_two_keywords_counts_too() {
    assert_eq!(said("+georadius ~a*", "georadius a 0 0 1 m store a1"), "changes");
    refused("+georadius ~a*", "georadius a 0 0 1 m store a1 store b", "changing b");
}

#[test]
fn an_older_servers_containers_are_judged_by_the_subcommand() {
    let flags = |text: &str| -> BTreeSet<String> { text.split(' ').map(str::to_owned).collect() };
    let old = CommandTable::new([
        CommandEntry {
            name: "memory".into(),
            arity: -2,
            flags: flags("readonly random movablekeys"),
            categories: flags("read slow"),
            ..CommandEntry::default()
        },
        CommandEntry { name: "config".into(), arity: -2, flags: flags("admin"), ..CommandEntry::default() },
    ]);
    let reads = |words: &str, text: &str| grant(words).decide(&old, &command(text)).map(|decision| decision.reads);
    assert_eq!(reads("+memory ~*", "memory doctor"), Ok(true));
    assert_eq!(reads("+memory|purge ~*", "memory purge"), Ok(false));
    assert!(reads("+@read ~*", "memory purge").is_err());
    assert!(reads("+config", "config set a b").is_err());
    assert_eq!(reads("+config", "config get a"), Ok(true));
    let words = grant("+config");
    let get = command("config get a");
    let ruling = words.ruling(&old, &get).expect("it is given");
    assert!(ruling.is_about(&command("config get b")));
    assert!(!ruling.is_about(&command("config set b c")));
    let lone = command("config");
    assert!(!words.ruling(&old, &lone).is_ok_and(|ruling| ruling.is_about(&command("config set a b"))));
}

#[test]
fn the_decision_says_what_the_audit_and_the_plan_show() {
    let decision = grant("+expire +@read ~session:*").decide(&table(), &command("EXPIRE session:1 600 nx"));
    let decision = decision.expect("it is given");
    assert_eq!(decision.name, "expire");
    assert_eq!(decision.keys, [b"session:1"]);
    assert_eq!(decision.redacted, "expire session:1 ? NX");
    assert_eq!(decision.operation, "expire ? NX");
    assert_eq!(decision.object, "session:1");
    assert_eq!(decision.pattern, "session:*");
    assert_eq!(decision.rule, "+expire");
    let setting = grant("+config|set").decide(&table(), &command("config set requirepass hunter2")).expect("given");
    assert_eq!((setting.redacted.as_str(), setting.object.as_str()), ("config set requirepass ?", "requirepass"));
}

#[test]
fn a_narrowing_is_no_wider_than_its_request() {
    for (outer, inner) in [
        ("+info +ttl ~*", "+info"),
        ("+@read ~*", "+ttl +get ~cache:*"),
        ("+@all ~*", "+@read ~*"),
        ("+@all -@dangerous ~*", "+get ~*"),
        ("+@all -@dangerous ~*", "+@all -@dangerous %R~a"),
        ("+memory", "+memory|doctor"),
        ("+keys ~*", "+keys ~*"),
        ("+expire ~*", "+expire ~* read-only"),
        ("+@read -keys ~a*", "+@read -keys ~ab*"),
    ] {
        assert_eq!(grant(outer).covers(&grant(inner)), Ok(()), "{outer} / {inner}");
    }
    for (outer, inner, part) in [
        ("+info", "+ttl", "ttl"),
        ("+@read ~*", "+keys ~*", "keys"),
        ("+@read ~*", "+set ~*", "set"),
        ("+@all -@dangerous ~*", "+info", "-@dangerous"),
        ("+@all -@dangerous ~*", "+@all", "-@dangerous"),
        ("+@read -get ~*", "+@read ~*", "-get"),
        ("+config", "+config|set", "config|set"),
        ("+memory|usage", "+memory", "memory"),
        ("+get %R~*", "+get ~*", "~*"),
        ("+get ~cache:*", "+get ~*", "~*"),
        ("+get", "+get ~a", "~a"),
        ("+get ~* read-only", "+get ~*", "read-only"),
        ("+@all ~*", "+foreign.command", "foreign.command"),
    ] {
        let error = grant(outer).covers(&grant(inner)).expect_err(&format!("{outer} / {inner}"));
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn reading_only_survives_its_words() {
    let reading = grant("+expire +ttl +acl|log ~a* %W~b").reading_only();
    let again = RedisGrant::parse(&reading.to_words()).expect("they are words");
    assert_eq!(again, reading);
    assert_eq!(again.least_user(), ["+expire", "+ttl", "+acl|log", "+command", "%R~a*"]);
    assert!(again.decide(&table(), &command("expire a 1")).is_err());
    assert!(again.decide(&table(), &command("ttl a")).is_ok());
    assert!(again.decide(&table(), &command("acl log reset")).is_err());
    assert_eq!(again.reading_only(), again);
}

#[test]
fn whether_a_grant_changes_is_told_from_its_words() {
    for words in
        ["+info +scan +ttl ~*", "+@read ~*", "+config +acl|list", "+memory|usage +latency +slowlog", "+set read-only"]
    {
        assert!(!grant(words).changes(), "{words}");
    }
    for words in ["+expire ~*", "+@all", "+@write", "+memory", "+config|set", "+unheard-of"] {
        assert!(grant(words).changes(), "{words}");
    }
}

fn word() -> impl Strategy<Value = String> {
    let mut names: Vec<String> = CommandTable::known().entries().map(|entry| entry.name.clone()).collect();
    names.sort();
    let category =
        prop::sample::select(vec!["all", "read", "write", "dangerous", "admin", "slow", "fast", "scripting"]);
    let target = prop_oneof![prop::sample::select(names), category.prop_map(|category| format!("@{category}"))];
    (prop::bool::weighted(0.7), target).prop_map(|(gives, target)| format!("{}{target}", if gives { '+' } else { '-' }))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_an_inner_grant_gives_its_outer_one_gives(
        outer in prop::collection::vec(word(), 1..5),
        extra in prop::collection::vec(word(), 0..3),
        keep in prop::collection::vec(any::<bool>(), 5),
        keys in prop::sample::select(vec!["~*", "%R~*"]),
    ) {
        // Half of the inner words are the outer's own, so that the answer is often yes.
        let mut inner: Vec<String> =
            outer.iter().zip(keep).filter(|(_, keep)| *keep).map(|(word, _)| word.clone()).collect();
        inner.extend(extra);
        inner.push(keys.into());
        let mut outer = outer;
        outer.push("~*".into());
        let (outer, inner) = (RedisGrant::parse(&outer).expect("words"), RedisGrant::parse(&inner).expect("words"));
        if outer.covers(&inner).is_ok() {
            let wider: BTreeSet<_> = outer.given(&table()).iter().map(|entry| entry.name.clone()).collect();
            for entry in inner.given(&table()) {
                prop_assert!(wider.contains(&entry.name), "{} is wider", entry.name);
            }
        }
    }

    #[test]
    fn a_covering_pattern_matches_all_that_the_covered_one_does(
        outer in "[ab*?\\[\\]\\\\^-]{0,6}", inner in "[ab*?\\[\\]\\\\^-]{0,6}", key in "[ab*?^-]{0,6}",
    ) {
        let outer = KeyPattern::new(&outer, Access::BOTH);
        let inner = KeyPattern::new(&inner, Access::READ);
        if outer.covers(&inner) && inner.matches(key.as_bytes()) {
            prop_assert!(outer.matches(key.as_bytes()));
        }
    }

    #[test]
    fn a_sample_matches_its_pattern(pattern in "[ab:][ab*?:]{0,8}") {
        let pattern = KeyPattern::new(&pattern, Access::BOTH);
        prop_assert!(pattern.matches(&pattern.sample()), "{}", String::from_utf8_lossy(&pattern.sample()));
    }

    #[test]
    fn no_words_and_no_command_panic(
        words in prop::collection::vec(".{0,12}", 0..4),
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..6),
        name in prop::sample::select(vec!["zunion", "xread", "georadius", "mset", "del", "copy", "acl", "sort"]),
    ) {
        let _ = RedisGrant::parse(&words);
        let everything = grant("+@all +xread +sort ~*");
        let _ = everything.decide(&table(), &parts);
        let mut command = vec![name.as_bytes().to_vec()];
        command.extend(parts);
        let _ = everything.decide(&table(), &command);
    }
}

#[test]
fn another_database_than_the_resources_is_out_of_reach() {
    for text in ["copy cache:1 cache:2 DB 1", "copy cache:1 cache:2 replace db 0", "move cache:1 1"] {
        refused("+@all ~cache:*", text, "another database");
    }
    assert_eq!(said("+@all ~cache:*", "copy cache:1 cache:2 REPLACE"), "changes");
}
