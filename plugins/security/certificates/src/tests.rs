//! Certificates made for each case, by rcgen and by openssl, and what is told of them.

use std::collections::BTreeMap;
use std::process::Command;

use hostler_sdk::network::Handshake;
use hostler_sdk::testing::{self, Recorded};
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use serde_json::json;

use super::*;
use crate::disk::{Contents, parse};
use shared_certificates::{Certificate, PublicPart};

const MANIFEST: &str = include_str!("../plugin.toml");

fn settings() -> Settings {
    testing::settings(MANIFEST, json!({}))
}

/// Noon of a day of January 2026.
fn january(day: i64) -> Timestamp {
    Timestamp::from_seconds(1_767_225_600 + (day - 1) * 86_400 + 43_200)
}

fn named(names: &[&str], from: (i32, u8, u8), until: (i32, u8, u8)) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = CertificateParams::new(names).expect("names");
    parameters.not_before = date_time_ymd(from.0, from.1, from.2);
    parameters.not_after = date_time_ymd(until.0, until.1, until.2);
    parameters
}

/// 90 days, until the end of January 2026.
fn short() -> CertificateParams {
    named(&["shop.example", "*.shop.example"], (2025, 11, 3), (2026, 2, 1))
}

fn own(parameters: &CertificateParams, key: &KeyPair) -> Certificate {
    Certificate::read(parameters.self_signed(key).expect("signed").der()).expect("it can be read")
}

fn authority(name: &str) -> (CertificateParams, KeyPair) {
    let mut parameters = named(&[], (2020, 1, 1), (2040, 1, 1));
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, name);
    (parameters, KeyPair::generate().expect("a key"))
}

struct Chain {
    leaf: String,
    between: String,
    root: String,
    key: String,
}

/// A root, an authority in between, and a server's certificate as a public authority issues it.
fn chained() -> Chain {
    let (root, root_key) = authority("Root");
    let (between, between_key) = authority("Between");
    let root_pem = root.self_signed(&root_key).expect("signed").pem();
    let between_pem = between.signed_by(&between_key, &Issuer::from_params(&root, &root_key)).expect("signed").pem();
    let mut leaf = short();
    // A sequence of nothing: that the extension is there is what counts.
    leaf.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], vec![0x30, 0])];
    let key = KeyPair::generate().expect("a key");
    let leaf_pem = leaf.signed_by(&key, &Issuer::from_params(&between, &between_key)).expect("signed").pem();
    Chain { leaf: leaf_pem, between: between_pem, root: root_pem, key: key.serialize_pem() }
}

/// What the files say, judged at noon of a day of January 2026.
fn look(files: &[(&str, String, u32)], day: i64) -> (Recorded, usize) {
    let mut compared = 0;
    let recorded = testing::record(|| {
        let read: BTreeMap<String, Contents> =
            files.iter().map(|(name, text, _)| ((*name).to_owned(), parse(text.as_bytes()))).collect();
        let modes = files.iter().map(|(name, _, mode)| (*name, *mode)).collect();
        let found = disk::judge("tls", &read, &modes);
        compared = found.keys_compared;
        place::judge_all(&found.places, &settings(), january(day));
    });
    (recorded, compared)
}

fn openssl(arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).output().expect("openssl is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("PEM is text")
}

#[test]
fn the_settings_are_the_manifests() {
    let defaults = settings();
    assert_eq!((defaults.long_lived, defaults.depth), (Duration::from_days(180.0), 4));
    testing::refuses_each(
        MANIFEST,
        &[
            ("warning_share", json!(101)),
            ("critical_share", json!("16")),
            ("long_lived", json!(180)),
            ("warning_left", json!("soon")),
            ("critical_left", json!("0s")),
            ("depth", json!(0)),
            ("ignore", json!("old/*")),
            ("server_names", json!(["a"])),
            ("starttls", json!({ "db": true })),
            ("private", json!([1])),
        ],
    );
}

#[test]
fn a_whole_chain_with_its_key_is_healthy() {
    let chain = chained();
    let full = format!("{}{}", chain.leaf, chain.between);
    let (recorded, compared) = look(&[("shop.pem", full, 0o644), ("shop.key", chain.key, 0o640)], 1);
    assert!(recorded.findings.is_empty(), "{:?}", recorded.findings);
    assert_eq!(compared, 1);
    assert_eq!(recorded.metric("certificate_left_seconds"), Some(30.5 * 86_400.0));
    assert_eq!(recorded.tables[0].rows.len(), 2);
}

#[test]
fn short_lives_are_judged_by_their_share_and_long_ones_by_days() {
    let key = KeyPair::generate().expect("a key");
    let judge = |parameters: &CertificateParams, day| expiry::judge(&own(parameters, &key), &settings(), january(day));
    // 90 days: a third is left 30 days before the end, a sixth 15.
    for (day, severity) in [
        (1, Severity::Ok),
        (2, Severity::Warning),
        (16, Severity::Warning),
        (17, Severity::Critical),
        (32, Severity::Critical),
    ] {
        assert_eq!(judge(&short(), day).severity, severity, "January {day}");
    }
    assert_eq!((judge(&short(), 31).code, judge(&short(), 32).code), ("expires-soon", "expired"));
    let long = named(&["a"], (2025, 1, 1), (2026, 2, 1));
    for (day, severity) in
        [(3, Severity::Ok), (4, Severity::Warning), (17, Severity::Warning), (18, Severity::Critical)]
    {
        assert_eq!(judge(&long, day).severity, severity, "January {day}");
    }
    let said = |parameters: &CertificateParams, day| judge(parameters, day).summary;
    assert!(said(&short(), 17).ends_with("Z), 16 % of its lifetime, critical below 16.67 %"), "{}", said(&short(), 17));
    assert!(said(&long, 18).ends_with("Z), critical below 14 d"), "{}", said(&long, 18));
    let future = judge(&named(&["a"], (2026, 1, 10), (2026, 4, 1)), 9);
    assert_eq!((future.severity, future.code), (Severity::Critical, "not-yet-valid"));
    // Written for six days, renewed every other: two days left are as they should be.
    assert_eq!(judge(&named(&["a"], (2026, 1, 1), (2026, 1, 7)), 4).severity, Severity::Ok);
}

#[test]
fn one_certificate_in_two_files_is_one_finding() {
    let chain = chained();
    let full = format!("{}{}", chain.leaf, chain.between);
    let files = [("shop/cert.pem", chain.leaf, 0o644), ("shop/fullchain.pem", full, 0o644)];
    let (recorded, _) = look(&files, 40);
    assert_eq!(recorded.told(), [("expired", "tls/shop/cert.pem", Severity::Critical)]);
    assert!(recorded.findings[0].remedy.as_deref().is_some_and(|remedy| remedy.starts_with("renew it")));
    assert!(recorded.findings[0].detail.as_deref().is_some_and(|detail| detail.contains("tls/shop/fullchain.pem")));
}

#[test]
fn the_count_says_when_the_first_ends_or_ended() {
    let key = KeyPair::generate().expect("a key");
    let place =
        place::Place { subject: "tls/a.pem".into(), called: vec![], chain: vec![own(&short(), &key)], served: false };
    let counted = |day| place::judge_all(std::slice::from_ref(&place), &settings(), january(day));
    assert_eq!(counted(1), "1 certificate, the first expires in 30 d 12 h");
    assert_eq!(counted(33), "1 certificate, the first expired 1 d 12 h ago");
}

#[test]
fn a_key_of_another_certificate_is_critical() {
    let chain = chained();
    let other = KeyPair::generate().expect("a key").serialize_pem();
    let full = format!("{}{}", chain.leaf, chain.between);
    let (recorded, _) = look(&[("a.crt", full.clone(), 0o644), ("a.key", other.clone(), 0o600)], 1);
    assert_eq!(recorded.told(), [("key-mismatch", "tls/a.crt", Severity::Critical)]);
    let all_in_one = format!("{}{full}", chain.key);
    assert_eq!(look(&[("a.pem", all_in_one, 0o600), ("a.key", other, 0o600)], 1).0.told(), []);
    let (recorded, compared) = look(&[("a.pem", full, 0o600), ("b.key", chain.key, 0o600)], 1);
    assert_eq!((recorded.told().len(), compared), (0, 0), "a key of another name says nothing");
}

#[test]
fn a_key_that_everybody_reads_is_a_warning() {
    let (recorded, _) = look(&[("b.key", chained().key, 0o644)], 1);
    assert_eq!(recorded.told(), [("key-open", "tls/b.key", Severity::Warning)]);
    assert!(recorded.findings[0].summary.contains("0644"));
    let public = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    assert_eq!(look(&[("b.key", public.into(), 0o644)], 1).0.told(), []);
}

#[test]
fn a_chain_in_disorder_and_one_that_is_not_whole_are_warnings() {
    let chain = chained();
    let Chain { leaf, between, root, .. } = &chain;
    let code = |text: String| {
        let recorded = look(&[("a.pem", text, 0o644)], 1).0;
        recorded.findings.iter().map(|finding| finding.code.clone()).collect::<Vec<_>>()
    };
    assert_eq!(code(format!("{leaf}{root}{between}")), ["chain-broken"]);
    assert_eq!(code(format!("{leaf}{root}")), ["chain-broken"]);
    assert_eq!(code(leaf.clone()), ["chain-incomplete"]);
    assert!(code(format!("{leaf}{between}{root}")).is_empty());
    assert!(code(between.clone()).is_empty());
    let beside = [("cert.pem", leaf.clone(), 0o644), ("chain.pem", between.clone(), 0o644)];
    assert_eq!(look(&beside, 1).0.told(), [], "certbot keeps both beside each other");
}

#[test]
fn weak_keys_and_signatures_are_warnings_and_rsa_keys_are_compared() {
    let made = openssl(&[
        "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-sha1", "-days", "4000", "-subj", "/CN=old", "-keyout", "-",
    ]);
    let certificate = parse(made.as_bytes());
    assert_eq!(certificate.keys, [certificate.chain[0].public_key.clone()]);
    assert_eq!(certificate.chain[0].weak.len(), 1, "the signature of a certificate that signed itself does not count");
    assert!(certificate.chain[0].weak[0].contains("1024"));
    assert_eq!(certificate.chain[0].title, "old");
    for arguments in [
        &["genrsa", "-traditional", "2048"][..],
        &["genrsa", "2048"],
        &["ecparam", "-name", "prime256v1", "-genkey", "-noout"],
        &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    ] {
        let [key]: [PublicPart; 1] =
            parse(openssl(arguments).as_bytes()).keys.try_into().expect("it carries its public half");
        assert_ne!(key, certificate.chain[0].public_key);
    }
    let quiet = parse(openssl(&["genpkey", "-algorithm", "ED25519"]).as_bytes());
    assert!(quiet.keys.is_empty() && quiet.has_private_key && quiet.damaged.is_none());
    let encrypted =
        parse(openssl(&["genrsa", "-traditional", "-aes128", "-passout", "pass:secret", "2048"]).as_bytes());
    assert!(encrypted.keys.is_empty() && encrypted.has_private_key && encrypted.damaged.is_none());
}

#[test]
fn what_is_damaged_is_unknown_and_never_healthy() {
    let chain = chained();
    let cut = &chain.leaf[..chain.leaf.len() / 2];
    let garbage = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    for text in [cut, garbage, &format!("{}{cut}", chain.between)] {
        assert_eq!(look(&[("a.pem", text.into(), 0o644)], 1).0.told(), [("damaged", "tls/a.pem", Severity::Unknown)]);
    }
    assert_eq!(look(&[("a.pem", "a README\n".into(), 0o644)], 1).0.told(), []);
    let der = parse(&parse(chain.leaf.as_bytes()).chain[0].der);
    assert_eq!(der.chain[0].names, ["shop.example", "*.shop.example"]);
    assert!(parse(&[0x30, 0x82]).damaged.is_some());
}

#[test]
fn names_match_as_clients_match_them() {
    let key = KeyPair::generate().expect("a key");
    let certificate = own(&named(&["shop.example", "*.shop.example", "192.0.2.1"], (2025, 1, 1), (2026, 1, 1)), &key);
    for host in ["shop.example", "SHOP.example.", "www.shop.example", "192.0.2.1"] {
        assert!(certificate.covers(host), "{host}");
    }
    for host in ["a.b.shop.example", "example", ".shop.example", "192.0.2.2", "shop.example.net", ""] {
        assert!(!certificate.covers(host), "{host}");
    }
}

fn handshake(chain: &[&str], verified: Result<(), String>) -> Handshake {
    let chain = chain.iter().map(|pem| parse(pem.as_bytes()).chain[0].der.clone()).collect();
    Handshake {
        chain,
        protocol: "TLSv1.3".into(),
        cipher_suite: "TLS_AES_128_GCM_SHA256".into(),
        verified,
        duration_ms: 3,
    }
}

#[test]
fn a_server_is_held_to_its_name_and_to_the_roots() {
    let chain = chained();
    let whole = handshake(&[&chain.leaf, &chain.between], Ok(()));
    let told = |handshake: &Handshake, host, private| {
        let recorded = testing::record(|| drop(served::judge("shop", handshake, host, private).expect("judged")));
        recorded.findings.into_iter().map(|finding| (finding.code, finding.severity)).collect::<Vec<_>>()
    };
    assert_eq!(told(&whole, None, false), []);
    assert_eq!(told(&whole, Some("www.shop.example"), false), []);
    assert_eq!(told(&whole, Some("other.example"), false), [("name-mismatch".into(), Severity::Critical)]);
    let unknown = handshake(&[&chain.leaf, &chain.between], Err("unknown issuer".into()));
    assert_eq!(told(&unknown, None, false), [("not-trusted".into(), Severity::Critical)]);
    assert_eq!(told(&unknown, Some("shop.example"), true), []);
    assert!(served::judge("shop", &handshake(&[], Ok(())), None, false).is_err());
    let alone = served::judge("shop", &handshake(&[&chain.leaf], Ok(())), None, false).expect("judged");
    let recorded = testing::record(|| place::judge_all(&[alone], &settings(), january(1)));
    assert_eq!(recorded.told(), [("chain-incomplete", "endpoint shop", Severity::Warning)]);
}

#[test]
fn a_server_that_was_not_reloaded_is_told() {
    let (old, new) = (chained(), chained());
    let served = served::judge("shop", &handshake(&[&old.leaf], Ok(())), None, false).expect("judged");
    let on_disk = |name: &str, chain: &Chain| {
        let read = BTreeMap::from([(name.to_owned(), parse(format!("{}{}", chain.leaf, chain.between).as_bytes()))]);
        disk::judge("live", &read, &BTreeMap::new()).places
    };
    for (name, chain, host, expected) in [
        ("shop.pem", &new, None, 1),
        ("shop/fullchain.pem", &new, None, 1),
        ("shop.pem", &old, None, 0),
        ("other.pem", &new, None, 0),
        ("shop.example.pem", &new, Some("shop.example".to_owned()), 1),
    ] {
        let recorded = testing::record(|| served::compare(&served, &on_disk(name, chain), host.as_ref()));
        assert_eq!(
            recorded.findings.iter().filter(|finding| finding.code == "not-reloaded").count(),
            expected,
            "{name}"
        );
    }
}

#[test]
fn certbots_older_generations_are_left_out_and_other_numbers_are_not() {
    let names = ["archive/a/cert9.pem", "archive/a/cert10.pem", "archive/b/cert9.pem", "server1.crt", "server2.crt"];
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let left: Vec<&String> = names.iter().filter(|name| !disk::superseded(name, &names)).collect();
    assert_eq!(left, [&names[1], &names[2], &names[3], &names[4]]);
}

#[test]
fn a_setting_for_an_endpoint_that_is_not_bound_is_told() {
    let settings = testing::settings(MANIFEST, json!({ "private": ["shop"], "starttls": { "database": "postgres" } }));
    let bound = [hostler_sdk::network::Endpoint::new("endpoints", Some("shop".into()))];
    let recorded = testing::record(|| served::unknown_names(&settings, &bound));
    assert_eq!(recorded.told(), [("endpoint-unknown", "database", Severity::Unknown)]);
}

#[test]
fn a_file_without_a_certificate_in_it_is_unknown() {
    for text in ["", "to be done\n"] {
        let (recorded, _) = look(&[("shop.crt", text.into(), 0o644)], 1);
        assert_eq!(recorded.told(), [("damaged", "tls/shop.crt", Severity::Unknown)], "{text:?}");
    }
}

/// A PKCS#12 file of a chain and its key, as openssl writes it.
fn exported(files: &Chain, password: &str, options: &[&str]) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    std::fs::write(path("key"), &files.key).expect("a key");
    std::fs::write(path("chain"), format!("{}{}{}", files.root, files.between, files.leaf)).expect("a chain");
    let (key, chain, out, password) = (path("key"), path("chain"), path("out"), format!("pass:{password}"));
    let given = ["pkcs12", "-export", "-inkey", &key, "-in", &chain, "-out", &out, "-passout", &password];
    openssl(&[&given, options].concat());
    std::fs::read(out).expect("it was written")
}

#[test]
fn a_keystore_is_opened_in_each_way_in_which_it_is_written() {
    let files = chained();
    let leaf = parse(files.leaf.as_bytes()).chain.remove(0);
    for (password, options) in [
        ("correct horse", &[][..]),
        ("pässword", &["-iter", "10000"]),
        ("", &[]),
        ("a", &["-legacy"]),
        ("a", &["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"]),
        ("a", &["-keypbe", "AES-128-CBC", "-certpbe", "AES-192-CBC", "-macalg", "sha512"]),
        ("a", &["-keypbe", "DES-EDE3-CBC", "-certpbe", "NONE", "-macalg", "sha384"]),
        ("a", &["-keypbe", "NONE", "-certpbe", "NONE", "-nomac"]),
    ] {
        let bytes = exported(&files, password, options);
        let opened = keystore::open(&bytes, Some(password));
        assert!(opened.damaged.is_none() && !opened.locked, "{options:?}: {opened:?}");
        let titles: Vec<&str> = opened.chain.iter().map(|certificate| certificate.title.as_str()).collect();
        assert_eq!(titles, [leaf.title.as_str(), "Between", "Root"], "{options:?}: the key's own comes first");
        assert_eq!(opened.chain[0].serial, leaf.serial);
        assert_eq!(opened.keys, std::slice::from_ref(&leaf.public_key), "{options:?}");
        assert!(opened.has_private_key);
    }
}

#[test]
fn a_keystore_with_another_password_is_unknown_and_a_damaged_one_too() {
    let files = chained();
    let bytes = exported(&files, "right", &[]);
    let told = |contents: Contents| {
        let read = BTreeMap::from([("shop.p12".to_owned(), contents)]);
        testing::record(|| {
            let found = disk::judge("tls", &read, &BTreeMap::new());
            place::judge_all(&found.places, &settings(), january(1));
        })
    };
    assert_eq!(told(keystore::open(&bytes, Some("right"))).told(), []);
    for password in [None, Some("wrong")] {
        let recorded = told(keystore::open(&bytes, password));
        assert_eq!(recorded.told(), [("password-wrong", "tls/shop.p12", Severity::Unknown)]);
    }
    let unsealed = exported(&files, "right", &["-nomac"]);
    let opened = keystore::open(&unsealed, Some("wrong"));
    assert!(opened.chain.len() == 3 && opened.keys.is_empty(), "openssl leaves the certificates open then: {opened:?}");
    for length in (0..bytes.len()).step_by(17) {
        let cut = keystore::open(&bytes[..length], Some("right"));
        assert!(cut.chain.is_empty() && (cut.damaged.is_some() || cut.locked), "{length}: {cut:?}");
    }
    assert_eq!(told(keystore::open(b"no keystore", None)).told(), [("damaged", "tls/shop.p12", Severity::Unknown)]);
}
