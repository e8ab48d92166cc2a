//! What is told of answers as exporters give them, at the edges.

use hostler_sdk::testing::{Recorded, record, refuses_each, settings};
use serde_json::json;

use super::*;
use crate::second::{compare, figures};

const MANIFEST: &str = include_str!("../plugin.toml");

const ANSWER: &str = "# HELP http_requests_total The total number of HTTP requests.\n\
    # TYPE http_requests_total counter\n\
    http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n\
    http_requests_total{code=\"400\", method=\"post\",}    3 1395066363000\n\n\
    # Escaping in label values:\n\
    msdos_file_access_time_seconds{path=\"C:\\\\DIR\\\\FILE.TXT\",error=\"Cannot find file:\\n\\\"FILE.TXT\\\"\"} 1.458255915e9\n\
    metric_without_timestamp_and_labels 12.47\n\
    something_weird{problem=\"division by zero\"} +Inf -3982045\n\
    # TYPE rpc_duration_seconds summary\n\
    rpc_duration_seconds{quantile=\"0.01\"} NaN\n\
    rpc_duration_seconds_count 2693\n";

#[test]
fn what_the_format_allows_is_read_and_what_prometheus_refuses_is_not() {
    let read = Exposition::parse(ANSWER, false).expect("the example of the format's own description");
    assert_eq!(read.samples.len(), 7);
    assert_eq!(read.samples[0].at, Some(1_395_066_363.0));
    assert_eq!(read.samples[1].series(), "http_requests_total{code=\"400\",method=\"post\"}");
    assert_eq!(read.samples[2].label("error"), Some("Cannot find file:\n\"FILE.TXT\""));
    assert_eq!(read.samples[2].label("path"), Some("C:\\DIR\\FILE.TXT"));
    let counters: Vec<&str> =
        read.samples.iter().filter(|sample| read.is_counter(sample)).map(|sample| sample.name).collect();
    assert_eq!(counters, ["http_requests_total", "http_requests_total", "rpc_duration_seconds_count"]);
    let open = "# TYPE a counter\na_total 1 5.5 # {trace=\"x\"} 1\n# EOF\n";
    assert_eq!(Exposition::parse(open, true).expect("OpenMetrics").samples[0].at, Some(5.5));
    for (bad, problem) in [
        ("", "it has no samples"),
        ("<html>", "line 1: \"<html>\" is no name of a metric"),
        ("a-b 1", "line 1: \"-b\" of a is no number"),
        ("a 1\nb", "line 2: a name without a value"),
        ("a one", "line 1: \"one\" of a is no number"),
        ("a 1 2 3", "line 1: a has more than a value and a time"),
        ("a{b=\"c} 1", "line 1: a label's value that does not end"),
        ("a{b=\"c\" d=\"e\"} 1", "line 1: labels without a comma between them"),
        ("a{b=\"c\",b=\"d\"} 1", "line 1: a has a label twice"),
        ("a{1b=\"c\"} 1", "line 1: \"1b\" is no name of a label"),
        ("a{b} 1", "line 1: a label without a value"),
        ("# TYPE a counter\n# TYPE a gauge\na 1", "line 2: a second TYPE of a"),
        ("9a 1", "line 1: \"9a 1\" is no name of a metric"),
    ] {
        assert_eq!(Exposition::parse(bad, false).expect_err(bad), problem);
    }
}

fn seen(asked: f64, answered: f64) -> Seen {
    Seen { asked, answered, date: None, time: None, latest: None }
}

#[test]
fn a_clock_is_wrong_only_where_every_offset_that_is_possible_is_too_far() {
    let date = |asked: f64, date: f64| Seen { date: Some(date), ..seen(asked, asked + 0.01) };
    let span = clock::narrowed(&[date(100.5, 100.0)]);
    assert!((span.least + 0.51).abs() < 1e-9 && (span.most - 0.5).abs() < 1e-9, "{span:?}");
    assert!(!span.is_beyond(0.05), "a Date of whole seconds tells nothing of 50 ms");
    assert!(clock::narrowed(&[date(100.5, 102.0)]).is_beyond(0.05));
    // Two answers at different parts of a second tell more than one.
    let both = clock::narrowed(&[date(100.1, 100.0), date(100.9, 100.0)]);
    assert!(both.resolution() < span.resolution() && both.most < 0.11, "{both:?}");
    let time = Seen { time: Some(100.08), ..seen(100.0, 100.02) };
    let close = clock::narrowed(&[time]);
    assert!(close.is_beyond(0.05) && !close.is_beyond(0.07), "{close:?}");
    assert_eq!(close.in_words(), "between 60 ms and 80 ms ahead");
    let ahead = clock::narrowed(&[Seen { latest: Some(101.0), ..seen(100.0, 100.5) }]);
    assert!(ahead.is_beyond(0.05) && !ahead.is_known());
    assert_eq!((ahead.in_words(), Span::OPEN.in_words()), ("at least 500 ms ahead".into(), "not told".into()));
}

#[test]
fn a_date_is_read_as_http_has_it() {
    assert_eq!(clock::date("Tue, 21 Jan 2025 20:34:00 GMT"), Some(1_737_491_640.0));
    for bad in ["", "Tue, 21 Jan 2025 20:34:00", "Tue, 21 Foo 2025 20:34:00 GMT", "Tue, 41 Jan 2025 20:34:00 GMT"] {
        assert_eq!(clock::date(bad), None, "{bad}");
    }
}

fn tell(text: &str, given: serde_json::Value) -> Recorded {
    let settings: Settings = settings(MANIFEST, given);
    let scrape = Scrape {
        name: "node".into(),
        took: Duration::from_seconds(0.02),
        text: String::new(),
        open: false,
        seen: vec![Seen { date: Some(1000.0), ..seen(1000.0, 1000.02) }],
    };
    let exposition = Exposition::parse(text, false).expect("it is well-formed");
    record(|| report(&scrape, &exposition, &settings, &mut Told::default()))
}

#[test]
fn samples_are_judged_by_their_age_at_the_edges() {
    let age = |seconds: f64| tell(&format!("a 1 {}\nb 2\n", (1000.02 - seconds) * 1000.0), json!({})).worst();
    assert_eq!(
        [age(119.9), age(120.1), age(299.9), age(300.1)],
        [Severity::Ok, Severity::Warning, Severity::Warning, Severity::Critical]
    );
    let file = tell("node_textfile_mtime_seconds{file=\"/a.prom\"} 1\n", json!({"file_interval": "100s"}));
    assert_eq!(file.told(), [("samples-old", "node /a.prom", Severity::Critical)]);
    assert_eq!(tell("a 1\n", json!({})).metric("scrape_sample_age_seconds"), None, "without a time no age is known");
}

#[test]
fn duplicates_and_sources_that_are_down_are_told() {
    let twice = tell("a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 1\nb 1\n", json!({}));
    assert_eq!(twice.told(), [("series-duplicate", "node", Severity::Warning)]);
    assert!(twice.findings[0].summary.starts_with("1 series stands there more than once: a{x="));
    let down = tell("pg_up 0\npg_exporter_last_scrape_error 1\nnode_network_up{device=\"eth1\"} 0\n", json!({}));
    assert_eq!(
        down.told(),
        [("source-down", "node", Severity::Critical), ("collection-failed", "node", Severity::Warning)]
    );
    assert_eq!(tell("pg_up 1\npg_exporter_last_scrape_error 0\n", json!({})).told(), []);
}

fn changed(before: &str, after: &str, seconds: u64) -> since::Change {
    let (before, after) = (Exposition::parse(before, false).unwrap(), Exposition::parse(after, false).unwrap());
    let earlier = Kept::of(&before, Timestamp(0));
    let (later, now) = (Timestamp(seconds * 1000), Kept::of(&after, Timestamp(seconds * 1000)));
    let mut now = now;
    now.since(&earlier, &after, later)
}

#[test]
fn counters_that_fell_are_told_from_gauges_and_restarts() {
    let at = |requests: u32, queue: u32, start: u32| {
        format!("# TYPE r counter\nr {requests}\n# TYPE q gauge\nq {queue}\nprocess_start_time_seconds {start}\n")
    };
    assert_eq!(changed(&at(5, 9, 1), &at(6, 1, 1), 60), since::Change::default());
    let fell = changed(&at(5, 9, 1), &at(4, 9, 1), 60);
    assert_eq!((fell.fell.as_slice(), fell.restarted), (["r".to_owned()].as_slice(), false));
    assert_eq!(record(|| fell.report("node")).told(), [("counter-reset", "node", Severity::Warning)]);
    let restarted = changed(&at(5, 9, 1), &at(4, 9, 100), 60);
    assert_eq!(record(|| restarted.report("node")).told(), [("process-restarted", "node", Severity::Warning)]);
    assert!(changed(&at(5, 9, 1), &at(4, 9, 2), 60).restarted, "within a second, and its counters fell");
    assert!(!changed(&at(5, 9, 1), &at(6, 9, 2), 60).restarted, "the machine's clock was set by a second");
    let still = changed(&at(5, 9, 1), &at(5, 9, 1), 90);
    assert_eq!(still.standstill, Some(Duration::from_seconds(90.0)));
    let settings: Settings = settings(MANIFEST, json!({}));
    let severity = |seconds: f64| standing_still("node", Duration::from_seconds(seconds), &settings).severity;
    assert_eq!(
        [severity(120.0), severity(121.0), severity(301.0)],
        [Severity::Ok, Severity::Warning, Severity::Critical]
    );
}

#[test]
fn a_standstill_goes_on_from_run_to_run() {
    let exposition = Exposition::parse("a 1\n", false).unwrap();
    let first = Kept::of(&exposition, Timestamp(0));
    let mut second = Kept::of(&exposition, Timestamp(60_000));
    second.since(&first, &exposition, Timestamp(60_000));
    let mut third = Kept::of(&exposition, Timestamp(120_000));
    let change = third.since(&second, &exposition, Timestamp(120_000));
    assert_eq!(change.standstill, Some(Duration::from_seconds(120.0)));
    let again: Kept = serde_json::from_slice(&serde_json::to_vec(&third).unwrap()).unwrap();
    assert_eq!(again, third);
}

#[test]
fn two_endpoints_of_one_process_are_the_same() {
    let twin_of = |text: &str| twin(&Exposition::parse(text, false).unwrap());
    let one = twin_of("process_start_time_seconds 5.25\nr 1\n");
    assert!(one.is_some() && one == twin_of("r 2\nprocess_start_time_seconds 5.25\n"));
    assert_ne!(one, twin_of("process_start_time_seconds 5.26\nr 1\n"));
    assert_eq!(twin_of("r 1\n"), None);
}

#[test]
fn a_figure_lies_between_what_the_server_said_before_and_after() {
    let rows = |commits: f64| {
        let columns = [
            "name",
            "blks_hit",
            "blks_read",
            "deadlocks",
            "temp_bytes",
            "tup_deleted",
            "tup_fetched",
            "tup_inserted",
            "tup_returned",
            "tup_updated",
            "xact_commit",
            "xact_rollback",
            "size",
        ];
        let mut cells: Vec<hostler_sdk::testing::Cell> = vec!["shop".into()];
        cells.extend((0..9).map(|_| 0.0.into()));
        cells.extend([commits.into(), 0.0.into(), None::<f64>.into()]);
        figures(&hostler_sdk::testing::rows_of(&columns, &[cells])).expect("figures")
    };
    let (before, after) = (rows(100_000.0), rows(101_000.0));
    let agrees = |told: f64| {
        let text = format!(
            "pg_stat_database_xact_commit{{datname=\"shop\"}} {told}\npg_stat_database_xact_commit{{datname=\"other\"}} 1\n"
        );
        let compared = compare(&Exposition::parse(&text, false).unwrap(), &before, &after, Percent(1.0));
        assert_eq!(compared.len(), 1);
        compared[0].agrees
    };
    assert!(agrees(100_500.0) && agrees(98_990.0) && agrees(102_010.0));
    assert!(!agrees(98_989.0) && !agrees(102_011.0) && !agrees(f64::NAN));
    let compared = compare(
        &Exposition::parse("pg_stat_database_xact_commit_total{datname=\"shop\"} 5\n", false).unwrap(),
        &before,
        &after,
        Percent(1.0),
    );
    let recorded = record(|| {
        assert_eq!(second::report("pg", &compared, Percent(1.0)), 1);
    });
    assert_eq!(recorded.told(), [("sources-disagree", "pg", Severity::Warning)]);
    let none = record(|| Told::default().second_source(false));
    assert_eq!(none.told(), [("no-second-source", "database", Severity::Unknown)]);
    assert_eq!(record(|| Told::default().second_source(true)).told(), [], "an endpoint that is down is told as such");
}

#[test]
fn an_answer_that_is_none_is_told_by_its_status() {
    let answer = |status| {
        let response = Response { status, headers: vec![], body: b"a 1\n".to_vec() };
        refused("node", &response).map(|finding| (finding.severity, finding.code))
    };
    assert_eq!(answer(200), None);
    assert_eq!(answer(403), Some((Severity::Unknown, "endpoint-refused".into())));
    assert_eq!(answer(500), Some((Severity::Critical, "endpoint-down".into())));
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("interval", json!("0s")),
            ("warning", json!(0.5)),
            ("critical", json!(0)),
            ("file_interval", json!("x")),
            ("skew", json!("0s")),
            ("probes", json!(0)),
            ("tolerance", json!(101)),
            ("timeout", json!("301s")),
        ],
    );
}
