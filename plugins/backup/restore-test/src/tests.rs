//! What is refused, what agrees, and when the last proof is too old.

use hostler_sdk::testing::{record, refuses_each, settings};
use serde_json::json;
use shared_backups::{Manifest, TableRows};

use super::*;
use compare::{answered, difference};
use test::{is_production, new_enough};

const MANIFEST: &str = include_str!("../plugin.toml");
const NOW: i64 = 1_737_500_000;

fn manifest() -> Manifest {
    Manifest { system_identifier: "7".into(), server_version: 170_004, ..Manifest::default() }
}

#[test]
fn production_is_known_by_its_identifier_and_an_older_server_is_refused() {
    assert!(is_production("7", &manifest()) && !is_production("8", &manifest()));
    assert!(new_enough(170_000, &manifest()).is_ok() && new_enough(180_001, &manifest()).is_ok());
    let refusal = new_enough(160_009, &manifest()).expect_err("it is older").to_string();
    assert!(refusal.contains("version 16") && refusal.contains("version 17 or later"), "{refusal}");
}

#[test]
fn rows_agree_or_differ_by_what_is_said() {
    let table = |rows| TableRows { schema: "public".into(), name: "orders".into(), rows };
    assert_eq!(difference(&table(Some(3)), Some(3)), None);
    assert_eq!(difference(&table(Some(3)), Some(2)).as_deref(), Some("public.orders has 2 of 3 rows"));
    assert_eq!(difference(&table(Some(0)), None).as_deref(), Some("public.orders is not there, and had 0 rows"));
    assert_eq!(difference(&table(None), Some(9)), None, "it was not counted");
}

#[test]
fn a_query_answers_with_one_true() {
    assert!(answered(&[true]).is_ok());
    for bad in [&[][..], &[false], &[true, true]] {
        assert!(answered(bad).is_err());
    }
}

#[test]
fn the_age_of_the_last_proof_is_judged_at_its_edges() {
    let usual: Settings = settings(MANIFEST, json!({}));
    let at = |days: f64| Timestamp::from_seconds(NOW - (days * 86_400.0) as i64);
    let set = |days: f64| Set { name: "shop-1".into(), of: "shop".into(), at: at(days), whole: true, proven: false };
    let worst = |last: Option<f64>, first: f64| {
        record(|| judge_age("shop", last.map(at), Some(&set(first)), at(0.0), &usual)).worst()
    };
    assert_eq!(
        [worst(Some(30.0), 99.0), worst(Some(30.1), 99.0), worst(Some(45.0), 99.0), worst(Some(45.1), 99.0)],
        [Severity::Ok, Severity::Warning, Severity::Warning, Severity::Critical]
    );
    assert_eq!([worst(None, 30.0), worst(None, 46.0)], [Severity::Ok, Severity::Critical], "never, and since when");
    let never = record(|| judge_age("shop", None, Some(&set(46.0)), at(0.0), &usual));
    assert_eq!(never.told(), [("proof-old", "shop", Severity::Critical)]);
    assert_eq!(never.metric("backup_proof_age_seconds"), None);
}

#[test]
fn all_sets_are_meant_unless_some_are_named() {
    let set = |of: &str| Set { name: format!("{of}-1"), of: of.into(), whole: true, ..Set::default() };
    let shelf = Shelf { sets: vec![set("shop"), set("mail"), set("shop")], unfinished: vec![] };
    assert_eq!(wanted(&[], &shelf), ["mail", "shop"]);
    assert_eq!(wanted(&["gone".into()], &shelf), ["gone"]);
}

#[test]
fn bad_settings_are_refused() {
    let given: Settings = settings(MANIFEST, json!({"queries": {"some": "SELECT true"}}));
    assert_eq!(given.queries["some"], "SELECT true");
    refuses_each(
        MANIFEST,
        &[
            ("sets", json!("shop")),
            ("queries", json!(["SELECT true"])),
            ("jobs", json!(0)),
            ("jobs", json!(65)),
            ("amcheck", json!("yes")),
            ("timeout", json!("0s")),
            ("age_warning", json!("1s")),
            ("age_critical", json!(45)),
        ],
    );
}
