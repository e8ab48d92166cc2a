//! The bytes of a file: read, unpacked by the host, or hashed.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use hostler_capability::RunContext;
use hostler_world::files::Compression;
use rustix::fs::Advice;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::Sender;

use crate::{Problem, work::Cancel};

/// Bytes of one piece of a stream.
const PIECE: usize = 256 << 10;
/// The longest look-back of a zstd stream that is unpacked, which is memory of the host: 128 MiB.
const WINDOW_LOG: u32 = 27;

/// Sends the file's bytes from `offset` on (of what is unpacked, where it is unpacked), and returns how many.
///
/// # Errors
/// Where it cannot be read or unpacked, a limit is used up, or the reader went away.
pub(crate) fn pump(
    mut file: File,
    path: &str,
    offset: u64,
    compression: Compression,
    context: &RunContext,
    cancel: &Cancel,
    sender: &Sender<Vec<u8>>,
) -> Result<u64, Problem> {
    let _ = rustix::fs::fadvise(&file, 0, None, Advice::Sequential);
    let packed = compression != Compression::None;
    let mut reader: Box<dyn Read> = match compression {
        Compression::None => {
            file.seek(SeekFrom::Start(offset)).map_err(Problem::at(path))?;
            Box::new(file)
        }
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(file).map_err(Problem::at(path))?;
            decoder.window_log_max(WINDOW_LOG).map_err(Problem::at(path))?;
            Box::new(decoder)
        }
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::with_capacity(PIECE, file))),
    };
    let mut skip = if packed { offset } else { 0 };
    let mut sent = 0;
    loop {
        cancel.check()?;
        let mut piece = Vec::with_capacity(PIECE);
        let read = reader.by_ref().take(PIECE as u64).read_to_end(&mut piece);
        read.map_err(|error| unpacking(path, packed, error))?;
        if piece.is_empty() {
            return Ok(sent);
        }
        let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(piece.len());
        skip -= skipped as u64;
        piece.drain(..skipped);
        if sender.is_closed() {
            return Err(Problem::Stopped);
        }
        if piece.is_empty() {
            continue;
        }
        sent += piece.len() as u64;
        context.take(0, piece.len() as u64).map_err(Problem::Limit)?;
        sender.blocking_send(piece).map_err(|_| Problem::Stopped)?;
    }
}

fn unpacking(path: &str, packed: bool, source: io::Error) -> Problem {
    if packed && source.raw_os_error().is_none() {
        return Problem::Damaged { path: path.into(), problem: source.to_string() };
    }
    Problem::System { path: path.into(), source }
}

/// The file's SHA-256, and how many bytes it had.
///
/// # Errors
/// Where it cannot be read.
pub(crate) fn sha256(mut file: File, path: &str, cancel: &Cancel) -> Result<(Vec<u8>, u64), Problem> {
    let _ = rustix::fs::fadvise(&file, 0, None, Advice::Sequential);
    let mut buffer = vec![0; 1 << 20];
    let (mut digest, mut bytes) = (Sha256::new(), 0);
    loop {
        cancel.check()?;
        match file.read(&mut buffer) {
            Ok(0) => return Ok((digest.finalize().to_vec(), bytes)),
            Ok(count) => {
                digest.update(&buffer[..count]);
                bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Problem::at(path)(error)),
        }
    }
}
