//! What a document is told to lack, at the edges of what is allowed.

use hostler_sdk::testing::{record, refuses_each, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");
const DAY: i64 = 86_400;

fn defaults() -> Settings {
    settings(MANIFEST, json!({}))
}

fn look(text: &str, changed: Option<i64>) -> Vec<(String, Severity)> {
    let there = BTreeSet::from(["a.md".to_owned()]);
    let programs = BTreeSet::from(["ls".to_owned()]);
    let now = Timestamp::from_compact("20260701T120000Z").unwrap();
    let changed = changed.map(|days| Timestamp::from_seconds((now.0 / 1000) as i64 - days * DAY));
    let around = Surroundings { there: &there, programs: Some(&programs), changed, now };
    let document = Document::look("docs.md", "docs/docs.md", text, &around, &defaults());
    document.faults.into_iter().map(|fault| (fault.code, fault.severity)).collect()
}

fn one(code: &str, severity: Severity) -> Vec<(String, Severity)> {
    vec![(code.to_owned(), severity)]
}

#[test]
fn a_review_is_due_after_ninety_days_and_overdue_after_a_hundred_and_eighty() {
    let reviewed = |day: &str| look(&format!("---\nowner: ada\nlast-reviewed: {day}\n---\n"), None);
    assert_eq!(reviewed("2026-04-02"), []);
    assert_eq!(reviewed("2026-04-01"), one("review-overdue", Severity::Warning));
    assert_eq!(reviewed("2026-01-02"), one("review-overdue", Severity::Warning));
    assert_eq!(reviewed("2026-01-01"), one("review-overdue", Severity::Critical));
    assert_eq!(reviewed("2026-07-02"), one("date-not-understood", Severity::Unknown));
    assert_eq!(reviewed("soon"), one("date-not-understood", Severity::Unknown));
}

#[test]
fn without_a_day_git_tells_and_without_git_it_is_unknown() {
    let text = "---\nowner: ada\n---\n";
    assert_eq!(look(text, Some(90)), []);
    assert_eq!(look(text, Some(91)), one("review-overdue", Severity::Warning));
    assert_eq!(look(text, None), one("review-unknown", Severity::Unknown));
    assert_eq!(look("# no owner", Some(1)), one("owner-missing", Severity::Warning));
}

#[test]
fn links_fences_and_commands_are_held_against_what_is_there() {
    let with = |text: &str| look(&format!("---\nowner: ada\nlast-reviewed: 2026-06-30\n---\n{text}"), None);
    assert_eq!(with("[a](a.md) [b](#b)\n```sh\nls\n```\n"), []);
    assert_eq!(with("[a](b.md)"), one("link-dead", Severity::Warning));
    assert_eq!(with("[a](../b.md)"), one("link-outside", Severity::Unknown));
    assert_eq!(with("```yaml\na: 1\n```typescript\n"), one("fence-not-closed", Severity::Warning));
    assert_eq!(with("```bash\nnvm install lts/*\n```"), one("command-missing", Severity::Warning));
}

#[test]
fn what_is_too_much_to_read_is_counted() {
    let mut told = Told { most: 2, ..Told::default() };
    let recorded = record(|| {
        for name in ["a", "b", "c", "d"] {
            told.tell(finding!(Severity::Warning, "owner-missing", name, "none"));
        }
        told.finish(true);
    });
    let subjects: Vec<&str> = recorded.findings.iter().map(|finding| finding.subject.as_str()).collect();
    assert_eq!((subjects, recorded.worst()), (vec!["a", "b", "2 more"], Severity::Warning));
}

#[test]
fn the_newest_change_of_a_file_counts() {
    let changes = history::read("@200\n\na.md\nb c.md\n@100\n\na.md\nd.md\n");
    let of = |path: &str| changes.get(path).map(|at| at.0);
    assert_eq!((of("a.md"), of("b c.md"), of("d.md"), of("e")), (Some(200_000), Some(200_000), Some(100_000), None));
    assert!(history::read("fatal: not a repository").is_empty());
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("files", json!("*.md")),
            ("exclude", json!(1)),
            ("review_warning", json!("x")),
            ("review_critical", json!("2:1")),
            ("require_owner", json!("yes")),
            ("draws", json!(["a"])),
            ("most", json!(0)),
        ],
    );
}
