//! What is due, what is whose, and what a client said.

use hostler_sdk::network::Endpoint;
use hostler_sdk::shell::Completed;
use hostler_sdk::testing::{self, refuses_each};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::json;
use shared_certificates::Certificate;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");

fn settings(given: serde_json::Value) -> Settings {
    testing::settings(MANIFEST, given)
}

/// 90 days, until the end of January 2026.
fn lineage(name: &str) -> Lineage {
    let mut parameters = CertificateParams::new(vec![format!("*.{name}"), name.to_owned()]).expect("names");
    parameters.not_before = date_time_ymd(2025, 11, 3);
    parameters.not_after = date_time_ymd(2026, 2, 1);
    let key = KeyPair::generate().expect("a key");
    let certificate = parameters.self_signed(&key).expect("a certificate");
    let certificate = Certificate::read(certificate.der()).expect("it can be read");
    Lineage { name: name.into(), file: format!("archive/{name}/cert1.pem"), certificate }
}

/// Midnight of a day of January 2026.
fn january(day: i64) -> Timestamp {
    Timestamp::from_seconds(1_767_225_600 + (day - 1) * 86_400)
}

#[test]
fn bad_settings_are_refused() {
    assert!(settings(json!({})).dry_run);
    refuses_each(
        MANIFEST,
        &[
            ("client", json!("acme.sh")),
            ("names", json!("shop")),
            ("exclude", json!(1)),
            ("due_share", json!(101)),
            ("critical_share", json!("16")),
            ("dry_run", json!("no")),
            ("reload", json!("restart")),
            ("unit", json!(1)),
            ("serves", json!(["a"])),
            ("server_names", json!({ "a": 1 })),
            ("wait", json!("1h")),
            ("timeout", json!("0s")),
        ],
    );
}

#[test]
fn a_third_is_left_where_it_is_due_and_a_sixth_where_a_failure_is_critical() {
    let (lineage, settings) = (lineage("shop.example"), settings(json!({})));
    for (day, due, severity) in [
        (1, false, Severity::Warning),
        (2, true, Severity::Warning),
        (3, true, Severity::Warning),
        (16, true, Severity::Warning),
        (17, true, Severity::Critical),
        (40, true, Severity::Critical),
    ] {
        let now = january(day);
        assert_eq!(
            (lineage.is_due(&settings, now), lineage.severity(&settings, now)),
            (due, severity),
            "January {day}"
        );
    }
    assert!(lineage.ends(january(17)).starts_with("it expires in 15 d ("), "{}", lineage.ends(january(17)));
    assert!(lineage.ends(january(33)).starts_with("it expired 1 d ago"), "{}", lineage.ends(january(33)));
}

#[test]
fn the_newest_generation_is_what_counts() {
    let files = [
        "archive/shop.example/cert9.pem",
        "archive/shop.example/cert10.pem",
        "archive/shop.example/fullchain11.pem",
        "archive/shop.example/privkey10.pem",
        "archive/other/cert1.pem",
        "renewal/shop.example.conf",
        "live/README",
    ];
    let found = lineage::newest("certbot", &files);
    let found: Vec<(&str, &str)> = found.iter().map(|(name, file)| (name.as_str(), file.as_str())).collect();
    assert_eq!(found, [("other", "archive/other/cert1.pem"), ("shop.example", "archive/shop.example/cert10.pem")]);
    let legos =
        ["certificates/shop.example.crt", "certificates/shop.example.issuer.crt", "certificates/_.a.example.crt"];
    let names: Vec<String> = lineage::newest("lego", &legos).into_keys().collect();
    assert_eq!(names, ["*.a.example", "shop.example"]);
    let some = settings(json!({ "names": ["a", "b"], "exclude": ["b*"] }));
    assert!(some.looks_after("a") && !some.looks_after("b") && !some.looks_after("c"));
}

#[test]
fn an_endpoint_sends_the_certificate_of_its_name_or_the_only_one() {
    let (one, other) = (lineage("a.example"), lineage("b.example"));
    let both = [one.clone(), other];
    let serves = BTreeMap::from([("web".to_owned(), "b.example".to_owned()), ("wrong".to_owned(), "c".to_owned())]);
    let name =
        |endpoint, lineages: &[Lineage]| served::assigned(endpoint, &serves, lineages).map(|one| one.name.clone());
    assert_eq!(name("web", &both).as_deref(), Some("b.example"));
    assert_eq!(name("a.example", &both).as_deref(), Some("a.example"));
    assert_eq!(name("shop", &both), None);
    assert_eq!(name("shop", &both[..1]).as_deref(), Some("a.example"));
    assert_eq!(name("wrong", &both[..1]), None, "a slip of the pen is not taken for another certificate");
    let endpoint = || vec![Endpoint::new("endpoints", Some("shop".into()))];
    let recorded = testing::record(|| served::services(endpoint(), &both, &settings(json!({}))));
    assert_eq!(recorded.told(), [("endpoint-unassigned", "shop", Severity::Unknown)]);
    let excluded = settings(json!({ "serves": { "shop": "c.example" }, "exclude": ["c.*"] }));
    assert!(testing::record(|| served::services(endpoint(), &both, &excluded)).findings.is_empty());
    assert_eq!(one.host(), Some("a.example"), "nobody asks for a wildcard");
}

#[test]
fn what_a_client_said_is_its_most_telling_line() {
    let said = |stdout: &str, stderr: &str| {
        client::said(&Completed {
            exit_code: Some(1),
            signal: None,
            stdout: stdout.into(),
            stderr: stderr.into(),
            truncated: false,
            sha256: None,
            duration_ms: 1,
        })
    };
    let quiet = "- - - - -\nThe following certificates are not due for renewal yet:\n  /etc/letsencrypt/live/a expires on x\n- - - - -\n";
    assert_eq!(
        said(quiet, "Saving debug log to /var/log/x\n"),
        "The following certificates are not due for renewal yet:"
    );
    let limited =
        "Failed to renew certificate a with error: too many certificates already issued\nAll renewals failed.\n";
    assert!(said("", limited).ends_with("too many certificates already issued"));
    let nginx = "nginx: [emerg] unknown directive \"x\" in a:1
nginx: configuration file a test failed
";
    assert_eq!(said("", nginx), "nginx: [emerg] unknown directive \"x\" in a:1");
    assert_eq!(said("", ""), "it said nothing");
}

#[test]
fn names_that_are_not_there_and_renewals_that_nobody_sees_are_unknown() {
    let told = |given, lineages: &[Lineage]| {
        let recorded = testing::record(|| missing(lineages, &settings(given)));
        recorded.findings.iter().map(|one| (one.code.clone(), one.subject.clone())).collect::<Vec<_>>()
    };
    let there = [lineage("a.example")];
    assert_eq!(told(json!({}), &there), []);
    assert_eq!(told(json!({ "names": ["a.example", "b"] }), &there), [("no-certificates".into(), "b".into())]);
    assert_eq!(told(json!({}), &[]), [("no-certificates".into(), "certificates".into())]);
    let recorded = testing::record(|| not_verified(&BTreeSet::from(["a.example"]), &[]));
    assert_eq!(recorded.told(), [("not-verified", "a.example", Severity::Unknown)]);
}
