//! Ends of life, ranges, options and heaps at their edges.

use hostler_sdk::testing::{Recorded, record, refuses_each, settings};
use serde_json::json;

use super::*;
use options::{options_of, words};
use releases::newest;
use versions::satisfies;

const MANIFEST: &str = include_str!("../plugin.toml");

fn at(day: &str) -> Timestamp {
    Timestamp::from_day(day).expect(day)
}

fn line(version: &str, day: &str, given: serde_json::Value) -> Recorded {
    let version = Version::parse(version).expect(version);
    record(|| judge_line("node", version, at(day), &settings(MANIFEST, given)))
}

#[test]
fn a_line_is_judged_by_the_days_that_are_left() {
    let worst = |day| line("20.20.2", day, json!({})).worst();
    assert_eq!(worst("2026-01-30"), Severity::Ok, "90 days before");
    assert_eq!(worst("2026-01-31"), Severity::Warning);
    assert_eq!(worst("2026-04-29"), Severity::Warning);
    assert_eq!(worst("2026-04-30"), Severity::Critical);
    let told = line("18.19.0", "2025-05-10", json!({}));
    assert_eq!(told.findings[0].summary, "18.19.0 has had no security fixes since 2025-04-30, 10 d ago");
    assert!(told.findings[0].remedy.as_deref().is_some_and(|remedy| remedy.contains("line = \"22\"")));
    let soon = line("22.1.0", "2027-04-01", json!({}));
    assert_eq!(
        soon.findings[0].summary,
        "22.1.0 gets security fixes until 2027-04-30, 29 d from now, warning below 90 d"
    );
}

#[test]
fn an_odd_line_and_one_that_is_not_known_are_told() {
    let told = |version, given| {
        let recorded = line(version, "2026-01-01", given);
        recorded.told().into_iter().map(|(code, _, severity)| (code.to_owned(), severity)).collect::<Vec<_>>()
    };
    assert_eq!(told("25.1.0", json!({})), [("release-odd".to_owned(), Severity::Warning)]);
    assert_eq!(told("99.0.0", json!({})), [("release-unknown".to_owned(), Severity::Unknown)]);
    assert_eq!(told("99.0.0", json!({"schedule": {"99": "2099-01-01"}})), []);
    assert_eq!(
        told("20.0.0", json!({"schedule": {"20": "2025-01-01"}})),
        [("end-of-life".to_owned(), Severity::Critical)]
    );
}

#[test]
fn names_of_lines_are_read_at_their_time() {
    assert_eq!(schedule::supported("*", at("2025-10-27")), Some(22));
    assert_eq!(schedule::supported("*", at("2025-10-28")), Some(24));
    assert_eq!(schedule::supported("Jod", at("2020-01-01")), Some(22));
    assert_eq!(schedule::supported("", at("2030-01-01")), None);
}

#[test]
fn ranges_are_read_as_npm_reads_them() {
    for (range, inside, outside) in [
        ("", "20.0.0", ""),
        ("*", "20.0.0", ""),
        ("20", "20.9.9", "21.0.0"),
        ("v20.11", "20.11.3", "20.12.0"),
        ("20.x", "20.1.0", "19.9.9"),
        (">=20 <23", "22.9.0", "23.0.0"),
        (">= 20.10.0", "20.10.0", "20.9.9"),
        (">20", "21.0.0", "20.5.0"),
        ("<=20", "20.9.0", "21.0.0"),
        ("<20", "19.9.9", "20.0.0"),
        ("^20.10.1", "20.11.0", "20.10.0"),
        ("^0.2.3", "0.2.9", "0.3.0"),
        ("^0.0.3", "0.0.3", "0.0.4"),
        ("~20.10.1", "20.10.9", "20.11.0"),
        ("18 - 20", "20.99.0", "21.0.0"),
        ("^18.12.0 || ^20.9.0 || >=22", "24.0.0", "21.0.0"),
        ("=20.1.2", "20.1.2", "20.1.3"),
    ] {
        let version = |text| Version::parse(text).expect(text);
        assert_eq!(satisfies(version(inside), range), Some(true), "{inside} in {range:?}");
        if !outside.is_empty() {
            assert_eq!(satisfies(version(outside), range), Some(false), "{outside} not in {range:?}");
        }
    }
    for range in ["latest", "20.1.2.3", ">=", "20.x.1", "=>20", "!20", "20.1.0-rc.1"] {
        assert_eq!(satisfies(Version(20, 1, 0), range), None, "{range}");
    }
}

#[test]
fn projects_ask_for_versions_and_ranges() {
    let version = Version(20, 11, 0);
    let nvmrc = |text| record(|| projects::judge_version("shop/.nvmrc", text, version, at("2026-01-01"))).worst();
    for (text, worst) in [
        ("v20\n", Severity::Ok),
        ("# the line\n20.11.0 # as in production\n", Severity::Ok),
        ("20.10", Severity::Warning),
        ("lts/iron", Severity::Ok),
        ("lts/*", Severity::Warning),
        ("lts/none", Severity::Unknown),
        ("node", Severity::Unknown),
        ("", Severity::Unknown),
    ] {
        assert_eq!(nvmrc(text), worst, "{text:?}");
    }
    let engines = |text| record(|| projects::judge_engines("shop/package.json", text, version)).worst();
    for (text, worst) in [
        ("{}", Severity::Ok),
        (r#"{"engines":{"node":">=20"}}"#, Severity::Ok),
        (r#"{"engines":{"node":">=22"}}"#, Severity::Warning),
        (r#"{"engines":{"node":"new"}}"#, Severity::Unknown),
        ("{", Severity::Unknown),
    ] {
        assert_eq!(engines(text), worst, "{text:?}");
    }
}

/// As systemd 252 prints it.
const SHOWN: &str = "Id=shop.service\nLoadState=loaded\nExecStart={ path=/usr/bin/node ; argv[]=/usr/bin/node --max-old-space-size=900 app.js --verbose ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }\nEnvironment=NODE_ENV=production \"NODE_OPTIONS=--max-old-space-size=4096 --optimize-for-size\" TOKEN=hunter2\nMemoryMax=1073741824\n\nId=quiet.service\nLoadState=loaded\nExecStart={ path=/usr/sbin/nginx ; argv[]=/usr/sbin/nginx -g x ; ignore_errors=no }\nEnvironment=\nMemoryMax=infinity\n\nId=absent.service\nLoadState=not-found\nEnvironment=NODE_OPTIONS=--inspect\n";

#[test]
fn services_are_read_as_systemctl_shows_them() {
    let sources = sources::of_systemctl(SHOWN);
    assert_eq!(sources.len(), 2);
    assert_eq!(sources[0].options, ["--max-old-space-size=4096", "--optimize-for-size"]);
    assert_eq!(
        (sources[0].command.as_slice(), sources[0].limit),
        (&["--max-old-space-size=900".to_owned()][..], Some(1 << 30))
    );
    assert_eq!(sources[1], Source { name: "quiet.service".into(), ..Source::default() });
}

#[test]
fn files_are_read_as_shells_and_units_write_them() {
    for (text, options) in [
        ("NODE_OPTIONS=--inspect --trace-gc\n", &["--inspect", "--trace-gc"][..]),
        (
            "export NODE_OPTIONS=\"--max-old-space-size=4096\"\nexport NODE_OPTIONS=\"$NODE_OPTIONS --optimize-for-size\"\n",
            &["--max-old-space-size=4096", "--optimize-for-size"],
        ),
        ("[Service]\nEnvironment=A=b \"NODE_OPTIONS=--trace-gc\"\n", &["--trace-gc"]),
        ("# NODE_OPTIONS=--inspect\nMY_NODE_OPTIONS=--x\n", &[]),
    ] {
        assert_eq!(sources::of_text(text), options, "{text:?}");
    }
    assert_eq!(words(r#"a "b c" 'd\e' f\"g """#), ["a", "b c", r"d\e", "f\"g", ""]);
    assert_eq!(options_of(&["NODE_OPTIONS=a  b".into(), "OTHER=c".into()]), ["a", "b"]);
}

fn judge(source: Source) -> Recorded {
    let allowed = Allowed::new(["--max-old-space-size", "--inspect", "--warnings", "-r"].map(str::to_owned).into());
    let room = Room { bytes: 4 << 30 };
    record(|| judge_sources(&[source], &allowed, &room, Version(20, 0, 0), &settings(MANIFEST, json!({}))))
}

fn with(options: &[&str], limit: Option<u64>) -> Source {
    Source {
        name: "shop.service".into(),
        options: options.iter().map(|&word| word.to_owned()).collect(),
        limit,
        ..Source::default()
    }
}

#[test]
fn the_guides_own_option_is_told_by_its_name_and_no_value_is() {
    let recorded = judge(with(
        &["--optimize-for-size", "--inspect=secret", "--no-warnings", "-r", "./secret.js", "--bad=secret"],
        None,
    ));
    let told: Vec<&str> = recorded.findings.iter().map(|finding| finding.summary.as_str()).collect();
    assert_eq!(
        told,
        [
            "--bad is not allowed in NODE_OPTIONS: node 20.0.0 ends with code 9 at every start",
            "--optimize-for-size is not allowed in NODE_OPTIONS: node 20.0.0 ends with code 9 at every start",
        ]
    );
    assert!(!format!("{recorded:?}").contains("secret"));
}

#[test]
fn a_heap_is_held_against_the_memory_that_it_has() {
    let worst = |options: &[&str], limit| judge(with(options, limit)).worst();
    assert_eq!(worst(&["--max-old-space-size=3072"], None), Severity::Ok, "75 %");
    assert_eq!(worst(&["--max_old_space_size=3073"], None), Severity::Warning);
    assert_eq!(worst(&["--max-old-space-size", "4096"], None), Severity::Warning, "100 %");
    assert_eq!(worst(&["--max-old-space-size=4097"], None), Severity::Critical);
    assert_eq!(worst(&["--max-old-space-size=768"], Some(1 << 30)), Severity::Ok);
    assert_eq!(worst(&["--max-old-space-size=769"], Some(1 << 30)), Severity::Warning);
    assert_eq!(worst(&["--max-old-space-size=lots"], None), Severity::Unknown);
    let both =
        Source { command: vec!["--max-old-space-size=100".into()], ..with(&["--max-old-space-size=9999"], None) };
    assert_eq!(judge(both).worst(), Severity::Ok, "the command line goes before the environment");
    let told = judge(with(&["--max-old-space-size=4096"], Some(1 << 30)));
    assert_eq!(
        told.findings[0].summary,
        "a heap of up to 4.0 GiB is 400.0 % of the unit's memory limit, 1.0 GiB, critical above 100 %"
    );
}

#[test]
fn the_newest_release_of_the_line_is_found() {
    assert_eq!(newest(r#"["22.9.0","22.10.0","22.11.0-rc.1","23.0.0"]"#, 22), Some(Version(22, 10, 0)));
    assert_eq!(newest("\"22.1.0\"", 22), Some(Version(22, 1, 0)));
    assert_eq!(newest("", 22), None);
    assert_eq!(newest("[]", 22), None);
}

#[test]
fn a_line_that_is_over_is_not_installed() {
    let over = |day| {
        let mut ended = false;
        let recorded = record(|| ended = releases::has_ended(20, Some(at("2026-04-30")), at(day)));
        (ended, recorded.worst())
    };
    assert_eq!(over("2026-04-29"), (false, Severity::Ok));
    assert_eq!(over("2026-04-30"), (true, Severity::Critical));
}

#[test]
fn the_forms_in_the_manifest_are_those_that_are_called() {
    for form in [ABOUT, releases::LINK_READ, releases::TRY, releases::LINK_MAKE] {
        assert!(MANIFEST.contains(&form.replace('"', "\\\"")), "{form}");
    }
    assert!(MANIFEST.contains(&format!("[{}]", sources::SHOW.map(|argument| format!("\"{argument}\"")).join(", "))));
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("line", json!(22)),
            ("package", json!(1)),
            ("end_of_life_warning", json!("-1d")),
            ("end_of_life_critical", json!(0)),
            ("schedule", json!(["22"])),
            ("heap_warning", json!("x")),
            ("heap_critical", json!("2:1")),
            ("ignore", json!("a")),
        ],
    );
    for given in [json!({"line": "new"}), json!({"line": "0"}), json!({"line": "22.1"})] {
        assert!(releases::line(&settings(MANIFEST, given)).is_err());
    }
    for given in [json!({"schedule": {"x": "2031-04-30"}}), json!({"schedule": {"28": "2031-04-31"}})] {
        assert!(check_schedule(&settings(MANIFEST, given)).is_err());
    }
}
