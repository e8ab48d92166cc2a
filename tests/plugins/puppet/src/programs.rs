//! Programs, as a plugin calls them.

use std::collections::BTreeMap;

use hostler_sdk::bindings::shell::hostler::plugin::shell as bindings;
use hostler_sdk::prelude::*;
use serde_json::{Value, json};
use wit_bindgen::StreamResult;

/// One call.
#[derive(Deserialize)]
pub(crate) struct Call {
    #[serde(default = "program")]
    request: String,
    arguments: Vec<Argument>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    connect_to: Option<String>,
    #[serde(default)]
    directory: Option<String>,
    #[serde(default)]
    timeout_ms: Option<u64>,
    /// A path that its output is written to.
    #[serde(default)]
    file: Option<String>,
    /// Read as it comes.
    #[serde(default)]
    spawn: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Argument {
    Text(String),
    Path { path: String },
    TextPath { text: String, below: String },
}

fn program() -> String {
    "program".into()
}

impl Call {
    pub(crate) async fn make(self) -> Result<Value, TaskError> {
        let (file, spawn) = (self.file.clone(), self.spawn);
        let command = self.command();
        if spawn {
            let mut process = bindings::spawn(command).await?;
            let mut length = 0;
            loop {
                let (result, bytes) = process.stdout.read(Vec::with_capacity(64 << 10)).await;
                length += bytes.len();
                if !matches!(result, StreamResult::Complete(_)) {
                    break;
                }
            }
            let completed = process.completed.await?;
            return Ok(json!({ "length": length, "code": completed.exit_code, "signal": completed.signal }));
        }
        let target = file.map_or(bindings::OutputTarget::Capture, bindings::OutputTarget::File);
        match bindings::run(command, None, target).await? {
            bindings::Outcome::Planned => Ok(json!("planned")),
            bindings::Outcome::Completed(completed) => Ok(json!({
                "code": completed.exit_code,
                "signal": completed.signal,
                "stdout": shown(&completed.stdout),
                "stderr": shown(&completed.stderr),
                "truncated": completed.truncated,
            })),
        }
    }

    fn command(self) -> bindings::Command {
        let argument = |argument| match argument {
            Argument::Text(text) => bindings::Argument::Text(text),
            Argument::Path { path } => bindings::Argument::Path(path),
            Argument::TextPath { text, below } => bindings::Argument::TextPath((text, below)),
        };
        bindings::Command {
            program: self.request,
            arguments: self.arguments.into_iter().map(argument).collect(),
            environment: self.environment.into_iter().collect(),
            connect_to: self.connect_to,
            working_directory: self.directory,
            timeout_ms: self.timeout_ms,
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(64 << 10)]).into_owned()
}
