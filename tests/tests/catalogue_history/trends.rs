//! system-trends: a week that is not as the weeks before.

use crate::{host, measured, run};

#[test]
fn a_week_that_is_not_as_those_before_is_told_and_a_short_history_is_unknown() {
    let host = host("system-trends", "");
    let empty = run(&host);
    assert_eq!(
        (empty.code, empty.findings("task")),
        (3, vec!["unknown history-short history".to_owned()]),
        "{empty:?}"
    );
    for day in (7..28).rev() {
        measured(&host, f64::from(day) + 0.5, "orders", "~:1000", 100.0 + f64::from(day % 3));
    }
    for day in (0..6).rev() {
        measured(&host, f64::from(day) + 0.5, "orders", "~:1000", 101.0);
    }
    let steady = run(&host);
    assert_eq!((steady.code, steady.findings("task")), (0, vec![]), "{steady:?}");
    for hour in (1..12).rev() {
        measured(&host, f64::from(hour) / 24.0, "orders", "~:1000", 300.0);
    }
    let sick = run(&host);
    assert_eq!(sick.code, 1, "{sick:?}");
    assert_eq!(sick.findings("task").len(), 1);
    assert!(
        sick.stdout.contains("it rose by 197 % in a week: 300 from 101")
            && sick.stdout.contains("hostler report measure"),
        "{sick:?}"
    );
}
