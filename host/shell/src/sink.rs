//! Where a program's output goes. Every sink reads on past its limit, so that no program hangs on a full pipe.

use hostler_capability::{Error, RunContext};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

use crate::scrub::Scrubbing;

/// The most of stdout that a call returns.
pub(crate) const CAPTURE: usize = 16 << 20;
/// The most of stderr that a call returns.
pub(crate) const MESSAGES: usize = 1 << 20;
const CHUNK: usize = 64 * 1024;

/// What became of an output.
#[derive(Debug, Default)]
pub(crate) struct Drained {
    pub(crate) bytes: Vec<u8>,
    pub(crate) truncated: bool,
    pub(crate) total: u64,
    pub(crate) sha256: Option<Vec<u8>>,
    pub(crate) problem: Option<Error>,
}

/// One output's place.
pub(crate) enum Sink {
    /// Kept, up to so many bytes.
    Capture(usize),
    /// Into a file, hashed.
    File(tokio::fs::File),
    /// To a plugin as it comes.
    Stream(mpsc::Sender<Vec<u8>>, Scrubbing),
}

/// Reads an output to its end. `into` is filled as it comes, so that what was read is there whenever this is dropped.
pub(crate) async fn drain(
    output: Option<impl AsyncRead + Unpin>,
    sink: Sink,
    context: &RunContext,
    into: &mut Drained,
) {
    let Some(mut output) = output else { return };
    let mut chunk = vec![0; CHUNK];
    let mut sink = sink;
    let mut hash = Sha256::new();
    loop {
        let count = match output.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        into.total += count as u64;
        match &mut sink {
            Sink::Capture(most) => {
                let room = most.saturating_sub(into.bytes.len()).min(count);
                into.truncated |= room < count;
                into.bytes.extend_from_slice(&chunk[..room]);
            }
            Sink::File(file) => {
                hash.update(&chunk[..count]);
                if let Err(error) = file.write_all(&chunk[..count]).await {
                    into.problem = Some(unwritten(&error));
                    return;
                }
            }
            Sink::Stream(sender, scrubbing) => {
                if let Err(error) = context.take(0, count as u64) {
                    into.problem = Some(error);
                    return;
                }
                let ready = scrubbing.push(&chunk[..count]);
                if !ready.is_empty() && sender.send(ready).await.is_err() {
                    return;
                }
            }
        }
    }
    if let Sink::Stream(sender, scrubbing) = &mut sink {
        let rest = scrubbing.end();
        if !rest.is_empty() {
            let _ = sender.send(rest).await;
        }
    }
    if let Sink::File(file) = &mut sink {
        match file.flush().await {
            Ok(()) => into.sha256 = Some(hash.finalize().to_vec()),
            Err(error) => into.problem = Some(unwritten(&error)),
        }
    }
}

fn unwritten(error: &std::io::Error) -> Error {
    let errno = rustix::io::Errno::from_io_error(error).unwrap_or(rustix::io::Errno::IO);
    let words = format!("the program's output could not be written: {}", crate::place::errno_words(errno));
    hostler_capability::failed(crate::place::errno_name(errno), words)
}
