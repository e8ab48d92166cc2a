//! Rate limits: how many were turned away since the last run, by whom they were kept, how near clients come to the
//! limit, and whether there is a limit at all. A site without a limiter has no limited requests, which looks like health.

mod limits;
mod tally;

use hostler_sdk::prelude::*;
use shared_logs::{Follower, parse};

use tally::Tally;

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    access_logs: Vec<String>,
    error_logs: Vec<String>,
    warning: Range,
    critical: Range,
    least: u64,
    headroom: Percent,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let limits = limits::read(&context).await?;
    let mut tally = Tally::default();
    let mut follower = Follower::open(&context).await?;
    let (mut read, mut seen) = (Ok(()), false);
    for directory in context.directories("logs") {
        match read_all(&mut follower, &directory, &settings, &mut tally).await {
            Ok(any) => seen |= any,
            Err(error) if error.ends_the_run() => {
                read = Err(error);
                break;
            }
            Err(error) => error.finding("log-unreadable", directory.name()).report(),
        }
    }
    follower.keep(&context).await?;
    if !seen {
        finding!(
            Severity::Unknown,
            "no-log",
            "access log",
            "no file in the bound directories is called {}",
            settings.access_logs.join(" or ")
        )
        .remedy("name the log as `access_logs` in the task's settings, or bind the directory that it lies in")
        .report();
    }
    tally.report(&limits, &settings);
    read.map(|()| tally.summary(&limits))
}

/// Reads the logs of a directory; whether an access log was among them.
async fn read_all(
    follower: &mut Follower,
    directory: &hostler_sdk::files::Directory,
    settings: &Settings,
    tally: &mut Tally,
) -> Result<bool, TaskError> {
    let access = follower.logs(directory, &settings.access_logs).await?;
    for name in &access.current {
        follower.read(&access, name, &mut |line| tally.access(parse(line).as_ref(), line)).await?;
    }
    let errors = follower.logs(directory, &settings.error_logs).await?;
    for name in errors.current.iter().filter(|name| !access.current.contains(name)) {
        follower.read(&errors, name, &mut |line| tally.error(line)).await?;
    }
    Ok(!access.current.is_empty())
}

#[cfg(test)]
mod tests;
