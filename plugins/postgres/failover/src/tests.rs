//! Which standby could take over, at the edges of what is allowed, and what is said of rehearsals.

use hostler_sdk::testing::{Cell, Recorded, record, refuses_each, rows_of, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");
const MIB: f64 = 1_048_576.0;

fn defaults() -> Settings {
    settings(MANIFEST, json!({}))
}

fn row(cells: &[(&str, Cell)], changed: &[(&str, Cell)]) -> Row {
    let columns: Vec<&str> = cells.iter().map(|(name, _)| *name).collect();
    let value = |(name, cell): &(&str, Cell)| {
        changed.iter().find(|(other, _)| other == name).map_or_else(|| cell.clone(), |(_, cell)| cell.clone())
    };
    let values: Vec<Cell> = cells.iter().map(value).collect();
    rows_of(&columns, &[values]).one().expect("a row")
}

fn sizes() -> Vec<(&'static str, Cell)> {
    [
        "max_connections",
        "max_worker_processes",
        "max_wal_senders",
        "max_prepared_transactions",
        "max_locks_per_transaction",
    ]
    .map(|name| (name, Cell::Int64(64)))
    .to_vec()
}

fn primary(changed: &[(&str, Cell)]) -> Primary {
    let mut cells: Vec<(&str, Cell)> = vec![
        ("role", "hostler".into()),
        ("sees_all", true.into()),
        ("lsn", (1000.0 * MIB).into()),
        ("timeline", 3_i64.into()),
        ("synchronous", "".into()),
        ("hints", true.into()),
        ("full_pages", true.into()),
        ("archives", false.into()),
        ("logical", "".into()),
        ("holding", 0_i64.into()),
        ("tablespaces", 0_i64.into()),
        ("bytes", 1e9.into()),
    ];
    cells.extend(sizes());
    Primary::of(&row(&cells, changed), 150_018, "7000").expect("a primary")
}

fn standby(name: &str, changed: &[(&str, Cell)]) -> Standby {
    standby_of("7000", name, changed)
}

fn standby_of(identity: &str, name: &str, changed: &[(&str, Cell)]) -> Standby {
    let mut cells: Vec<(&str, Cell)> = vec![
        ("role", "hostler".into()),
        ("sees_all", true.into()),
        ("in_recovery", true.into()),
        ("receiving", true.into()),
        ("paused", false.into()),
        ("received", (1000.0 * MIB).into()),
        ("waiting", 0.0.into()),
        ("timeline", 3_i64.into()),
        ("delay", "0".into()),
        ("target", "latest".into()),
        ("synchronous", "".into()),
        ("archives", false.into()),
    ];
    cells.extend(sizes());
    Standby::of(name, &row(&cells, changed), 150_018, identity).expect("a standby")
}

fn tell(primary: &Primary, standbys: &[Standby]) -> (Vec<String>, Recorded) {
    let mut ready = vec![];
    let recorded = record(|| {
        ready = ready::report(primary, standbys, 0, &defaults()).into_iter().map(|standby| standby.name).collect();
    });
    (ready, recorded)
}

fn codes(recorded: &Recorded) -> Vec<(&str, Severity)> {
    recorded.findings.iter().map(|one| (one.code.as_str(), one.severity)).collect()
}

#[test]
fn a_standby_that_follows_is_ready_and_the_best_is_the_one_that_would_lose_least() {
    let behind = |mebibytes: f64| standby("far", &[("received", ((1000.0 - mebibytes) * MIB).into())]);
    let (ready, recorded) = tell(&primary(&[]), &[behind(900.0), standby("near", &[])]);
    assert_eq!((ready, codes(&recorded)), (vec!["near".to_owned(), "far".to_owned()], vec![]));
    let worst = |mebibytes: f64, lsn: f64| {
        let primary = primary(&[("lsn", (lsn * MIB).into())]);
        tell(&primary, &[standby("one", &[("received", ((lsn - mebibytes) * MIB).into())])]).1.worst()
    };
    assert_eq!(
        [worst(16.0, 1000.0), worst(16.1, 1000.0), worst(1024.0, 2000.0), worst(1024.1, 2000.0)],
        [Severity::Ok, Severity::Warning, Severity::Warning, Severity::Critical]
    );
}

#[test]
fn each_reason_that_keeps_a_standby_from_taking_over_is_named_with_its_remedy() {
    for (changed, words) in [
        (("receiving", Cell::Boolean(false)), "it receives nothing from the primary"),
        (("paused", true.into()), "its replay is paused"),
        (("delay", "1h".into()), "it replays 1h later on purpose"),
        (("waiting", (1025.0 * MIB).into()), "it has 1.0 GiB to replay before it takes over"),
        (("target", "current".into()), "recovery_target_timeline is \"current\""),
        (("max_connections", 63_i64.into()), "max_connections is 63 and on the primary 64"),
    ] {
        let (ready, recorded) = tell(&primary(&[]), &[standby("one", &[changed])]);
        assert!(ready.is_empty(), "{words}");
        assert_eq!(codes(&recorded), [("standby-not-ready", Severity::Warning), ("no-candidate", Severity::Critical)]);
        assert!(recorded.findings[0].summary.contains(words), "{}", recorded.findings[0].summary);
        assert!(recorded.findings[0].remedy.is_some());
    }
    let lost = standby("one", &[("receiving", false.into()), ("timeline", 2_i64.into())]);
    let (_, recorded) = tell(&primary(&[]), &[lost, standby("two", &[])]);
    assert_eq!(codes(&recorded), [("standby-not-ready", Severity::Warning)], "another one is ready");
    assert!(recorded.findings[0].summary.contains("it is on timeline 2 and the primary on 3"));
    assert_eq!(tell(&primary(&[]), &[standby("one", &[("waiting", (1024.0 * MIB).into())])]).0, ["one"]);
}

#[test]
fn what_is_no_standby_of_this_server_is_critical() {
    let promoted = tell(&primary(&[]), &[standby("one", &[("in_recovery", false.into()), ("timeline", 4_i64.into())])]);
    assert_eq!(codes(&promoted.1), [("standby-promoted", Severity::Critical), ("no-candidate", Severity::Critical)]);
    let stranger = standby_of("8000", "one", &[]);
    let other = tell(&primary(&[]), &[stranger]);
    assert_eq!(codes(&other.1), [("other-cluster", Severity::Critical), ("no-candidate", Severity::Critical)]);
    assert_eq!(codes(&tell(&primary(&[]), &[]).1), [("no-candidate", Severity::Critical)]);
}

#[test]
fn what_would_be_wrong_after_a_failover_is_told_before() {
    let told = |of_primary: &[(&str, Cell)], of_standby: &[(&str, Cell)]| {
        let (_, recorded) = tell(&primary(of_primary), &[standby("one", of_standby)]);
        recorded.findings.iter().map(|one| one.code.clone()).collect::<Vec<_>>()
    };
    assert_eq!(told(&[("hints", false.into())], &[]), ["rewind-impossible"]);
    assert_eq!(told(&[("full_pages", false.into())], &[]), ["rewind-impossible"]);
    assert_eq!(told(&[("logical", "audit".into())], &[]), ["logical-slots-lost"]);
    assert_eq!(
        told(&[("synchronous", "ANY 2 (a, b)".into()), ("holding", 1_i64.into())], &[]),
        ["no-synchronous-standby"]
    );
    assert_eq!(told(&[("synchronous", "ANY 2 (a, b)".into()), ("holding", 2_i64.into())], &[]), Vec::<String>::new());
    assert_eq!(told(&[], &[("synchronous", "*".into())]), ["synchronous-after-failover"]);
    assert_eq!(told(&[("archives", true.into())], &[]), ["archiving-differs"]);
    assert_eq!(told(&[("archives", true.into())], &[("archives", true.into())]), Vec::<String>::new());
    assert_eq!(
        told(&[], &[("sees_all", false.into()), ("receiving", false.into())]),
        ["privilege-missing", "no-candidate"]
    );
    let unseen = record(|| {
        ready::report(&primary(&[]), &[], 1, &defaults());
    });
    assert_eq!(codes(&unseen), [], "one that was not seen may be ready");
}

#[test]
fn rehearsals_are_judged_by_their_age_and_by_how_long_they_took() {
    let held = |days: f64, takeover_seconds: f64| Held {
        at: Timestamp(Timestamp::now().0 - Duration::from_days(days).as_milliseconds()),
        standby: "one".into(),
        clone_seconds: 1.0,
        promote_seconds: 0.5,
        takeover_seconds,
        lost_bytes: 0.0,
    };
    let codes = |last: Option<Held>| {
        let recorded = record(|| told(last.as_ref(), &defaults()));
        recorded.findings.iter().map(|one| one.code.clone()).collect::<Vec<_>>()
    };
    assert_eq!(codes(None), ["drill-overdue"]);
    assert_eq!(codes(Some(held(89.9, 60.0))), Vec::<String>::new());
    assert_eq!(codes(Some(held(90.1, 60.0))), ["drill-overdue"]);
    assert_eq!(codes(Some(held(1.0, 60.1))), ["drill-slow"]);
}

#[test]
fn what_a_program_said_at_its_end_is_repeated() {
    assert_eq!(drill::last_words(b""), "it said nothing");
    assert_eq!(
        drill::last_words(b"LOG: starting\nFATAL:  data directory has wrong ownership\n"),
        "FATAL:  data directory has wrong ownership"
    );
    assert_eq!(drill::last_words(b"a\nb\n"), "a; b");
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("loss_warning", json!(-1)),
            ("loss_critical", json!("x")),
            ("replay", json!("x")),
            ("drill", json!("yes")),
            ("drill_every", json!("x")),
            ("drill_overdue", json!("0s")),
            ("takeover", json!("0s")),
            ("superuser", json!(1)),
            ("room", json!(0.5)),
            ("timeout", json!("0s")),
            ("start_timeout", json!("0s")),
        ],
    );
}
