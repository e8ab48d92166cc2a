//! Is what lies there still what was written, and can it be read to its end?
//!
//! `pg_restore -l` reads a table of contents and passes archives that were cut off or changed behind it. So every file is
//! hashed by the host and held against what was written down when the backup was made; and then the backup is decoded
//! whole, to nowhere, since a program that was cut off may have written down the hash of half a file.
//!
//! Reading everything takes long, so it goes round: what waited longest comes first, what was found bad is read in every
//! run, and the state remembers how far it came. Whether a good backup can be restored is backup-restore-test's to say.

mod item;
mod look;
mod stream;
mod tar;
mod turns;

use hostler_sdk::files::Directory;
use hostler_sdk::prelude::*;
use item::Item;
use look::Verdict;
use turns::{Turn, Turns};

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    every: Duration,
    time: Duration,
    decode_timeout: Duration,
}

/// What came of a directory.
#[derive(Debug, Default)]
struct Tally {
    good: usize,
    bytes: u64,
    damaged: usize,
    left: usize,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let began = Timestamp::now();
    let (mut all, mut there) = (Tally::default(), 0);
    for directory in context.directories("backups") {
        let items = match item::items(&directory).await {
            Ok(items) => items,
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => {
                error.finding("not-verified", directory.name()).report();
                continue;
            }
        };
        if items.is_empty() {
            finding!(Severity::Unknown, "nothing-to-verify", directory.name(), "there is no backup in it")
                .remedy("look when the backup job last ran, and where it writes to; then run it")
                .report();
        }
        there += items.len();
        let tally = go_round(&context, &settings, &directory, &items, began).await?;
        tally.report(directory.name());
        all.good += tally.good;
        all.bytes += tally.bytes;
        all.damaged += tally.damaged;
        all.left += tally.left;
    }
    let damaged = if all.damaged > 0 { format!(", {} damaged", all.damaged) } else { String::new() };
    let left = if all.left > 0 { format!(", {} left for the next run", all.left) } else { String::new() };
    Ok(format!("{} of {} read and good, {}{damaged}{left}", all.good, counted(there, "backup"), ByteSize(all.bytes)))
}

/// The backups of a directory that are due, what waited longest first.
async fn go_round(
    context: &Context,
    settings: &Settings,
    directory: &Directory,
    items: &[Item],
    began: Timestamp,
) -> Result<Tally, TaskError> {
    let key = format!("turns {}", directory.name());
    let mut turns: Turns = context.state().get(&key).await?.unwrap_or_default();
    turns.keep(items);
    let due = turns.due(items, began, settings.every);
    let mut tally = Tally::default();
    for (place, item) in due.iter().enumerate() {
        let late = place > 0 && began.until(Timestamp::now()) > settings.time;
        if late || context.stop_requested().is_some() {
            tally.left = due.len() - place;
            break;
        }
        hostler_sdk::progress(place as u64, Some(due.len() as u64), &item.name);
        match look::look(context, settings, directory, item).await? {
            Verdict::Good => {
                tally.good += 1;
                tally.bytes += item.bytes;
                turns.took(item, Turn { at: Timestamp::now(), damaged: false });
            }
            Verdict::Damaged => {
                tally.damaged += 1;
                turns.took(item, Turn { at: Timestamp::now(), damaged: true });
            }
            Verdict::Unknown | Verdict::Gone => continue,
        }
        context.state().set(&key, &turns).await?;
    }
    turns.judge(directory.name(), items, Timestamp::now(), settings.every);
    Ok(tally)
}

impl Tally {
    fn report(&self, directory: &str) {
        for (metric, value) in [
            ("backup_verified_sets", self.good as f64),
            ("backup_verified_bytes", self.bytes as f64),
            ("backup_damaged_sets", self.damaged as f64),
            ("backup_unverified_sets", self.left as f64),
        ] {
            Metric::gauge(metric, value).label("directory", directory).report();
        }
    }
}

#[cfg(test)]
mod tests;
