//! What a grant allows is inside the grant: for the kept inputs of the fuzzing targets, and for inputs made here.

mod checks;
#[path = "../../../../fuzz/replay.rs"]
mod replay;

use proptest::prelude::*;
use replay::replay;

#[test]
fn kept_statements_stay_inside_the_grant() {
    replay("sql", checks::sql::sql);
}

/// Without these, a policy that refuses everything would pass.
#[test]
fn honest_statements_are_allowed() {
    let grant = checks::sql::grant();
    for read in ["SELECT count(*) FROM public.orders o JOIN public.metrics_daily m USING (id)", "SELECT amcheck.f(1)"] {
        assert_eq!(grant.query(read).map(drop), Ok(()), "{read}");
    }
    for change in ["VACUUM (ANALYZE) public.orders", "DELETE FROM public.old", "SELECT squeeze.squeeze_table('a')"] {
        assert_eq!(grant.execute(change).map(drop), Ok(()), "{change}");
    }
}

#[test]
fn kept_redis_commands_stay_inside_the_grant() {
    replay("redis", checks::redis::redis);
}

#[test]
fn kept_arguments_stay_inside_their_form() {
    replay("program", checks::program::program);
}

#[test]
fn kept_urls_and_paths_stay_inside_the_endpoint() {
    replay("endpoint", checks::endpoint::endpoint);
}

fn words(words: &'static [&'static str], most: usize, between: &'static str) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(words), 0..most).prop_map(move |words| words.join(between))
}

proptest! {
    #[test]
    fn statements_stay_inside_the_grant(
        begin in prop::sample::select(&["SELECT", "VACUUM", "DELETE FROM", "INSERT INTO", "WITH a AS (SELECT 1) SELECT", ""][..]),
        rest in words(&["1", "*", "a", "FROM", "public.orders", "public.secrets", "pg_class", "pg_authid", "WHERE", "(", ")",
            ",", "amcheck.f(1)", "set_config('a', 'b', true)", "pg_sleep(1)", "other.t", "VALUES (1)", "UNION", "SELECT", ";"], 8, " "),
    ) {
        checks::sql::sql(format!("{begin} {rest}").as_bytes());
    }

    #[test]
    fn redis_commands_stay_inside_the_grant(
        grant in words(&["+@all", "+get", "+@read", "+@write", "-del", "~cache:*", "%R~*", "%W~log:?", "read-only", "+memory|usage", "+multi"], 5, "\n"),
        name in prop::sample::select(&["get", "set", "del", "DEL", "mset", "copy", "expire", "memory", "multi", "eval", "keys"][..]),
        arguments in prop::collection::vec("(cache:[a-c]{0,2}|log:[ab]{1,2}|usage|1|[a-c*]{0,3})", 0..5),
    ) {
        checks::redis::redis(format!("{grant}\n==\n{name}\n{}", arguments.join("\n")).as_bytes());
    }

    #[test]
    fn arguments_stay_inside_their_form(
        forms in words(&["{text}", "-v", "--", "{1-8}", "{a|-b}", "--f={path}", "{output}", "...", "a{text}b", "-j{0-10}{text}"], 6, "\n"),
        arguments in prop::collection::vec("(t:[-ab0-9=]{0,4}|p:/data/[ab]|x:--f=\\|/data/a|-v|[0-9]{1,2})", 0..4),
    ) {
        checks::program::program(format!("{forms}\n==\n{}", arguments.join("\n")).as_bytes());
    }

    #[test]
    fn paths_stay_below_an_endpoint(
        path in words(&["/", "a", "..", ".", "%2e", "%2E%2e", "%252e", "%2f", "\\", ";x", "?", "%5c", "%00", "//"], 8, ""),
        host in "[a-z0-9.\\-\\[\\]:@%]{0,12}",
        method in prop::sample::select(&["GET", "HEAD", "POST", "get", "CONNECT", ""][..]),
        header in "[A-Za-z_\\- :]{0,18}",
        address in any::<u128>(), four in any::<u32>(),
    ) {
        let six = std::net::Ipv6Addr::from_bits(address);
        checks::endpoint::endpoint(format!("https://{host}/api\n{path}\n{method}\n{header}\n{six}").as_bytes());
        let mapped = std::net::Ipv4Addr::from_bits(four).to_ipv6_mapped();
        checks::endpoint::endpoint(format!("http://a/\n{path}\n\n\n{mapped}").as_bytes());
    }
}
