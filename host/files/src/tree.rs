//! The list of a tree's entries, filtered and handed over in batches.

use hostler_capability::RunContext;
use hostler_world::files::{Entry, WalkOptions};
use tokio::sync::mpsc::Sender;

use crate::{
    Problem,
    metadata::{Names, accessed, modified},
    open::{Place, shown},
    walk::{Found, Visitor, walk},
    work::Cancel,
};

const BATCH: usize = 256;
/// Unreadable entries that are named; more are counted.
const NAMED: usize = 10_000;

/// What could not be read, with the reason.
pub(crate) type Unreadable = Vec<(String, String)>;

/// Sends the entries, and returns what could not be read, the entries and the bytes of their paths.
///
/// # Errors
/// Where the place cannot be opened, a limit is used up, or the reader went away.
pub(crate) fn list(
    place: &Place,
    options: &WalkOptions,
    names: &Names,
    context: &RunContext,
    cancel: &Cancel,
    sender: &Sender<Vec<Entry>>,
) -> Result<(Unreadable, u64, u64), Problem> {
    let mut lister =
        Lister { options, names, context, sender, batch: vec![], unreadable: vec![], more: 0, entries: 0, bytes: 0 };
    walk(place, options.depth, options.cross_mounts, cancel, &mut lister)?;
    lister.flush()?;
    if lister.more > 0 {
        lister.unreadable.push((place.shown(), format!("{} more could not be read", lister.more)));
    }
    Ok((lister.unreadable, lister.entries, lister.bytes))
}

struct Lister<'a> {
    options: &'a WalkOptions,
    names: &'a Names,
    context: &'a RunContext,
    sender: &'a Sender<Vec<Entry>>,
    batch: Vec<Entry>,
    unreadable: Unreadable,
    more: u64,
    entries: u64,
    bytes: u64,
}

impl Lister<'_> {
    fn flush(&mut self) -> Result<(), Problem> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        let bytes = batch.iter().map(|entry| (entry.path.len() + size_of::<Entry>()) as u64).sum();
        self.context.take(batch.len() as u64, bytes).map_err(Problem::Limit)?;
        self.entries += batch.len() as u64;
        self.bytes += bytes;
        self.sender.blocking_send(batch).map_err(|_| Problem::Stopped)
    }
}

impl Visitor for Lister<'_> {
    fn entry(&mut self, found: Found<'_>) -> Result<(), Problem> {
        if self.sender.is_closed() {
            return Err(Problem::Stopped);
        }
        let old = self.options.modified_before.is_none_or(|limit| modified(found.stat) < limit);
        let idle = self.options.accessed_before.is_none_or(|limit| accessed(found.stat) < limit);
        if !(old && idle) {
            return Ok(());
        }
        self.batch.push(Entry { path: shown(found.raw), metadata: self.names.metadata(found.stat) });
        if self.batch.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    fn unreadable(&mut self, raw: &[u8], reason: String) -> Result<(), Problem> {
        if self.unreadable.len() >= NAMED {
            self.more += 1;
            return Ok(());
        }
        let path = shown(raw);
        let counted = self.context.take(1, (path.len() + reason.len()) as u64);
        self.unreadable.push((path, reason));
        counted.map_err(Problem::Limit)
    }

    /// The directory is listed, and what is mounted on it was not asked for.
    fn mount(&mut self, _: &[u8]) -> Result<(), Problem> {
        Ok(())
    }
}
