//! Paths, methods, headers and targets beyond the grant.

use serde_json::{Value, json};

use super::{Site, get, host};
use crate::puppet::{refused_and_allowed, run, run_with};

#[test]
fn no_path_method_or_header_leaves_the_prefix() {
    let site = Site::start();
    let mut attempts: Vec<Value> = [
        "/..",
        "/../admin",
        "/x/../../admin",
        "/./../admin",
        "/%2e%2e/admin",
        "/%2E./admin",
        "/.%2e/admin",
        "/%252e%252e/admin",
        "/%25252e%25252e/admin",
        "/..%2fadmin",
        "/..%5cadmin",
        "/..\\admin",
        "/..;/admin",
        "/x/..;x=1/../admin",
        "//127.0.0.1:1/admin",
        "http://127.0.0.1:1/admin",
        "https://127.0.0.1/admin",
        "/a b",
        "/a\r\nHost: other",
        "/a HTTP/1.1\r\n\r\nGET /admin",
        "/a\0b",
        "/a\tb",
        "/#/../admin",
        "/\u{2025}/admin",
    ]
    .iter()
    .map(|path| get(path))
    .collect();
    for method in
        ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "get", "Get", "GET ", "", "G\r\nET", "PRI"]
    {
        attempts.push(json!({ "call": "network", "path": "/", "method": method }));
    }
    for (name, value) in [
        ("Host", "other"),
        ("host", "other"),
        ("Content-Length", "4"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        ("Upgrade", "websocket"),
        ("Authorization", "Bearer mine"),
        ("authorization", "Bearer mine"),
        ("Proxy-Authorization", "x"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X_Forwarded_For", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Original-URL", "/admin"),
        ("Expect", "100-continue"),
        ("A\r\nHost", "other"),
        ("A", "x\r\nHost: other"),
        ("A", "x\n\nGET /admin"),
        ("A b", "x"),
        ("", "x"),
    ] {
        attempts.push(json!({ "call": "network", "path": "/", "headers": [[name, value]] }));
    }
    attempts.push(json!({ "call": "network", "path": "/", "target": "other" }));
    attempts.push(json!({ "call": "network", "path": "/", "request": "endpoint.site" }));
    attempts.push(json!({ "call": "network", "path": "/", "request": "127.0.0.1" }));
    let honest = [
        get("/"),
        get("/orders?since=2026-01-01&to=..&x=%2e"),
        get("/a%20b/c.d/...x"),
        json!({ "call": "network", "path": "/", "method": "HEAD" }),
        json!({ "call": "network", "path": "/", "headers": [["Accept", "text/plain"], ["X-Run", "1"]] }),
    ];
    refused_and_allowed(&host(&site, &["GET"], ""), &attempts, &honest);
    let asked = site.asked();
    assert_eq!(asked.len(), 2 * honest.len(), "{asked:?}");
    for request in &asked {
        assert!(["GET /app", "HEAD /app"].iter().any(|begin| request.starts_with(begin)), "{request}");
        assert_eq!(request.matches("sesame").count(), 1, "the host's own credential, once: {request}");
        assert!(!request.contains("admin") && !request.contains("other"), "{request}");
    }
}

#[test]
fn a_redirect_is_an_answer_and_is_not_followed() {
    let site = Site::start();
    let outcomes = run(&host(&site, &["GET"], ""), &[get("/redirect"), get("/well")]);
    assert_eq!(outcomes[0]["allowed"]["status"], 302, "{outcomes:?}");
    assert!(!outcomes[0].to_string().contains(&site.port.to_string()), "no address of the operator's: {outcomes:?}");
    assert_eq!(outcomes[1]["allowed"]["text"], "well");
    let asked = site.asked();
    assert!(asked.len() == 2 && asked.iter().all(|request| !request.contains("/admin")), "{asked:?}");
}

#[test]
fn a_change_is_sent_where_it_is_granted_and_in_a_check_it_is_planned() {
    let site = Site::start();
    let host = host(&site, &["GET", "POST"], "");
    let post = json!({ "call": "network", "path": "/orders", "method": "POST", "body": "x" });
    let (_, planned) = crate::puppet::run_in(&host, "plan", &[post.clone(), get("/well")]);
    assert_eq!(planned[0]["allowed"], "planned", "{planned:?}");
    assert!(site.asked().iter().all(|request| request.starts_with("GET ")), "a plan sends nothing that changes");
    let outcomes = run(&host, &[post]);
    assert_eq!(outcomes[0]["allowed"]["status"], 200, "{outcomes:?}");
    assert!(site.asked().iter().any(|request| request.starts_with("POST /app/orders ")));
}

#[test]
fn a_proxy_of_the_environment_is_not_used() {
    let (site, proxy) = (Site::start(), Site::start());
    let address = format!("http://127.0.0.1:{}", proxy.port);
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let variables = names.map(|name| (name, address.as_str()));
    let (_, outcomes) = run_with(&host(&site, &["GET"], ""), "run", &[get("/well")], &variables);
    assert_eq!(outcomes[0]["allowed"]["status"], 200, "{outcomes:?}");
    assert_eq!((site.asked().len(), proxy.asked().len()), (1, 0));
}

#[test]
fn the_credential_of_an_endpoint_is_told_to_nobody_else() {
    let site = Site::start();
    let host = host(&site, &["GET"], "");
    let (output, outcomes) = crate::puppet::run_in(&host, "run", &[get("/redirect"), get("/well"), get("/../x")]);
    assert!(!outcomes.iter().any(|outcome| outcome.to_string().contains("sesame")), "{outcomes:?}");
    assert!(!output.stdout.contains("sesame") && !output.stderr.contains("sesame"), "{output:?}");
    for entry in crate::files::tree(&host.path().join("state")) {
        assert!(!entry.contains("sesame"), "{entry}");
    }
}
