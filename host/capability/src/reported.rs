//! What a run reports: findings, metrics, tables, attachments, log lines.
//!
//! Types of the host's own beside the generated ones, so that they can be stored and printed. Control characters are
//! taken out as they arrive: what a plugin says is printed on a terminal.

use hostler_world::report as wit;
use serde::{Deserialize, Serialize};

/// How bad a finding is. The worst of a run is critical, then unknown, then warning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    #[default]
    Ok,
    /// Needs a look.
    Warning,
    /// Needs a hand now.
    Critical,
    /// Could not be looked at. Never taken for ok.
    Unknown,
}

impl Severity {
    /// 0 to 3, as monitoring systems have it.
    pub fn exit_code(self) -> u8 {
        self as u8
    }

    /// ok < warning < unknown < critical.
    fn rank(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Unknown => 2,
            Self::Critical => 3,
        }
    }

    /// The word, in lower case.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
        }
    }
}

impl PartialOrd for Severity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Severity {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl From<wit::Severity> for Severity {
    fn from(severity: wit::Severity) -> Self {
        match severity {
            wit::Severity::Ok => Self::Ok,
            wit::Severity::Warning => Self::Warning,
            wit::Severity::Critical => Self::Critical,
            wit::Severity::Unknown => Self::Unknown,
        }
    }
}

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

/// One thing that a run found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The kind of finding, stable.
    pub code: String,
    /// What it is about.
    pub subject: String,
    /// In a line.
    pub summary: String,
    /// More of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// What the operator can do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub remedy: Option<String>,
}

/// One figure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// snake_case, with its unit.
    pub name: String,
    /// Whether it only grows.
    pub counter: bool,
    /// Names and values.
    pub labels: Vec<(String, String)>,
    /// The figure.
    pub value: f64,
    /// `s`, `B`, `%` or empty.
    pub unit: String,
    /// The alert range of a warning.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub warning: Option<String>,
    /// The alert range of a critical finding.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub critical: Option<String>,
}

/// A table of the report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Its heading.
    pub title: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows, each as long as the columns.
    pub rows: Vec<Vec<String>>,
}

/// A file of the report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// A file name without a path.
    pub name: String,
    /// Such as `text/x-diff`.
    pub media_type: String,
    /// Its bytes; hexadecimal in JSON.
    #[serde(with = "hex::serde")]
    pub content: Vec<u8>,
}

/// A line of the plugin's log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// `trace` to `error`.
    pub level: String,
    /// The line.
    pub message: String,
    /// Names and values.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub fields: Vec<(String, String)>,
}

/// All that a run reported.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reported {
    /// Findings, as they came.
    pub findings: Vec<Finding>,
    /// Metrics, as they came.
    pub metrics: Vec<Metric>,
    /// Tables.
    pub tables: Vec<Table>,
    /// Attachments.
    pub attachments: Vec<Attachment>,
    /// Log lines, up to the limit.
    pub log: Vec<LogLine>,
    /// Log lines beyond it.
    pub log_dropped: u64,
}

impl Reported {
    /// The worst finding's severity; ok where there is none.
    pub fn worst(&self) -> Severity {
        self.findings.iter().map(|finding| finding.severity).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Severity;

    #[test]
    fn the_worst_is_critical_then_unknown_then_warning() {
        let mut all = [Severity::Critical, Severity::Ok, Severity::Unknown, Severity::Warning];
        all.sort();
        assert_eq!(all, [Severity::Ok, Severity::Warning, Severity::Unknown, Severity::Critical]);
        assert_eq!(all.map(Severity::exit_code), [0, 1, 3, 2]);
    }
}
