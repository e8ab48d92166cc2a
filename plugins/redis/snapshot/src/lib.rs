//! A snapshot that can be restored: written by the server's fork while its clients go on (SAVE, which holds up every one
//! of them, is never sent), waited for, copied under a dated name, and the copy read through by redis-check-rdb.
//!
//! A checksum beside a copy says that the copy was found good; it is written last. A copy without one is what a run that
//! was killed left, and counts for nothing.

mod save;
mod shelf;

use hostler_sdk::bindings::files::hostler::plugin::files as raw;
use hostler_sdk::files::{self, Directory, Effect};
use hostler_sdk::prelude::*;
use hostler_sdk::redis::Server;
use hostler_sdk::shell::Outcome;

use shelf::Shelf;

hostler_sdk::plugin!(Settings, run);

/// Only its owner reads a snapshot: it holds all the data.
const MODE: u32 = 0o600;
/// The save, the copy, its mode, its checksum.
const EFFECTS: u64 = 4;

#[derive(Deserialize)]
struct Settings {
    interval: Duration,
    fork_share: f64,
    wait: Duration,
    age_warning: Range,
    age_critical: Range,
    duration_warning: Range,
    duration_critical: Range,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let server = context.redis("server").await?;
    let (data, destination) = (context.directory("data"), context.directory("destination"));
    let _lock = context.lock("destination", "redis-snapshot").await?;
    let shelf = Shelf::read(&destination).await?;
    let result = take(&context, &settings, &server, &data, &destination, &shelf).await;
    if result.is_err() || context.is_check() {
        // What there is counts all the more where there is no new one.
        shelf.judge(Timestamp::now(), &settings);
    }
    result
}

async fn take(
    context: &Context,
    settings: &Settings,
    server: &Server,
    data: &Directory,
    destination: &Directory,
    shelf: &Shelf,
) -> Result<String, TaskError> {
    let name = shelf::copy_name(context.planned_at());
    if let Some(newest) = shelf.young(Timestamp::now(), settings.interval).or_else(|| shelf.named(&name)) {
        if !context.is_check() {
            shelf.judge(Timestamp::now(), settings);
        }
        return Ok(format!("{} is {} old: no other is taken", newest.name, newest.at.until(Timestamp::now())));
    }
    let size = save::preconditions(server, settings, data, destination).await?;
    let file = file_name(server).await?;
    let _step = context.step(&format!("write a snapshot and copy it to {name}"), EFFECTS, 1)?;
    if let Some(saved) = save::save(context, server, settings).await? {
        saved.took.report(settings);
        save::is_of(&files::metadata(&data.path(&file)).await, &saved)?;
    }
    let copy = destination.path(&name);
    let copied = raw::copy(data.path(&file), copy.clone()).await;
    copied.during(format!("copying {file}"))?;
    raw::set_permissions(copy.clone(), MODE).await?;
    let mut checksum = String::new();
    if !context.is_check() {
        if let Err(error) = check(context, &copy).await {
            damaged(&name, &error);
            return Err(error);
        }
        checksum = format!("{}  {name}\n", files::sha256(&copy).await?);
    }
    let written = files::write(&destination.path(&shelf::sidecar(&name)), MODE, checksum.clone().into_bytes()).await?;
    if written == Effect::Planned {
        return Ok(format!("a snapshot of about {} would be written to {name}", ByteSize(size)));
    }
    let bytes = files::metadata(&copy).await?.size;
    Metric::gauge("redis_snapshot_bytes", bytes as f64).report();
    Metric::gauge("redis_snapshot_age_seconds", 0.0).report();
    let mut table = Table::new("Snapshot", &["copy", "size", "sha256"]);
    table.row(&[&name, &ByteSize(bytes), &checksum.split(' ').next().unwrap_or_default()]);
    table.report();
    Ok(format!("{name} written and checked, {}", ByteSize(bytes)))
}

/// What the server calls its snapshot, below the bound directory.
async fn file_name(server: &Server) -> Result<String, TaskError> {
    let reply = server.query(["CONFIG", "GET", "dbfilename"]).await?;
    let pairs = reply.pairs()?;
    let (_, name) = pairs.first().ok_or("CONFIG GET dbfilename answered nothing")?;
    name.text()
}

/// redis-check-rdb ends with 0 only for a snapshot that it read to its end; what it says is asked for too.
async fn check(context: &Context, copy: &str) -> Result<(), TaskError> {
    match context.program("check").path(copy).run().await? {
        Outcome::Planned => Err(TaskError::new("the copy was not checked: the grant calls redis-check-rdb a change")
            .remedy("write effect = \"reads\" at this form of the program")),
        Outcome::Completed(done) => judged_good(done.exit_code, &String::from_utf8_lossy(&done.stdout)),
    }
}

fn judged_good(code: Option<i32>, said: &str) -> Result<(), TaskError> {
    if code == Some(0) && said.contains("RDB looks OK") {
        return Ok(());
    }
    let line = said.lines().rev().find(|line| line.contains("---") || line.contains("rror"));
    let line = line.or_else(|| said.lines().rev().find(|line| !line.trim().is_empty()));
    Err(TaskError::new(format!("redis-check-rdb does not call the copy good: {}", line.unwrap_or("it said nothing"))))
}

fn damaged(name: &str, error: &TaskError) {
    finding!(Severity::Critical, "snapshot-damaged", name, "{}", error.message())
        .detail("It has no checksum beside it, so no later run takes it for a good one.")
        .remedy("look at the server's log, its memory and the disks; redis-check-rdb on the server's own file tells whether the copy alone is bad")
        .report();
}

#[cfg(test)]
mod tests;
