//! What may go, and what is left alone.

use hostler_sdk::files::{Entry, Kind, Metadata, Ownership};
use hostler_sdk::testing::{refuses_each, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");

fn entry(name: &str, kind: Kind, modified: i64, accessed: i64, links: u64) -> Entry {
    let ownership = Ownership { user_id: 0, group_id: 0, mode: 0o600, user: None, group: None };
    let metadata = Metadata { kind, device: 1, inode: 1, links, size: 10, modified, accessed, changed: 0, ownership };
    Entry { path: format!("/directories/tmp/{name}"), metadata }
}

#[test]
fn only_what_nobody_used_may_go_and_the_oldest_first() {
    let settings: Settings = settings(MANIFEST, json!({}));
    let open = BTreeSet::from(["/directories/tmp/open".to_owned()]);
    let rules = Rules { root: "/directories/tmp/".into(), before: 100, exclude: &settings.exclude, open: &open };
    let chosen = rules.choose(&[
        entry("old", Kind::File, 50, 60, 1),
        entry("older", Kind::File, 10, 20, 1),
        entry("changed", Kind::File, 100, 20, 1),
        entry("read", Kind::File, 10, 100, 1),
        entry("open", Kind::File, 10, 20, 1),
        entry("linked", Kind::File, 10, 20, 2),
        entry("link", Kind::Link, 10, 20, 1),
        entry("pipe", Kind::Other, 10, 20, 1),
        entry("directory", Kind::Directory, 10, 20, 2),
        entry("base/pgsql_tmp/pgsql_tmp9.0", Kind::File, 10, 20, 1),
        entry(".X0-lock", Kind::File, 10, 20, 1),
    ]);
    let paths: Vec<&str> = chosen.old.iter().map(|old| old.path.as_str()).collect();
    assert_eq!(paths, ["/directories/tmp/older", "/directories/tmp/old"]);
    let why: Vec<(&str, usize)> = chosen.left_alone.into_iter().collect();
    assert_eq!(
        why,
        [("excluded", 2), ("it has another name elsewhere", 1), ("no regular file", 2), ("open", 1), ("used since", 2)]
    );
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[("age", json!("1s")), ("exclude", json!("a")), ("limit", json!(0)), ("warning", json!("x"))],
    );
}
