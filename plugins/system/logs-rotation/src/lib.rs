//! Logs that are kept within bounds: what nobody rotates is found, a rule is installed that logrotate itself has called
//! good, and the journal is kept within a quota.
//!
//! Which rules hold is asked of `logrotate -d`, which changes nothing: it alone knows includes, globs, duplicates and what
//! it leaves out because of an error. A rule that is written over another unread, or that is wrong, makes logrotate skip
//! the whole file without a word to anybody.

mod install;
mod journal;
mod logs;
mod looked;
mod rule;

use hostler_sdk::prelude::*;

use looked::Looked;
use rule::Rule;

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    configuration: String,
    state_file: String,
    places: std::collections::BTreeMap<String, String>,
    patterns: Vec<String>,
    exclude: Vec<String>,
    least: ByteSize,
    size_warning: ByteSize,
    size_critical: ByteSize,
    due_warning: Duration,
    due_critical: Duration,
    rule: Option<String>,
    paths: Vec<String>,
    every: String,
    keep: u32,
    most_bytes: Option<ByteSize>,
    compress: bool,
    copy_truncate: bool,
    owner: Option<String>,
    group: Option<String>,
    mode: String,
    after: Option<String>,
    replace: bool,
    rotate_due: bool,
    journal_quota: Option<ByteSize>,
    journal_warning: Range,
    journal_critical: Range,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let rule = Rule::of(&settings)?;
    let _lock = match &rule {
        Some(_) => Some(context.lock("rules", "system-logs-rotation").await?),
        None => None,
    };
    let looked = match Looked::read(&context, &settings).await {
        Ok(looked) => Some(looked),
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) => {
            error.finding("rules-not-read", "logrotate").report();
            None
        }
    };
    let mut told = vec![];
    let mut looked = looked;
    if let (Some(rule), Some(before)) = (&rule, &looked) {
        let (what, changed) = install::apply(&context, &settings, rule, before).await?;
        told.extend(what);
        if changed {
            // What it covers now is judged.
            looked = Some(Looked::read(&context, &settings).await?);
        }
    }
    if let Some(looked) = &looked {
        looked.report_errors();
    }
    told.insert(0, logs::report(&context, &settings, looked.as_ref()).await?);
    told.extend(journal::report(&context, &settings).await?);
    Ok(told.join("; "))
}

#[cfg(test)]
mod tests;
