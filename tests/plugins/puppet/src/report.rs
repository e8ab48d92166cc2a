//! Reports, by the generated bindings, since the SDK would hold some of them back.

use hostler_sdk::bindings::base::hostler::plugin::{log, report};
use hostler_sdk::prelude::*;
use serde_json::{Value, json};

/// One report.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Call {
    /// The text everywhere that a finding has one.
    Finding {
        text: String,
        #[serde(default)]
        ok: bool,
    },
    Metric {
        name: String,
        label: String,
        text: String,
        unit: String,
        value: Option<f64>,
    },
    Table {
        text: String,
    },
    Attachment {
        name: String,
        media_type: String,
        text: String,
    },
    Progress {
        text: String,
        done: u64,
        total: Option<u64>,
    },
    Log {
        text: String,
    },
    /// On standard output and standard error.
    Print {
        text: String,
    },
}

impl Call {
    pub(crate) fn make(self) -> Result<Value, TaskError> {
        match self {
            Self::Finding { text, ok } => report::add_finding(&report::Finding {
                severity: if ok { report::Severity::Ok } else { report::Severity::Warning },
                code: text.clone(),
                subject: text.clone(),
                summary: text.clone(),
                detail: Some(text.clone()),
                remedy: Some(text),
            }),
            Self::Metric { name, label, text, unit, value } => report::add_metric(&report::Metric {
                name,
                kind: report::MetricKind::Gauge,
                labels: vec![(label, text.clone())],
                value: value.unwrap_or(f64::NAN),
                unit,
                warning: Some(text),
                critical: None,
            }),
            Self::Table { text } => report::add_table(&report::Table {
                title: text.clone(),
                columns: vec![text.clone(), text.clone()],
                rows: vec![vec![text.clone(), text.clone()], vec![text]],
            }),
            Self::Attachment { name, media_type, text } => {
                report::add_attachment(&report::Attachment { name, media_type, content: text.into_bytes() });
            }
            Self::Progress { text, done, total } => report::set_progress(done, total, &text),
            Self::Log { text } => {
                log::emit(log::Level::Info, &text, &[(text.clone(), text.clone())]);
            }
            Self::Print { text } => {
                println!("{text}");
                eprintln!("{text}");
            }
        }
        Ok(json!(null))
    }
}
