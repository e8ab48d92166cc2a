//! More of everything than anybody needs.

use hostler_sdk::bindings::base::hostler::plugin::{log, plan, report, run_context, state};
use hostler_sdk::bindings::files::{hostler::plugin::files, wit_stream};
use hostler_sdk::bindings::postgres::hostler::plugin::postgres;
use hostler_sdk::{join_all, prelude::*};
use serde_json::{Value, json};

/// What there is too much of, and how much.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Call {
    Findings {
        count: u64,
    },
    Metrics {
        count: u64,
    },
    /// One metric with so many labels.
    Labels {
        count: u64,
    },
    Tables {
        count: u64,
    },
    /// A table of so many empty rows.
    Rows {
        count: u64,
    },
    LogLines {
        count: u64,
    },
    /// Lines of the log with so many fields.
    LogFields {
        count: u64,
    },
    Progress {
        count: u64,
    },
    /// Keys of the task's state.
    StateKeys {
        count: u64,
    },
    /// One key of so many bytes.
    StateKey {
        bytes: usize,
    },
    /// One value of so many bytes.
    StateValue {
        bytes: usize,
    },
    /// An attachment of so many bytes.
    Attachment {
        bytes: usize,
    },
    /// A finding with a summary of so many bytes.
    Text {
        bytes: usize,
    },
    /// Files opened, and their streams never read, their futures never awaited.
    Streams {
        path: String,
        count: u64,
    },
    /// Files begun and never finished.
    Writers {
        path: String,
        count: u64,
    },
    /// Databases opened and kept.
    Databases {
        count: u64,
    },
    /// Transactions opened and kept.
    Transactions {
        count: u64,
    },
    /// A change in a transaction that is never ended.
    Hold {
        sql: String,
    },
    Locks {
        count: u64,
    },
    Steps {
        count: u64,
    },
    /// Looks at a file, all of them under way together.
    CallsUnderWay {
        path: String,
        count: u64,
    },
    /// Looks at a file, one after the other.
    Calls {
        path: String,
        count: u64,
    },
    /// Streams of its own, both ends kept.
    OwnStreams {
        count: u64,
    },
    /// A path, a statement and a name of so many bytes.
    HugeArgument {
        bytes: usize,
    },
}

impl Call {
    pub(crate) async fn make(self, context: &Context) -> Result<Value, TaskError> {
        match self {
            Self::Findings { count } => (0..count).for_each(|number| finding("fine", &format!("part {number}"))),
            Self::Text { bytes } => finding(&"x".repeat(bytes), "text"),
            Self::Metrics { count } => (0..count).for_each(|number| metric(vec![("part".into(), number.to_string())])),
            Self::Labels { count } => {
                metric((0..count).map(|number| (format!("label_{number}"), "x".into())).collect())
            }
            Self::Tables { count } => (0..count).for_each(|_| table(0)),
            Self::Rows { count } => table(usize::try_from(count).unwrap_or(usize::MAX)),
            Self::LogLines { count } => (0..count).for_each(|_| log::emit(log::Level::Info, "line", &[])),
            Self::LogFields { count } => {
                let fields: Vec<_> = (0..count).map(|number| (format!("field {number}"), "x".to_owned())).collect();
                log::emit(log::Level::Info, "line", &fields);
            }
            Self::Progress { count } => (0..count).for_each(|done| report::set_progress(done, None, "going on")),
            Self::Attachment { bytes } => report::add_attachment(&report::Attachment {
                name: "large".into(),
                media_type: "text/plain".into(),
                content: vec![b'x'; bytes],
            }),
            Self::StateKeys { count } => {
                for number in 0..count {
                    state::set(format!("key {number}"), vec![b'x'; 64]).await?;
                }
            }
            Self::StateKey { bytes } => state::set("k".repeat(bytes), vec![]).await?,
            Self::StateValue { bytes } => state::set("value".into(), vec![b'x'; bytes]).await?,
            Self::Streams { path, count } => {
                let mut kept = Vec::new();
                for _ in 0..count {
                    kept.push(files::read(path.clone(), 0, files::Compression::None).await?);
                }
            }
            Self::Writers { path, count } => {
                let mut kept = Vec::new();
                for number in 0..count {
                    kept.push(files::Writer::create(format!("{path}/{number}"), 0o600).await?);
                }
            }
            Self::Databases { count } => {
                let mut kept = Vec::new();
                for _ in 0..count {
                    kept.push(postgres::Database::open("database".into(), None, None).await?);
                }
            }
            Self::Transactions { count } => return transactions(count).await,
            Self::Hold { sql } => {
                let transaction = context.postgres("database").await?.begin().await?;
                transaction.execute(&sql, &[]).await?;
                std::thread::sleep(std::time::Duration::from_secs(1_000_000));
            }
            Self::Locks { count } => {
                let mut kept = Vec::new();
                for number in 0..count {
                    kept.push(run_context::Lock::acquire("data".into(), format!("lock {number}")).await?);
                }
            }
            Self::Steps { count } => {
                for _ in 0..count {
                    drop(plan::Step::begin("a step", plan::Bounds { effects: 1, rows: 1 })?);
                }
            }
            Self::CallsUnderWay { path, count } => return under_way(&path, count).await,
            Self::Calls { path, count } => {
                for _ in 0..count {
                    files::read_metadata(path.clone()).await?;
                }
            }
            Self::OwnStreams { count } => {
                let mut kept = Vec::new();
                for _ in 0..count {
                    kept.push(wit_stream::new::<u8>());
                }
            }
            Self::HugeArgument { bytes } => return huge(context, bytes).await,
        }
        Ok(json!(null))
    }
}

fn finding(summary: &str, subject: &str) {
    report::add_finding(&report::Finding {
        severity: report::Severity::Ok,
        code: "fine".into(),
        subject: subject.into(),
        summary: summary.into(),
        detail: None,
        remedy: None,
    });
}

fn metric(labels: Vec<(String, String)>) {
    report::add_metric(&report::Metric {
        name: "parts".into(),
        kind: report::MetricKind::Gauge,
        labels,
        value: 1.0,
        unit: String::new(),
        warning: None,
        critical: None,
    });
}

fn table(rows: usize) {
    report::add_table(&report::Table {
        title: "a table".into(),
        columns: vec!["a column".into()],
        rows: vec![vec![String::new()]; rows],
    });
}

/// Waits for a connection only so long: with all of them held by one plugin, the next waits for itself.
async fn transactions(count: u64) -> Result<Value, TaskError> {
    let database = postgres::Database::open("database".into(), None, None).await?;
    let mut kept = Vec::new();
    for _ in 0..count {
        let options = postgres::Options { settings: vec![], timeout_ms: Some(1000) };
        kept.push(database.begin(postgres::Isolation::ReadCommitted, options).await?);
    }
    Ok(json!(kept.len()))
}

async fn under_way(path: &str, count: u64) -> Result<Value, TaskError> {
    let outcomes = join_all((0..count).map(|_| files::sha256(path.to_owned()))).await;
    let made = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    match outcomes.into_iter().find_map(Result::err) {
        Some(error) => Err(error.into()),
        None => Ok(json!(made)),
    }
}

async fn huge(context: &Context, bytes: usize) -> Result<Value, TaskError> {
    let long = "x".repeat(bytes);
    let mut refused = Vec::new();
    refused.push(files::read_metadata(format!("/data/{long}")).await.is_err());
    refused.push(run_context::Lock::acquire("data".into(), long.clone()).await.is_err());
    refused.push(run_context::Lock::acquire(long.clone(), "name".into()).await.is_err());
    refused.push(context.postgres(&long).await.is_err());
    refused.push(context.redis(&long).await.is_err());
    refused.push(context.program(&long).run().await.is_err());
    refused.push(context.endpoint(&long).connect().await.is_err());
    Ok(json!(refused))
}
