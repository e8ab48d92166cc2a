//! Names, retention, manifests and last words, at their edges.

use hostler_sdk::files::{Entry, Kind, Metadata, Ownership};
use hostler_sdk::shell::{Completed, Outcome};
use hostler_sdk::{Duration, Timestamp};

use super::*;

const DAY: i64 = 86_400;
const NOW: i64 = 1_737_500_000;

fn at(days: i64) -> Timestamp {
    Timestamp::from_seconds(NOW - days * DAY)
}

fn entry(path: &str, kind: Kind) -> Entry {
    let ownership = Ownership { user_id: 0, group_id: 0, mode: 0o600, user: None, group: None };
    let metadata =
        Metadata { kind, device: 1, inode: 1, links: 1, size: 1, modified: 0, accessed: 0, changed: 0, ownership };
    Entry { path: format!("/backups/{path}"), metadata }
}

fn shelf(names: &[&str]) -> Shelf {
    let entries: Vec<Entry> = names
        .iter()
        .map(|name| match name.rsplit_once('/') {
            Some((_, "")) => entry(name.trim_end_matches('/'), Kind::Directory),
            _ => entry(name, Kind::File),
        })
        .collect();
    Shelf::of("/backups/", &entries)
}

#[test]
fn sets_are_known_by_their_names_and_whole_by_their_manifest() {
    let shelf = shelf(&[
        "shop-20250121T203400Z/",
        "shop-20250121T203400Z/manifest.json",
        "shop-20250121T203400Z/proof.json",
        "my-shop-20250122T203400Z/",
        "my-shop-20250122T203400Z/globals.sql",
        "shop-20250123T203400Z.partial/",
        "shop-20250123T203400Z.partial/manifest.json",
        "shop-20250124T203400Z",
        "shop-20251324T203400Z/",
        "somebody-elses/",
        "-20250121T203400Z/",
    ]);
    let told: Vec<(&str, &str, bool, bool)> =
        shelf.sets.iter().map(|set| (set.name.as_str(), set.of.as_str(), set.whole, set.proven)).collect();
    assert_eq!(
        told,
        [("my-shop-20250122T203400Z", "my-shop", false, false), ("shop-20250121T203400Z", "shop", true, true)]
    );
    assert_eq!(shelf.unfinished, ["shop-20250123T203400Z.partial"]);
    assert_eq!(shelf.names(), ["my-shop", "shop"]);
    assert_eq!(set_name("shop", Timestamp::from_seconds(1_737_491_640)), "shop-20250121T203400Z");
}

#[test]
fn retention_keeps_the_newest_whole_ones_and_drops_what_is_not_whole_behind_them() {
    let items = |whole: &[bool]| -> Vec<Item> {
        let item = |(place, whole): (usize, &bool)| Item { at: at(place as i64), whole: *whole, kept: place == 0 };
        whole.iter().enumerate().map(item).collect()
    };
    let goes = |keep, keep_for: Option<f64>, whole: &[bool]| {
        let retention = Retention { keep, keep_for: keep_for.map(Duration::from_days) };
        retention.superfluous(&items(whole), at(0))
    };
    assert_eq!(goes(2, None, &[true, true, true]), [false, false, true]);
    assert_eq!(goes(2, None, &[true, false, true, false]), [false, false, false, true]);
    assert_eq!(goes(9, Some(1.0), &[true, true, true]), [false, false, true], "its age has to be above the limit");
    assert_eq!(goes(1, Some(0.5), &[true]), [false], "what is kept is kept whatever its age");
}

#[test]
fn the_newest_proven_set_and_what_is_needed_are_never_removed() {
    let set = |days: i64, proven: bool| Set {
        name: set_name("shop", at(days)),
        of: "shop".into(),
        at: at(days),
        whole: true,
        proven,
    };
    let other = Set { of: "mail".into(), ..set(50, false) };
    let shelf = Shelf {
        sets: vec![set(0, false), set(1, false), set(2, true), set(3, true), set(4, false), other],
        unfinished: vec![],
    };
    let retention = Retention { keep: 1, keep_for: Some(Duration::from_days(0.5)) };
    let gone = |needed: i64| -> Vec<Timestamp> {
        shelf.superfluous("shop", &retention, at(0), |set| set.at == at(needed)).iter().map(|set| set.at).collect()
    };
    assert_eq!(gone(99), [at(4), at(3), at(1)], "the oldest first");
    assert_eq!(gone(4), [at(3), at(1)]);
}

#[test]
fn a_manifest_goes_both_ways_and_what_is_none_is_refused() {
    let manifest = Manifest {
        format: FORMAT,
        set: "shop-1".into(),
        server_version: 150_018,
        files: vec![File { path: "dump/toc.dat".into(), bytes: 7, sha256: "0".repeat(64) }],
        tables: vec![TableRows { schema: "public".into(), name: "orders".into(), rows: Some(3) }],
        ..Manifest::default()
    };
    let text = serde_json::to_vec(&manifest).expect("it is JSON");
    assert_eq!(Manifest::parse(&text), Ok(manifest.clone()));
    assert_eq!((manifest.bytes(), manifest.major()), (7, 15));
    for (text, says) in [
        (&b"{"[..], "damaged"),
        (b"{\"format\": 1}", "damaged"),
        (b"{\"format\": 2}", "format 2"),
        (b"{\"format\": 0}", "format 0"),
        (b"", "damaged"),
    ] {
        let refusal = Manifest::parse(text).expect_err("it is none").to_string();
        assert!(refusal.contains(says), "{refusal}");
    }
}

#[test]
fn a_program_that_failed_is_told_with_its_words_and_what_helps() {
    let ended = |code: Option<i32>, stderr: &str| {
        let completed = Completed {
            exit_code: code,
            signal: code.is_none().then_some(9),
            stdout: vec![],
            stderr: stderr.as_bytes().to_vec(),
            truncated: false,
            sha256: None,
            duration_ms: 1,
        };
        ended_well("pg_dump", Outcome::Completed(completed))
    };
    assert!(ended(Some(0), "warning").is_ok_and(|done| done.is_some()));
    assert!(matches!(ended_well("pg_dump", Outcome::Planned), Ok(None)));
    for (stderr, says, helps) in [
        (
            "pg_dump: error: aborting because of server version mismatch\npg_dump: detail: server version: 17.4; pg_dump version: 15.18\n",
            "server version: 17.4",
            "postgresql-client-NN",
        ),
        (
            "pg_dump: last built-in OID is 16383\npg_dump: error: query failed: ERROR:  permission denied for table a\n",
            "permission denied for table a",
            "pg_read_all_data",
        ),
        ("pg_dump: error: could not write to file: No space left on device\n", "No space", "free space"),
        ("", "it said nothing", "run the task again"),
        ("segmentation\n", "segmentation", "run the task again"),
    ] {
        let error = ended(Some(1), stderr).expect_err("it failed");
        assert!(error.message().starts_with("pg_dump ended with 1: ") && error.message().contains(says), "{error}");
        assert!(error.advice().is_some_and(|advice| advice.contains(helps)), "{error}");
    }
    assert!(ended(None, "").expect_err("it was killed").message().contains("signal 9"));
}
