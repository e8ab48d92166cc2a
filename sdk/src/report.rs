//! What a run tells its operator: findings, metrics, tables, files.
//!
//! Reports leave at once, so that a run that ends early still shows what it had found. On the machine itself they go
//! to a recorder of the thread, for tests.

use std::fmt::Display;

#[cfg(target_arch = "wasm32")]
use crate::bindings::base::hostler::plugin::{log as wit_log, report as wit};
use crate::{Measure, Range, judged};

/// How bad a finding is. The order is that of verdicts: the worst of a run is critical, then unknown, then warning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// As it should be.
    #[default]
    Ok,
    /// Needs a look.
    Warning,
    /// Could not be looked at. Never taken for ok.
    Unknown,
    /// Needs a hand now.
    Critical,
}

/// One thing that a run found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a finding is told by its `report`"]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The kind of finding, stable, such as `index-invalid`.
    pub code: String,
    /// What it is about: a table, a key, a path.
    pub subject: String,
    /// In a line.
    pub summary: String,
    /// More of it.
    pub detail: Option<String>,
    /// What the operator can do, as a command or a sentence.
    pub remedy: Option<String>,
}

impl Finding {
    /// A finding; [`finding!`](crate::finding) formats its summary.
    pub fn new(
        severity: Severity,
        code: impl Into<String>,
        subject: impl Into<String>,
        summary: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            code: code.into(),
            subject: subject.into(),
            summary: summary.into(),
            detail: None,
            remedy: None,
        }
    }

    /// More of it; an empty text is none.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into()).filter(|detail| !detail.is_empty());
        self
    }

    /// What the operator can do, as a command that can be copied, or a sentence.
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Tells the operator.
    pub fn report(self) {
        #[cfg(target_arch = "wasm32")]
        wit::add_finding(&wit::Finding {
            severity: self.severity.into(),
            code: self.code,
            subject: self.subject,
            summary: self.summary,
            detail: self.detail,
            remedy: self.remedy,
        });
        #[cfg(not(target_arch = "wasm32"))]
        crate::testing::with(|recorded| recorded.findings.push(self));
    }

    /// Tells the operator only where there is something to tell: a severity other than ok.
    pub fn report_unless_ok(self) {
        if self.severity != Severity::Ok {
            self.report();
        }
    }
}

/// A finding with a formatted summary: `finding!(severity, "code", subject, "{used} of {limit}")`, then `.remedy(…)`
/// and `.report()`.
#[macro_export]
macro_rules! finding {
    ($severity:expr, $code:expr, $subject:expr, $($summary:tt)+) => {
        $crate::Finding::new($severity, $code, $subject, ::std::format!($($summary)+))
    };
}

#[cfg(target_arch = "wasm32")]
impl From<Severity> for wit::Severity {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Ok => Self::Ok,
            Severity::Warning => Self::Warning,
            Severity::Critical => Self::Critical,
            Severity::Unknown => Self::Unknown,
        }
    }
}

/// One figure, named as Prometheus names it.
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use = "a metric is told by its `report`"]
pub struct Metric {
    /// snake_case, with its unit at the end; a counter ends in `_total`.
    pub name: String,
    /// Whether it only grows.
    pub counter: bool,
    /// Names and values.
    pub labels: Vec<(String, String)>,
    /// The figure.
    pub value: f64,
    /// `s`, `B`, `%` or empty.
    pub unit: String,
    /// Where it is a warning.
    pub warning: Option<String>,
    /// Where it is critical.
    pub critical: Option<String>,
}

impl Metric {
    /// A figure that goes up and down. The unit follows from the name's end: `_bytes`, `_seconds`, `_percent`.
    pub fn gauge(name: impl Into<String>, value: f64) -> Self {
        let name = name.into();
        let unit = match name.trim_end_matches("_total").rsplit('_').next() {
            Some("bytes") => "B",
            Some("seconds") => "s",
            Some("percent") => "%",
            _ => "",
        };
        Self { unit: unit.into(), name, value, ..Self::default() }
    }

    /// A figure that only grows; its name ends in `_total`.
    pub fn counter(name: impl Into<String>, value: f64) -> Self {
        Self { counter: true, ..Self::gauge(name, value) }
    }

    /// Adds a label.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }

    /// Adds the ranges that it is judged by.
    pub fn ranges(mut self, warning: &Range, critical: &Range) -> Self {
        self.warning = Some(warning.to_string());
        self.critical = Some(critical.to_string());
        self
    }

    /// Tells the operator this figure with the ranges that it is judged by; and where it breaks one, the finding, with
    /// the severity that follows, and the limit behind its summary. A figure that is not a number is unknown.
    pub fn judge(self, warning: &Range, critical: &Range, finding: Finding) {
        let measure = match self.unit.as_str() {
            "B" => Measure::Bytes,
            "s" => Measure::Seconds,
            "%" => Measure::Percent,
            _ => Measure::Plain,
        };
        let (severity, limit) = judged(self.value, warning, critical, measure);
        self.ranges(warning, critical).report();
        Finding { severity, summary: finding.summary + &limit, ..finding }.report_unless_ok();
    }

    /// Tells the operator; a figure that is not finite is none.
    pub fn report(self) {
        if !self.value.is_finite() {
            return;
        }
        #[cfg(target_arch = "wasm32")]
        wit::add_metric(&wit::Metric {
            name: self.name,
            kind: if self.counter { wit::MetricKind::Counter } else { wit::MetricKind::Gauge },
            labels: self.labels,
            value: self.value,
            unit: self.unit,
            warning: self.warning,
            critical: self.critical,
        });
        #[cfg(not(target_arch = "wasm32"))]
        crate::testing::with(|recorded| recorded.metrics.push(self));
    }
}

/// A table of the report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a table is told by its `report`"]
pub struct Table {
    /// Its heading.
    pub title: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows, each as long as the columns.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub fn new(title: impl Into<String>, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        Self { title: title.into(), columns, rows: vec![] }
    }

    /// Adds a row; one that is too short is filled up, one that is too long is cut.
    pub fn row(&mut self, cells: &[&dyn Display]) {
        let mut row: Vec<String> = cells.iter().map(ToString::to_string).collect();
        row.resize(self.columns.len(), String::new());
        self.rows.push(row);
    }

    /// Tells the operator, unless it has no rows.
    pub fn report(self) {
        if self.rows.is_empty() {
            return;
        }
        #[cfg(target_arch = "wasm32")]
        wit::add_table(&wit::Table { title: self.title, columns: self.columns, rows: self.rows });
        #[cfg(not(target_arch = "wasm32"))]
        crate::testing::with(|recorded| recorded.tables.push(self));
    }
}

/// A file of the report: a patch, a graph, a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "an attachment is told by its `report`"]
pub struct Attachment {
    /// A file name without a path.
    pub name: String,
    /// Such as `text/x-diff`.
    pub media_type: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

impl Attachment {
    /// Tells the operator.
    pub fn report(self) {
        #[cfg(target_arch = "wasm32")]
        wit::add_attachment(&wit::Attachment { name: self.name, media_type: self.media_type, content: self.content });
        #[cfg(not(target_arch = "wasm32"))]
        crate::testing::with(|recorded| recorded.attachments.push(self));
    }
}

/// Moves the progress bar of a long run.
pub fn progress(done: u64, total: Option<u64>, message: &str) {
    #[cfg(target_arch = "wasm32")]
    wit::set_progress(done, total, message);
    #[cfg(not(target_arch = "wasm32"))]
    let _ = (done, total, message);
}

/// Diagnostics, kept with the run.
pub mod log {
    #[cfg(target_arch = "wasm32")]
    use super::wit_log;

    /// What helps whoever looks for a mistake.
    pub fn debug(message: &str) {
        #[cfg(target_arch = "wasm32")]
        wit_log::emit(wit_log::Level::Debug, message, &[]);
        #[cfg(not(target_arch = "wasm32"))]
        let _ = message;
    }

    /// What the run did.
    pub fn info(message: &str) {
        #[cfg(target_arch = "wasm32")]
        wit_log::emit(wit_log::Level::Info, message, &[]);
        #[cfg(not(target_arch = "wasm32"))]
        let _ = message;
    }

    /// What was out of place and did not matter.
    pub fn warn(message: &str) {
        #[cfg(target_arch = "wasm32")]
        wit_log::emit(wit_log::Level::Warn, message, &[]);
        #[cfg(not(target_arch = "wasm32"))]
        let _ = message;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn the_worst_is_critical_then_unknown_then_warning() {
        let mut all = [Severity::Critical, Severity::Ok, Severity::Unknown, Severity::Warning];
        all.sort();
        assert_eq!(all, [Severity::Ok, Severity::Warning, Severity::Unknown, Severity::Critical]);
    }

    #[test]
    fn a_figure_that_breaks_its_limit_is_a_finding_that_names_it() {
        let (warning, critical) = (Range::above(80.0), Range::above(90.0));
        let told = |value| {
            testing::record(|| {
                let finding = finding!(Severity::Ok, "used", "server", "{value} % in use");
                Metric::gauge("used_percent", value).judge(&warning, &critical, finding);
            })
        };
        assert_eq!((told(80.0).told(), told(80.0).metric("used_percent")), (vec![], Some(80.0)));
        let recorded = told(91.0);
        assert_eq!(recorded.told(), [("used", "server", Severity::Critical)]);
        assert_eq!(recorded.findings[0].summary, "91 % in use, critical above 90 %");
        assert_eq!(recorded.metrics[0].critical.as_deref(), Some("~:90"));
        assert_eq!(told(f64::NAN).worst(), Severity::Unknown);
    }

    #[test]
    fn what_is_reported_is_recorded_in_order() {
        let recorded = testing::record(|| {
            finding!(Severity::Warning, "one", "subject", "{} of {}", 1, 2).detail("").remedy("VACUUM").report();
            finding!(Severity::Ok, "two", "subject", "well").report_unless_ok();
            Metric::gauge("disk_available_bytes", 5.0).label("mount", "/").report();
            Metric::gauge("ratio", f64::NAN).report();
            Table::new("empty", &["a"]).report();
        });
        assert_eq!(recorded.findings.len(), 1);
        assert_eq!((recorded.findings[0].summary.as_str(), &recorded.findings[0].detail), ("1 of 2", &None));
        assert_eq!(recorded.metrics.len(), 1);
        assert_eq!(recorded.metrics[0].unit, "B");
        assert!(recorded.tables.is_empty());
    }
}
