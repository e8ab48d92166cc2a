//! monitoring-thresholds: thresholds that nobody hears any more.

use crate::{host, measured, run};

#[test]
fn a_threshold_that_fires_every_day_is_told_with_a_better_one_and_nothing_is_edited() {
    let host = host("monitoring-thresholds", "least_runs = 10");
    for day in (0..12).rev() {
        measured(&host, f64::from(day) + 0.1, "queue", "~:80", 60.0);
    }
    let quiet = run(&host);
    assert_eq!((quiet.code, quiet.findings("task")), (0, vec![]), "{quiet:?}");
    assert_eq!(quiet.task("task")["summary"], "1 threshold: 0 noisy, 0 flapping, 1 never fired");
    for hour in (0..8).rev() {
        measured(&host, f64::from(hour) / 100.0, "queue", "~:80", 90.0);
    }
    let before = std::fs::read_to_string(host.configuration()).expect("a configuration");
    let noisy = run(&host);
    assert_eq!(noisy.code, 1, "{noisy:?}");
    assert!(noisy.findings("task")[0].starts_with("warning threshold-noisy queue"), "{noisy:?}");
    assert!(noisy.stdout.contains("\\\"~:99\\\" would have fired"), "{noisy:?}");
    assert_eq!(std::fs::read_to_string(host.configuration()).expect("a configuration"), before);
    let attached = noisy.task("task")["reported"]["attachments"][0]["name"].clone();
    assert_eq!(attached, "thresholds.diff");
}

#[test]
fn a_history_without_thresholds_is_unknown() {
    let host = host("monitoring-thresholds", "");
    let empty = run(&host);
    assert_eq!(
        (empty.code, empty.findings("task")),
        (3, vec!["unknown history-short history".to_owned()]),
        "{empty:?}"
    );
}
