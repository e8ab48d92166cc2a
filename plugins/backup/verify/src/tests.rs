//! What counts as a backup, whose turn it is, and what is damage.

use hostler_sdk::files::{Entry, Kind, Metadata, Ownership};
use hostler_sdk::testing::{record, refuses_each, settings};
use serde_json::json;

use super::*;
use item::{Content, Form, content, of};
use look::{Problem, is_tar, program_judged, same};
use tar::Tar;

const MANIFEST: &str = include_str!("../plugin.toml");
const DAY: i64 = 86_400;
const NOW: i64 = 1_737_500_000;

fn at(days: i64) -> Timestamp {
    Timestamp::from_seconds(NOW - days * DAY)
}

fn entry(path: &str, kind: Kind) -> Entry {
    let ownership = Ownership { user_id: 0, group_id: 0, mode: 0o600, user: None, group: None };
    let modified = NOW * 1_000_000_000;
    let metadata =
        Metadata { kind, device: 1, inode: 1, links: 1, size: 7, modified, accessed: 0, changed: 0, ownership };
    Entry { path: format!("/backups/{path}"), metadata }
}

#[test]
fn a_backup_is_known_whoever_made_it() {
    let directories = ["main-20250121T203400Z", "main-20250122T203400Z", "theirs", "unknown"];
    let files = [
        "main-20250121T203400Z/manifest.json",
        "main-20250121T203400Z/dump/toc.dat",
        "main-20250122T203400Z/globals.sql",
        "main-20250123T203400Z.partial/globals.sql",
        "theirs/toc.dat",
        "theirs/3000.dat.gz",
        "unknown/file",
        "app-20250121T203400Z.tar.zst",
        "app-20250121T203400Z.tar.zst.sha256",
        "shop.custom",
        "shop.custom.tmp",
        ".hidden",
    ];
    let entries: Vec<Entry> = directories
        .iter()
        .map(|name| entry(name, Kind::Directory))
        .chain(files.iter().map(|name| entry(name, Kind::File)))
        .collect();
    let told: Vec<(String, Form, u64)> =
        of("/backups/", &entries).into_iter().map(|item| (item.name, item.form, item.bytes)).collect();
    let expected = [
        ("app-20250121T203400Z.tar.zst", Form::File { checksum: true }, 7),
        ("main-20250121T203400Z", Form::Set, 14),
        ("main-20250122T203400Z", Form::Bare, 7),
        ("shop.custom", Form::File { checksum: false }, 7),
        ("theirs", Form::Directory, 14),
    ];
    assert_eq!(told, expected.map(|(name, form, bytes)| (name.to_owned(), form, bytes)));
}

#[test]
fn contents_are_known_by_their_beginning() {
    assert_eq!(content(b"PGDMP\x01\x0e"), Content::Dump);
    assert_eq!(content(&[0x28, 0xb5, 0x2f, 0xfd, 0]), Content::Zstd);
    assert_eq!(content(&[0x1f, 0x8b, 8]), Content::Gzip);
    assert_eq!((content(b""), content(b"--\n-- PostgreSQL")), (Content::Plain, Content::Plain));
    assert!(is_tar("a.tar.zst") && is_tar("a.tgz") && !is_tar("a.sql.gz"));
}

fn item(name: &str, days: i64) -> Item {
    Item { name: name.into(), form: Form::Set, bytes: 1, at: at(days) }
}

#[test]
fn what_was_never_read_comes_first_then_what_waited_longest_and_damage_in_every_run() {
    let items = [item("new", 0), item("newer", 1), item("long", 9), item("short", 9), item("bad", 9), item("fresh", 9)];
    let mut turns = Turns::default();
    for (place, days, damaged) in [(2, 20, false), (3, 7, false), (4, 1, true), (5, 6, false)] {
        turns.took(&items[place], Turn { at: at(days), damaged });
    }
    turns.took(&item("removed", 1), Turn { at: at(1), damaged: true });
    turns.keep(&items);
    let due: Vec<&str> =
        turns.due(&items, at(0), Duration::from_days(7.0)).iter().map(|item| item.name.as_str()).collect();
    assert_eq!(due, ["new", "newer", "long", "short", "bad"]);
    let judged = |days: f64| record(|| turns.judge("backups", &items, at(0), Duration::from_days(days)));
    assert_eq!(judged(10.0).told(), [], "20 days are not more than twice ten");
    assert_eq!(judged(9.9).told(), [("cycle-behind", "backups", Severity::Warning)]);
    assert_eq!(judged(10.0).metric("backup_verification_age_seconds"), Some(20.0 * DAY as f64));
}

#[test]
fn a_program_that_cannot_read_an_archive_says_nothing_about_it() {
    let judged = |code, words: &str| program_judged("pg_restore", code, words.as_bytes());
    assert!(judged(Some(0), "pg_restore: warning: x").is_ok());
    let damage = judged(Some(1), "pg_restore: error: could not read from input file: end of file");
    assert!(matches!(damage, Err(Problem::Damaged(what)) if what.contains("end of file")));
    for words in ["pg_restore: error: unsupported version (1.16) in file header", "this build does not support zstd"] {
        assert!(matches!(judged(Some(1), words), Err(Problem::Unknown(_))), "{words}");
    }
    assert!(matches!(judged(None, ""), Err(Problem::Unknown(_))), "ended by a signal, which may be anybody's");
}

#[test]
fn a_checksum_is_its_first_word() {
    assert!(same(b"ABC1  file\n", "abc1").is_ok());
    assert!(same(b"abc2  file\n", "abc1").is_err() && same(b"\n", "abc1").is_err());
}

/// One entry as tar writes it.
fn packed(contents: &[u8]) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..4].copy_from_slice(b"file");
    header[124..135].copy_from_slice(format!("{:011o}", contents.len()).as_bytes());
    header[156] = b'0';
    header[148..156].fill(b' ');
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    header.extend_from_slice(contents);
    header.resize(header.len().next_multiple_of(512), 0);
    header
}

#[test]
fn a_tar_is_read_to_its_end_however_its_bytes_come() {
    let whole = [packed(&[7; 700]), packed(b""), packed(&[1; 512]), vec![0; 1024]].concat();
    let read = |bytes: &[u8], piece: usize| {
        let mut tar = Tar::default();
        bytes.chunks(piece).try_for_each(|piece| tar.take(piece)).and_then(|()| tar.end())
    };
    for piece in [1, 511, 512, 513, 10_000] {
        assert_eq!(read(&whole, piece), Ok(()));
    }
    let cut = read(&whole[..whole.len() - 1024], 512).expect_err("it has no end");
    assert!(cut.contains("after 3 entries"), "{cut}");
    assert!(read(&whole[..600], 512).is_err() && read(&[], 1).is_err());
    let mut changed = whole.clone();
    changed[1540] ^= 1;
    assert!(read(&changed, 512).expect_err("a header was changed").contains("entry 2"));
}

#[test]
fn bad_settings_are_refused() {
    let usual: Settings = settings(MANIFEST, json!({}));
    assert_eq!(usual.every, Duration::from_days(7.0));
    refuses_each(
        MANIFEST,
        &[("every", json!("-1s")), ("every", json!(7)), ("time", json!("0s")), ("decode_timeout", json!("0s"))],
    );
}
