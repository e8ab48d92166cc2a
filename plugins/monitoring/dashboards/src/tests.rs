//! What is rendered, compared and left alone.

use hostler_sdk::history::Series;
use hostler_sdk::testing::{record, refuses_each, settings};
use serde_json::json;

use super::*;
use crate::metrics::{Measured, Threshold, thresholds};

const MANIFEST: &str = include_str!("../plugin.toml");

fn defaults() -> Settings {
    settings(MANIFEST, json!({}))
}

fn series(task: &str, metric: &str, label: &str, warning: &str) -> Series {
    Series {
        task: task.into(),
        metric: metric.into(),
        unit: "%".into(),
        labels: if label.is_empty() { vec![] } else { vec![("mount".into(), label.into())] },
        warning: Some(warning.to_owned()).filter(|text| !text.is_empty()),
        critical: None,
        points: vec![],
    }
}

fn some() -> Vec<Series> {
    vec![
        series("machine", "filesystem_available_percent", "/", "10:"),
        series("machine", "filesystem_available_percent", "/srv", "10:"),
        series("machine", "errors_total", "", ""),
        series("primary", "postgres_connections_used_percent", "", "~:80"),
    ]
}

fn rendered(series: &[Series]) -> String {
    dashboard::render(&metrics::of(series), &defaults()).expect("it is rendered")
}

#[test]
fn the_order_in_which_series_come_changes_nothing_and_a_new_one_keeps_the_others_identities() {
    let text = rendered(&some());
    let mut turned = some();
    turned.reverse();
    assert_eq!(rendered(&turned), text);
    let ids = |text: &str| -> Vec<(String, u64)> {
        let dashboard: Value = serde_json::from_str(text).expect("JSON");
        let panels = dashboard["panels"].as_array().expect("panels").clone();
        panels
            .iter()
            .map(|panel| (panel["title"].as_str().expect("a title").to_owned(), panel["id"].as_u64().expect("an id")))
            .collect()
    };
    let before = ids(&text);
    assert_eq!(before.len(), 6, "{before:?}");
    let mut more = some();
    more.push(series("machine", "aaa", "", ""));
    let after = ids(&rendered(&more));
    assert!(before.iter().all(|panel| after.contains(panel)), "{before:?} {after:?}");
}

#[test]
fn panels_ask_for_what_is_exported_with_their_labels_and_units() {
    let dashboard: Value = serde_json::from_str(&rendered(&some())).expect("JSON");
    let of = |title: &str| {
        dashboard["panels"]
            .as_array()
            .expect("panels")
            .iter()
            .find(|panel| panel["title"] == title)
            .cloned()
            .expect(title)
    };
    let disk = of("filesystem_available_percent");
    assert_eq!(disk["targets"][0]["expr"], "hostler_filesystem_available_percent{task=\"machine\"}");
    assert_eq!(disk["targets"][0]["legendFormat"], "{{mount}}");
    assert_eq!(disk["fieldConfig"]["defaults"]["unit"], "percent");
    assert_eq!(
        disk["fieldConfig"]["defaults"]["thresholds"]["steps"],
        json!([{"color": "yellow", "value": null}, {"color": "green", "value": 10.0}])
    );
    assert_eq!(of("errors_total")["targets"][0]["expr"], "increase(hostler_errors_total{task=\"machine\"}[2d])");
}

#[test]
fn thresholds_are_where_the_ranges_end() {
    let steps = |warning: &str, critical: &str| {
        let ranges = (Some(warning.to_owned()), Some(critical.to_owned()));
        thresholds(&Measured { ranges, ..Measured::default() })
            .iter()
            .map(|Threshold { from, severity }| (*from, *severity))
            .collect::<Vec<_>>()
    };
    use Severity::{Critical, Ok, Warning};
    assert_eq!(steps("~:80", "~:90"), [(None, Ok), (Some(80.0), Warning), (Some(90.0), Critical)]);
    assert_eq!(steps("80", "90"), [(None, Critical), (Some(0.0), Ok), (Some(80.0), Warning), (Some(90.0), Critical)]);
    assert_eq!(steps("10:", "5:"), [(None, Critical), (Some(5.0), Warning), (Some(10.0), Ok)]);
    assert_eq!(steps("@5:10", "~:20"), [(None, Ok), (Some(5.0), Warning), (Some(10.0), Ok), (Some(20.0), Critical)]);
    assert_eq!(thresholds(&Measured::default()), []);
    let differ = [series("t", "m", "/", "10:"), series("t", "m", "/srv", "20:")];
    assert!(thresholds(&metrics::of(&differ)["t"]["m"]).is_empty(), "one series' threshold is not the other's");
}

fn on_disk(text: &str) -> File {
    File::Dashboard { text: text.into(), dashboard: serde_json::from_str(text).expect("JSON") }
}

#[test]
fn only_what_this_task_wrote_is_written_over() {
    let (old, new) = (rendered(&some()[..1]), rendered(&some()));
    let judged = |file: &File, written: Option<u64>, given: Value| {
        let settings: Settings = settings(MANIFEST, given);
        match judge(file, &new, written, &settings) {
            Verdict::Same => "same".to_owned(),
            Verdict::Left(finding) => finding.code,
            Verdict::Write(why) => why,
        }
    };
    assert_eq!(judged(&File::Missing, None, json!({})), "the dashboard is not there");
    assert_eq!(judged(&on_disk(&new), None, json!({})), "same");
    let why = judged(&on_disk(&old), Some(hash(&old)), json!({}));
    assert!(why.contains("new: errors_total, postgres_connections_used_percent"), "{why}");
    assert_eq!(judged(&on_disk(&old), None, json!({})), "dashboard-edited");
    assert!(judged(&on_disk(&old), None, json!({"overwrite": true})).starts_with("it is not what the tasks report"));
    assert_eq!(judged(&on_disk("{\"uid\":\"mine\"}"), Some(0), json!({"overwrite": true})), "dashboard-foreign");
    assert_eq!(judged(&File::Unreadable("x".into()), None, json!({"overwrite": true})), "dashboard-foreign");
}

#[test]
fn panels_of_what_is_gone_are_named_also_in_rows_and_in_other_dashboards() {
    let other = json!({"title": "Shop", "uid": "shop", "panels": [
        {"title": "Disk", "targets": [{"expr": "min(hostler_filesystem_available_percent{task=\"hostler_gone\"})"}]},
        {"title": "Orders", "targets": [{"expr": "rate(shop_orders_total[5m])"}]},
        {"title": "Verdict", "targets": [{"expr": "hostler_task_verdict > 1"}]},
        {"type": "row", "panels": [{"title": "Old", "targets": [{"expr": "hostler_old_bytes / hostler_errors_total"}]}]},
    ]});
    let file = on_disk(&other.to_string());
    let mut count = 0;
    let recorded = record(|| count = stale_panels("shop.json", &file, &metrics::of(&some())));
    assert_eq!(count, 1);
    assert_eq!(recorded.told(), [("panel-stale", "shop.json: Old", Severity::Warning)]);
    assert_eq!(recorded.findings[0].summary, "it shows hostler_old_bytes, which is no longer reported");
    let damaged = record(|| {
        stale_panels("bad.json", &File::Unreadable("it is no JSON".into()), &Metrics::new());
    });
    assert_eq!(damaged.told(), [("dashboard-unreadable", "bad.json", Severity::Unknown)]);
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("days", json!(0)),
            ("overwrite", json!("yes")),
            ("file", json!(1)),
            ("title", json!(1)),
            ("uid", json!(1)),
            ("datasource", json!(1)),
            ("tasks", json!(1)),
        ],
    );
    for bad in [
        json!({"file": "../x.json"}),
        json!({"file": "x.txt"}),
        json!({"file": ".x.json"}),
        json!({"uid": ""}),
        json!({"uid": "a b"}),
        json!({"uid": "a".repeat(41)}),
    ] {
        let settings: Settings = settings(MANIFEST, bad.clone());
        assert!(settings.check().is_err(), "{bad}");
    }
    assert_eq!(defaults().check(), Ok(()));
}
