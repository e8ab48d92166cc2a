//! Output without end, and what a program uses up.

use std::time::Instant;

use serde_json::json;

use super::{script, shell};
use crate::puppet::run;

#[test]
fn a_flood_of_output_is_cut_and_said() {
    let host = shell("");
    let mut flood = script("yes sesame");
    flood["timeout_ms"] = 3000.into();
    let mut spawned = flood.clone();
    spawned["spawn"] = true.into();
    let both = script("head -c 100000000 /dev/zero; head -c 100000000 /dev/zero >&2");
    let started = Instant::now();
    let outcomes = run(&host, &[flood, both, script("echo well")]);
    assert!(outcomes[0].get("timed-out").is_some(), "{outcomes:?}");
    assert_eq!(outcomes[1]["allowed"]["truncated"], true, "{outcomes:?}");
    assert_eq!(outcomes[2]["allowed"]["truncated"], false, "{outcomes:?}");
    assert!(started.elapsed().as_secs() < 120);
}

#[test]
fn processes_memory_and_files_are_bounded() {
    let host = shell("");
    let outcomes = run(
        &host,
        &[
            script("ulimit -c; ulimit -n; ulimit -v; ulimit -f"),
            script("head -c 3000000000 /dev/zero > /tmp/large; stat -c %s /tmp/large 2>/dev/null || echo none"),
            script("echo well"),
        ],
    );
    let limits = outcomes[0]["allowed"]["stdout"].as_str().expect("it ran").to_owned();
    let limits: Vec<&str> = limits.lines().collect();
    assert_eq!(limits[0], "0", "no core file");
    assert!(limits[1].parse::<u64>().is_ok(), "handles: {limits:?}");
    assert_eq!(outcomes[2]["allowed"]["stdout"], "well\n", "{}", json!(outcomes));
}
