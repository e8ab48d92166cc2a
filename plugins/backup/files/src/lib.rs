//! Archives of directories, dated, with a checksum beside each, and a retention.
//!
//! The host packs, hashes and renames, so an archive is whole or not there. This file decides what becomes of the
//! older ones, and that is where a backup tool does its harm: so an archive goes only when a new one is in its place,
//! only by the name that this task gives, and only as the file that was looked at. The archive that lacks least is
//! kept whatever its age: a source that became unreadable does not push out the last archive that has its files.
//!
//! The checksum is written after the archive and removed after it. A run that is killed in between leaves one of them
//! alone, and the next run knows by that what was not finished.

mod retention;

use hostler_sdk::files::{self, Archived, Archiving, Compression, Directory, Effect, Entry};
use hostler_sdk::prelude::*;
use retention::{Kept, Shelf, archive_name, sidecar_name, superfluous};
use serde::Serialize;
use shared_backups::{Retention, Turns};

hostler_sdk::plugin!(Settings, run);

/// Only its owner reads a backup: it may hold keys.
const MODE: u32 = 0o600;
/// Paths that a finding names; the others are in the attachment.
const NAMED: usize = 5;

#[derive(Deserialize)]
struct Settings {
    keep: usize,
    keep_days: Option<f64>,
}

/// The archive of a source that lacks least, and by how much: what retention never takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Best {
    archive: String,
    left_out: usize,
}

const TURNS: Turns = Turns { one: "source", many: "sources", done: "archived" };

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let destination = context.directory("destination");
    let retention = Retention { keep: settings.keep, keep_for: settings.keep_days.map(Duration::from_days) };
    let sources = context.directories("source");
    TURNS
        .each(&context, &sources, Directory::name, async |source| {
            back_up(&context, source, &destination, &retention).await
        })
        .await
}

/// One archive, its checksum, and then the removal of what it makes superfluous. Returns the bytes written.
async fn back_up(
    context: &Context,
    source: &Directory,
    destination: &Directory,
    retention: &Retention,
) -> Result<u64, TaskError> {
    let name = source.name();
    let _lock = context.lock("destination", &format!("backup-files {name}")).await?;
    let (from, to) = (files::metadata(&source.root()).await?, files::metadata(&destination.root()).await?);
    if (from.device, from.inode) == (to.device, to.inode) {
        return Err(TaskError::new("the source is the destination, and each archive would pack the ones before it")
            .remedy("bind another directory as the destination"));
    }
    let listed = destination.list(Some(1)).await.during("looking for earlier archives")?;
    let below = format!("{}/", destination.root());
    let entries = listed.entries.iter().filter_map(|entry| Some((entry.path.strip_prefix(&below)?, entry)));
    let mut shelf = Shelf::read(name, entries);
    let archive = archive_name(name, context.planned_at());
    let mut written = 0;
    if !shelf.has(&archive) {
        let available = files::usage(&destination.root()).await?.available_bytes;
        if let Some(problem) = no_room(available, shelf.newest_size()) {
            return Err(problem);
        }
        let _step = context.step(&format!("Archive {name}"), 2, 0)?;
        if let Some(archived) = pack(context, source, destination, &archive).await? {
            written = archived.bytes_written;
        }
    }
    shelf.add(&archive);
    let best: Option<Best> = context.state().get(&best_key(name)).await?;
    let kept = Kept { newest: &archive, best: best.as_ref().map(|best| best.archive.as_str()) };
    let superfluous = superfluous(retention, &shelf, &kept, context.planned_at());
    let removed = remove(context, name, &superfluous).await?;
    shelf.report(name, &archive, &removed);
    Ok(written)
}

/// The archive and its checksum; nothing where they were planned.
async fn pack(
    context: &Context,
    source: &Directory,
    destination: &Directory,
    archive: &str,
) -> Result<Option<Archived>, TaskError> {
    let began = Timestamp::now();
    let path = destination.path(archive);
    let packed = files::archive(&[source.root()], &path, Compression::Zstd, MODE).await?;
    let checksum = match &packed {
        Archiving::Applied(archived) => sidecar(&archived.sha256, archive),
        Archiving::Planned => vec![],
    };
    let written = files::write(&destination.path(&sidecar_name(archive)), MODE, checksum).await;
    written.during(format!("{archive} is written, its checksum is not"))?;
    let Archiving::Applied(archived) = packed else { return Ok(None) };
    told(source.name(), archive, &archived, began.until(Timestamp::now()));
    if archived.files == 0 && !archived.skipped.is_empty() {
        return Err(TaskError::new("nothing in it could be read; the older archives are kept")
            .remedy("let the host's user read the directory, or run the host as one that may"));
    }
    let key = best_key(source.name());
    let best: Option<Best> = context.state().get(&key).await?;
    if let Some(better) = better(best.as_ref(), archive, archived.skipped.len()) {
        context.state().set(&key, &better).await?;
    }
    Ok(Some(archived))
}

/// Removes archives and checksums: each the file that was looked at, and no other that took its name since. Returns the
/// paths that are gone.
async fn remove(context: &Context, name: &str, superfluous: &[&Entry]) -> Result<Vec<String>, TaskError> {
    let mut removed = vec![];
    if superfluous.is_empty() {
        return Ok(removed);
    }
    let _step =
        context.step(&format!("Remove archives of {name} past their retention"), superfluous.len() as u64, 0)?;
    let mut freed = 0;
    for (place, entry) in superfluous.iter().enumerate() {
        if let Some(reason) = context.stop_requested() {
            let (files, verb) =
                (counted(superfluous.len() - place, "file"), agreed(superfluous.len() - place, "is", "are"));
            finding!(
                Severity::Warning,
                "not-removed",
                name,
                "{reason}: {files} past their retention {verb} still there"
            )
            .remedy("the next run removes them; it needs their room until then")
            .report();
            break;
        }
        match files::remove(&entry.path, Some(files::identity(&entry.metadata))).await {
            Ok(Effect::Applied) => {
                removed.push(entry.path.clone());
                freed += entry.metadata.size;
            }
            Ok(Effect::Planned) => {}
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => finding!(
                Severity::Warning,
                "not-removed",
                entry.path.as_str(),
                "it is past its retention and was not removed: {}",
                error.message()
            )
            .remedy(error.advice().unwrap_or("let the host's user write in the destination, or remove it by hand"))
            .report(),
        }
    }
    Metric::gauge("backup_removed_files", removed.len() as f64).label("source", name).report();
    Metric::gauge("backup_removed_bytes", freed as f64).label("source", name).report();
    Ok(removed)
}

/// What an archive came to, and what it lacks.
fn told(name: &str, archive: &str, archived: &Archived, took: Duration) {
    for (metric, value) in [
        ("backup_read_bytes", archived.bytes_read as f64),
        ("backup_written_bytes", archived.bytes_written as f64),
        ("backup_files", archived.files as f64),
        ("backup_skipped_files", archived.skipped.len() as f64),
        ("backup_duration_seconds", took.as_seconds()),
    ] {
        Metric::gauge(metric, value).label("source", name).report();
    }
    let mut table = Table::new("Archives", &["archive", "files", "read", "written", "took", "sha256"]);
    let (read, written) = (ByteSize(archived.bytes_read), ByteSize(archived.bytes_written));
    table.row(&[&archive, &archived.files, &read, &written, &took, &files::hexadecimal(&archived.sha256)]);
    table.report();
    if archived.skipped.is_empty() {
        return;
    }
    let line = |(path, reason): &(String, String)| format!("{path}: {reason}");
    let count = archived.skipped.len();
    let mut detail: Vec<String> = archived.skipped.iter().take(NAMED).map(line).collect();
    if count > NAMED {
        detail.push(format!("and {} more, in the attachment", count - NAMED));
        let lines: Vec<String> = archived.skipped.iter().map(line).collect();
        hostler_sdk::Attachment {
            name: format!("{archive}.skipped.txt"),
            media_type: "text/plain".into(),
            content: (lines.join("\n") + "\n").into_bytes(),
        }
        .report();
    }
    let (paths, verb) = (counted(count, "path"), agreed(count, "was", "were"));
    finding!(Severity::Warning, "files-skipped", name, "{paths} {verb} left out of {archive}, or changed while read")
        .detail(detail.join("\n"))
        .remedy("let the host's user read what is left out; take a snapshot, or stop the writer, where files change while they are read")
        .report();
}

/// The last archive is the best guess at the size of the next: better to find out now than when the disk is full.
fn no_room(available: u64, last: Option<u64>) -> Option<TaskError> {
    let last = last.filter(|last| *last > available)?;
    let (available, last) = (ByteSize(available), ByteSize(last));
    Some(
        TaskError::new(format!("the destination has {available} left, and the last archive took {last}"))
            .remedy("free space at the destination, or lower `keep`"),
    )
}

/// The new archive, where it lacks no more than the best one so far.
fn better(best: Option<&Best>, archive: &str, left_out: usize) -> Option<Best> {
    let better = best.is_none_or(|best| left_out <= best.left_out);
    better.then(|| Best { archive: archive.into(), left_out })
}

fn best_key(name: &str) -> String {
    format!("best {name}")
}

/// As `sha256sum --check` reads it.
fn sidecar(sha256: &[u8], archive: &str) -> Vec<u8> {
    format!("{}  {archive}\n", files::hexadecimal(sha256)).into_bytes()
}

#[cfg(test)]
mod tests;
