//! The interface `report`.

use std::sync::Arc;

use hostler_capability::{
    Attachment, Binding, Capability, CapabilityError, Finding, Metric, ReportTable, RunContext, RunState, Severity,
    Slot,
};
use hostler_world::report as wit;
use wasmtime::component::{HasData, Linker};

use crate::{
    clean,
    keep::{EACH, Room},
};

/// Under these names the host itself tells of a task, where metrics are printed for Prometheus. A plugin's figure of that
/// name would stand in the verdict's place.
const OWN: [&str; 4] = ["task_verdict", "task_worked", "task_duration_seconds", "task_started_timestamp_seconds"];

/// Links `report`.
pub struct ReportCapability;

/// Its part of one run.
pub struct ReportRun {
    context: Arc<RunContext>,
    room: Room,
}

impl HasData for ReportCapability {
    type Data<'a> = &'a mut ReportRun;
}

impl Capability for ReportCapability {
    fn interface(&self) -> &'static str {
        "report"
    }

    fn link(&self, linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
        wit::add_to_linker::<_, Self>(linker, |state| state.slot::<ReportRun>())
    }

    fn prepare(&self, _: &[Binding], context: &Arc<RunContext>) -> Result<Slot, CapabilityError> {
        Ok(Box::new(ReportRun { context: context.clone(), room: Room::new(context) }))
    }
}

impl wit::Host for ReportRun {
    fn add_finding(&mut self, finding: wit::Finding) -> wasmtime::Result<()> {
        let finding = Finding {
            severity: finding.severity.into(),
            code: clean::short(&finding.code, 100),
            subject: clean::short(&finding.subject, 500),
            summary: clean::line(&finding.summary),
            detail: finding.detail.as_deref().map(clean::text),
            remedy: finding.remedy.as_deref().map(clean::text),
        };
        let more = [&finding.detail, &finding.remedy].into_iter().flatten().map(String::len).sum::<usize>();
        let bytes = EACH + finding.code.len() + finding.subject.len() + finding.summary.len() + more;
        if self.room.take(bytes, finding.severity) {
            self.context.reported(|reported| reported.findings.push(finding));
        }
        Ok(())
    }

    fn add_metric(&mut self, metric: wit::Metric) -> wasmtime::Result<()> {
        if let Some(metric) = self.metric(&metric) {
            let labels: usize = metric.labels.iter().map(|(name, value)| EACH + name.len() + value.len()).sum();
            if self.room.take(EACH + metric.name.len() + labels, Severity::Ok) {
                self.context.reported(|reported| reported.metrics.push(metric));
            }
        }
        Ok(())
    }

    fn add_table(&mut self, table: wit::Table) -> wasmtime::Result<()> {
        if table.columns.is_empty() {
            self.context
                .trouble(format!("the table {} has no columns and was dropped", clean::short(&table.title, 100)));
            return Ok(());
        }
        let columns: Vec<_> = table.columns.iter().take(64).map(|column| clean::short(column, 100)).collect();
        let row = |row: &Vec<String>| {
            let mut cells: Vec<_> = row.iter().take(columns.len()).map(|cell| clean::line(cell)).collect();
            cells.resize(columns.len(), String::new());
            cells
        };
        let rows: Vec<Vec<String>> = table.rows.iter().map(row).collect();
        let table = ReportTable { title: clean::short(&table.title, 200), columns, rows };
        let cells = table.rows.iter().chain([&table.columns]).flatten();
        let bytes = table.title.len() + cells.map(|cell| EACH + cell.len()).sum::<usize>();
        if self.room.take(bytes, Severity::Ok) {
            self.context.reported(|reported| reported.tables.push(table));
        }
        Ok(())
    }

    fn add_attachment(&mut self, attachment: wit::Attachment) -> wasmtime::Result<()> {
        if self.room.take(EACH + attachment.content.len(), Severity::Ok) {
            let (name, media_type) = (clean::file_name(&attachment.name), clean::media_type(&attachment.media_type));
            self.context.reported(|reported| {
                // Two of one name would be one file where they are written out.
                let taken = |name: &str| reported.attachments.iter().any(|other| other.name == name);
                let name = match taken(&name) {
                    true => format!("{}-{name}", reported.attachments.len() + 1),
                    false => name,
                };
                reported.attachments.push(Attachment { name, media_type, content: attachment.content });
            });
        }
        Ok(())
    }

    fn set_progress(&mut self, done: u64, total: Option<u64>, message: String) -> wasmtime::Result<()> {
        if let Some(progress) = &self.context.progress {
            progress(done, total, &clean::short(&message, 200));
        }
        Ok(())
    }
}

/// The most labels of a metric.
const MOST_LABELS: usize = 32;

impl ReportRun {
    /// The metric as it is kept; nothing, and a word to the operator, where it is none.
    fn metric(&self, metric: &wit::Metric) -> Option<Metric> {
        let name = clean::name(&metric.name);
        let wrong = |what: &str| self.context.trouble(format!("the metric {name} {what}"));
        if metric.name.is_empty() {
            wrong("has no name, and was dropped");
            return None;
        }
        if OWN.contains(&name.as_str()) {
            wrong("has a name of the host's own, and was dropped");
            return None;
        }
        if !metric.value.is_finite() {
            wrong("is not a number, and was dropped");
            return None;
        }
        let mut labels: Vec<(String, String)> = Vec::new();
        if metric.labels.len() > MOST_LABELS {
            wrong("has more than 32 labels; the others were dropped");
        }
        for (name, value) in metric.labels.iter().take(MOST_LABELS) {
            let label = (clean::name(name), clean::short(value, 500));
            if !labels.iter().any(|(name, _)| *name == label.0) {
                labels.push(label);
            }
        }
        let range = |range: &Option<String>| {
            let range = range.as_ref()?;
            if !clean::is_range(range) {
                wrong("has an alert range that is none, which was dropped");
                return None;
            }
            Some(range.clone())
        };
        let (warning, critical) = (range(&metric.warning), range(&metric.critical));
        let counter = metric.kind == wit::MetricKind::Counter;
        let unit = clean::short(&metric.unit, 16);
        Some(Metric { counter, labels, value: metric.value, unit, warning, critical, name })
    }
}

#[cfg(test)]
mod tests {
    use hostler_capability::{Limits, Reported};
    use hostler_world::report::Host as _;

    use super::*;
    use crate::tests::Task;

    fn part(task: &Task) -> ReportRun {
        *ReportCapability.prepare(&[], &task.run).expect("prepared").downcast().expect("its own part")
    }

    fn finding(severity: wit::Severity, summary: &str) -> wit::Finding {
        let text = || summary.to_owned();
        wit::Finding {
            severity,
            code: "code".into(),
            subject: text(),
            summary: text(),
            detail: Some(text()),
            remedy: None,
        }
    }

    fn metric(name: &str, value: f64) -> wit::Metric {
        let labels = vec![("a-b".into(), "x\n".into()), ("a_b".into(), "again".into()), ("c".into(), String::new())];
        let kind = wit::MetricKind::Counter;
        let (warning, critical) = (Some("~:10".into()), Some("10|x=1".into()));
        wit::Metric { name: name.into(), kind, labels, value, unit: "B".into(), warning, critical }
    }

    fn reported(task: &Task) -> Reported {
        task.run.reported(|reported| reported.clone())
    }

    #[test]
    fn text_is_cleaned_and_metrics_are_what_they_say() {
        let task = Task::new();
        let mut report = part(&task);
        report.add_finding(finding(wit::Severity::Warning, "a\x1b[31m\nb")).expect("taken");
        report.add_metric(metric("lag seconds", 1.5)).expect("taken");
        for value in [f64::NAN, f64::INFINITY] {
            report.add_metric(metric("broken", value)).expect("taken");
        }
        report.add_metric(metric("", 1.0)).expect("taken");
        report.add_metric(metric("task verdict", 0.0)).expect("taken");
        let kept = reported(&task);
        assert_eq!((kept.findings[0].summary.as_str(), kept.findings[0].detail.as_deref()), ("a b", Some("a\nb")));
        let [lag] = kept.metrics.as_slice() else { panic!("{:?}", kept.metrics) };
        assert_eq!((lag.name.as_str(), lag.counter, lag.value, lag.unit.as_str()), ("lag_seconds", true, 1.5, "B"));
        assert_eq!(lag.labels, [("a_b".to_owned(), "x ".to_owned()), ("c".to_owned(), String::new())]);
        assert_eq!((lag.warning.as_deref(), lag.critical.as_deref()), (Some("~:10"), None));
        let (troubles, _) = task.run.troubles_and_notes();
        let own = "task_verdict has a name of the host's own";
        for words in ["broken is not a number", "has no name", own, "lag_seconds has an alert range that is none"] {
            assert!(troubles.iter().any(|trouble| trouble.contains(words)), "{words}: {troubles:?}");
        }
    }

    #[test]
    fn findings_that_matter_have_room_where_nothing_else_has() {
        let task = Task::limited(Limits { reported: 20, ..Limits::default() });
        let mut report = part(&task);
        for _ in 0..30 {
            report.add_finding(finding(wit::Severity::Ok, "fine")).expect("taken");
            report.add_metric(metric("m", 1.0)).expect("taken");
        }
        for _ in 0..5 {
            report.add_finding(finding(wit::Severity::Critical, "bad")).expect("taken");
        }
        let kept = reported(&task);
        assert_eq!(kept.findings.len() + kept.metrics.len(), 20);
        assert_eq!(kept.findings.iter().filter(|finding| finding.severity == Severity::Critical).count(), 2);
        drop(report);
        let (troubles, _) = task.run.troubles_and_notes();
        assert!(troubles.iter().any(|trouble| trouble.contains("limit reported")), "{troubles:?}");
        assert!(troubles.iter().any(|trouble| trouble.starts_with("45 of what")), "{troubles:?}");
    }

    #[test]
    fn every_byte_counts() {
        let task = Task::limited(Limits { reported_bytes: 1_000, ..Limits::default() });
        let mut report = part(&task);
        let table = wit::Table { title: "t".into(), columns: vec!["c".into()], rows: vec![vec![]; 100] };
        report.add_table(table).expect("taken");
        let mut large = finding(wit::Severity::Critical, "s");
        large.remedy = Some("r".repeat(2_000));
        report.add_finding(large).expect("taken");
        let content = vec![0; 1_000];
        report
            .add_attachment(wit::Attachment { name: "a".into(), media_type: "text/plain".into(), content })
            .expect("taken");
        assert_eq!(reported(&task), Reported::default());
        report.add_finding(finding(wit::Severity::Ok, "small")).expect("taken");
        assert_eq!(reported(&task).findings.len(), 1, "what fits is still taken");
        let (troubles, _) = task.run.troubles_and_notes();
        assert!(troubles.iter().any(|trouble| trouble.contains("limit reported_bytes")), "{troubles:?}");
    }

    #[test]
    fn rows_are_as_long_as_the_columns_and_attachments_have_a_name_of_their_own() {
        let task = Task::new();
        let mut report = part(&task);
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let rows = vec![row(&["1"]), row(&["1", "2", "3"]), row(&["\x1b[1m1", "2"])];
        report.add_table(wit::Table { title: "t".into(), columns: row(&["a", "b"]), rows }).expect("taken");
        report.add_table(wit::Table { title: "none".into(), columns: vec![], rows: vec![] }).expect("taken");
        for name in ["../a.txt", "/b/a.txt", "..", "a.txt"] {
            let content = name.into();
            report
                .add_attachment(wit::Attachment { name: name.into(), media_type: "x".into(), content })
                .expect("taken");
        }
        let kept = reported(&task);
        assert_eq!(kept.tables.len(), 1);
        assert_eq!(kept.tables[0].rows, [["1", ""], ["1", "2"], ["1", "2"]]);
        let names: Vec<_> = kept.attachments.iter().map(|attachment| attachment.name.as_str()).collect();
        assert_eq!(names, ["a.txt", "2-a.txt", "attachment", "4-a.txt"]);
        assert_eq!(kept.attachments[0].media_type, "application/octet-stream");
    }

    #[test]
    fn progress_is_handed_on() {
        let task = Task::new();
        part(&task).set_progress(3, Some(9), "table\x1b[2J orders".into()).expect("taken");
        assert_eq!(*task.progress.lock().expect("no panic"), [(3, Some(9), "table orders".to_owned())]);
    }
}
