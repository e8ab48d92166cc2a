//! Archives: tar, compressed and hashed while they are written, whole or not at all.
//!
//! Several threads share the work, each with a bounded channel to the next, so that memory stays small whatever the
//! files are: one goes through the trees, a few read small files ahead (opening is what takes long with those), one
//! puts the members in order, one compresses (and zstd has workers of its own), one hashes and writes, and one starts
//! the disk's work early, so that the sync at the end has little left to do. The end of one stage, good or bad, closes
//! its channels and so ends the others.
//!
//! A member keeps what tar has room for: owners with names, modes, links, times in seconds. Access control lists and
//! extended attributes are not kept, and holes are written as zeros, which take no room once compressed.

mod assemble;
mod collect;
mod pipeline;

use std::{
    io,
    sync::{Arc, Mutex, mpsc::sync_channel},
    thread,
};

use hostler_world::files::{Archived, Compression};
use rustix::fs::OFlags;

use crate::{Problem, metadata::Names, open::Place, temporary::Temporary, work::Cancel};

/// Members and small files that wait, at most.
const AHEAD: usize = 256;
/// Threads that read small files.
const READERS: usize = 2;
/// Chunks that wait between two stages.
const CHUNKS: usize = 4;

/// Writes an archive of the sources.
///
/// # Errors
/// Where a source is not there, the destination cannot be written, or the run is being stopped; then nothing is left.
pub(crate) fn write(
    sources: &[Place],
    destination: &Place,
    compression: Compression,
    mode: u32,
    names: &Names,
    cancel: &Cancel,
) -> Result<Archived, Problem> {
    for source in sources {
        source.open(OFlags::PATH)?;
    }
    let path = destination.shown();
    let (directory, name) = destination.parent()?;
    let replaced = crate::open::look(&directory, &name).ok();
    let temporary = Temporary::create(Arc::new(directory), &name).map_err(Problem::at(&path))?;
    let own = temporary.stat().map_err(Problem::at(&path))?;
    let excluded = replaced.iter().chain([&own]).map(|stat| (stat.st_dev, stat.st_ino)).collect();

    let archived = thread::scope(|scope| {
        let (members, ordered) = sync_channel(AHEAD);
        let (tasks, small) = sync_channel(AHEAD);
        let collector = collect::Collector::new(members, tasks, excluded);
        let collector = scope.spawn(move || collector.collect(sources, cancel));
        let small = Arc::new(Mutex::new(small));
        for _ in 0..READERS {
            let small = small.clone();
            scope.spawn(move || collect::read_ahead(&small));
        }
        drop(small);
        let (packed, hashing) = sync_channel(CHUNKS);
        let file = temporary.file();
        let sink = scope.spawn(move || pipeline::sink(&hashing, file));
        let (first, compressor) = if compression == Compression::None {
            (packed, None)
        } else {
            let (plain, packing) = sync_channel(CHUNKS);
            let writer = pipeline::ChunkWriter::new(packed);
            (plain, Some(scope.spawn(move || pipeline::compress(&packing, writer, compression))))
        };
        let assembler = assemble::Assembler::new(pipeline::ChunkWriter::new(first), names);
        let assembled = assembler.assemble(ordered, &path, cancel);
        let collected = collector.join();
        let compressed = compressor.map_or(Ok(()), |stage| ended(stage.join()));
        let (bytes_written, sha256) = ended(sink.join()).map_err(Problem::at(&path))?;
        compressed.map_err(Problem::at(&path))?;
        let assembled = assembled?;
        collected.unwrap_or_else(|_| Err(Problem::at(&path)(defect())))?;
        Ok::<_, Problem>(Archived {
            files: assembled.files,
            bytes_read: assembled.bytes_read,
            bytes_written,
            sha256,
            skipped: assembled.skipped,
        })
    })?;
    cancel.check()?;
    temporary.place(&name, mode).map_err(Problem::at(&path))?;
    Ok(archived)
}

fn ended<T>(joined: thread::Result<io::Result<T>>) -> io::Result<T> {
    joined.unwrap_or_else(|_| Err(defect()))
}

fn defect() -> io::Error {
    io::Error::other("a stage of the archive ended before its time, which is a defect of the host's")
}
