//! What is hot in stacks, how a script ended, and what the graph is.

use hostler_sdk::testing::{record, refuses_each, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");

/// main calls work twice deep into itself, and waits.
fn profile() -> String {
    let node = |id: u64, name: &str, url: &str, children: &[u64]| json!({"id": id, "callFrame": {"functionName": name, "scriptId": "1", "url": url, "lineNumber": 9, "columnNumber": 0}, "hitCount": 0, "children": children});
    let app = "file:///srv/shop/src/app.js";
    json!({
        "nodes": [
            node(1, "(root)", "", &[2, 6, 7]), node(2, "main", app, &[3]), node(3, "work", app, &[4]),
            node(4, "work", app, &[5]), node(5, "", "node:internal/x", &[]), node(6, "(idle)", "", &[]),
            node(7, "(garbage collector)", "", &[]),
        ],
        "startTime": 0, "endTime": 10_000_000,
        "samples": [2, 3, 4, 5, 6, 7],
        "timeDeltas": [1_000_000, 2_000_000, 3_000_000, 1_000_000, 9_000_000, -5],
    })
    .to_string()
}

#[test]
fn time_is_added_up_without_waiting_and_a_function_that_calls_itself_counts_once() {
    let stacks = Stacks::parse(&profile()).expect("a profile");
    assert_eq!((stacks.total(), stacks.samples), (7.0, 5));
    let hot: Vec<(String, String, f64, f64)> =
        stacks.hottest().into_iter().take(3).map(|hot| (hot.name, hot.place, hot.own, hot.total)).collect();
    let of = |name: &str, place: &str, own: f64, total: f64| (name.to_owned(), place.to_owned(), own, total);
    assert_eq!(
        hot,
        [
            of("work", "shop/src/app.js:10", 5.0, 6.0),
            of("main", "shop/src/app.js:10", 1.0, 7.0),
            of("(anonymous)", "node:internal/x:10", 1.0, 1.0),
        ]
    );
}

#[test]
fn folded_stacks_are_read_too() {
    let stacks = Stacks::parse("main;work;[kernel] 10\nmain;work 25\nmain 5\n\n").expect("stacks");
    assert_eq!((stacks.total(), stacks.samples, stacks.frames.len()), (40.0, 40, 4));
    assert_eq!(stacks.hottest()[0].name, "work");
    for text in ["main;work", "main x", "{", "{\"nodes\":[]}"] {
        assert!(Stacks::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_damaged_profile_that_goes_in_a_circle_ends() {
    let frame = json!({"functionName": "a"});
    let circle = json!({"nodes": [{"id": 1, "callFrame": frame, "children": [2]}, {"id": 2, "callFrame": frame, "children": [1]}]});
    assert!(Stacks::parse(&circle.to_string()).is_err());
}

#[test]
fn the_report_names_the_hottest_and_too_few_samples_are_unknown() {
    let settings: Settings = settings(MANIFEST, json!({"functions": 2}));
    let many = Stacks::parse("main;work 30\nmain 10\nother 5\n").expect("stacks");
    let mut said = String::new();
    let recorded = record(|| said = report(&many, "app.js", "process", &settings));
    assert_eq!((said.as_str(), recorded.worst()), (", 45 samples at work; hottest is work with 66.7 %", Severity::Ok));
    assert_eq!(
        recorded.tables[0].rows,
        [["work", "", "30 samples", "66.7 %", "66.7 %"], ["main", "", "10 samples", "22.2 %", "88.9 %"]]
    );
    assert_eq!(recorded.attachments[0].name, "process-flame.svg");
    assert_eq!(recorded.metric("node_profile_function_percent").map(f64::round), Some(67.0));
    let worst =
        |text| record(|| drop(report(&Stacks::parse(text).expect("stacks"), "p", "process", &settings))).worst();
    assert_eq!((worst("a 19\n"), worst("a 20\n"), worst("")), (Severity::Unknown, Severity::Ok, Severity::Unknown));
}

#[test]
fn the_graph_is_one_file_that_can_be_read_and_does_nothing() {
    let stacks = Stacks::parse("main;<script>alert(1)</script>&\"\u{7} 3\nmain 1\n").expect("stacks");
    let svg = flame::draw(&stacks, "a < b");
    assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"));
    assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;") && svg.contains("a &lt; b"));
    assert!(svg.contains("(75.0 %)") && svg.contains("width=\"900.00\""), "{svg}");
    let deep: String = (0..5000).map(|_| "f;").collect();
    assert!(flame::draw(&Stacks::parse(&format!("{deep}g 1\n")).expect("stacks"), "").len() < 100_000);
}

#[test]
fn how_a_script_ended_is_told() {
    let ended = |code, signal: Option<&str>, time_is_up, written| {
        let said = "first\nlast".to_owned();
        let ended = Ended { code, signal: signal.map(str::to_owned), time_is_up, milliseconds: 2000, said, written };
        let mut how = String::new();
        let recorded = record(|| how = judge_end("app.js", &ended));
        (how, recorded.worst())
    };
    assert_eq!(ended(Some(0), None, false, true), ("ended by itself after 2 s".into(), Severity::Ok));
    assert_eq!(ended(Some(0), None, true, true), ("ended when its time was up, after 2 s".into(), Severity::Ok));
    assert_eq!(ended(Some(7), None, false, true), ("ended with 7 after 2 s".into(), Severity::Warning));
    assert!(ended(None, Some("SIGKILL"), true, false).0.contains("SIGKILL"));
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("script", json!(1)),
            ("arguments", json!("a")),
            ("process", json!(1)),
            ("duration", json!("0s")),
            ("interval", json!(10)),
            ("functions", json!(0)),
        ],
    );
    for script in ["", "/etc/x.js", "../x.js", "a/../../x.js"] {
        assert!(check_script(Some(script)).is_err(), "{script}");
    }
    assert!(check_script(Some("bin/app.js")).is_ok() && check_script(None).is_ok());
}
