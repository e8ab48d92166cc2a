//! What waits and for how long, at the edges of each limit.

use std::collections::BTreeSet;

use hostler_sdk::files::{Entry, Kind, Metadata, Ownership};
use hostler_sdk::testing::{Recorded, record, refuses_each, settings};
use serde_json::json;

use super::*;
use fixes::{Known, Seen};

const MANIFEST: &str = include_str!("../plugin.toml");
const NOW: i64 = 1_795_000_000;
const DAY: i64 = 86_400;

fn now() -> Timestamp {
    Timestamp::from_seconds(NOW)
}

const SIMULATED: &str = "The following packages have been kept back:
  kernel
3 upgraded, 1 newly installed, 0 to remove and 1 not upgraded.
Inst tzdata [1] (2 Debian-Security:12/stable-security [all])
Inst openssl [1] (3 Debian:12.15/stable [amd64])
Inst plain [1] (2 Debian:12.15/stable [amd64])
Inst fresh (1 Debian-Security:12/stable-security [amd64])
";

fn tell(known: Option<Known>, with_fix: &[&str]) -> Recorded {
    let settings: Settings = settings(MANIFEST, json!({}));
    let simulation = Simulation::parse(SIMULATED).expect("it is one");
    let with_fix: BTreeSet<String> = with_fix.iter().map(|name| (*name).to_owned()).collect();
    let fixes = Fixes::of(&simulation, &with_fix, &settings.security_origins);
    let (kept, first) = fixes.since(known, now());
    record(|| drop(fixes.report(&simulation, &kept, first, &settings, now())))
}

fn seen(name: &str, days_and_seconds: i64, older: bool) -> Option<Known> {
    let at = Timestamp::from_seconds(NOW - days_and_seconds);
    Some(Known::from([(name.to_owned(), Seen { installed: "1".into(), at, older })]))
}

#[test]
fn a_first_run_takes_a_baseline_and_calls_no_fix_new() {
    let told = tell(None, &[]);
    assert_eq!(told.told(), [("baseline-taken", "security fixes", Severity::Unknown)]);
    assert!(told.findings[0].summary.contains("1 package has a security fix"), "{:?}", told.findings);
    assert_eq!(tell(Some(Known::new()), &[]).told(), [], "one that was not there at the last run is new");
}

#[test]
fn the_oldest_fix_is_judged_at_the_edges() {
    let worst = |seconds: i64| tell(seen("tzdata", seconds, false), &[]).worst();
    assert_eq!(
        [worst(7 * DAY), worst(7 * DAY + 1), worst(30 * DAY), worst(30 * DAY + 1)],
        [Severity::Ok, Severity::Warning, Severity::Warning, Severity::Critical]
    );
    let summary = tell(seen("tzdata", 8 * DAY, true), &[]).findings[0].summary.clone();
    assert_eq!(
        summary,
        "1 package has a security fix that is not installed; tzdata's waits for at least 8 d, warning above 7 d"
    );
}

#[test]
fn a_newer_fix_does_not_make_the_wait_shorter_and_an_installed_one_ends_it() {
    let known = seen("tzdata", 8 * DAY, false);
    let other = known.clone().map(|mut known| {
        if let Some(seen) = known.get_mut("tzdata") {
            seen.installed = "0".into();
        }
        known
    });
    assert_eq!(tell(known, &[]).worst(), Severity::Warning);
    assert_eq!(tell(other, &[]).worst(), Severity::Ok, "what lacked the older fix is no longer installed");
    assert_eq!(tell(seen("plain", 90 * DAY, false), &[]).worst(), Severity::Ok, "it is no fix");
}

#[test]
fn a_fix_below_a_point_release_counts_and_one_that_is_held_is_told() {
    let told = tell(Some(Known::new()), &["openssl", "kernel"]);
    assert_eq!(told.told(), [("security-fix-held", "kernel", Severity::Warning)]);
    assert_eq!(told.metric("system_security_fixes_pending"), Some(3.0));
    assert_eq!(told.metric("system_updates_pending"), Some(4.0), "a new package is no update");
    assert_eq!(told.tables[0].rows[0][0], "tzdata", "fixes come first");
}

#[test]
fn the_release_is_judged_by_the_support_that_counts() {
    let of = |id: &str, version: &str, extended: bool, at: &str| {
        let fields = [("ID".to_owned(), id.to_owned()), ("VERSION_ID".to_owned(), version.to_owned())];
        let at = Timestamp::from_compact(at).expect("a time");
        record(|| Support::of(&fields, None, extended).report(Duration::from_days(90.0), at))
    };
    let worst = |at| of("debian", "12", false, at).worst();
    assert_eq!(worst("20260712T000000Z"), Severity::Ok, "LTS counts");
    assert_eq!(worst("20280401T235958Z"), Severity::Ok);
    assert_eq!(worst("20280402T000000Z"), Severity::Warning);
    assert_eq!(worst("20280630T235959Z"), Severity::Warning);
    assert_eq!(worst("20280701T000000Z"), Severity::Critical);
    assert_eq!(of("debian", "11", false, "20261127T000000Z").worst(), Severity::Critical);
    assert_eq!(of("ubuntu", "20.04", false, "20261127T000000Z").worst(), Severity::Critical);
    assert_eq!(of("ubuntu", "20.04", true, "20261127T000000Z").worst(), Severity::Ok, "paid for");
    let unknown = of("arch", "", false, "20261127T000000Z");
    assert_eq!(unknown.told(), [("release-unknown", "the release", Severity::Unknown)]);
    let late = of("debian", "12", false, "20280501T000000Z");
    assert!(late.findings[0].detail.as_deref().is_some_and(|detail| detail.contains("regular support has ended")));
    let named = Support::of(&[], release::last_day("2027-01-31").ok(), false);
    assert_eq!(record(|| named.report(Duration::from_days(1.0), now())).worst(), Severity::Ok);
}

#[test]
fn a_day_that_is_none_is_refused() {
    for text in ["2028-6-30", "30.06.2028", "2028-13-01", "20280630", "", "2028-06-3x", "202-806-30"] {
        assert!(release::last_day(text).is_err(), "{text}");
    }
}

fn file(path: &str, hours: i64) -> Entry {
    let ownership = Ownership { user_id: 0, group_id: 0, mode: 0o644, user: None, group: None };
    let modified = (NOW - hours * 3600) * 1_000_000_000;
    let metadata = Metadata {
        kind: Kind::File,
        device: 1,
        inode: 1,
        links: 1,
        size: 1,
        modified,
        accessed: 0,
        changed: 0,
        ownership,
    };
    Entry { path: path.into(), metadata }
}

#[test]
fn lists_are_as_old_as_the_newest_of_the_security_suites() {
    let age = |entries: &[Entry]| lists::newest(entries).map(|newest| newest.until(now()).as_seconds() / 3600.0);
    let stable = file("/lists/lists/deb.debian.org_debian_dists_bookworm_InRelease", 1);
    let security = file("/lists/lists/deb.debian.org_debian-security_dists_bookworm-security_InRelease", 50);
    let packages = file("/lists/lists/deb.debian.org_debian-security_dists_bookworm-security_main_Packages", 0);
    assert_eq!(age(&[stable.clone(), security.clone(), packages.clone()]), Some(50.0));
    assert_eq!(age(&[stable.clone(), packages.clone()]), Some(1.0));
    assert_eq!(age(&[security, file("/lists/periodic/update-success-stamp", 3)]), Some(3.0));
    assert_eq!(age(&[packages]), None);
    let settings: Settings = settings(MANIFEST, json!({}));
    let worst = |hours: f64| record(|| lists::judge(Duration::from_seconds(hours * 3600.0), &settings)).worst();
    assert_eq!((worst(48.0), worst(48.01)), (Severity::Ok, Severity::Unknown));
}

#[test]
fn a_broken_package_database_names_the_command_that_mends_it() {
    for (said, command) in [
        (
            "`apt-get` ended with 100: E: dpkg was interrupted, you must manually run 'dpkg --configure -a'",
            "dpkg --configure -a",
        ),
        ("`apt-get` ended with 100: E: Unmet dependencies. Try 'apt --fix-broken install'", "--fix-broken"),
    ] {
        assert!(broken(TaskError::new(said)).advice().is_some_and(|advice| advice.contains(command)), "{said}");
    }
    assert_eq!(broken(TaskError::new("something else")).advice(), None);
}

#[test]
fn packages_that_are_half_done_are_critical() {
    assert_eq!(record(|| report_unfinished(0)).told(), []);
    assert_eq!(record(|| report_unfinished(1)).told(), [("packages-unfinished", "dpkg", Severity::Critical)]);
}

#[test]
fn a_reboot_is_told_while_it_waits() {
    assert_eq!(record(|| report_reboot(None)).told(), []);
    let told = record(|| report_reboot(Some(Duration::from_days(3.0))));
    assert_eq!(told.told(), [("reboot-required", "machine", Severity::Warning)]);
    assert!(told.findings[0].summary.ends_with("seen for 3 d"));
}

#[test]
fn each_bad_setting_is_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("security_origins", json!("Debian")),
            ("security_warning", json!("soon")),
            ("security_critical", json!(-1)),
            ("lists_age", json!("1s")),
            ("end_of_life_warning", json!(90)),
            ("extended_support", json!("yes")),
            ("end_of_life", json!(2028)),
            ("ignore_processes", json!("all")),
            ("databases", json!([1])),
        ],
    );
}
