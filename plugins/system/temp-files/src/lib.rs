//! Old files in temporary directories. What goes is what nobody used: not changed and not read for the time in the
//! settings, not open in any process, a regular file with one name, on the directory's own filesystem, and the very file
//! that was looked at. Directories stay: an empty one is somebody's place.
//!
//! PostgreSQL's own temporary files are never touched, whatever the settings say: it clears them away itself, and losing
//! one breaks a query. How much its queries spill is told beside, where a server is bound.

mod choose;
mod spill;

use std::collections::BTreeSet;

use hostler_sdk::files::{self, Directory, Effect, WalkOptions};
use hostler_sdk::prelude::*;
use hostler_sdk::{Attachment, machine, progress};

use choose::{Chosen, Old, Rules};

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    age: Duration,
    exclude: Vec<String>,
    limit: usize,
    warning: Range,
    spilled: Range,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let (mut files, mut removed, mut bytes, mut left) = (0, 0, 0, 0);
    for directory in context.directories("directories") {
        let chosen = match look(&context, &directory, &settings).await {
            Ok(chosen) => chosen,
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => {
                error.finding("not-looked-at", directory.name()).report();
                continue;
            }
        };
        let (gone, freed) = remove(&context, &directory, &chosen, settings.limit.saturating_sub(removed)).await?;
        files += chosen.old.len();
        removed += gone;
        bytes += freed;
        let total: u64 = chosen.old.iter().map(|old| old.bytes).sum();
        let remain = if context.is_check() { total } else { total.saturating_sub(freed) };
        left += remain;
        report(&directory, &chosen, remain, &settings);
    }
    match spill::look(&context, &settings).await {
        Ok(()) => {}
        Err(error) if error.is_unbound() => {}
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) => error.finding("server-not-looked-at", "PostgreSQL").report(),
    }
    Metric::gauge("temporary_files_old_bytes", left as f64).ranges(&settings.warning, &settings.warning).report();
    let verb = if context.is_check() { "would be removed" } else { "removed" };
    Ok(format!("{} old, {removed} {verb}, {}", counted(files, "file"), ByteSize(bytes)))
}

async fn look(context: &Context, directory: &Directory, settings: &Settings) -> Result<Chosen, TaskError> {
    let now = context.planned_at();
    let before = i64::try_from(now.0).unwrap_or_default() * 1_000_000 - (settings.age.as_seconds() * 1e9) as i64;
    let options =
        WalkOptions { depth: None, cross_mounts: false, modified_before: Some(before), accessed_before: Some(before) };
    let tree = files::list(&directory.root(), options).await?;
    // Asked after the files were listed, so that one that was opened in the meantime is seen.
    let open: BTreeSet<String> = machine::open_paths(&directory.root()).await?.into_iter().collect();
    let rules = Rules { root: format!("{}/", directory.root()), before, exclude: &settings.exclude, open: &open };
    let mut chosen = rules.choose(&tree.entries);
    chosen.unreadable = tree.unreadable;
    Ok(chosen)
}

/// Removes what was chosen, and returns how many files and bytes those were; in a check, what they would be.
async fn remove(
    context: &Context,
    directory: &Directory,
    chosen: &Chosen,
    room: usize,
) -> Result<(usize, u64), TaskError> {
    let all = &chosen.old[..chosen.old.len().min(room)];
    if all.is_empty() {
        return Ok((0, 0));
    }
    let _lock = context.lock("directories", &format!("temp-files {}", directory.name())).await?;
    let _step = context.step(&format!("remove old files from {}", directory.name()), all.len() as u64, 0)?;
    attach(directory, all);
    if context.is_check() {
        // One stands for all: the attachment names each, and the step says how many there may be.
        files::remove(&all[0].path, Some(all[0].identity)).await?;
        return Ok((all.len(), all.iter().map(|old| old.bytes).sum()));
    }
    let (mut removed, mut bytes, mut kept) = (0, 0, vec![]);
    for (place, old) in all.iter().enumerate() {
        if place % 100 == 0 {
            progress(place as u64, Some(all.len() as u64), directory.name());
            if let Some(reason) = context.stop_requested() {
                finding!(
                    Severity::Warning,
                    "stopped",
                    directory.name(),
                    "{reason}: {} left",
                    counted(all.len() - place, "file")
                )
                .remedy("run the task again: it goes on with those that are left")
                .report();
                break;
            }
        }
        match files::remove(&old.path, Some(old.identity)).await {
            Ok(Effect::Applied) => {
                removed += 1;
                bytes += old.bytes;
            }
            Ok(Effect::Planned) => {}
            Err(error) if error.ends_the_run() => return Err(error),
            // Gone, or changed since: then it is not old any more.
            Err(error) if error.is("ENOENT") || error.is("ESTALE") => {}
            Err(error) => kept.push(format!("{}: {}", old.path, error.message())),
        }
    }
    if !kept.is_empty() {
        finding!(
            Severity::Unknown,
            "not-removed",
            directory.name(),
            "{} could not be removed: {}",
            counted(kept.len(), "file"),
            kept[0]
        )
        .remedy("let the host's user write the directories that they are in, or leave them to their owners (exclude)")
        .report();
    }
    Ok((removed, bytes))
}

fn attach(directory: &Directory, all: &[Old]) {
    let list: String = all.iter().map(|old| format!("{}\t{}\n", old.path, old.bytes)).collect();
    let (name, media_type) = (format!("{}.tsv", directory.name()), "text/tab-separated-values".to_owned());
    Attachment { name, media_type, content: list.into_bytes() }.report();
}

fn report(directory: &Directory, chosen: &Chosen, left: u64, settings: &Settings) {
    if settings.warning.matches(left as f64) {
        finding!(
            Severity::Warning,
            "old-files",
            directory.name(),
            "{} of files that nobody used for {} are there",
            ByteSize(left),
            settings.age
        )
        .remedy("hostler plan of this task names each; then hostler run")
        .report();
    }
    if let Some((path, reason)) = chosen.unreadable.first() {
        finding!(
            Severity::Unknown,
            "not-looked-at",
            directory.name(),
            "{} could not be looked into: {path}: {reason}",
            counted(chosen.unreadable.len(), "directory")
        )
        .remedy("let the host's user read them, or name them in `exclude`")
        .report();
    }
    let mut table = Table::new(format!("left alone in {}", directory.name()), &["why", "files"]);
    for (why, count) in &chosen.left_alone {
        table.row(&[why, count]);
    }
    table.report();
}

#[cfg(test)]
mod tests;
