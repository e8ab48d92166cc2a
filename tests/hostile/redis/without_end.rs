//! Answers that are too large, and commands that would hold the server up.

use redis::cmd;
use serde_json::{Value, json};

use super::{host, query, server};
use crate::puppet::run_in;

#[test]
fn a_reply_of_hundreds_of_megabytes_ends_the_run_and_not_the_host() {
    let server = server();
    let () = cmd("SETRANGE").arg("cache:huge").arg(300 << 20).arg("x").query(&mut server.connection()).expect("room");
    let small = host(&server, "+@read ~cache:*", "limits = { bytes = \"8MiB\" }");
    let (output, outcomes) = run_in(&small, "run", &[query("GETRANGE cache:huge 0 1000"), query("GET cache:huge")]);
    assert!(outcomes[0].get("allowed").is_some(), "{outcomes:?}");
    assert!(outcomes[1].get("limit").is_some(), "{outcomes:?}");
    assert_eq!(output.code, 3, "a run over its limit is not believed: {output:?}");
    // As many small ones are no way around it.
    let many: Vec<Value> = (0..20).map(|_| query("GETRANGE cache:huge 0 1000000")).collect();
    let (output, outcomes) = run_in(&small, "run", &many);
    assert!(outcomes.first().is_some_and(|outcome| outcome.get("allowed").is_some()), "{outcomes:?}");
    assert!(outcomes.last().is_some_and(|outcome| outcome.get("limit").is_some()), "{outcomes:?}");
    assert_eq!(output.code, 3, "{output:?}");
}

#[test]
fn a_million_keys_are_counted_against_the_limit_on_rows() {
    let server = server();
    let () = cmd("DEBUG").arg(&["POPULATE", "1000000", "cache"]).query(&mut server.connection()).expect("keys");
    let scan = json!({ "call": "redis", "scan": "cache:*" });
    let enough = host(&server, "+@read +keys ~cache:*", "");
    let (output, outcomes) = run_in(&enough, "run", std::slice::from_ref(&scan));
    assert!(outcomes[0]["allowed"].as_u64() >= Some(1_000_000), "{outcomes:?} {output:?}");
    let few = host(&server, "+@read +keys ~*", "limits = { rows = 10_000 }");
    for attempt in [scan, query("KEYS cache:*")] {
        let (output, outcomes) = run_in(&few, "run", &[query("GET cache:1"), attempt]);
        assert!(outcomes[0].get("allowed").is_some() && outcomes[1].get("limit").is_some(), "{outcomes:?}");
        assert_eq!(output.code, 3, "{output:?}");
    }
    // Neither KEYS nor another command that goes through all keys comes with a category.
    let category = host(&server, "+@all ~cache:*", "");
    let (_, outcomes) = run_in(&category, "run", &[query("KEYS cache:*"), query("GET cache:1")]);
    assert!(outcomes[0].get("denied").is_some() && outcomes[1].get("allowed").is_some(), "{outcomes:?}");
}
