//! Real advisories beside real lock files, cut short; the advisories are those that the end-to-end tests use.

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::testing::{self, Recorded, refuses_each};
use serde_json::json;

use super::*;
use crate::audit::Warned;
use crate::lock::{Locked, cargo, npm, python};
use crate::osv::{Advisory, Level, timestamp};
use crate::waiver::Waiver;

const MANIFEST: &str = include_str!("../plugin.toml");

macro_rules! advisory {
    ($path:literal) => {
        include_bytes!(concat!("../../../../tests/tests/catalogue_security/advisories/", $path))
    };
}

const LODASH: &[u8] = advisory!("npm/GHSA-35jh-r3h4-6jhm.json");
const MINIMIST: &[u8] = advisory!("npm/GHSA-xvch-5gv4-984h.json");
const SMALLVEC: &[u8] = advisory!("crates.io/RUSTSEC-2021-0003.json");
const ANSI_TERM: &[u8] = advisory!("crates.io/RUSTSEC-2021-0139.json");
const PYYAML: &[u8] = advisory!("PyPI/GHSA-8q59-q68h-6hv4.json");
const PYYAML_AGAIN: &[u8] = advisory!("PyPI/PYSEC-2021-142.json");
const OPENSSL: &[u8] = advisory!("Debian/DSA-5764-1.json");
const HEARTBLEED: &[u8] = advisory!("Debian/DSA-2896-1.json");

fn settings(given: serde_json::Value) -> Settings {
    testing::settings(MANIFEST, given)
}

fn advisory(bytes: &[u8]) -> Advisory {
    serde_json::from_slice(bytes).expect("an advisory")
}

fn package(ecosystem: Ecosystem, name: &str, version: &str) -> Package {
    Package { ecosystem, name: name.into(), version: version.into() }
}

fn day(text: &str) -> Timestamp {
    timestamp(&format!("{text}T12:00:00Z")).expect("a day")
}

/// The fixed version where a package has an advisory.
fn hit(bytes: &[u8], package: &Package, release: Option<&str>) -> Option<Option<String>> {
    advisory(bytes).hits(package.ecosystem, release, &package.name, &package.version).map(|hit| hit.fixed)
}

fn judge_with(given: serde_json::Value, advisories: &[&[u8]], package: &Package, today: &str) -> Recorded {
    let settings = settings(given);
    let (limits, waivers) = (Limits::of(&settings).expect("limits"), Waivers::read(&settings.waivers));
    let advisories: Vec<Advisory> = advisories.iter().map(|bytes| advisory(bytes)).collect();
    testing::record(|| {
        waivers.report_wrong();
        let mut tally = Tally::default();
        judge::package("shop/lock", package, Some("12"), &advisories, (&limits, &waivers, day(today)), &mut tally);
        tally.report(&BTreeMap::from([(package.ecosystem, 1)]));
    })
}

#[test]
fn bad_settings_are_refused() {
    assert_eq!(settings(json!({})).fetched_within, Duration::from_days(7.0));
    refuses_each(
        MANIFEST,
        &[
            ("warning", json!("bad")),
            ("critical", json!(9)),
            ("unrated", json!("none")),
            ("waivers", json!(["CVE-2021-23337"])),
            ("fetched_within", json!("0s")),
            ("modified_within", json!(60)),
            ("debian_release", json!(12)),
            ("depth", json!(0)),
            ("ignore", json!("x")),
            ("timeout", json!("2h")),
        ],
    );
}

#[test]
fn versions_are_affected_from_the_introduction_to_the_fix() {
    use Ecosystem::{Crates, Debian, Npm, Python};
    let fixed = |version: &str| Some(Some(version.to_owned()));
    for (bytes, ecosystem, name, version, expected) in [
        (LODASH, Npm, "lodash", "4.17.20", fixed("4.17.21")),
        (LODASH, Npm, "lodash", "4.17.21-rc.1", fixed("4.17.21")),
        (LODASH, Npm, "lodash", "4.17.21", None),
        (LODASH, Npm, "lodash", "4.17.100", None),
        (LODASH, Npm, "lodash.merge", "1.0.0", None),
        (LODASH, Crates, "lodash", "1.0.0", None),
        (MINIMIST, Npm, "minimist", "0.2.3", fixed("0.2.4")),
        (MINIMIST, Npm, "minimist", "0.2.4", None),
        (MINIMIST, Npm, "minimist", "1.2.5", fixed("1.2.6")),
        (SMALLVEC, Crates, "smallvec", "0.6.2", None),
        (SMALLVEC, Crates, "smallvec", "0.6.3", fixed("0.6.14")),
        (SMALLVEC, Crates, "smallvec", "0.6.14", None),
        (SMALLVEC, Crates, "smallvec", "1.6.0", fixed("1.6.1")),
        (SMALLVEC, Crates, "smallvec", "1.6.1", None),
        (ANSI_TERM, Crates, "ansi_term", "0.12.1", Some(None)),
        (PYYAML, Python, "pyyaml", "5.4b1", fixed("5.4")),
        (PYYAML, Python, "pyyaml", "5.4.0", None),
        (PYYAML, Python, "pyyaml", "5.3.1", fixed("5.4")),
        (OPENSSL, Debian, "openssl", "3.0.14-1~deb12u1", fixed("3.0.14-1~deb12u2")),
        (OPENSSL, Debian, "openssl", "3.0.14-1~deb12u2", None),
        (OPENSSL, Debian, "openssl", "3.0.14-1", None),
        (HEARTBLEED, Debian, "openssl", "1.0.1e-2", None),
    ] {
        assert_eq!(hit(bytes, &package(ecosystem, name, version), Some("12")), expected, "{name} {version}");
    }
    // Another release has advisories of its own.
    let old = package(Debian, "openssl", "1.0.1e-2");
    assert_eq!(hit(HEARTBLEED, &old, Some("7")), fixed("1.0.1e-2+deb7u5"));
    let withdrawn = Advisory { withdrawn: Some("2022-01-01T00:00:00Z".into()), ..advisory(LODASH) };
    assert_eq!(withdrawn.hits(Npm, None, "lodash", "1.0.0"), None);
}

#[test]
fn ranges_end_as_the_format_says() {
    let with = |events: serde_json::Value, versions: serde_json::Value| -> Advisory {
        serde_json::from_value(json!({ "id": "A", "modified": "2025-01-01T00:00:00Z", "affected": [{
            "package": { "ecosystem": "npm", "name": "a" }, "versions": versions,
            "ranges": [{ "type": "SEMVER", "events": events }] }] }))
        .expect("an advisory")
    };
    let has = |advisory: &Advisory, version: &str| advisory.hits(Ecosystem::Npm, None, "a", version).is_some();
    let last = with(json!([{ "introduced": "1.0.0" }, { "last_affected": "1.2.0" }]), json!([]));
    assert!(has(&last, "1.2.0") && !has(&last, "1.2.1") && !has(&last, "0.9.0"));
    // Events in any order, a limit, and a version that is only listed.
    let mixed =
        with(json!([{ "fixed": "1.5.0" }, { "introduced": "2.0.0" }, { "introduced": "1.0.0" }]), json!(["0.5.0"]));
    assert!(has(&mixed, "1.4.9") && !has(&mixed, "1.5.0") && has(&mixed, "2.0.0") && has(&mixed, "0.5.0"));
    let limited = with(json!([{ "introduced": "0" }, { "limit": "1.0.0" }]), json!([]));
    assert!(has(&limited, "0.9.9") && !has(&limited, "1.0.0"));
    assert!(!has(&with(json!([]), json!([])), "1.0.0"));
}

#[test]
fn severities_are_the_base_score_or_the_databases_word() {
    let level = |bytes: &[u8], package: &Package| {
        advisory(bytes).hits(package.ecosystem, Some("12"), &package.name, &package.version).expect("a hit").level
    };
    assert_eq!(level(LODASH, &package(Ecosystem::Npm, "lodash", "1.0.0")), Some(Level::High));
    assert_eq!(level(MINIMIST, &package(Ecosystem::Npm, "minimist", "1.0.0")), Some(Level::Critical));
    assert_eq!(level(ANSI_TERM, &package(Ecosystem::Crates, "ansi_term", "0.12.1")), Some(Level::Low));
    assert_eq!(level(PYYAML_AGAIN, &package(Ecosystem::Python, "pyyaml", "5.3")), None);
    let word: Advisory = serde_json::from_value(json!({ "id": "A", "severity": [{ "type": "CVSS_V4",
        "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N" }], "database_specific": { "severity":
        "MODERATE" }, "affected": [{ "package": { "ecosystem": "npm", "name": "a" }, "versions": ["1.0.0"] }] }))
    .expect("an advisory");
    assert_eq!(word.hits(Ecosystem::Npm, None, "a", "1.0.0").expect("a hit").level, Some(Level::Medium));
    for (score, level) in [(9.0, Level::Critical), (8.9, Level::High), (6.9, Level::Medium), (3.9, Level::Low)] {
        assert_eq!(Level::of_score(score), level);
    }
}

#[test]
fn what_is_critical_and_fixable_is_critical_and_the_rest_a_warning() {
    let told = |given, advisories: &[&[u8]], package: &Package| {
        let recorded = judge_with(given, advisories, package, "2026-01-01");
        recorded.findings.first().map(|finding| (finding.severity, finding.remedy.clone().unwrap_or_default()))
    };
    let (severity, remedy) =
        told(json!({}), &[MINIMIST], &package(Ecosystem::Npm, "minimist", "1.2.5")).expect("it is told");
    assert_eq!(severity, Severity::Critical);
    assert!(remedy.contains("minimist@1.2.6"), "{remedy}");
    let high = told(json!({}), &[LODASH], &package(Ecosystem::Npm, "lodash", "4.17.20"));
    assert_eq!(high.map(|told| told.0), Some(Severity::Warning));
    let unrated = told(json!({}), &[OPENSSL], &package(Ecosystem::Debian, "openssl", "3.0.14-1~deb12u1"));
    assert_eq!(unrated.map(|told| told.0), Some(Severity::Warning));
    let low = package(Ecosystem::Crates, "ansi_term", "0.12.1");
    assert_eq!(told(json!({}), &[ANSI_TERM], &low), None);
    let told_low = told(json!({ "warning": "low" }), &[ANSI_TERM], &low).expect("it is told");
    assert!(told_low.1.starts_with("use something else, or waive it"), "{told_low:?}");
    let without_fix = told(json!({ "critical": "low" }), &[ANSI_TERM], &low);
    assert_eq!(without_fix.map(|told| told.0), Some(Severity::Warning), "nothing to be done about it tonight");
}

#[test]
fn one_hole_under_two_names_is_one_and_a_package_is_one_finding() {
    let recorded =
        judge_with(json!({}), &[PYYAML, PYYAML_AGAIN], &package(Ecosystem::Python, "pyyaml", "5.3.1"), "2026-01-01");
    assert_eq!(recorded.told(), [("vulnerable", "shop/lock: pyyaml 5.3.1", Severity::Critical)]);
    assert_eq!(recorded.findings[0].summary, "critical, 1 advisory: GHSA-8q59-q68h-6hv4; fixed in 5.4");
    assert_eq!(recorded.metric("vulnerable_packages"), Some(0.0), "of the low ones");
}

#[test]
fn a_waiver_holds_to_the_end_of_its_day_and_only_with_an_owner_and_a_reason() {
    let lodash = package(Ecosystem::Npm, "lodash", "4.17.20");
    let told = |key: &str, value: &str, today| {
        let recorded = judge_with(json!({ "waivers": { key: value } }), &[LODASH], &lodash, today);
        recorded.findings.iter().map(|finding| finding.code.clone()).collect::<Vec<_>>()
    };
    let until = "alice until 2026-03-31: templates are ours";
    assert_eq!(told("CVE-2021-23337", until, "2026-03-31"), Vec::<String>::new());
    assert_eq!(told("GHSA-35jh-r3h4-6jhm lodash", until, "2026-03-01"), Vec::<String>::new());
    assert_eq!(told("CVE-2021-23337", until, "2026-04-01"), ["vulnerable", "waiver-expired"]);
    assert_eq!(told("CVE-2021-23337 underscore", until, "2026-03-01"), ["vulnerable"]);
    assert_eq!(told("CVE-2020-0000", until, "2026-03-01"), ["vulnerable"]);
    for wrong in ["until 2026-03-31: why", "alice until 2026-03-31:", "alice until 31.03.2026: why", "alice: why", ""] {
        assert_eq!(told("CVE-2021-23337", wrong, "2026-03-01"), ["waiver-wrong", "vulnerable"], "{wrong}");
    }
    assert!(Waiver::parse("a b c", until).is_none());
}

fn names(locked: &Locked) -> Vec<String> {
    locked.packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect()
}

#[test]
fn lock_files_of_npm_in_all_versions() {
    let first = br#"{ "name": "shop", "lockfileVersion": 1, "dependencies": {
        "lodash": { "version": "4.17.20", "dependencies": { "minimist": { "version": "0.2.3" } } },
        "alias": { "version": "npm:@scope/real@2.0.0" },
        "own": { "version": "git+ssh://git@github.com/me/own.git#abc" }, "minimist": { "version": "1.2.5", "dev": true } } }"#;
    let locked = npm::parse(first).expect("a lock file");
    assert_eq!(names(&locked), ["@scope/real 2.0.0", "lodash 4.17.20", "minimist 0.2.3", "minimist 1.2.5"]);
    assert_eq!(locked.not_comparable, ["own git+ssh"]);
    let third = br#"{ "lockfileVersion": 3, "packages": { "": { "name": "shop", "version": "1.0.0" },
        "node_modules/lodash": { "version": "4.17.20", "resolved": "https://registry.npmjs.org/lodash/-/lodash-4.17.20.tgz" },
        "node_modules/@a/b/node_modules/minimist": { "version": "1.2.5" }, "node_modules/own": { "resolved": "web", "link": true },
        "node_modules/other": { "name": "real", "version": "1.0.0" }, "web": { "version": "1.0.0" },
        "node_modules/forked": { "version": "1.0.0", "resolved": "git+https://user:secret@host/forked.git#abc" } } }"#;
    let locked = npm::parse(third).expect("a lock file");
    assert_eq!(names(&locked), ["lodash 4.17.20", "minimist 1.2.5", "real 1.0.0"]);
    assert_eq!(locked.not_comparable, ["forked from git+https://host/forked.git"], "no credential");
    assert_eq!(npm::parse(br#"{ "lockfileVersion": 1 }"#).map(|locked| locked.packages.len()), Ok(0));
    for damaged in [&b"{"[..], b"{}", b"[]", b"{ \"packages\": 1 }"] {
        assert!(npm::parse(damaged).is_err(), "{}", String::from_utf8_lossy(damaged));
    }
}

#[test]
fn lock_files_of_cargo() {
    let text = "# This file is automatically @generated by Cargo.\nversion = 4\n\n[[package]]\nname = \"shop\"\nversion = \"0.1.0\"\n\
        dependencies = [\n \"smallvec\",\n]\n\n[[package]]\nname = \"smallvec\"\nversion = \"1.6.0\"\n\
        source = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"00\"\n\n[[package]]\nname = \"fork\"\n\
        version = \"1.0.0\"\nsource = \"git+https://github.com/me/fork#abc\"\n\n[metadata]\nname = \"x\"\n";
    let locked = cargo::parse(text).expect("a lock file");
    assert_eq!(
        (names(&locked), locked.not_comparable),
        (vec!["smallvec 1.6.0".into()], vec!["fork 1.0.0 from git".into()])
    );
    assert!(cargo::parse("[[package]]\nname = \"a\"\n").is_err() && cargo::parse("hello = 1\n").is_err());
}

#[test]
fn requirements_that_are_pinned_and_those_that_are_not() {
    let locked = python::parse(
        "# comment\nPyYAML==5.3.1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nrequests[socks,test] == 2.31.0 ; python_version > '3'\n\
         Django>=3\nflask\nnumpy==1.*\n-r base.txt\n--requirement=other.txt\n-e ../own\n--index-url https://user:secret@host/\n\
         own @ https://user:secret@host/own.whl\nhttps://user:secret@host/x.whl\nthing===1.0 # why\nodd==one\n",
    );
    assert_eq!(names(&locked), ["pyyaml 5.3.1", "requests 2.31.0", "thing 1.0"]);
    assert_eq!(locked.not_pinned, ["Django", "flask", "numpy"]);
    assert_eq!(locked.includes, ["base.txt", "other.txt"]);
    assert_eq!(locked.not_comparable.len(), 4);
    assert!(!format!("{locked:?}").contains("secret"));
}

#[test]
fn installed_packages_are_counted_under_their_source() {
    let status = "Package: libssl3\nStatus: install ok installed\nSource: openssl\nVersion: 3.0.14-1~deb12u1\nDescription: x\n Package: y\n\n\
        Package: gcc-12-base\nStatus: install ok installed\nSource: gcc-12 (12.2.0-14)\nVersion: 12.2.0-14+b1\n\n\
        Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.2.13.dfsg-1+b1\n\n\
        Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
        Package: base-files\nStatus: hold ok installed\nVersion: 12.4+deb12u11\n";
    let (locked, base) = debian::parse(status).expect("a list");
    let expected =
        ["base-files 12.4+deb12u11", "gcc-12 12.2.0-14", "openssl 3.0.14-1~deb12u1", "zlib1g 1:1.2.13.dfsg-1"];
    assert_eq!(names(&locked), expected);
    assert_eq!(base.as_deref().and_then(debian::release).as_deref(), Some("12"));
    assert_eq!((debian::release("12ubuntu4.6"), debian::release("kali")), (None, None));
    assert!(debian::parse("").is_err() && debian::parse("Version: 1\n").is_err());
    let mut examined = Examined::default();
    let recorded = testing::record(|| {
        installed(&status.replace("12.4+deb12u11", "12ubuntu4"), &settings(json!({})), &mut examined)
    });
    assert_eq!(recorded.told(), [("release-unknown", "dpkg/status", Severity::Unknown)]);
    assert!(examined.files.is_empty(), "what was not compared is not counted");
}

#[test]
fn manifests_without_a_lock_file_beside_them_or_above() {
    let open = |files: &[&'static str]| project::without_lock(&BTreeSet::from_iter(files.iter().copied()));
    assert_eq!(open(&["package.json", "package-lock.json", "web/package.json"]), Vec::<&str>::new());
    assert_eq!(open(&["web/package.json", "api/package-lock.json"]), ["web/package.json"]);
    assert_eq!(open(&["Cargo.toml", "package-lock.json"]), ["Cargo.toml"]);
    assert_eq!(open(&["pyproject.toml", "requirements.txt"]), Vec::<&str>::new());
}

fn wanted() -> Wanted {
    Wanted::from([(Ecosystem::Npm, "lodash".to_owned())])
}

#[test]
fn a_copy_that_is_missing_old_or_damaged_is_unknown() {
    let mut database = Database::default();
    let written = day("2026-01-01");
    for bytes in [LODASH, MINIMIST] {
        database.take("a.json", bytes, written, &wanted());
    }
    assert_eq!(database.advisories.len(), 1, "only what is there is kept");
    let settings = settings(json!({}));
    let serves = |ecosystem, today| testing::record(|| database.serves(ecosystem, &settings, today));
    assert_eq!(serves(Ecosystem::Python, written).told(), [("database-missing", "PyPI", Severity::Unknown)]);
    // Its newest advisory is of August 2025.
    assert_eq!(serves(Ecosystem::Npm, written).told(), [("database-old", "npm", Severity::Unknown)]);
    assert!(serves(Ecosystem::Npm, day("2025-10-11")).told().is_empty(), "60 days to the day");
    assert_eq!(serves(Ecosystem::Npm, day("2025-10-12")).told().len(), 1);
    let mut fresh = Database::default();
    let text = String::from_utf8_lossy(LODASH).replace("2025-08-12", "2026-01-01");
    fresh.take("a.json", text.as_bytes(), written, &wanted());
    let serves = |today| testing::record(|| fresh.serves(Ecosystem::Npm, &settings, day(today))).findings.len();
    assert_eq!((serves("2026-01-08"), serves("2026-01-09")), (0, 1), "written 7 days ago, and 8");
    for damaged in ["{", "{}", "[1]", "{\"id\": \"A\"}", "{\"id\": \"A\", \"modified\": \"soon\"}"] {
        let mut database = Database::default();
        database.take("a.json", damaged.as_bytes(), written, &wanted());
        let recorded = testing::record(|| database.report_damaged());
        assert_eq!(recorded.told(), [("advisory-damaged", "advisories", Severity::Unknown)], "{damaged}");
    }
}

#[test]
fn several_advisories_in_one_file_as_a_list_or_a_line_each() {
    let one = String::from_utf8_lossy(LODASH).replace('\n', " ");
    for text in [format!("[{one}, {one}]"), format!("{one}\n{one}\n")] {
        let mut database = Database::default();
        database.take("all.json", text.as_bytes(), Timestamp(0), &wanted());
        assert_eq!(database.advisories.len(), 2);
        assert!(testing::record(|| database.report_damaged()).findings.is_empty());
    }
}

#[test]
fn what_npms_registry_says_and_what_it_does_not() {
    let answer = json!({ "auditReportVersion": 2, "vulnerabilities": {
        "lodash": { "name": "lodash", "severity": "high", "via": [{ "title": "Command Injection in lodash", "severity": "high",
            "url": "https://github.com/advisories/GHSA-35jh-r3h4-6jhm" }], "fixAvailable": true },
        "above": { "name": "above", "severity": "high", "via": ["lodash"], "fixAvailable": true } },
        "metadata": { "vulnerabilities": { "total": 2 } } });
    let warned = audit::read(answer.to_string().as_bytes()).expect("an answer");
    let advisories = vec![("GHSA-35jh-r3h4-6jhm".to_owned(), "Command Injection in lodash".to_owned())];
    assert_eq!(warned, [Warned { name: "lodash".into(), level: Some(Level::High), advisories, fixable: true }]);
    assert_eq!(audit::read(br#"{ "vulnerabilities": {} }"#).map(|warned| warned.len()), Ok(0));
    for (silent, why) in [
        (
            &br#"{ "message": "request to http://127.0.0.1:1 failed, reason: connect ECONNREFUSED", "error": {} }"#[..],
            "ECONNREFUSED",
        ),
        (
            br#"{ "error": { "code": "ENOLOCK", "summary": "This command requires an existing lockfile." } }"#,
            "existing lockfile",
        ),
        (b"", "no JSON"),
        (b"{}", "named no vulnerabilities"),
    ] {
        let error = audit::read(silent).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let settings = settings(json!({ "waivers": { "GHSA-35jh-r3h4-6jhm": "alice until 2026-03-31: ours" } }));
    let (limits, waivers) = (Limits::of(&settings).expect("limits"), Waivers::read(&settings.waivers));
    let told = |today| {
        testing::record(|| judge::warned("lock", &warned[0], (&limits, &waivers, day(today)), &mut Tally::default()))
    };
    assert!(told("2026-03-31").findings.is_empty());
    assert_eq!(told("2026-04-01").told(), [("vulnerable", "lock: lodash", Severity::Warning)]);
}
