//! Answers without end, and answers that never come.

use std::time::Instant;

use super::{Site, get, host};
use crate::puppet::run_in;

#[test]
fn an_answer_without_end_ends_at_the_limit() {
    let site = Site::start();
    let host = host(&site, &["GET"], "limits = { bytes = \"4MiB\", wall_seconds = 20 }");
    let (output, outcomes) = run_in(&host, "run", &[get("/well"), get("/endless")]);
    assert!(outcomes[0].get("allowed").is_some() && outcomes[1].get("limit").is_some(), "{outcomes:?}");
    assert_eq!(output.code, 3, "a run over its limit is not believed: {output:?}");
    let headers = run_in(&host, "run", &[get("/headers"), get("/well")]).1;
    assert!(headers[0].get("allowed").is_none() && headers[1].get("allowed").is_some(), "{headers:?}");
}

#[test]
fn an_answer_that_drips_or_never_comes_ends_at_its_time() {
    let site = Site::start();
    let host = host(&site, &["GET"], "");
    let started = Instant::now();
    let patient = |path: &str| {
        let mut call = get(path);
        call["timeout_ms"] = 1000.into();
        call
    };
    let (_, outcomes) = run_in(&host, "run", &[patient("/silent"), patient("/dripping"), patient("/well")]);
    assert!(outcomes[0].get("allowed").is_none() && outcomes[1].get("allowed").is_none(), "{outcomes:?}");
    assert!(outcomes[2].get("allowed").is_some(), "{outcomes:?}");
    assert!(started.elapsed().as_secs() < 25, "{:?}", started.elapsed());
}

#[test]
fn what_a_server_says_steers_nobodys_terminal() {
    let site = Site::start();
    let host = host(&site, &["GET"], "");
    run_in(&host, "run", &[get("/steering")]);
    let text = host.run(&["run", "puppet", "--all"]);
    assert!(!text.stdout.contains('\x1b') && !text.stderr.contains('\x1b'), "{text:?}");
}
