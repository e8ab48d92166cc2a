//! The stages after the tar stream: compression, and hashing while it is written.

use std::{
    fs::File,
    io::{self, Write},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use hostler_world::files::Compression;
use sha2::{Digest, Sha256};
use zstd::zstd_safe::CParameter;

/// Bytes of a chunk on its way between two stages.
pub(super) const CHUNK: usize = 512 << 10;
const LEVEL: i32 = 3;
/// Each worker of zstd holds a few jobs of this size; this and the number of workers bound the memory.
const JOB: u32 = 2 << 20;
const WORKERS: usize = 8;
/// Bytes after which the disk is asked to begin.
const SYNC_EVERY: usize = 32 << 20;

/// Gathers what is written into chunks for the next stage.
pub(super) struct ChunkWriter {
    next: SyncSender<Vec<u8>>,
    chunk: Vec<u8>,
}

impl ChunkWriter {
    pub(super) fn new(next: SyncSender<Vec<u8>>) -> Self {
        Self { next, chunk: Vec::with_capacity(CHUNK) }
    }

    fn send(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        self.next.send(chunk).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..count]);
        if self.chunk.len() == CHUNK {
            self.send()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

/// Compresses chunks until the stage before ends.
pub(super) fn compress(chunks: &Receiver<Vec<u8>>, writer: ChunkWriter, compression: Compression) -> io::Result<()> {
    let mut writer = match compression {
        Compression::None => pass(chunks, writer)?,
        Compression::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(writer, LEVEL)?;
            encoder.include_checksum(true)?;
            let cores = thread::available_parallelism().map_or(1, usize::from).min(WORKERS);
            encoder.multithread(u32::try_from(cores).unwrap_or(1))?;
            encoder.set_parameter(CParameter::JobSize(JOB))?;
            pass(chunks, encoder)?.finish()?
        }
        Compression::Gzip => {
            let encoder = flate2::write::GzEncoder::new(writer, flate2::Compression::default());
            pass(chunks, encoder)?.finish()?
        }
    };
    writer.flush()
}

fn pass<W: Write>(chunks: &Receiver<Vec<u8>>, mut writer: W) -> io::Result<W> {
    for chunk in chunks {
        writer.write_all(&chunk)?;
    }
    Ok(writer)
}

/// Writes and hashes chunks until the stage before ends; returns how many bytes, and their SHA-256.
pub(super) fn sink(chunks: &Receiver<Vec<u8>>, file: &File) -> io::Result<(u64, Vec<u8>)> {
    thread::scope(|scope| {
        let (wake, woken) = sync_channel::<()>(1);
        let syncer = scope.spawn(move || woken.iter().try_for_each(|()| rustix::fs::fdatasync(file)));
        let (mut digest, mut bytes, mut unsynced) = (Sha256::new(), 0, 0);
        let mut file = file;
        for chunk in chunks {
            file.write_all(&chunk)?;
            digest.update(&chunk);
            bytes += chunk.len() as u64;
            unsynced += chunk.len();
            if unsynced >= SYNC_EVERY && wake.try_send(()).is_ok() {
                unsynced = 0;
            }
        }
        drop(wake);
        // What a sync here reports is not reported again by the one at the end.
        super::ended(syncer.join().map(|synced| synced.map_err(Into::into)))?;
        Ok((bytes, digest.finalize().to_vec()))
    })
}
