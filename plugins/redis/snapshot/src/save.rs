//! The server's own part: whether there is room for a snapshot, and the snapshot.

use std::thread::sleep;
use std::time::{Duration as Pause, Instant};

use hostler_sdk::files::{self, Directory, Metadata};
use hostler_sdk::prelude::*;
use hostler_sdk::redis::{Execution, Server};
use hostler_sdk::{Info, machine};

use crate::Settings;

/// LASTSAVE counts whole seconds: a snapshot within the second of the last one could not be told from it.
const WHOLE_SECOND: Pause = Pause::from_millis(1100);
/// Between two looks.
const PAUSE: Pause = Pause::from_millis(100);
/// A snapshot that was asked for behind another child shows a moment later.
const BEGINS_WITHIN: Pause = Pause::from_secs(3);
/// What the file system's clock may be behind.
const SLACK: f64 = 0.5;

/// A snapshot that is whole.
pub(crate) struct Saved {
    /// When it was asked for.
    pub began: Timestamp,
    pub took: Took,
}

pub(crate) struct Took(pub f64);

impl Took {
    pub(crate) fn report(&self, settings: &Settings) {
        let took = Duration::from_seconds(self.0);
        let finding = finding!(Severity::Ok, "snapshot-slow", "server", "the snapshot took {took}").remedy(
            "look at the disk's write rate, and at how much memory the server has; a replica can take the snapshots",
        );
        let metric = Metric::gauge("redis_snapshot_duration_seconds", self.0);
        metric.judge(&settings.duration_warning, &settings.duration_critical, finding);
    }
}

/// What speaks against a snapshot now. Answers with the size that it will have at most, by a good guess.
pub(crate) async fn preconditions(
    server: &Server,
    settings: &Settings,
    data: &Directory,
    destination: &Directory,
) -> Result<u64, TaskError> {
    let info = server.info(&[]).await?;
    if info.get("loading") == Some("1") {
        return Err(TaskError::new("the server is still loading its data")
            .remedy("run the task again when it is done; until then a snapshot would not be whole"));
    }
    let used: u64 = info.number("used_memory")?;
    let free = machine::memory().await?.available_bytes;
    room_for_the_fork(used, free, settings.fork_share)?;
    for (directory, what) in [(data, "the server's directory"), (destination, "the destination")] {
        let available = files::usage(&directory.root()).await?.available_bytes;
        room_on_disk(used, available, what)?;
    }
    Ok(used)
}

pub(crate) fn room_for_the_fork(used: u64, free: u64, share: f64) -> Result<(), TaskError> {
    if free as f64 >= used as f64 * share {
        return Ok(());
    }
    let (used, free) = (ByteSize(used), ByteSize(free));
    Err(TaskError::new(format!(
        "the server uses {used} and the machine has {free} available: pages written during the snapshot could use that up"
    ))
    .remedy("take the snapshot at a quiet hour or on a replica, or lower settings.fork_share where little is written"))
}

/// A snapshot is seldom larger than the memory that it is of.
pub(crate) fn room_on_disk(used: u64, available: u64, what: &str) -> Result<(), TaskError> {
    if available > used {
        return Ok(());
    }
    let (used, available) = (ByteSize(used), ByteSize(available));
    Err(TaskError::new(format!("{what} has {available} available, and the snapshot may need {used}"))
        .remedy("free space, or bind a larger filesystem"))
}

/// Where the last look found the snapshot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Under,
    Done,
    Failed,
}

/// `seen`: whether it was seen under way; `late`: whether it would have been by now.
pub(crate) fn stage(info: &Info, before: i64, after: i64, seen: bool, late: bool) -> Stage {
    let busy = |field: &str| info.get(field) == Some("1");
    let well = info.get("rdb_last_bgsave_status") == Some("ok");
    match () {
        () if busy("rdb_bgsave_in_progress") || busy("aof_rewrite_in_progress") => Stage::Under,
        () if after > before && well => Stage::Done,
        () if !well && (seen || late) => Stage::Failed,
        () => Stage::Under,
    }
}

/// Has the server write a snapshot, and waits until it is whole; nothing where it was planned.
pub(crate) async fn save(context: &Context, server: &Server, settings: &Settings) -> Result<Option<Saved>, TaskError> {
    let limit = Pause::from_secs_f64(settings.wait.as_seconds());
    let start = Instant::now();
    if !context.is_check() {
        sleep(WHOLE_SECOND);
        while server.info(&["persistence"]).await?.get("rdb_bgsave_in_progress") == Some("1") {
            goes_on(context, start, limit)?;
            sleep(PAUSE);
        }
    }
    let before = server.query(["LASTSAVE"]).await?.integer()?;
    let (began, start) = (Timestamp::now(), Instant::now());
    if let Execution::Planned = server.execute(["BGSAVE", "SCHEDULE"]).await? {
        return Ok(None);
    }
    let mut seen = false;
    loop {
        let info = server.info(&["persistence"]).await?;
        let after = server.query(["LASTSAVE"]).await?.integer()?;
        match stage(&info, before, after, seen, start.elapsed() > BEGINS_WITHIN) {
            Stage::Done => return Ok(Some(Saved { began, took: Took(start.elapsed().as_secs_f64()) })),
            Stage::Failed => return Err(failed()),
            Stage::Under => seen |= info.get("rdb_bgsave_in_progress") == Some("1"),
        }
        goes_on(context, start, limit)?;
        sleep(PAUSE);
    }
}

fn goes_on(context: &Context, start: Instant, limit: Pause) -> Result<(), TaskError> {
    let waited = Duration::from_seconds(start.elapsed().as_secs_f64());
    let remedy = "redis-cli INFO persistence    # the server goes on by itself; the next run copies a new one";
    if let Some(reason) = context.stop_requested() {
        return Err(TaskError::new(format!("{reason}, and the snapshot was under way for {waited}")).remedy(remedy));
    }
    if start.elapsed() > limit {
        return Err(TaskError::new(format!("the snapshot is not done after {waited}")).remedy(remedy));
    }
    Ok(())
}

fn failed() -> TaskError {
    let remedy = "read the server's log: mostly the fork got no memory (vm.overcommit_memory = 1) or the disk is full; the server may refuse writes until a snapshot succeeds";
    finding!(Severity::Critical, "snapshot-failed", "server", "the server could not write the snapshot")
        .remedy(remedy)
        .report();
    TaskError::new("the server could not write the snapshot: rdb_last_bgsave_status is err").remedy(remedy)
}

/// Whether the file that is there is the one that was just written, and not that of another server.
pub(crate) fn is_of(file: &Result<Metadata, TaskError>, saved: &Saved) -> Result<(), TaskError> {
    let why = match file {
        Ok(metadata) if saved.began.until(files::modified(metadata)).as_seconds() >= -SLACK => return Ok(()),
        Ok(_) => "the snapshot in the directory bound to `data` is older than the one that was just written".to_owned(),
        Err(error) => format!("the snapshot was written, and is not to be read in `data`: {}", error.message()),
    };
    Err(TaskError::new(why).remedy(
        "bind the directory that `redis-cli CONFIG GET dir` names, and let the host's user read it (the group redis does)",
    ))
}
