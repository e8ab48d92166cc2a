//! A base backup that is known to be whole: pg_verifybackup holds every file against the server's own manifest, and reads
//! the WAL that it needs, before the set gets its name.
//!
//! `pg_dump -F custom` is called incremental in many a guide and is not: each is as large as the one before. What is
//! incremental are base backups from PostgreSQL 17 on. Each is taken against the last full one and not against another
//! incremental, so that two sets are all that a restoration needs; and the two are put together at once, for proof. A
//! base backup says nothing of replication, whatever it is run for: that is postgres-replication's to tell.

mod kind;
mod prove;
mod take;

use hostler_sdk::files::Directory;
use hostler_sdk::postgres;
use hostler_sdk::prelude::*;
use shared_backups::{Retention, Set, Shelf, Turns};

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    keep: usize,
    keep_days: Option<f64>,
    incremental: bool,
    full_every: Duration,
    compress: bool,
    checkpoint: String,
    max_rate: ByteSize,
    timeout: Duration,
}

const TURNS: Turns = Turns { one: "server", many: "servers", done: "backed up" };

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let destination = context.directory("destination");
    let targets = postgres::targets("server");
    TURNS
        .each(
            &context,
            &targets,
            |target| target,
            async |target| back_up(&context, &settings, target, &destination).await,
        )
        .await
}

/// The names of a server's sets, each a set of its own for whoever looks at sizes.
pub(crate) fn full_of(target: &str) -> String {
    format!("{target}-base")
}

pub(crate) fn increment_of(target: &str) -> String {
    format!("{target}-increment")
}

/// One set, and then the removal of those that it makes superfluous. Returns its bytes.
async fn back_up(
    context: &Context,
    settings: &Settings,
    target: &str,
    destination: &Directory,
) -> Result<u64, TaskError> {
    let _lock = context.lock("destination", &format!("backup-postgres-base {target}")).await?;
    let mut shelf = Shelf::read(destination).await?;
    let (full, increment) = (full_of(target), increment_of(target));
    for of in [&full, &increment] {
        shared_backups::remove_unfinished(context, of, destination, &shelf).await?;
    }
    let at = context.planned_at();
    let names = [&full, &increment].map(|of| shared_backups::set_name(of, at));
    let bytes = match shelf.sets.iter().find(|set| set.whole && names.contains(&set.name)) {
        // The same plan was applied before.
        Some(set) => shared_backups::read_manifest(&destination.path(&set.name)).await?.bytes(),
        None => {
            let taken = take::take(context, settings, target, destination, &shelf).await?;
            shelf.add(&taken.of, at);
            taken.bytes
        }
    };
    let retention = Retention { keep: settings.keep, keep_for: settings.keep_days.map(Duration::from_days) };
    let fulls = shelf.superfluous(&full, &retention, at, |_| false);
    let increments = orphans(destination, &shelf, &increment, &fulls, &names[1]).await?;
    // An incremental one goes before its full one, without which it is nothing.
    let superfluous: Vec<&Set> = increments.into_iter().chain(fulls).collect();
    shared_backups::remove_past_retention(context, target, destination, &superfluous).await?;
    Ok(bytes)
}

/// Incremental sets whose full one goes, or is gone.
async fn orphans<'a>(
    destination: &Directory,
    shelf: &'a Shelf,
    of: &str,
    going: &[&Set],
    new: &str,
) -> Result<Vec<&'a Set>, TaskError> {
    let mut orphans = vec![];
    for set in shelf.sets.iter().rev().filter(|set| set.of == of && set.name != new) {
        if !set.whole {
            continue;
        }
        let manifest = shared_backups::read_manifest(&destination.path(&set.name)).await?;
        if is_orphan(manifest.base.as_deref(), shelf, going) {
            orphans.push(set);
        }
    }
    Ok(orphans)
}

fn is_orphan(base: Option<&str>, shelf: &Shelf, going: &[&Set]) -> bool {
    let Some(base) = base else { return false };
    let is_there = shelf.sets.iter().any(|set| set.name == base && set.whole);
    !is_there || going.iter().any(|set| set.name == base)
}

#[cfg(test)]
mod tests;
