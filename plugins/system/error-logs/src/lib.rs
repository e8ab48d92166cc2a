//! Errors since the last run, grouped by what they say. A machine says the same ten things a thousand times; the one that
//! it never said before is what the night is about. So each message is reduced to a fingerprint, without numbers and
//! names, and held against how often it usually comes.

mod entry;
mod group;
mod journal;

use hostler_sdk::prelude::*;
use hostler_sdk::{baseline_taken, matches_pattern};
use shared_logs::follow;

use group::{Groups, Known};

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    files: Vec<String>,
    factor: f64,
    least: u64,
    ignore: Vec<String>,
    top: usize,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let known: Option<Known> = context.state().get("known").await?;
    let mut groups = Groups::default();
    let mut add = |source: &str, entry: entry::Entry| {
        if !settings.ignore.iter().any(|pattern| matches_pattern(pattern, &entry.message)) {
            groups.add(source, &entry);
        }
    };
    let journal = journal::read(&context, &mut |entry| add("journal", entry)).await;
    let directories = context.directories("logs");
    if matches!(journal, Ok(false)) && directories.is_empty() {
        return Err(TaskError::new("neither the journal nor a directory of logs is bound")
            .remedy("bind.journalctl = \"program.journalctl\", or bind.logs = [\"directory.NAME\"]"));
    }
    if let Err(error) = &journal {
        if error.ends_the_run() {
            return Err(error.clone());
        }
        error.finding("journal-unreadable", "journal").report();
    }
    if !directories.is_empty() {
        follow(&context, &directories, &settings.files, &mut |line| {
            if let Some(entry) = entry::of_line(line) {
                add("log", entry);
            }
        })
        .await?;
    }
    let summary = groups.report(known.as_ref(), &settings);
    if known.is_none() {
        baseline_taken("errors", "this is the first run, and what is usual is not known yet").report();
    }
    context.state().set("known", &groups.learnt(known.unwrap_or_default())).await?;
    Ok(summary)
}

#[cfg(test)]
mod tests;
