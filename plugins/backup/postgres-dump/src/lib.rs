//! A dump that can be proven: its rows are counted in the snapshot that it is taken from, every file is hashed, and the
//! set has its name only when all of it is there and on the disk.
//!
//! `pg_dump > file` leaves half a file under the right name when it fails, and keeps the rest of the pipe's secrets in
//! the shell's history. Here the host hands pg_dump the connection, lets it write to a place of its own, syncs and
//! renames; this file adds what pg_dump leaves out (the roles, what has to come back) and takes care that an older set
//! goes only when a newer one is in its place.

mod dump;
mod rows;

use hostler_sdk::files::Directory;
use hostler_sdk::postgres;
use hostler_sdk::prelude::*;
use shared_backups::{Retention, Shelf, Turns};

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    keep: usize,
    keep_days: Option<f64>,
    jobs: u32,
    compression: String,
    lock_wait: Duration,
    count_below: Option<ByteSize>,
    timeout: Duration,
}

const TURNS: Turns = Turns { one: "database", many: "databases", done: "dumped" };

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let destination = context.directory("destination");
    let targets = postgres::targets("database");
    TURNS
        .each(
            &context,
            &targets,
            |target| target,
            async |target| back_up(&context, &settings, target, &destination).await,
        )
        .await
}

/// One set, and then the removal of those that it makes superfluous. Returns its bytes.
async fn back_up(
    context: &Context,
    settings: &Settings,
    target: &str,
    destination: &Directory,
) -> Result<u64, TaskError> {
    let _lock = context.lock("destination", &format!("backup-postgres-dump {target}")).await?;
    let mut shelf = Shelf::read(destination).await?;
    shared_backups::remove_unfinished(context, target, destination, &shelf).await?;
    let name = shared_backups::set_name(target, context.planned_at());
    let bytes = match shelf.whole(target).find(|set| set.name == name) {
        // The same plan was applied before.
        Some(set) => shared_backups::read_manifest(&destination.path(&set.name)).await?.bytes(),
        None => dump::dump(context, settings, target, destination, &shelf, &name).await?,
    };
    shelf.add(target, context.planned_at());
    let retention = Retention { keep: settings.keep, keep_for: settings.keep_days.map(Duration::from_days) };
    let superfluous = shelf.superfluous(target, &retention, context.planned_at(), |_| false);
    shared_backups::remove_past_retention(context, target, destination, &superfluous).await?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
