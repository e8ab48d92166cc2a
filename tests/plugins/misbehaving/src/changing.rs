//! Programs and changes that a stop has to reach.

use std::{thread::sleep, time::Duration};

use hostler_sdk::prelude::*;
use hostler_sdk::{files, shell::Outcome};

/// Runs the program to its end.
pub async fn run_program(context: &Context, argument: &str) -> Result<String, TaskError> {
    match context.program("program").argument(argument).run().await? {
        Outcome::Completed(completed) => Ok(format!("the program ended with {:?}", completed.exit_code)),
        Outcome::Planned => Ok("the program was planned".into()),
    }
}

/// As a plugin should: asks between any two changes whether it is to stop.
pub async fn write_until_stopped(context: &Context, count: usize) -> Result<String, TaskError> {
    for number in 0..count {
        if let Some(reason) = context.stop_requested() {
            finding!(Severity::Warning, "stopped", "output", "{reason}: {} files are not written", count - number)
                .remedy("run the task again: it goes on with those that are not there")
                .report();
            return Ok(format!("{number} files, then {reason}"));
        }
        write(context, number).await?;
        if !context.is_check() {
            sleep(Duration::from_millis(20));
        }
    }
    Ok(format!("{count} files"))
}

/// As a plugin should not: goes on after every refusal.
pub async fn write_whatever_is_said(context: &Context, count: usize) -> Result<String, TaskError> {
    let mut written = 0;
    for number in 0..count {
        written += usize::from(write(context, number).await.is_ok());
        sleep(Duration::from_millis(20));
    }
    Ok(format!("{written} files, and nothing was refused"))
}

async fn write(context: &Context, number: usize) -> Result<(), TaskError> {
    let path = context.directory("output").path(&format!("file-{number:06}"));
    files::write(&path, 0o600, b"contents".to_vec()).await.map(drop)
}
