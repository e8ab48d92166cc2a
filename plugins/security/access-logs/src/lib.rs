//! Access logs since the last run: what failed, what was slow and heavy, who looks for what is not there.
//!
//! Lines come by the million and are written by strangers: they are read as they come, in bounded memory, and nothing
//! that a client sent reaches the report but the beginning of a path.

mod counted;
mod judge;
mod suspicion;

use hostler_sdk::prelude::*;
use shared_logs::{follow, parse};

use counted::Counted;

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    files: Vec<String>,
    warning: Range,
    critical: Range,
    least: u64,
    suspicious: u64,
    not_understood: Percent,
    top: usize,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let mut counted = Counted::default();
    let read = follow(&context, &context.directories("logs"), &settings.files, &mut |line| match parse(line) {
        Some(request) => counted.add(&request),
        None => counted.strange += u64::from(!line.is_empty()),
    })
    .await;
    counted.report(&settings);
    let (logs, _) = read?;
    let requests = hostler_sdk::counted(counted.requests, "request");
    let failed = counted.classes[5];
    Ok(format!("{requests} in {} since the last run, {failed} failed", hostler_sdk::counted(logs, "log")))
}

#[cfg(test)]
mod tests;
