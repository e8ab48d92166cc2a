//! Commands that are not granted, and those that no category gives.

use super::{all_ways, change, query, server, without_a_trace};

const READING: &str = "+@read ~cache:*";
/// What a careless operator would write.
const EVERYTHING: &str = "+@all ~*";

#[test]
fn what_changes_is_no_part_of_reading() {
    without_a_trace(
        &server(),
        READING,
        &all_ways(&[
            "SET cache:1 taken",
            "set cache:1 taken",
            "SeT cache:1 taken",
            "SET",
            "DEL cache:1",
            "UNLINK cache:1",
            "GETDEL cache:1",
            "GETEX cache:1 PERSIST",
            "GETSET cache:1 taken",
            "APPEND cache:1 taken",
            "EXPIREAT cache:1 1",
            "PEXPIRE cache:1 1",
            "PERSIST cache:1",
            "LPOP cache:list",
            "SPOP cache:set",
            "SORT cache:list STORE cache:sorted-list",
            "GEOSEARCHSTORE cache:1 cache:places FROMLONLAT 13 52 BYRADIUS 100 km",
            "GEORADIUS cache:places 13 52 100 km STORE cache:1",
            "BITFIELD cache:1 SET u8 0 65",
            "OBJECT",
            "XREADGROUP GROUP a b STREAMS cache:stream >",
            "FLUSHALL",
            "FLUSHDB ASYNC",
            "SWAPDB 0 1",
        ]),
        &[query("GET cache:1"), query("lrange cache:list 0 -1"), query("TTL cache:1")],
    );
}

#[test]
fn what_takes_over_the_server_is_given_by_no_category() {
    without_a_trace(
        &server(),
        EVERYTHING,
        &all_ways(&[
            "EVAL return(1) 0",
            "EVAL redis.call('SET','cache:1','taken') 0",
            "EVAL_RO return(1) 0",
            "EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0",
            "SCRIPT LOAD return(1)",
            "SCRIPT FLUSH",
            "FCALL shop 0",
            "FCALL_RO shop 0",
            "FUNCTION FLUSH",
            "FUNCTION LOAD x",
            "FUNCTION DELETE shop",
            "MODULE LOAD /tmp/x.so",
            "MODULE LOADEX /tmp/x.so",
            "DEBUG SLEEP 100",
            "DEBUG SEGFAULT",
            "DEBUG SET-ACTIVE-EXPIRE 0",
            "CONFIG SET maxmemory 1",
            "CONFIG SET dir /etc",
            "CONFIG REWRITE",
            "config|set maxmemory 1",
            "CONFIG|SET maxmemory 1",
            "ACL SETUSER default off",
            "ACL DELUSER shop",
            "ACL LOAD",
            "MIGRATE 127.0.0.1 6380 secret:1 0 5000",
            "MIGRATE 127.0.0.1 6380  0 5000 KEYS secret:1",
            "REPLICAOF 127.0.0.1 6380",
            "SLAVEOF NO ONE",
            "FAILOVER",
            "SHUTDOWN NOSAVE",
            "CLUSTER RESET",
            "SYNC",
            "PSYNC ? -1",
            "REPLCONF listening-port 1",
            "RESTORE-ASKING a 0 b",
        ]),
        &[query("GET secret:1"), query("INFO server"), change("EXPIRE missing 10")],
    );
}

#[test]
fn what_blocks_listens_or_changes_the_connection_is_never_sent() {
    without_a_trace(
        &server(),
        EVERYTHING,
        &all_ways(&[
            "BLPOP cache:none 0",
            "BRPOP cache:none 0",
            "BLMOVE cache:none cache:list LEFT LEFT 0",
            "BRPOPLPUSH cache:none cache:list 0",
            "BZPOPMIN cache:none 0",
            "BZMPOP 0 1 cache:none MIN",
            "BLMPOP 0 1 cache:none LEFT",
            "XREAD BLOCK 0 STREAMS cache:stream $",
            "XREAD COUNT 1 block 0 STREAMS cache:stream $",
            "WAIT 1 0",
            "MONITOR",
            "SUBSCRIBE all",
            "PSUBSCRIBE *",
            "SSUBSCRIBE all",
            "MULTI",
            "EXEC",
            "DISCARD",
            "WATCH cache:1",
            "AUTH sesame",
            "AUTH shop sesame",
            "HELLO 3 AUTH shop sesame",
            "SELECT 1",
            "RESET",
            "QUIT",
            "CLIENT REPLY OFF",
            "CLIENT TRACKING ON",
            "CLIENT PAUSE 100000",
            "CLIENT KILL TYPE normal",
            "CLIENT NO-EVICT ON",
            "READONLY",
            "ASKING",
        ]),
        &[query("GET cache:1"), query("XRANGE cache:stream - +"), query("CLIENT LIST")],
    );
}

#[test]
fn a_subcommand_is_granted_by_itself_and_spelled_by_itself() {
    without_a_trace(
        &server(),
        "+get +config|get +memory|usage +object|encoding ~cache:*",
        &all_ways(&[
            "CONFIG RESETSTAT",
            "CONFIG",
            "CONFIG HELP",
            "MEMORY PURGE",
            "MEMORY DOCTOR",
            "MEMORY USAGE secret:1",
            "OBJECT ENCODING secret:1",
            "OBJECT FREQ cache:1",
            "MEMORY|USAGE cache:1",
            "MEMORY USAGE",
            "GET",
            "GET cache:1 cache:2",
            "NONSENSE cache:1",
            "",
            " GET cache:1",
            "GET\r\nFLUSHALL cache:1",
            "GET\0 cache:1",
        ]),
        &[
            query("GET cache:1"),
            query("MEMORY USAGE cache:1"),
            query("OBJECT ENCODING cache:1"),
            query("CONFIG GET maxmemory"),
        ],
    );
}

#[test]
fn what_the_server_keeps_secret_is_blanked() {
    let server = server();
    let host = super::host(&server, EVERYTHING, "");
    let asked = ["CONFIG GET *", "CONFIG GET masterauth", "CONFIG GET master*", "ACL LIST", "ACL GETUSER shop"];
    let outcomes = crate::puppet::run(&host, &asked.map(query));
    for (asked, outcome) in asked.iter().zip(outcomes) {
        let said = outcome["allowed"].to_string();
        assert!(outcome.get("allowed").is_some(), "{asked}: {outcome}");
        // The word itself, and its SHA-256, by which the server keeps a user's password.
        for secret in ["sesame", "d0c04f4b1951e4aeaaec8223ed2039e542f3aae805a6fa7f6d794e5afff5d272"] {
            assert!(!said.contains(secret), "{asked}: {said}");
        }
    }
}
