//! Who may do what, beside what was approved. A list of rights says little by itself: every server has a superuser. What
//! says much is one more than yesterday, so the rights are compared with a baseline that somebody approved, and what is
//! wrong whoever approved what (a door without a lock) is told from the first run on.
//!
//! PostgreSQL keeps no last login. What this task saw in `pg_stat_activity` is all that it knows of a role's use, and it
//! says so.

mod hba;
mod keys;
mod redis;
mod right;
mod roles;
mod server;
mod sudoers;
mod unix;
mod usage;

use hostler_sdk::prelude::*;
use shared_baseline::Baseline;

use right::Found;

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    approved: Option<Vec<String>>,
    baseline_file: String,
    ignore: Vec<String>,
    groups: Vec<String>,
    unused: Duration,
    least_looks: u64,
    rarely_used: Vec<String>,
    depth: u32,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let baseline = Baseline::read(&context, "baseline", &settings.baseline_file, settings.approved.as_deref()).await?;
    let mut found = Found::default();
    let mut looked_at = false;
    match server::look(&context, &settings, &mut found).await {
        Ok(()) => looked_at = true,
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) if error.is_unbound() => {}
        Err(error) => missed(&mut found, &error, "database"),
    }
    match redis::look(&context, &mut found).await {
        Ok(()) => looked_at = true,
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) if error.is_unbound() => {}
        Err(error) => missed(&mut found, &error, "server"),
    }
    let directories = context.directories("directories");
    if !directories.is_empty() {
        looked_at = true;
        unix::look(&directories, &settings, &mut found).await?;
    }
    if !looked_at && found.is_whole() {
        return Err(TaskError::new("nothing is bound, so that nothing was looked at")
            .remedy("bind `database`, `server`, `directories` or all of them at the task"));
    }
    found.leave_out(&settings.ignore);
    let summary = found.report(&baseline);
    baseline.keep(&context, &found.lines(), found.is_whole()).await?;
    Ok(summary)
}

fn missed(found: &mut Found, error: &TaskError, subject: &str) {
    found.missed();
    error.finding("server-not-looked-at", subject).report();
}

#[cfg(test)]
mod tests;
