//! Which archives go and which stay, and what is said of an archive; the packing itself is the host's.

use std::process::{Command, Stdio};

use hostler_sdk::files::{Entry, Kind, Metadata, Ownership};
use hostler_sdk::testing;
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");
const NOW: i64 = 1_737_491_640;

fn day(back: i64) -> Timestamp {
    Timestamp::from_seconds(NOW - back * 86_400)
}

fn entry(name: &str, kind: Kind, size: u64) -> Entry {
    let ownership = Ownership { user_id: 0, group_id: 0, mode: 0o600, user: None, group: None };
    let metadata =
        Metadata { kind, device: 1, inode: 2, links: 1, size, modified: 0, accessed: 0, changed: 0, ownership };
    Entry { path: format!("/destination/{name}"), metadata }
}

fn shelf(source: &str, names: &[String]) -> Shelf {
    let entries: Vec<Entry> = names.iter().map(|name| entry(name, Kind::File, 10)).collect();
    Shelf::read(source, names.iter().map(String::as_str).zip(&entries))
}

fn whole(source: &str, back: i64) -> [String; 2] {
    let archive = archive_name(source, day(back));
    let sidecar = sidecar_name(&archive);
    [archive, sidecar]
}

fn gone(shelf: &Shelf, keep: usize, keep_days: Option<f64>, newest: &str, best: Option<&str>) -> Vec<String> {
    let retention = Retention { keep, keep_for: keep_days.map(Duration::from_days) };
    let gone = superfluous(&retention, shelf, &Kept { newest, best }, day(0));
    gone.iter().map(|entry| entry.path.strip_prefix("/destination/").expect("it is below").to_owned()).collect()
}

#[test]
fn the_settings_are_the_manifests() {
    let defaults: Settings = testing::settings(MANIFEST, json!({}));
    assert_eq!((defaults.keep, defaults.keep_days), (7, None));
    let given: Settings = testing::settings(MANIFEST, json!({ "keep": 2, "keep_days": 30 }));
    assert_eq!((given.keep, given.keep_days), (2, Some(30.0)));
    for (bad, said) in [
        (json!({ "keep": 0 }), "keep"),
        (json!({ "keep": "7" }), "keep"),
        (json!({ "keep_days": 0 }), "keep_days"),
        (json!({ "keep_days": 1.5 }), "keep_days"),
        (json!({ "kept": 3 }), "kept"),
    ] {
        assert!(testing::refuses(MANIFEST, bad.clone()).is_some_and(|why| why.starts_with(said)), "{bad}");
    }
}

#[test]
fn only_what_is_beyond_the_count_goes_the_oldest_first() {
    let names: Vec<String> = (1..=4).flat_map(|back| whole("shop", back)).collect();
    let mut shelf = shelf("shop", &names);
    let new = archive_name("shop", day(0));
    shelf.add(&new);
    assert_eq!(gone(&shelf, 3, None, &new, None), [whole("shop", 4), whole("shop", 3)].concat());
    assert!(gone(&shelf, 5, None, &new, None).is_empty());
}

#[test]
fn what_is_too_old_goes_and_the_new_one_never() {
    let names: Vec<String> = [10, 40].into_iter().flat_map(|back| whole("shop", back)).collect();
    let mut shelf = shelf("shop", &names);
    let new = archive_name("shop", day(0));
    shelf.add(&new);
    assert_eq!(gone(&shelf, 7, Some(30.0), &new, None), whole("shop", 40));
    let old = archive_name("shop", day(40));
    assert!(gone(&shelf, 7, Some(30.0), &old, None).is_empty(), "the newest stays whatever its age");
}

#[test]
fn the_archive_that_lacks_least_stays() {
    let names: Vec<String> = (1..=3).flat_map(|back| whole("shop", back)).collect();
    let mut shelf = shelf("shop", &names);
    let new = archive_name("shop", day(0));
    shelf.add(&new);
    let best = archive_name("shop", day(3));
    assert_eq!(gone(&shelf, 1, Some(1.0), &new, Some(&best)), [whole("shop", 2), whole("shop", 1)].concat());
}

#[test]
fn files_of_others_are_never_touched() {
    let stamp = day(90).compact();
    let names = [
        format!("shop-2-{stamp}.tar.zst"),
        format!("shop-{stamp}.tar.gz"),
        format!("shop-{stamp}.tar.zst.part"),
        format!("shopping-{stamp}.tar.zst"),
        "shop-20251341T000000Z.tar.zst".into(),
        "shop-.tar.zst".into(),
        ".tar.zst".into(),
        "notes".into(),
    ];
    let mut found = shelf("shop", &names);
    found.add("new");
    assert!(gone(&found, 1, Some(1.0), "new", None).is_empty());
    assert_eq!(gone(&shelf("shop-2", &names), 1, Some(1.0), "new", None), [names[0].clone()]);
    let named = archive_name("shop", day(90));
    for kind in [Kind::Directory, Kind::Link, Kind::Other] {
        let other = entry(&named, kind, 1);
        let found = Shelf::read("shop", [(named.as_str(), &other)].into_iter());
        assert!(gone(&found, 1, Some(1.0), "new", None).is_empty());
    }
}

#[test]
fn what_a_killed_run_left_does_not_count_and_is_cleared_in_the_end() {
    let [alone, _] = whole("shop", 1);
    let [_, left] = whole("shop", 9);
    let names = [vec![alone.clone(), left.clone()], whole("shop", 2).to_vec()].concat();
    let mut shelf = shelf("shop", &names);
    let new = archive_name("shop", day(0));
    assert!(!shelf.has(&alone) && shelf.has(&names[2]));
    shelf.add(&new);
    assert_eq!(
        gone(&shelf, 2, None, &new, None),
        std::slice::from_ref(&left),
        "the whole one is kept, the checksum without an archive is not"
    );
    assert_eq!(
        gone(&shelf, 1, None, &new, None),
        [vec![left], whole("shop", 2).to_vec(), vec![alone.clone()]].concat()
    );
    let recorded = testing::record(|| shelf.report("shop", &new, &[]));
    assert_eq!(recorded.told(), [("checksum-missing", "shop", Severity::Warning)]);
    assert!(recorded.findings[0].summary.contains(&alone));
    let removed = [format!("/destination/{alone}")];
    assert_eq!(testing::record(|| shelf.report("shop", &new, &removed)).told(), [], "the run took it away");
}

#[test]
fn a_destination_without_room_is_told_before_the_work() {
    assert!(no_room(100, None).is_none());
    assert!(no_room(100, Some(100)).is_none());
    let told = no_room(99, Some(100)).expect("there is no room");
    assert!(told.message().contains("99 B left"), "{told}");
    let names = whole("shop", 1);
    assert_eq!(shelf("shop", &names).newest_size(), Some(10));
}

#[test]
fn the_best_archive_is_replaced_only_by_one_that_lacks_no_more() {
    let best = better(None, "a", 3).expect("the first is the best");
    assert_eq!(better(Some(&best), "b", 4), None);
    assert_eq!(better(Some(&best), "b", 3), Some(Best { archive: "b".into(), left_out: 3 }));
}

fn archived(skipped: usize) -> Archived {
    let skipped = (0..skipped).map(|number| (format!("source/shop/{number}"), "permission denied".into())).collect();
    Archived { files: 3, bytes_read: 2048, bytes_written: 512, sha256: vec![0xab; 32], skipped }
}

#[test]
fn a_whole_archive_is_figures_and_no_finding() {
    let recorded = testing::record(|| told("shop", "a.tar.zst", &archived(0), Duration::from_seconds(2.0)));
    assert!(recorded.findings.is_empty() && recorded.attachments.is_empty());
    assert_eq!(recorded.metric("backup_written_bytes"), Some(512.0));
    assert_eq!(recorded.metric("backup_duration_seconds"), Some(2.0));
    assert_eq!(recorded.tables[0].rows[0][5], "ab".repeat(32));
}

#[test]
fn what_is_left_out_is_named() {
    let recorded = testing::record(|| told("shop", "a.tar.zst", &archived(1), Duration::default()));
    assert_eq!(recorded.told(), [("files-skipped", "shop", Severity::Warning)]);
    assert_eq!(recorded.findings[0].detail.as_deref(), Some("source/shop/0: permission denied"));
    assert!(recorded.findings[0].summary.starts_with("1 path was left out of a.tar.zst"));
    let recorded = testing::record(|| told("shop", "a.tar.zst", &archived(8), Duration::default()));
    assert!(
        recorded.findings[0].detail.as_deref().is_some_and(|detail| detail.ends_with("and 3 more, in the attachment"))
    );
    assert_eq!(recorded.attachments[0].content.iter().filter(|byte| **byte == b'\n').count(), 8);
}

#[test]
fn a_failure_is_critical_and_carries_its_remedy() {
    let finding = TURNS.failed("shop", &no_room(1, Some(2)).expect("there is no room"));
    assert_eq!(finding.severity, Severity::Critical);
    assert_eq!(finding.remedy.as_deref(), Some("free space at the destination, or lower `keep`"));
    assert!(TURNS.failed("shop", &TaskError::new("a")).remedy.is_some());
    let recorded = testing::record(|| TURNS.not_reached(["shop"].into_iter(), "interrupted"));
    assert_eq!(recorded.told(), [("not-backed-up", "shop", Severity::Unknown)]);
}

/// The checksum is for operators: the tool that they have has to read it.
#[test]
fn sha256sum_reads_the_sidecar() {
    let directory = std::env::temp_dir().join(format!("backup-files-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory of its own");
    let empty = [
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae,
        0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ];
    let check = |contents: &[u8]| {
        std::fs::write(directory.join("a.tar.zst"), contents).expect("written");
        std::fs::write(directory.join("a.tar.zst.sha256"), sidecar(&empty, "a.tar.zst")).expect("written");
        let mut command = Command::new("sha256sum");
        command.args(["--check", "--strict", "a.tar.zst.sha256"]).current_dir(&directory);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("sha256sum is there").success()
    };
    let (whole, damaged) = (check(b""), check(b"x"));
    std::fs::remove_dir_all(&directory).expect("removed");
    assert!(whole && !damaged);
}
