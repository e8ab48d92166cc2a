//! security-rate-limits on an nginx that limits, one that does not, and one that is not allowed to be looked at.

use hostler_tests::{Nginx, eventually};

use crate::{found, host, run, summary};

const LIMIT: &str = "limit_req_zone $binary_remote_addr zone=site:1m rate=5r/s; limit_req_status 429;";

fn configured(nginx: &Nginx, settings: &str) -> hostler_tests::Hostler {
    let configuration = nginx.path().join("configuration");
    std::fs::create_dir_all(&configuration).expect("a directory");
    std::fs::copy(nginx.path().join("nginx.conf"), configuration.join("nginx.conf")).expect("a copy");
    let resource = format!(
        "settings = {{ {settings} }}\nbind.configuration = [\"directory.configuration\"]\n[directory.configuration]\npath = {configuration:?}\n"
    );
    host("security-rate-limits", &nginx.logs(), &resource)
}

#[test]
fn limited_requests_are_told_with_their_zone_and_once() {
    let nginx = Nginx::start(LIMIT, "location / { limit_req zone=site; }");
    let host = configured(&nginx, "");
    for _ in 0..3 {
        nginx.get("/index.html", 1);
        std::thread::sleep(std::time::Duration::from_millis(400));
    }
    assert_eq!(found(&host, 0), Vec::<String>::new(), "3 requests in more than a second of 5 are well");
    nginx.get("/index.html", 120);
    eventually("the error log has it", || nginx.lines("error.log") > 100);
    let sick = run(&host);
    assert_eq!((sick.code, sick.findings("task")), (2, vec!["critical limited web server".to_owned()]), "{sick:?}");
    assert!(sick.stdout.contains("\"site\"") && sick.stdout.contains("127.0.0.1 ("), "{sick:?}");
    assert!(summary(&run(&host)).starts_with("0 of 0 requests limited"), "nothing is told twice");
}

#[test]
fn a_server_without_a_limiter_is_not_well_because_nothing_was_limited() {
    let nginx = Nginx::start("", "");
    let host = configured(&nginx, "");
    nginx.get("/index.html", 150);
    assert_eq!(found(&host, 1), ["warning no-limiter nginx"]);
}

#[test]
fn a_client_that_is_near_the_limit_is_told_before_it_meets_it() {
    let nginx = Nginx::start(
        "limit_req_zone $binary_remote_addr zone=site:1m rate=60r/s;",
        "location / { limit_req zone=site burst=100 nodelay; }",
    );
    let host = configured(&nginx, "headroom = 10");
    nginx.get("/index.html", 30);
    assert_eq!(found(&host, 1), ["warning little-headroom nginx"]);
}

#[test]
fn logs_that_are_not_there_are_unknown() {
    let nginx = Nginx::start("", "");
    let host = host("security-rate-limits", &nginx.path().join("temporary"), "");
    assert_eq!(found(&host, 3), ["unknown no-log access log"]);
}
