//! The history through what hosts and plugins ask of it.

use hostler_capability::{Finding, HistoryPoint, Metric, ScheduledRun, Severity};
use hostler_record::{Record, RecordError, RunEnd, RunFilter, RunStart};

const DAY: u64 = 86_400_000;

fn record() -> (tempfile::TempDir, Record) {
    let directory = tempfile::tempdir().expect("a directory");
    let record = Record::open(directory.path()).expect("a record");
    (directory, record)
}

fn begin(record: &Record, id: &str, task: &str, started_at: u64) {
    let start = RunStart {
        id,
        task,
        procedure: Some("daily"),
        plugin: "postgres-vacuum",
        version: "0.1.0",
        digest: "digest",
        mode: "check",
        started_at,
    };
    record.history().begin(&start).expect("it is kept");
}

fn end(
    record: &Record,
    id: &str,
    verdict: Severity,
    metrics: &[Metric],
    findings: &[Finding],
) -> Result<(), RecordError> {
    record.history().end(&RunEnd {
        id,
        course: "done",
        verdict,
        duration_ms: 12,
        summary: "well",
        document: "{\"whole\":true}",
        metrics,
        findings,
        audit: (String::new(), 0),
    })
}

fn run(record: &Record, id: &str, task: &str, started_at: u64, metrics: &[Metric]) {
    begin(record, id, task, started_at);
    end(record, id, Severity::Ok, metrics, &[]).expect("it is kept");
}

fn metric(name: &str, label: &str, value: f64, warning: &str) -> Metric {
    let labels = vec![("table".into(), label.into()), ("database".into(), "shop".into())];
    Metric { name: name.into(), labels, value, warning: Some(warning.into()), ..Metric::default() }
}

#[test]
fn a_run_is_found_by_its_beginning_and_a_list_leaves_the_whole_out() {
    let (_directory, record) = record();
    for (id, at) in [("20260101-aa", 1), ("20260101-ab", 2), ("20260101-abc", 3)] {
        run(&record, id, "vacuum", at, &[]);
    }
    let history = record.history();
    assert_eq!(history.run("20260101-ab").expect("the whole name").id, "20260101-ab");
    let one = history.run("20260101-aa").expect("one alone");
    assert_eq!((one.course.as_str(), one.verdict, one.duration_ms), ("done", Some(Severity::Ok), Some(12)));
    assert_eq!(one.document.as_deref(), Some("{\"whole\":true}"));
    for (id, words) in
        [("20260101-a", "several runs begin"), ("2027", "there is no run"), ("", "several"), ("%", "no run")]
    {
        let error = history.run(id).expect_err(id).to_string();
        assert!(error.contains(words), "{id}: {error}");
    }
    let listed = history.runs(&RunFilter { name: Some("daily".into()), limit: 2 }).expect("a list");
    assert_eq!(listed.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(), ["20260101-abc", "20260101-ab"]);
    assert!(listed.iter().all(|run| run.document.is_none()));
    assert!(end(&record, "never", Severity::Ok, &[], &[]).is_err(), "a run that never began cannot end");
}

#[tokio::test]
async fn series_are_averaged_and_stand_as_at_their_last_point() {
    let (_directory, record) = record();
    let mut turned = metric("rows_total", "orders", 3.0, "5");
    turned.labels.reverse();
    turned.unit = "B".into();
    run(&record, "r1", "vacuum", 1_000, &[metric("rows_total", "orders", 1.0, "90")]);
    run(
        &record,
        "r2",
        "vacuum",
        1_900,
        &[turned, metric("rows_total", "users", 9.0, "7"), metric("other", "orders", 5.0, "1")],
    );
    run(
        &record,
        "r3",
        "vacuum",
        2_100,
        &[metric("rows_total", "orders", 8.0, "10"), metric("rows_total", "x", f64::NAN, "1")],
    );
    run(&record, "r4", "va?uum", 2_200, &[metric("rows_total", "orders", 4.0, "1")]);
    let reader = record.history().reader(Box::new(|_, _| vec![]));
    let all = reader.metrics("vacuum", "rows*", 0, None).await.expect("series");
    assert_eq!(all.len(), 2, "{all:?}");
    let orders = &all[0];
    assert_eq!(orders.labels, [("database".into(), "shop".into()), ("table".into(), "orders".to_owned())]);
    assert_eq!(orders.points.iter().map(|point| point.value).collect::<Vec<_>>(), [1.0, 3.0, 8.0]);
    assert_eq!((orders.warning.as_deref(), orders.unit.as_str()), (Some("10"), ""));
    let steps = reader.metrics("vacuum", "rows_total", 0, Some(1_000)).await.expect("series");
    assert_eq!(steps[0].points, [HistoryPoint { at: 1_000, value: 2.0 }, HistoryPoint { at: 2_000, value: 8.0 }]);
    assert_eq!(steps[1].points, [HistoryPoint { at: 1_000, value: 9.0 }]);
    let since = reader.metrics("*", "rows_total", 2_000, Some(0)).await.expect("series");
    assert_eq!(since.iter().map(|series| series.task.as_str()).collect::<Vec<_>>(), ["va?uum", "vacuum"]);
    let literal = reader.metrics("va?uum", "*", 0, None).await.expect("series");
    assert_eq!(literal.len(), 1, "a question mark is only itself");
    assert!(reader.metrics("[a-z]acuum", "*", 0, None).await.expect("series").is_empty());
}

#[tokio::test]
async fn past_runs_have_what_was_wrong_and_coming_ones_are_asked_for() {
    let (_directory, record) = record();
    let finding =
        |severity, code: &str| Finding { severity, code: code.into(), subject: "orders".into(), ..Finding::default() };
    begin(&record, "r1", "vacuum", 5);
    let findings = [finding(Severity::Critical, "wraparound"), finding(Severity::Ok, "fine")];
    end(&record, "r1", Severity::Critical, &[], &findings).expect("it is kept");
    begin(&record, "r2", "vacuum", 6);
    let scheduled =
        ScheduledRun { task: "vacuum".into(), procedure: "weekly".into(), starts_at: 9, window_ends_at: None };
    let coming = scheduled.clone();
    let reader = record.history().reader(Box::new(move |since, until| {
        assert_eq!((since, until), (7, 10));
        vec![coming.clone()]
    }));
    let runs = reader.runs("vac*", 0).await.expect("runs");
    assert_eq!(runs.len(), 1, "one is under way");
    assert_eq!((runs[0].verdict, runs[0].duration_ms), (Severity::Critical, 12));
    assert_eq!(runs[0].findings, [("wraparound".to_owned(), "orders".to_owned(), Severity::Critical)]);
    assert_eq!(reader.schedule(7, 10).await.expect("runs to come"), [scheduled]);
}

#[tokio::test]
async fn an_interrupted_run_is_read_too() {
    let (directory, record) = record();
    begin(&record, "r1", "vacuum", 5);
    drop(record);
    let next = Record::open(directory.path()).expect("a record");
    let marked = next.history().mark_interrupted().expect("marked");
    assert_eq!(marked, [("r1".to_owned(), "vacuum".to_owned())]);
    let runs = next.history().reader(Box::new(|_, _| vec![])).runs("*", 0).await.expect("runs");
    assert_eq!((runs[0].verdict, runs[0].duration_ms), (Severity::Unknown, 0));
}

#[test]
fn a_run_of_a_living_host_is_left_alone() {
    let (directory, record) = record();
    begin(&record, "r1", "vacuum", 5);
    let other = Record::open(directory.path()).expect("a record");
    assert!(other.history().mark_interrupted().expect("looked").is_empty());
    assert!(record.history().mark_interrupted().expect("looked").is_empty());
    assert_eq!(other.history().run("r1").expect("a run").course, "running");
}

#[test]
fn retention_keeps_so_many_of_each_task_and_none_too_old() {
    let (_directory, record) = record();
    let now = 1_000 * DAY;
    for number in 0..5 {
        run(&record, &format!("a{number}"), "a", now - (5 - number) * DAY, &[metric("m", "t", 1.0, "1")]);
    }
    run(&record, "old", "b", now - 50 * DAY, &[]);
    begin(&record, "under-way", "a", now - 90 * DAY);
    let history = record.history();
    assert_eq!(history.prune(3, 40, now).expect("pruned"), 3);
    let left = |history: &hostler_record::History| {
        let runs = history.runs(&RunFilter { name: None, limit: 99 }).expect("a list");
        runs.into_iter().map(|run| run.id).collect::<Vec<_>>()
    };
    assert_eq!(left(history), ["a4", "a3", "a2", "under-way"]);
    assert_eq!(history.prune(3, 40, now).expect("pruned"), 0);
    assert_eq!(history.prune(0, 0, now + DAY).expect("pruned"), 2);
    assert_eq!(left(history), ["a4", "under-way"], "the newest that ended stays");
}
