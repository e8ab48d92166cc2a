//! Commands that want more than was granted: what a plugin sends, and what the server has afterwards.

mod commands;
mod keys;
mod without_end;

use hostler_tests::{Hostler, RedisServer};
use redis::{Commands, Connection, Value as Reply, cmd};
use serde_json::{Value, json};

use crate::puppet::refused_and_allowed;

/// A server with keys that are granted, keys that are not, and users, settings and scripts.
pub(crate) fn server() -> RedisServer {
    let server = RedisServer::start_with(&["--enable-debug-command", "yes"]);
    let mut client = server.connection();
    for (command, arguments) in [
        ("SET", vec!["cache:1", "one"]),
        ("SET", vec!["cache:2", "two"]),
        ("SET", vec!["secret:1", "sesame"]),
        ("RPUSH", vec!["cache:list", "1", "2"]),
        ("SADD", vec!["cache:set", "1", "2"]),
        ("SADD", vec!["secret:set", "sesame"]),
        ("ZADD", vec!["cache:sorted", "1", "a", "2", "b"]),
        ("ZADD", vec!["secret:sorted", "1", "sesame"]),
        ("GEOADD", vec!["cache:places", "13.4", "52.5", "here"]),
        ("XADD", vec!["cache:stream", "1-1", "field", "value"]),
        ("XADD", vec!["secret:stream", "1-1", "field", "sesame"]),
        ("SET", vec!["1", "sesame"]),
        ("ACL", vec!["SETUSER", "shop", "on", ">sesame", "~*", "+@all"]),
        ("CONFIG", vec!["SET", "masterauth", "sesame"]),
        ("FUNCTION", vec!["LOAD", "#!lua name=shop\nredis.register_function('shop', function() return 1 end)"]),
    ] {
        let () = cmd(command).arg(&arguments).query(&mut client).unwrap_or_else(|error| panic!("{command}: {error}"));
    }
    server
}

fn host(server: &RedisServer, words: &str, limits: &str) -> Hostler {
    let words: Vec<&str> = words.split(' ').collect();
    let host = Hostler::new(&format!(
        "[redis.main]\nurl = \"{}\"\n[tasks.puppet]\nplugin = \"test-puppet\"\n\
         bind.cache = {{ resource = \"redis.main\", allow = {words:?} }}\n{limits}\n",
        server.url()
    ));
    host.install(&["test-puppet"]);
    host
}

pub(crate) fn query(command: &str) -> Value {
    json!({ "call": "redis", "command": words(command) })
}

pub(crate) fn change(command: &str) -> Value {
    json!({ "call": "redis", "command": words(command), "change": true })
}

fn words(command: &str) -> Vec<&str> {
    command.split(' ').collect()
}

/// Each way in which a plugin can send a command: alone and beside an honest one, as a query and as a change.
fn all_ways(attempts: &[&str]) -> Vec<Value> {
    let ways = |attempt: &&str| {
        [
            query(attempt),
            change(attempt),
            json!({ "call": "redis", "many": [["GET", "cache:1"], words(attempt)] }),
            json!({ "call": "redis", "many": [["EXPIRE", "cache:1", "1000000"], words(attempt)], "change": true }),
        ]
    };
    attempts.iter().flat_map(ways).collect()
}

/// All that the server has, but for counters that every command moves.
pub(crate) fn everything(server: &RedisServer) -> Vec<String> {
    let mut client = server.connection();
    let mut keys: Vec<Vec<u8>> = client.keys("*").expect("keys");
    keys.sort();
    let mut all = Vec::new();
    for key in keys {
        let content: Vec<u8> = cmd("DUMP").arg(&key).query(&mut client).expect("its content");
        let until: i64 = cmd("PEXPIRETIME").arg(&key).query(&mut client).expect("its end");
        all.push(format!("{} {content:?} {until}", String::from_utf8_lossy(&key)));
    }
    let mut asked = |words: &[&str]| -> String {
        let reply: Reply = cmd(words[0]).arg(&words[1..]).query(&mut client).expect("it answers");
        format!("{reply:?}")
    };
    all.push(asked(&["CONFIG", "GET", "*"]));
    all.push(asked(&["ACL", "LIST"]));
    all.push(asked(&["FUNCTION", "LIST"]));
    all.push(asked(&["MODULE", "LIST"]));
    all.push(asked(&["LASTSAVE"]));
    all.push(asked(&["INFO", "keyspace"]));
    all.push(line(&mut client, "server", "run_id"));
    all.push(line(&mut client, "replication", "role"));
    all.push(line(&mut client, "memory", "number_of_cached_scripts"));
    all
}

fn line(client: &mut Connection, section: &str, name: &str) -> String {
    let info: String = cmd("INFO").arg(section).query(client).expect("figures");
    info.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned()
}

/// All attempts are refused, the honest neighbours are not, and the server has what it had.
fn without_a_trace(server: &RedisServer, words: &str, attempts: &[Value], honest: &[Value]) {
    let before = everything(server);
    refused_and_allowed(&host(server, words, ""), attempts, honest);
    assert_eq!(everything(server), before);
}
