//! The machine and the history, as a plugin asks them.

use hostler_sdk::bindings::{history::hostler::plugin::history, machine::hostler::plugin::machine};
use hostler_sdk::prelude::*;
use serde_json::{Value, json};
use wit_bindgen::StreamResult;

/// One look.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Call {
    Processes,
    Mounts,
    Sockets,
    OpenPaths { directory: String },
    Runs { task: String },
    Metrics { task: String, metric: String },
}

impl Call {
    pub(crate) async fn make(self) -> Result<Value, TaskError> {
        match self {
            Self::Processes => Ok(json!(format!("{:?}", machine::list_processes().await?))),
            Self::Mounts => Ok(json!(format!("{:?}", machine::list_mounts().await?))),
            Self::Sockets => Ok(json!(format!("{:?}", machine::list_listening_sockets().await?))),
            Self::OpenPaths { directory } => Ok(json!(machine::list_open_paths(directory).await?)),
            Self::Runs { task } => {
                let (mut runs, completed) = history::runs(task, 0).await?;
                let mut tasks = Vec::new();
                loop {
                    let (result, items) = runs.read(Vec::with_capacity(16)).await;
                    tasks.extend(items.into_iter().map(|run| run.task));
                    if !matches!(result, StreamResult::Complete(_)) {
                        break;
                    }
                }
                completed.await?;
                Ok(json!(tasks))
            }
            Self::Metrics { task, metric } => {
                let (mut series, completed) = history::metrics(task, metric, 0, None).await?;
                let mut tasks = Vec::new();
                loop {
                    let (result, items) = series.read(Vec::with_capacity(16)).await;
                    tasks.extend(items.into_iter().map(|one| one.task));
                    if !matches!(result, StreamResult::Complete(_)) {
                        break;
                    }
                }
                completed.await?;
                Ok(json!(tasks))
            }
        }
    }
}
