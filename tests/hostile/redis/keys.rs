//! Keys beyond the granted patterns, wherever a command hides them.

use serde_json::json;

use super::{all_ways, change, everything, host, query, server, without_a_trace};
use crate::puppet::{run, stopped_and_allowed};

#[test]
fn a_key_is_found_wherever_it_stands() {
    without_a_trace(
        &server(),
        "+@read +sort +sunionstore +zrangestore +copy +bitop +rename +expire ~cache:*",
        &all_ways(&[
            "GET secret:1",
            "GET 1",
            "GET *",
            "GET cache",
            "GET CACHE:1",
            "GET Xcache:1",
            "GET \0cache:1",
            "MGET cache:1 secret:1",
            "EXISTS cache:1 cache:2 secret:1",
            "STRLEN secret:1",
            "GETRANGE secret:1 0 -1",
            "SORT cache:list BY nosort GET secret:*",
            "SORT cache:list GET # GET secret:*",
            "SORT cache:list BY secret:*",
            "SORT_RO cache:list BY nosort GET secret:*",
            "SORT cache:list LIMIT 0 10 GET *",
            "SORT cache:list ALPHA STORE secret:1",
            "SORT cache:list STORE cache:x STORE secret:1",
            "SUNION cache:set secret:set",
            "SUNIONSTORE secret:set cache:set",
            "SUNIONSTORE cache:new secret:set",
            "SINTERCARD 2 cache:set secret:set",
            "ZUNION 2 cache:sorted secret:sorted",
            "ZUNION 1 secret:sorted cache:sorted",
            "ZINTERCARD 2 cache:sorted secret:sorted",
            "ZDIFF 2 cache:sorted secret:sorted WITHSCORES",
            "ZRANGESTORE secret:sorted cache:sorted 0 -1",
            "ZRANGESTORE cache:new secret:sorted 0 -1",
            "COPY secret:1 cache:new",
            "COPY cache:1 secret:1 REPLACE",
            "COPY cache:1 cache:1 DB 1",
            "RENAME secret:1 cache:1",
            "RENAME cache:1 secret:1",
            "BITOP AND secret:1 cache:1 cache:2",
            "BITOP OR cache:new secret:1",
            "XREAD STREAMS cache:stream secret:stream 0 0",
            "XREAD COUNT 1 STREAMS secret:stream 0",
            "XINFO STREAM secret:stream",
            "LCS cache:1 secret:1",
            "DUMP secret:1",
            "TYPE secret:1",
            "TTL secret:1",
            "OBJECT ENCODING secret:1",
            "TOUCH cache:1 secret:1",
            "EXPIRE secret:1 1",
            "RANDOMKEY",
            "SCAN 0",
            "SCAN 0 MATCH cache:*",
            "KEYS *",
            "KEYS secret:*",
            "GEORADIUS_RO secret:places 13 52 100 km",
        ]),
        &[query("MGET cache:1 cache:2"), query("SUNION cache:set"), change("EXPIRE cache:missing 10")],
    );
}

#[test]
fn a_command_with_keys_that_cannot_be_told_is_not_sent() {
    let server = server();
    let before = everything(&server);
    // Where it says that it has no keys at all, the server itself has nothing to do.
    stopped_and_allowed(
        &host(&server, "+@read ~cache:*", ""),
        &all_ways(&[
            "ZUNION 0 cache:sorted",
            "ZUNION -1 cache:sorted",
            "ZUNION 99999999999 cache:sorted secret:sorted",
            "ZUNION 18446744073709551617 cache:sorted secret:sorted",
            "ZUNION 1e1 cache:sorted secret:sorted",
            "ZUNION  cache:sorted",
            "ZUNION 3 cache:sorted secret:sorted",
            "SINTERCARD x cache:set",
        ])
        .into_iter()
        .filter(|step| step["many"].is_null())
        .collect::<Vec<_>>(),
        &[
            query("ZUNION 1 cache:sorted"),
            query("ZUNION 2 cache:sorted cache:sorted"),
            query("XRANGE cache:stream - +"),
        ],
    );
    assert_eq!(everything(&server), before);
}

#[test]
fn a_scan_shows_no_more_than_the_grant() {
    let server = server();
    let host = host(&server, "+@read ~cache:*", "");
    let patterns = ["cache:*", "*", "", "secret:*", "[a-z]*:1", "secret:1", "\\*"];
    let outcomes = run(&host, &patterns.map(|pattern| json!({ "call": "redis", "scan": pattern })));
    let counts: Vec<u64> = outcomes
        .iter()
        .map(|outcome| outcome["allowed"].as_u64().unwrap_or_else(|| panic!("a count: {outcomes:?}")))
        .collect();
    assert_eq!(counts, [7, 7, 0, 0, 1, 0, 0]);
}

#[test]
fn a_pattern_for_reading_is_none_for_writing() {
    without_a_trace(
        &server(),
        "+@all %R~secret:* ~cache:*",
        &all_ways(&[
            "SET secret:1 taken",
            "DEL secret:1",
            "GETDEL secret:1",
            "SUNIONSTORE secret:set cache:set",
            "RENAME secret:1 cache:1",
            "EXPIRE secret:1 1",
            "LMOVE cache:list secret:list LEFT LEFT",
        ]),
        &[query("GET secret:1"), query("GET cache:1"), change("EXPIRE cache:missing 1")],
    );
}
