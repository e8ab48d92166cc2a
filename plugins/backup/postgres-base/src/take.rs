//! One set: taken, proven, packed, and at last named.

use std::slice::from_ref;

use hostler_sdk::files::{self, Archiving, Compression, Directory, Effect};
use hostler_sdk::postgres::Database;
use hostler_sdk::prelude::*;
use shared_backups::{DIRECTORY_MODE, FILE_MODE, FORMAT, File, MANIFEST, Manifest, PARTIAL, Set, Shelf, ended_well};

use crate::kind::{self, Facts, Kind};
use crate::{Settings, full_of, increment_of, prove};

/// The directory, the backup, the packed one with its manifest, the plain one's removal, the manifest, the name; and for
/// an incremental one what it is put together from, the result, and the removal of both.
const EFFECTS: u64 = 11;
/// The server's own manifest, which the next incremental backup is taken against.
pub(crate) const OWN: &str = "backup_manifest";

/// What was taken.
pub(crate) struct Taken {
    pub of: String,
    pub bytes: u64,
}

pub(crate) async fn take(
    context: &Context,
    settings: &Settings,
    target: &str,
    destination: &Directory,
    shelf: &Shelf,
) -> Result<Taken, TaskError> {
    let began = Timestamp::now();
    let facts = {
        let server = Database::open("server", Some(target), None).await?;
        kind::facts(&server).await?
    };
    let spoiled = format!("spoiled {target}");
    let of_full = full_of(target);
    let full = shelf.whole(&of_full).next();
    let kind = kind::kind(
        settings,
        &facts,
        full.map(|set| set.at),
        context.state().get(&spoiled).await?.unwrap_or(false),
        context.planned_at(),
    );
    let available = files::usage(&destination.root()).await?.available_bytes;
    let full_bytes = match full {
        Some(full) => shared_backups::read_manifest(&destination.path(&full.name)).await.map(|full| full.bytes()),
        None => Ok(0),
    };
    kind::preconditions(&facts, kind, settings.compress, full_bytes.unwrap_or(0), available)?;
    let base = full.filter(|_| kind == Kind::Incremental);
    let of = if base.is_some() { increment_of(target) } else { of_full.clone() };
    let name = shared_backups::set_name(&of, context.planned_at());
    let what = if base.is_some() { "an incremental" } else { "a full" };
    let _step = context.step(&format!("Take {what} backup of {target} to {name}"), EFFECTS, 1)?;
    let writing = destination.path(&format!("{name}{PARTIAL}"));
    let made = make(context, settings, target, destination, base, &writing).await;
    if made.is_err() && base.is_some() && !context.is_check() {
        // Summaries may be gone, or the server's history another: only a full one mends that.
        context.state().set(&spoiled, &true).await?;
    }
    made?;
    let manifest = Manifest {
        format: FORMAT,
        plugin: "backup-postgres-base".into(),
        set: name.clone(),
        at: began,
        server_version: facts.version,
        system_identifier: facts.system_identifier.clone(),
        base: base.map(|base| base.name.clone()),
        files: listed(context, settings, &writing).await?,
        ..Manifest::default()
    };
    shared_backups::write_json(&format!("{writing}/{MANIFEST}"), &manifest).await?;
    if files::rename(&writing, &destination.path(&name)).await? == Effect::Applied {
        if base.is_none() {
            context.state().delete(&spoiled).await?;
        }
        told(target, &manifest, &facts, kind, what, began.until(Timestamp::now()));
    }
    Ok(Taken { of, bytes: manifest.bytes() })
}

/// Everything but the set's own manifest and name.
async fn make(
    context: &Context,
    settings: &Settings,
    target: &str,
    destination: &Directory,
    base: Option<&Set>,
    writing: &str,
) -> Result<(), TaskError> {
    files::create_directory(writing, DIRECTORY_MODE).await?;
    let data = format!("{writing}/data");
    let program = context
        .program("pg_basebackup")
        .arguments(["--format=plain", "--wal-method=stream", "--no-password", "--manifest-checksums=SHA256"])
        .argument(format!("--checkpoint={}", settings.checkpoint))
        .argument(format!("--max-rate={}", settings.max_rate.0 / 1024))
        .text_path("--pgdata=", &data)
        .connect_to(&format!("server/{target}"))
        .timeout(settings.timeout);
    let program = match base {
        Some(base) => program.text_path("--incremental=", own_manifest(destination, base).await?),
        None => program,
    };
    ended_well("pg_basebackup", program.run().await?)?;
    if !context.is_check() {
        prove::verify(context, settings, &data).await?;
    }
    if let Some(base) = base {
        prove::combine(context, settings, destination, base, writing).await?;
    }
    if !settings.compress {
        return Ok(());
    }
    let packed = files::archive(from_ref(&data), &format!("{data}.tar.zst"), Compression::Zstd, FILE_MODE).await?;
    if let Archiving::Applied(archived) = packed
        && let Some((path, reason)) = archived.skipped.first()
    {
        return Err(TaskError::new(format!("{path} was left out when the backup was packed: {reason}"))
            .remedy("run the host as a user that may read what pg_basebackup writes, and run the task again"));
    }
    files::copy(&format!("{data}/{OWN}"), &format!("{writing}/{OWN}")).await?;
    files::remove_tree(&data).await?;
    Ok(())
}

/// Where the server's manifest of a set lies, which depends on whether it was packed.
async fn own_manifest(destination: &Directory, base: &Set) -> Result<String, TaskError> {
    let packed = destination.path(&format!("{}/{OWN}", base.name));
    match files::metadata(&packed).await {
        Ok(_) => Ok(packed),
        Err(error) if error.is("ENOENT") => Ok(destination.path(&format!("{}/data/{OWN}", base.name))),
        Err(error) => Err(error),
    }
}

/// Of a plain backup the server's manifest stands for all files, whose SHA-256 it has.
async fn listed(context: &Context, settings: &Settings, writing: &str) -> Result<Vec<File>, TaskError> {
    if context.is_check() {
        return Ok(vec![]);
    }
    let mut files = shared_backups::hashed(writing, Some("data/")).await?;
    if !settings.compress {
        let path = format!("data/{OWN}");
        let bytes = files::metadata(&format!("{writing}/{path}")).await?.size;
        let sha256 = files::sha256(&format!("{writing}/{path}")).await?;
        files.push(File { path, bytes, sha256 });
    }
    Ok(files)
}

fn told(target: &str, manifest: &Manifest, facts: &Facts, kind: Kind, what: &str, took: Duration) {
    Metric::gauge("backup_duration_seconds", took.as_seconds()).label("database", target).report();
    Metric::gauge("backup_written_bytes", manifest.bytes() as f64).label("database", target).report();
    let mut table = Table::new("Sets", &["set", "kind", "size", "of a server of", "took"]);
    table.row(&[
        &manifest.set,
        &what.trim_start_matches("an ").trim_start_matches("a "),
        &ByteSize(manifest.bytes()),
        &ByteSize(facts.bytes),
        &took,
    ]);
    table.report();
    if kind == Kind::FullForWant {
        let summary = "the server could be backed up incrementally, and does not summarize its WAL";
        Finding::new(Severity::Ok, "incremental-off", target, summary)
            .remedy("ALTER SYSTEM SET summarize_wal = on; SELECT pg_reload_conf(); -- or incremental = false")
            .report();
    }
}
