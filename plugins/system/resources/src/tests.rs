//! Each resource at the edges of what is allowed, and what is said where something cannot be told.

use hostler_sdk::testing::{record, refuses_each, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");

fn defaults() -> Settings {
    settings(MANIFEST, json!({}))
}

fn memory(available: u64, swap: u64) -> Memory {
    Memory {
        total_bytes: 1000,
        available_bytes: available,
        swap_total_bytes: 100,
        swap_used_bytes: swap,
        limit_bytes: None,
    }
}

fn load(load_5m: f64, pressure: Option<f64>, open_files: u64) -> Load {
    Load {
        cores: 2,
        load_1m: 9.0,
        load_5m,
        load_15m: 9.0,
        pressure_cpu: None,
        pressure_memory: None,
        pressure_io: pressure,
        open_files,
        open_files_limit: 100,
    }
}

fn mount(path: &str, available: u64, inodes: u64, read_only: bool) -> Mount {
    Mount {
        path: path.into(),
        filesystem: "ext4".into(),
        total_bytes: 1000,
        available_bytes: available,
        total_inodes: 1000,
        available_inodes: inodes,
        read_only,
    }
}

#[test]
fn memory_and_swap_are_judged_at_their_edges() {
    let worst = |available, swap| record(|| report_memory(&memory(available, swap), &defaults())).worst();
    assert_eq!(
        [worst(100, 0), worst(99, 0), worst(50, 0), worst(49, 0)],
        [Severity::Ok, Severity::Warning, Severity::Warning, Severity::Critical]
    );
    assert_eq!([worst(500, 50), worst(500, 51), worst(500, 81)], [Severity::Ok, Severity::Warning, Severity::Critical]);
}

#[test]
fn load_pressure_and_files_are_judged_at_their_edges() {
    let worst = |five, pressure, files| record(|| report_load(&load(five, pressure, files), &defaults())).worst();
    assert_eq!(
        [worst(4.0, None, 0), worst(4.1, None, 0), worst(8.1, None, 0)],
        [Severity::Ok, Severity::Warning, Severity::Critical]
    );
    assert_eq!(
        [worst(0.0, Some(0.2), 0), worst(0.0, Some(0.21), 0), worst(0.0, Some(0.51), 0)],
        [Severity::Ok, Severity::Warning, Severity::Critical]
    );
    assert_eq!(
        [worst(0.0, None, 80), worst(0.0, None, 81), worst(0.0, None, 91)],
        [Severity::Ok, Severity::Warning, Severity::Critical]
    );
}

#[test]
fn mounts_are_judged_by_bytes_and_by_inodes() {
    let told = |mount: Mount| {
        let recorded = record(|| report_mounts(&[mount], None, Timestamp(0), &defaults()));
        recorded.findings.iter().map(|one| (one.code.clone(), one.severity)).collect::<Vec<_>>()
    };
    assert_eq!(told(mount("/", 100, 100, false)), []);
    assert_eq!(told(mount("/", 99, 100, false)), [("disk-low".into(), Severity::Warning)]);
    assert_eq!(told(mount("/", 49, 100, false)), [("disk-low".into(), Severity::Critical)]);
    assert_eq!(told(mount("/", 500, 49, false)), [("inodes-low".into(), Severity::Critical)]);
    assert_eq!(told(mount("/snap/core", 0, 0, true)), [], "an image is always full");
}

#[test]
fn a_disk_that_fills_is_told_before_it_is_full() {
    let now = Timestamp(1_000_000_000_000);
    let hours = |hour: u64| (now.0 - hour * 3_600_000, 500.0 + 100.0 * hour as f64);
    let past: Forecast = [("/".to_owned(), (1..6).map(hours).collect())].into_iter().collect();
    let worst = |available| {
        record(|| report_mounts(&[mount("/", available, 999, false)], Some(&past), now, &defaults())).worst()
    };
    assert_eq!([worst(900), worst(300)], [Severity::Warning, Severity::Critical]);
}

#[test]
fn the_summary_says_why_there_is_no_forecast() {
    let one = [mount("/", 500, 500, false)];
    let says = |past: Option<&Forecast>| report_mounts(&one, past, Timestamp(0), &defaults());
    assert!(says(None).ends_with("no history is bound"));
    assert!(says(Some(&Forecast::default())).ends_with("the history is too short"));
}

#[test]
fn ignored_mounts_are_left_alone() {
    let settings: Settings = settings(MANIFEST, json!({"ignore": ["/mnt/*"]}));
    let recorded = record(|| report_mounts(&[mount("/mnt/full", 0, 0, false)], None, Timestamp(0), &settings));
    assert_eq!(recorded.told(), []);
}

#[test]
fn each_bad_setting_is_refused() {
    for name in ["disk", "memory", "swap", "pressure", "load", "files"] {
        for name in [format!("{name}_warning"), format!("{name}_critical")] {
            refuses_each(MANIFEST, &[(&name, json!("20:10"))]);
        }
    }
    refuses_each(MANIFEST, &[("full_warning", json!("0s")), ("full_critical", json!(4)), ("ignore", json!("/"))]);
}

#[test]
fn what_cannot_be_told_is_said() {
    let recorded = record(|| report_mounts(&[], None, Timestamp(0), &defaults()));
    assert_eq!(recorded.told(), [("no-mounts", "mounts", Severity::Unknown)]);
    let said = |pressure| report_load(&load(0.5, pressure, 0), &defaults());
    assert_eq!(said(Some(0.0)), "load 0.50 on 2 cores");
    assert_eq!(said(None), "load 0.50 on 2 cores, pressure unknown: this kernel does not tell it");
}

#[test]
fn a_finding_names_the_limit_beside_the_figure() {
    let summary = |work: &dyn Fn()| record(work).findings[0].summary.clone();
    let memory = memory(49, 0);
    assert_eq!(
        summary(&|| drop(report_memory(&memory, &defaults()))),
        "49 B of 1000 B available (4.9 %), critical below 5 %"
    );
    assert_eq!(
        summary(&|| drop(report_load(&load(4.1, None, 0), &defaults()))),
        "the load is 4.10 on 2 cores, 2.05 a core, warning above 2"
    );
    let mounts = [mount("/", 99, 100, false)];
    assert_eq!(
        summary(&|| drop(report_mounts(&mounts, None, Timestamp(0), &defaults()))),
        "99 B of 1000 B available (9.9 %), warning below 10 %"
    );
}
