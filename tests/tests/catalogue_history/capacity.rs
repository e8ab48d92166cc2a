//! system-capacity: the day on which something is full.

use crate::{host, measured, run};

#[test]
fn what_fills_steadily_has_its_day_and_a_short_history_has_none() {
    let host = host("system-capacity", "limits = { space_percent = \"100\" }");
    for day in (0..10).rev() {
        measured(&host, f64::from(day) + 0.01, "space_percent", "~:100", 90.0 - f64::from(day));
    }
    let short = run(&host);
    assert_eq!(
        (short.code, short.findings("task")),
        (3, vec!["unknown history-short history".to_owned()]),
        "{short:?}"
    );
    for day in (10..20).rev() {
        measured(&host, f64::from(day) + 0.01, "space_percent", "~:100", 90.0 - f64::from(day));
    }
    let filling = run(&host);
    assert_eq!(filling.code, 1, "{filling:?}");
    assert!(filling.stdout.contains("it reaches 100 on ") && filling.stdout.contains("in 10 days"), "{filling:?}");
    // One clean-up and one large copy do not turn the line.
    measured(&host, 0.005, "space_percent", "~:100", 95.0);
    let nearer = run(&host);
    assert_eq!(nearer.code, 2, "5 days are left now: {nearer:?}");
    host.configure(&std::fs::read_to_string(host.configuration()).expect("it").replace("\"100\" }", "\"much\" }"));
    let refused = run(&host);
    assert!(refused.code == 3 && refused.stdout.contains("which is no number"), "{refused:?}");
}
