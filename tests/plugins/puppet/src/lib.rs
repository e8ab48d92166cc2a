//! Makes the calls that a test writes down, one after the other, and attaches what became of each as `outcomes.json`.
//!
//! Attacks are data of the tests beside their honest neighbours, so that both are made by one plugin, under one grant,
//! in one run.

mod ambient;
mod files;
mod flood;
mod machine;
mod network;
mod postgres;
mod programs;
mod redis;
mod report;

use hostler_sdk::prelude::*;
use hostler_sdk::{Attachment, Cause};
use serde_json::{Value, json};

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    steps: Vec<String>,
}

/// A call to make.
#[derive(Deserialize)]
#[serde(tag = "call", rename_all = "kebab-case")]
enum Step {
    Postgres(postgres::Call),
    Redis(redis::Call),
    Files(files::Call),
    Program(programs::Call),
    Network(network::Call),
    Machine(machine::Call),
    Report(report::Call),
    Flood(flood::Call),
    Ambient(ambient::Call),
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let mut outcomes = Vec::with_capacity(settings.steps.len());
    for step in &settings.steps {
        let step: Step = serde_json::from_str(step).map_err(|error| TaskError::new(format!("{error}: {step}")))?;
        let made = match step {
            Step::Postgres(call) => call.make(&context).await,
            Step::Redis(call) => call.make(&context).await,
            Step::Files(call) => call.make().await,
            Step::Program(call) => call.make().await,
            Step::Network(call) => call.make().await,
            Step::Machine(call) => call.make().await,
            Step::Report(call) => call.make(),
            Step::Flood(call) => call.make(&context).await,
            Step::Ambient(call) => call.make(),
        };
        outcomes.push(made.map_or_else(|error| told(&error), |value| json!({ "allowed": value })));
    }
    let count = outcomes.len();
    let content = Value::from(outcomes).to_string().into_bytes();
    Attachment { name: "outcomes.json".into(), media_type: "application/json".into(), content }.report();
    Ok(format!("{count} calls were made"))
}

/// What a plugin learns of a call that did not succeed.
fn told(error: &TaskError) -> Value {
    let kind = match error.cause() {
        Cause::Denied => "denied",
        Cause::Unbound => "unbound",
        Cause::Invalid => "invalid",
        Cause::Unavailable => "unavailable",
        Cause::Failed(_) => "failed",
        Cause::TimedOut => "timed-out",
        Cause::Limit => "limit",
        Cause::Stopped => "stopped",
        Cause::Task => "task",
    };
    json!({ kind: error.message() })
}
